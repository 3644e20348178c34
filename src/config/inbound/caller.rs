//! [`Caller`]: an org that calls the app with a Named Credential, and how its tokens are recognized.

use std::{
    collections::BTreeMap,
    fmt, fs,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use url::Url;

use super::{
    NamedOrg, Variables,
    client_certificate::{self, Fingerprint},
    set_of,
};
use crate::config::{ConfigProblem, check::Check, duration, text::bare};
use salesforce_connection::{
    OrgId, Secret,
    http::is_loopback,
    inbound::{CallRules, SigningCertificate},
    oauth::LoginHost,
    token::PrivateKey,
};

const ORG: &str = "SALESFORCE_CALLER_ORG";
pub(super) const NAMED_ORG: NamedOrg<Caller> = (ORG, |sender| &sender.organization);
const AUDIENCE: &str = "SALESFORCE_CALLER_AUDIENCE";
const ISSUER: &str = "SALESFORCE_CALLER_ISSUER";
const CERTIFICATES: &str = "SALESFORCE_CALLER_CERTIFICATES";
const KEY: &str = "SALESFORCE_CALLER_KEY";
const MAX_LIFETIME: &str = "inbound.callers.max_lifetime";

/// Most certificates of a caller. Each one with the key id of a token costs one verification of a forged token.
const MAX_CERTIFICATES: usize = 16;
/// The longest lifetime of a token that can be allowed. A Named Credential makes tokens of minutes.
const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a certificate is reported.
pub(super) const NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An org that calls the app with the JWT of a Named Credential: certificate, issuer, audience and org, bound together.
///
/// A request with such a token is a [`SalesforceCall`](crate::inbound::SalesforceCall). Several callers are several orgs,
/// or several audiences.
///
/// ```
/// use actix_salesforce::{Salesforce, inbound::Caller};
///
/// let builder = Salesforce::builder().caller(
///     Caller::organization("00Dx0000000BV7z")
///         .audience("https://orders.example.com/from-salesforce")
///         .issuer("https://acme.my.salesforce.com")
///         .certificate("orders_2026", "/etc/orders/orders_2026.crt")
///         .certificate("orders_2027", "/etc/orders/orders_2027.crt"),
/// );
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Caller {
    /// The id of the org. `SALESFORCE_CALLER_ORG`.
    pub organization: String,
    /// What tokens name as `aud`: an https URL, of loopback also http. `SALESFORCE_CALLER_AUDIENCE`.
    pub audience: String,
    /// What tokens name as `iss`. `SALESFORCE_CALLER_ISSUER`.
    pub issuer: String,
    /// The certificates by their unique names in Setup, which tokens name as `kid`: in PEM, or the path of a file.
    /// `SALESFORCE_CALLER_CERTIFICATES`, `name=PATH` separated by spaces.
    pub certificates: BTreeMap<String, String>,
    /// The claim with the id of the org. `None`: it is not required, and a sandbox with a copy of the certificate counts as
    /// the org. Default: `org`.
    pub organization_claim: Option<String>,
    /// The claim with the user name, which JWT bearer needs. Default: `username`.
    pub username_claim: String,
    /// Whether tokens have to name their certificate (`kid`). `false`: one without it is tried with each certificate.
    /// Default: `true`.
    pub requires_key_id: bool,
    /// The longest time between `iat` and `exp` of a token. Default: `10m`.
    pub max_lifetime: String,
    /// Whether each token counts once, by its `jti`. Named Credentials make tokens without one, and whether Salesforce
    /// sends a token with several requests is unverified; Apex (`Auth.JWT`) can make one for each request. Default:
    /// `false`.
    pub single_use: bool,
    /// The private key, in PEM, with which the app gets a token for a calling user who has no stored grant (JWT
    /// bearer). Its certificate is uploaded to the app in Salesforce. Default: none, such a call gets 403.
    /// `SALESFORCE_CALLER_KEY`.
    pub key: Option<Secret>,
    /// The login host of those tokens. Default: `SALESFORCE_LOGIN_URL`.
    pub login_url: Option<String>,
    /// The client certificates of which the caller has to show one: the SHA-256 of each in DER, in hexadecimal. Default:
    /// none, any client will do.
    pub client_certificates: Vec<String>,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            organization: String::new(),
            audience: String::new(),
            issuer: String::new(),
            certificates: BTreeMap::new(),
            organization_claim: Some("org".to_owned()),
            username_claim: "username".to_owned(),
            requires_key_id: true,
            max_lifetime: "10m".to_owned(),
            single_use: false,
            key: None,
            login_url: None,
            client_certificates: Vec::new(),
        }
    }
}

impl Caller {
    /// Creates a caller of the org with this id.
    pub fn organization(id: impl Into<String>) -> Self {
        Self { organization: id.into(), ..Self::default() }
    }

