//! [`OutboundMessages`]: an org whose outbound messages the app takes.

use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::{
    NamedOrg, Variables,
    client_certificate::{self, Fingerprint},
    set_of,
};
use crate::config::{check::Check, text::bare};
use salesforce_connection::{OrgId, Secret};

const ORG: &str = "SALESFORCE_OUTBOUND_ORG";
pub(super) const NAMED_ORG: NamedOrg<OutboundMessages> = (ORG, |sender| &sender.organization);
const SECRETS: &str = "SALESFORCE_OUTBOUND_SECRETS";

/// Shortest secret in characters: 24 random bytes in hexadecimal have 48, 16 in base64 have 22.
const SHORTEST_SECRET: usize = 22;
/// Longest secret in characters. It is a segment of a path that Setup takes.
const LONGEST_SECRET: usize = 200;

/// An org whose outbound messages the app takes, and the secret in the address that Setup has for them.
///
/// An outbound message is signed by nothing: only the secret in its address, and a pinned client certificate, keep others
/// out. The org id in it is public.
///
/// ```
/// use actix_salesforce::{Salesforce, inbound::OutboundMessages};
///
/// // The endpoint URL in Setup: https://orders.example.com/outbound/5f0b2c…
/// # let secret = "5f0b2c0e7d1a4c3b9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b";
/// let messages = OutboundMessages::organization("00Dx0000000BV7z").secret(secret);
/// let builder = Salesforce::builder().outbound_messages(messages);
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OutboundMessages {
    /// The id of the org. `SALESFORCE_OUTBOUND_ORG`.
    pub organization: String,
    /// What stands in the place of `{secret}` in the path: 22 letters, digits, `-` and `_` at least
    /// (`openssl rand -hex 24`). Several while one replaces another. `SALESFORCE_OUTBOUND_SECRETS`, separated by spaces.
    pub secrets: Vec<Secret>,
    /// The client certificates of which the sender has to show one: the SHA-256 of each in DER, in hexadecimal. Default:
    /// none, any client will do.
    pub client_certificates: Vec<String>,
}

impl OutboundMessages {
    /// Takes the outbound messages of the org with this id.
    pub fn organization(id: impl Into<String>) -> Self {
        Self { organization: id.into(), ..Self::default() }
    }

    /// Adds a secret. At least one is required; several are for the time in which one replaces another in Setup.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Requires a client certificate: the SHA-256 of it in DER, in hexadecimal. Default: none; several are for the time in
    /// which one replaces another. See [`ClientCertificateHeader`](super::ClientCertificateHeader).
    #[must_use]
    pub fn client_certificate(mut self, sha256: impl Into<String>) -> Self {
        self.client_certificates.push(sha256.into());
        self
    }

    /// Replaces the members that variables name, and returns those variables.
    pub(super) fn replace_by(&mut self, variable: &Variables) -> Vec<&'static str> {
        if let Some(organization) = variable(ORG) {
            self.organization = organization;
        }
        if let Some(secrets) = variable(SECRETS) {
            self.secrets = secrets.split_whitespace().map(Secret::new).collect();
        }
        set_of(&[ORG, SECRETS], variable)
    }

    pub(super) fn clean(&mut self) {
        self.organization = bare(&self.organization).to_owned();
        for secret in &mut self.secrets {
            *secret = Secret::new(bare(secret.expose()));
        }
    }

    pub(super) fn check(&self, check: &mut Check) -> Option<OutboundSender> {
        let organization = self.organization.parse::<OrgId>();
        if organization.is_err() {
            check.problem(ORG, "set it to the id of the org that sends, such as 00Dx0000000BV7z");
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_secret = |secret: &Secret| {
            let text = secret.expose();
            (SHORTEST_SECRET..=LONGEST_SECRET).contains(&text.len()) && text.bytes().all(is_plain)
        };
        if self.secrets.is_empty() || !self.secrets.iter().all(is_secret) {
            check.problem(
                SECRETS,
                format!(
                    "give what stands for {{secret}} in the endpoint URL: {SHORTEST_SECRET} letters, digits, - and _ at \
                     least, such as openssl rand -hex 24 makes"
                ),
            );
        }
        let pins = client_certificate::pins(check, &self.client_certificates);
        Some(OutboundSender { organization: organization.ok()?, secrets: self.secrets.clone(), pins })
    }
}

/// A checked sender of outbound messages.
#[derive(Debug)]
pub(crate) struct OutboundSender {
    pub(crate) organization: OrgId,
    secrets: Vec<Secret>,
    /// The client certificates of which one has to be shown; empty: none has to.
    pub(crate) pins: Vec<Fingerprint>,
}

impl OutboundSender {
    /// Returns whether this is one of the secrets, in a time that does not depend on where it differs.
    pub(crate) fn has_secret(&self, text: &str) -> bool {
        let is_it = |secret: &Secret| bool::from(secret.expose().as_bytes().ct_eq(text.as_bytes()));
        self.secrets.iter().fold(false, |found, secret| is_it(secret) | found)
    }
}
