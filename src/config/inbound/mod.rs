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

use serde::Deserialize;

use super::{Config, ConfigError, ConfigProblem, check::Check};
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
    /// The ids of the orgs for which the app runs behind the side-car of Heroku AppLink. Default: none, a context of AppLink
    /// is refused.
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
    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            callers: Caller::from_variables(&variable).into_iter().collect(),
            outbound_messages: OutboundMessages::from_variables(&variable).into_iter().collect(),
            data_cloud: DataCloud::from_variables(&variable).into_iter().collect(),
            ..Self::default()
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
    /// Reads the certificates that are given as paths of files.
    ///
    /// # Errors
    /// A file could not be read.
    pub(crate) async fn with_files(mut self) -> Result<Self, ConfigError> {
        // Files may hang, on a network share for example: not on this thread.
        let read = tokio::task::spawn_blocking(move || {
            let mut problems = Vec::new();
            self.inbound.callers.iter_mut().for_each(|caller| caller.read_files(&mut problems));
            (self, problems)
        });
        match read.await {
            Ok((config, problems)) if problems.is_empty() => Ok(config),
            Ok((_, problems)) => Err(ConfigError::new(problems)),
            Err(error) => {
                let hint = format!("the files of certificates could not be read: {error}");
                Err(ConfigError::new(vec![ConfigProblem { setting: "inbound.callers", hint }]))
            }
        }
    }
}
