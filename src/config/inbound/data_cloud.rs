//! [`DataCloud`]: an org whose Data 360 events the app takes.

use serde::Deserialize;

use super::{NamedOrg, Variables, set_of};
use crate::config::{check::Check, text::bare};
use salesforce_connection::{OrgId, Secret};

const ORG: &str = "SALESFORCE_DATA_CLOUD_ORG";
pub(super) const NAMED_ORG: NamedOrg<DataCloud> = (ORG, |sender| &sender.organization);
const KEYS: &str = "SALESFORCE_DATA_CLOUD_KEYS";

/// Shortest signing key in characters. Those that Setup makes are longer (unverified).
const SHORTEST_KEY: usize = 16;
/// Most signing keys of an org: each costs one HMAC over a forged payload.
const MAX_KEYS: usize = 4;

/// An org whose Data 360 (Data Cloud) events the app takes, with the signing keys of its webhook target.
///
/// ```
/// use actix_salesforce::{Salesforce, inbound::DataCloud};
///
/// let events = DataCloud::organization("00Dx0000000BV7z").key("the signing key of Setup");
/// let builder = Salesforce::builder().data_cloud(events);
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DataCloud {
    /// The id of the org. `SALESFORCE_DATA_CLOUD_ORG`.
    pub organization: String,
    /// The signing keys of the webhook target in Setup. Two while a new one takes effect.
    /// `SALESFORCE_DATA_CLOUD_KEYS`, separated by spaces.
    pub keys: Vec<Secret>,
}

impl DataCloud {
    /// Takes the events of the org with this id.
    pub fn organization(id: impl Into<String>) -> Self {
        Self { organization: id.into(), ..Self::default() }
    }

    /// Adds a signing key. At least one is required; a second one is for the 15 minutes in which a new key takes effect.
    #[must_use]
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Replaces the members that variables name, and returns those variables.
    pub(super) fn replace_by(&mut self, variable: &Variables) -> Vec<&'static str> {
        if let Some(organization) = variable(ORG) {
            self.organization = organization;
        }
        if let Some(keys) = variable(KEYS) {
            self.keys = keys.split_whitespace().map(Secret::new).collect();
        }
        set_of(&[ORG, KEYS], variable)
    }

    pub(super) fn clean(&mut self) {
        self.organization = bare(&self.organization).to_owned();
        for key in &mut self.keys {
            *key = Secret::new(bare(key.expose()));
        }
    }

    pub(super) fn check(&self, check: &mut Check) -> Option<DataCloudSender> {
        let organization = self.organization.parse::<OrgId>();
        if organization.is_err() {
            check.problem(ORG, "set it to the id of the org that sends, such as 00Dx0000000BV7z");
        }
        let is_long = |key: &Secret| key.expose().len() >= SHORTEST_KEY;
        if self.keys.is_empty() || self.keys.len() > MAX_KEYS || !self.keys.iter().all(is_long) {
            check.problem(
                KEYS,
                format!(
                    "give the signing key of the webhook target in Setup, at least {SHORTEST_KEY} characters, and at most \
                     {MAX_KEYS} of them while they are exchanged"
                ),
            );
        }
        Some(DataCloudSender { organization: organization.ok()?, keys: self.keys.clone() })
    }
}

/// A checked sender of Data 360 events.
#[derive(Debug)]
pub(crate) struct DataCloudSender {
    pub(crate) organization: OrgId,
    pub(crate) keys: Vec<Secret>,
}
