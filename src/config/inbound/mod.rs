//! Settings of what Salesforce sends to the app. Feature `inbound`.

mod caller;
mod outbound;

pub use self::{caller::Caller, outbound::OutboundMessages};
pub(crate) use self::{caller::CheckedCaller, outbound::OutboundSender};

use serde::Deserialize;

use super::{Config, ConfigError, ConfigProblem, check::Check};
use salesforce_connection::{
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
}

/// The checked settings.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    pub(crate) verifier: CallVerifier,
    /// In the order of the verifier's rules.
    pub(crate) callers: Vec<CheckedCaller>,
    pub(crate) outbound: Vec<OutboundSender>,
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
        }
    }

    /// Removes what surrounds the values.
    pub(super) fn clean(&mut self) {
        self.callers.iter_mut().for_each(Caller::clean);
        self.outbound_messages.iter_mut().for_each(OutboundMessages::clean);
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
        Inbound { verifier: CallVerifier::new(rules), callers, outbound }
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