    /// Sets what tokens name as `aud`. Required: the claim "aud" of the External Credential.
    #[must_use]
    pub fn audience(mut self, url: impl Into<String>) -> Self {
        self.audience = url.into();
        self
    }

    /// Sets what tokens name as `iss`. Required: the claim "iss" of the External Credential.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Adds a certificate: its unique name in Setup, and the certificate in PEM or the path of a file with it. At least one
    /// is required; several are for the time in which one replaces another.
    #[must_use]
    pub fn certificate(mut self, name: impl Into<String>, pem_or_path: impl Into<String>) -> Self {
        self.certificates.insert(name.into(), pem_or_path.into());
        self
    }

    /// Sets the claim with the id of the org. Default: `org`.
    #[must_use]
    pub fn organization_claim(mut self, claim: impl Into<String>) -> Self {
        self.organization_claim = Some(claim.into());
        self
    }

    /// Accepts tokens that do not name their org. A sandbox that has a copy of the certificate then counts as the org, and
    /// its users, whose ids are the same, as the org's users.
    #[must_use]
    pub fn without_organization_claim(mut self) -> Self {
        self.organization_claim = None;
        self
    }

    /// Sets the claim with the user name, which [JWT bearer](Self::jwt_bearer) needs. Default: `username`.
    #[must_use]
    pub fn username_claim(mut self, claim: impl Into<String>) -> Self {
        self.username_claim = claim.into();
        self
    }

    /// Accepts tokens that do not name their certificate (`kid`): each one is tried. Whether the tokens of an External
    /// Credential name it is unverified.
    #[must_use]
    pub fn without_key_id(mut self) -> Self {
        self.requires_key_id = false;
        self
    }

