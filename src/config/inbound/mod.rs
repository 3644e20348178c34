//! Settings of what Salesforce sends to the app. Feature `inbound`.

mod caller;
mod client_certificate;
mod data_cloud;
mod outbound;

pub use self::{
    caller::Caller, client_certificate::ClientCertificateHeader, data_cloud::DataCloud,
    outbound::OutboundMessages,
};
pub(crate) use self::{
    caller::CheckedCaller,
    client_certificate::{CertificateHeader, Fingerprint, fingerprint},
    data_cloud::DataCloudSender,
    outbound::OutboundSender,
};

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Config, ConfigProblem, check::Check};
use salesforce_connection::{
    OrgId,
    inbound::{CallRules, CallVerifier},
    oauth::LoginHost,
};

/// Who may call the app from Salesforce. Default: no sender.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct InboundConfig {
    /// The callers with a Named Credential, each with its certificates. From the environment: one, by
    /// `SALESFORCE_CALLER_ORG` and the variables beside it.
    pub callers: Vec<Caller>,
    /// The orgs whose outbound messages the app takes. From the environment: one, by `SALESFORCE_OUTBOUND_ORG` and
    /// `SALESFORCE_OUTBOUND_SECRETS`.
    pub outbound_messages: Vec<OutboundMessages>,
    /// The orgs whose Data 360 events the app takes. From the environment: one, by `SALESFORCE_DATA_CLOUD_ORG` and
    /// `SALESFORCE_DATA_CLOUD_KEYS`.
    pub data_cloud: Vec<DataCloud>,
    /// The ids of the orgs for which the app runs behind the side-car of Heroku AppLink. Default: none, a context of
    /// AppLink is refused.
    pub applink: Vec<String>,
    /// Where a proxy says which certificate its client showed. Default: none.
    pub client_certificate_header: Option<ClientCertificateHeader>,
}

/// The checked settings.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    pub(crate) verifier: CallVerifier,
    /// In the order of the verifier's rules.
    pub(crate) callers: Vec<CheckedCaller>,
    pub(crate) outbound: Vec<OutboundSender>,
    pub(crate) data_cloud: Vec<DataCloudSender>,
    pub(crate) applink: Vec<OrgId>,
    pub(crate) certificate_header: Option<CertificateHeader>,
}

impl Inbound {
    /// Returns the login hosts that tokens of callers are requested at.
    pub(crate) fn login_hosts(&self) -> impl Iterator<Item = &LoginHost> {
        self.callers.iter().filter_map(|caller| Some(&caller.jwt_bearer.as_ref()?.host))
    }
}

impl InboundConfig {
    /// Replaces the senders that variables name.
    pub(super) fn replace_by(&mut self, variable: impl Fn(&str) -> Option<String>) {
        if let Some(caller) = Caller::from_variables(&variable) {
            self.callers = vec![caller];
        }
        if let Some(messages) = OutboundMessages::from_variables(&variable) {
            self.outbound_messages = vec![messages];
        }
        if let Some(data_cloud) = DataCloud::from_variables(&variable) {
            self.data_cloud = vec![data_cloud];
        }
    }

    /// Removes what surrounds the values.
    pub(super) fn clean(&mut self) {
        self.callers.iter_mut().for_each(Caller::clean);
        self.outbound_messages.iter_mut().for_each(OutboundMessages::clean);
        self.data_cloud.iter_mut().for_each(DataCloud::clean);
    }

    /// Checks the settings. `login_host`: where users log in by default.
    pub(super) fn check(&self, check: &mut Check, login_host: Option<&LoginHost>) -> Inbound {
        let checked: Vec<(CallRules, CheckedCaller)> =
            self.callers.iter().filter_map(|caller| caller.check(check, login_host)).collect();
        let fingerprints = || {
            checked.iter().flat_map(|(rules, _)| {
                rules
                    .certificates
                    .iter()
                    .map(|(_, certificate)| (certificate.fingerprint(), rules.organization))
            })
        };
        if fingerprints().any(|(one, org)| fingerprints().any(|(other, of)| one == other && org != of)) {
            check.problem(
                "inbound.callers",
                "a certificate belongs to one org only: two callers of different orgs have the same",
            );
        }
        let orgs: BTreeSet<_> = checked.iter().map(|(rules, _)| rules.organization).collect();
        let asks_shared_host =
            |caller: &CheckedCaller| caller.jwt_bearer.as_ref().is_some_and(|bearer| bearer.host.is_shared());
        // There the user name alone decides on the org, and it is the caller's word.
        if orgs.len() > 1 && checked.iter().any(|(_, caller)| asks_shared_host(caller)) {
            check.problem(
                "inbound.callers.login_url",
                "set it to the My Domain of the caller's org: with callers of several orgs, one org could name a user of \
                 another at a shared login host",
            );
        }
        let (rules, callers) = checked.into_iter().unzip();
        let outbound = self.outbound_messages.iter().filter_map(|sender| sender.check(check)).collect();
        let data_cloud = self.data_cloud.iter().filter_map(|sender| sender.check(check)).collect();
        let applink: Result<Vec<OrgId>, _> = self.applink.iter().map(|id| id.trim().parse()).collect();
        if applink.is_err() {
            check.problem("inbound.applink", "give the ids of orgs, such as 00Dx0000000BV7z");
        }
        let header = self.client_certificate_header.as_ref();
        Inbound {
            verifier: CallVerifier::new(rules),
            callers,
            outbound,
            data_cloud,
            applink: applink.unwrap_or_default(),
            certificate_header: header.and_then(|header| header.check(check)),
        }
    }
}

impl Config {
    /// Reads the certificates that are given as paths of files. Returns those that could not be read, too.
    pub(crate) fn with_files(mut self) -> (Self, Vec<ConfigProblem>) {
        let mut problems = Vec::new();
        self.inbound.callers.iter_mut().for_each(|caller| caller.read_files(&mut problems));
        (self.without_surroundings(), problems)
    }
}