    /// Sets the longest time between `iat` and `exp` of a token. Default: ten minutes; a day at most.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = duration::format(lifetime);
        self
    }

    /// Accepts each token once, by its `jti`, which it has to have. Default: a token counts as often as it comes.
    #[must_use]
    pub fn single_use(mut self) -> Self {
        self.single_use = true;
        self
    }

    /// Gets a token for a calling user who has no stored grant, by JWT bearer with this private key in PEM. Default: such a
    /// call gets 403.
    ///
    /// The token of the call has to have the user name in a [claim](Self::username_claim), the app has the key's
    /// certificate, and the user, or an administrator, has approved the app.
    #[must_use]
    pub fn jwt_bearer(mut self, key: impl Into<Secret>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the login host of [JWT bearer](Self::jwt_bearer). Default: the login host of the app.
    #[must_use]
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        self.login_url = Some(url.into());
        self
    }

    /// Requires a client certificate, too: the SHA-256 of it in DER, in hexadecimal. Default: none; several are for the
    /// time in which one replaces another. See [`ClientCertificateHeader`](super::ClientCertificateHeader).
    #[must_use]
    pub fn client_certificate(mut self, sha256: impl Into<String>) -> Self {
        self.client_certificates.push(sha256.into());
        self
    }

    /// Replaces the members that variables name, and returns those variables.
    pub(super) fn replace_by(&mut self, variable: &Variables) -> Vec<&'static str> {
        let texts =
            [(ORG, &mut self.organization), (AUDIENCE, &mut self.audience), (ISSUER, &mut self.issuer)];
        for (name, member) in texts {
            if let Some(text) = variable(name) {
                *member = text;
            }
        }
        if let Some(certificates) = variable(CERTIFICATES) {
            let named = certificates.split_whitespace().map(|entry| match entry.split_once('=') {
                Some((name, path)) => (name.to_owned(), path.to_owned()),
                // An entry without a name is an error of the check: it has an empty one.
                None => (String::new(), entry.to_owned()),
            });
            self.certificates = named.collect();
        }
        self.key = variable(KEY).map(Secret::new).or(self.key.take());
        set_of(&[ORG, AUDIENCE, ISSUER, CERTIFICATES, KEY], variable)
    }

    pub(super) fn clean(&mut self) {
        let texts = [&mut self.organization, &mut self.audience, &mut self.issuer, &mut self.max_lifetime];
        let texts = texts.into_iter().chain([&mut self.username_claim]).chain(&mut self.organization_claim);
        for text in texts.chain(&mut self.login_url).chain(self.certificates.values_mut()) {
            *text = bare(text).to_owned();
        }
        if let Some(key) = &mut self.key {
            *key = Secret::new(bare(key.expose()).replace("\\n", "\n"));
        }
    }

    /// Replaces paths by what the files contain.
    pub(super) fn read_files(&mut self, problems: &mut Vec<ConfigProblem>) {
        for (place, certificate) in self.certificates.values_mut().enumerate() {
            let path = bare(certificate);
            if path.is_empty() || path.starts_with("-----BEGIN") {
                continue;
            }
            match fs::read_to_string(path) {
                Ok(pem) => *certificate = pem,
                Err(error) => problems.push(ConfigProblem {
                    setting: CERTIFICATES,
                    hint: format!("the file of certificate {} could not be read: {error}", place + 1),
                }),
            }
        }
    }

    /// Checks the settings. `default_host`: where users log in by default.
    pub(super) fn check(
        &self,
        check: &mut Check,
        default_host: Option<&LoginHost>,
    ) -> Option<(CallRules, CheckedCaller)> {
        let organization = self.organization.parse::<OrgId>();
        if organization.is_err() {
            check.problem(ORG, "set it to the id of the org that calls, such as 00Dx0000000BV7z");
        }
        let is_url = Url::parse(&self.audience)
            .is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)));
        if !is_url {
            check.problem(
                AUDIENCE,
                "set it to the claim `aud` of the External Credential: an https URL, best that of the route \
                 (plain http for loopback only)",
            );
        }
        if self.issuer.is_empty() {
            check.problem(ISSUER, "set it to the claim `iss` of the External Credential");
        }
        let certificates = self.certificates(check);
        let max_lifetime = check.duration(MAX_LIFETIME, &self.max_lifetime);
        if max_lifetime.is_zero() || max_lifetime > LONGEST_TOKEN {
            check.problem(MAX_LIFETIME, "must be above 0 and not above a day (24h)");
        }
        if self.organization_claim.as_deref() == Some("") || self.username_claim.is_empty() {
            check.problem("inbound.callers", "the names of claims must not be empty");
        }
        let jwt_bearer = self.key.as_ref().map(|key| {
            let host = match &self.login_url {
                Some(url) => check.login_host("inbound.callers.login_url", url),
                None => default_host.cloned(),
            };
            let key = PrivateKey::from_pem(key);
            let key = key.map_err(|error| check.problem(KEY, error.to_string())).ok();
            Some(JwtBearer { host: host?, key: key? })
        });
        if self.organization_claim.is_none() {
            tracing::warn!(
                "a caller's tokens need not name their org: a sandbox with a copy of the certificate counts as the org"
            );
        }
        let pins = client_certificate::pins(check, &self.client_certificates);
        let mut rules = CallRules::new(organization.ok()?, &self.audience, &self.issuer);
        rules.certificates = certificates;
        rules.organization_claim = self.organization_claim.clone();
        rules.requires_key_id = self.requires_key_id;
        rules.username_claim = self.username_claim.clone();
        rules.max_lifetime = max_lifetime;
        Some((rules, CheckedCaller { single_use: self.single_use, jwt_bearer: jwt_bearer.flatten(), pins }))
    }

    fn certificates(&self, check: &mut Check) -> Vec<(String, SigningCertificate)> {
        if self.certificates.is_empty() || self.certificates.len() > MAX_CERTIFICATES {
            check.problem(
                CERTIFICATES,
                format!(
                    "give 1 to {MAX_CERTIFICATES} certificates by their unique names in Setup, name=PATH"
                ),
            );
        }
        let mut certificates = Vec::new();
        for (place, (name, pem)) in self.certificates.iter().enumerate() {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            if name.is_empty() || !name.bytes().all(is_name) {
                check.problem(
                    CERTIFICATES,
                    format!("certificate {} needs its unique name in Setup in front: name=PATH", place + 1),
                );
            }
            match SigningCertificate::from_pem(pem) {
                Ok(certificate) => {
                    report_validity(name, &certificate, SystemTime::now());
                    certificates.push((name.clone(), certificate));
                }
                Err(error) => check.problem(CERTIFICATES, format!("certificate {}: {error}", place + 1)),
            }
        }
        certificates
    }
}

/// Warns of a certificate that is not valid, or not for long. Its tokens are accepted: whether Salesforce signs on after
/// its end is unverified, and a certificate is in the settings because the app trusts it.
pub(super) fn report_validity(name: &str, certificate: &SigningCertificate, now: SystemTime) {
    if certificate.not_before() > now {
        tracing::warn!(certificate = name, "the certificate of a caller is not valid yet");
    } else if certificate.not_after() <= now {
        tracing::warn!(
            certificate = name,
            "the certificate of a caller has expired. Replace it in Setup and here"
        );
    } else if certificate.not_after() <= now + NOTICE {
        tracing::warn!(
            certificate = name,
            "the certificate of a caller expires within 30 days. Make another one in Setup, and add it here first"
        );
    }
}

/// What a verified call of this caller may do.
#[derive(Debug)]
pub(crate) struct CheckedCaller {
    /// Whether each token counts once.
    pub(crate) single_use: bool,
    pub(crate) jwt_bearer: Option<JwtBearer>,
    /// The client certificates of which one has to be shown; empty: none has to.
    pub(crate) pins: Vec<Fingerprint>,
}

/// How a calling user without a stored grant gets a token.
pub(crate) struct JwtBearer {
    pub(crate) host: LoginHost,
    pub(crate) key: PrivateKey,
}

impl fmt::Debug for JwtBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBearer").field("host", &self.host).finish_non_exhaustive()
    }
}
