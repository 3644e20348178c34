//! [`CallVerifier`]: the JSON Web Token with which a Named Credential of Salesforce signs a request.
//!
//! Certificate, issuer, audience and organization are bound together: a token counts for the [`CallRules`] whose
//! certificate signed it, and for no others. No key is ever fetched.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};

use super::certificate::SigningCertificate;
use crate::{OrgId, UserId, UserRef, oauth::jws::Header};

/// Largest token in bytes that is read. One of Salesforce has about 700.
const MAX_BYTES: usize = 8 * 1024;
/// Longest key id. The unique name of a certificate has 80 characters at most (Metadata API "Certificate", unverified).
const MAX_KEY_ID: usize = 128;

/// What a caller's tokens have to say, and who signs them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallRules {
    /// The org that the certificates belong to.
    pub organization: OrgId,
    /// What `aud` is, or contains: the exact text.
    pub audience: String,
    /// What `iss` is: the exact text.
    pub issuer: String,
    /// The certificates by the key id of their tokens, which is their unique name in Setup (captured from a legacy Named
    /// Credential; unverified for an External Credential). Several while they are exchanged.
    pub certificates: Vec<(String, SigningCertificate)>,
    /// The claim with the id of the org. Default: `org`. `None`: the claim is not required. Then a token of a sandbox that
    /// has a copy of the certificate counts as one of the production org.
    pub organization_claim: Option<String>,
    /// Whether a token has to name its key. Default: `true`. `false`: a token without a key id is tried with each
    /// certificate.
    pub requires_key_id: bool,
    /// The longest time between `iat` and `exp`. Default: ten minutes.
    pub max_lifetime: Duration,
    /// The claim with the user name. It is optional. Default: `username`.
    pub username_claim: String,
}

impl CallRules {
    /// Creates rules with the defaults, without a certificate.
    pub fn new(organization: OrgId, audience: impl Into<String>, issuer: impl Into<String>) -> Self {
        Self {
            organization,
            audience: audience.into(),
            issuer: issuer.into(),
            certificates: Vec::new(),
            organization_claim: Some("org".to_owned()),
            requires_key_id: true,
            max_lifetime: Duration::from_secs(10 * 60),
            username_claim: "username".to_owned(),
        }
    }
}

/// Verifies the tokens of all callers of a program.
#[derive(Debug, Clone, Default)]
pub struct CallVerifier {
    rules: Vec<CallRules>,
}

/// A verified token.
#[derive(Clone)]
#[non_exhaustive]
pub struct VerifiedCall {
    /// The calling user. The token does not prove that the user exists.
    pub user: UserRef,
    /// The user name, if the token has one.
    pub username: Option<String>,
    /// `jti`, if the token has one. Named Credentials make none; Apex (`Auth.JWT`) can.
    pub token_id: Option<String>,
    /// When the token ends.
    pub expires_at: SystemTime,
    /// All claims.
    pub claims: Map<String, Value>,
    /// The place of the rules in the verifier.
    pub rules: usize,
    /// The place of the certificate in its rules.
    pub certificate: usize,
}

impl VerifiedCall {
    /// The tolerated difference of the clocks: a token counts for so much longer than until
    /// [`expires_at`](Self::expires_at).
    pub const LEEWAY: Duration = Duration::from_secs(60);
}

/// Without the claims, which hold what an admin put there.
impl fmt::Debug for VerifiedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCall").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a token is refused. Contains no part of it but a key id that looks like the name of a certificate.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCall {
    /// It is not a signed token of at most 8 KiB.
    #[error("it is not a signed JSON Web Token of at most 8 KiB")]
    Form,
    /// It is signed by another algorithm than RS256 and RS512.
    #[error("its algorithm is neither RS256 nor RS512")]
    Algorithm,
    /// Its header brings a key, names an address of keys, or has critical extensions.
    #[error("its header brings a key or critical extensions (jwk, jku, x5c, x5u, crit)")]
    Header,
    /// It names no key.
    #[error("it has no key id (kid)")]
    NoKeyId,
    /// It names a key that no certificate of the settings has. The text is the key id if that is plain.
    #[error("its key id is not the name of a certificate in the settings")]
    UnknownKey(Option<String>),
    /// The certificate of its key id did not sign it.
    #[error("its signature is not made with the certificate of its key id")]
    Signature,
    /// A claim is missing or is not what the settings say.
    #[error("its claim `{0}` is missing or invalid")]
    Claim(&'static str),
}

crate::debug::debug_as_display!(InvalidCall);

impl CallVerifier {
    /// Creates a verifier for these callers.
    pub fn new(rules: Vec<CallRules>) -> Self {
        Self { rules }
    }

    /// Returns the rules of all callers.
    pub fn rules(&self) -> &[CallRules] {
        &self.rules
    }

    /// Returns the key ids that are known.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rules| &rules.certificates).map(|(name, _)| name.as_str())
    }

    /// Verifies a token. `now` is the current time; a minute of difference between the clocks is tolerated.
    ///
    /// Checks the algorithm, the key id, the signature, and `aud`, `exp`, `iat`, `nbf`, `iss`, the org and `sub`, in this
    /// order. Whether the token was used before is not checked: whether Salesforce sends one token with several requests is
    /// unverified.
    ///
    /// # Errors
    /// [`InvalidCall`], for a log. The caller must not learn it.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<VerifiedCall, InvalidCall> {
        if token.len() > MAX_BYTES {
            return Err(InvalidCall::Form);
        }
        let header = Header::of(token).ok_or(InvalidCall::Form)?;
        let algorithm = match header.alg.as_str() {
            "RS256" => Algorithm::RS256,
            "RS512" => Algorithm::RS512,
            _ => return Err(InvalidCall::Algorithm),
        };
        if header.brings_key() || header.crit.is_some() {
            return Err(InvalidCall::Header);
        }
        let mut validation = Validation::new(algorithm);
        // All claims are checked below, with `now` as the time.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let mut refused = match &header.kid {
            None => InvalidCall::NoKeyId,
            Some(kid) => InvalidCall::UnknownKey(plain_key_id(kid)),
        };
        for (place, certificate_place, rules, certificate) in self.candidates(header.kid.as_deref()) {
            // Two orgs may have a certificate of one name, and one org may have two audiences.
            match jsonwebtoken::decode::<Map<String, Value>>(token, &certificate.key, &validation) {
                Ok(token) => match check(rules, token.claims, now) {
                    Ok(call) => {
                        return Ok(VerifiedCall { rules: place, certificate: certificate_place, ..call });
                    }
                    Err(error) => refused = error,
                },
                Err(_) if matches!(refused, InvalidCall::Claim(_)) => {}
                Err(_) => refused = InvalidCall::Signature,
            }
        }
        Err(refused)
    }

    /// Returns the certificates that may have signed a token with this key id.
    fn candidates<'a>(
        &'a self,
        kid: Option<&'a str>,
    ) -> impl Iterator<Item = (usize, usize, &'a CallRules, &'a SigningCertificate)> {
        self.rules.iter().enumerate().flat_map(move |(place, rules)| {
            let may_sign = move |name: &str| kid.map_or(!rules.requires_key_id, |kid| kid == name);
            let certificates = rules.certificates.iter().enumerate();
            certificates
                .filter(move |(_, (name, _))| may_sign(name))
                .map(move |(index, (_, certificate))| (place, index, rules, certificate))
        })
    }
}

/// Returns a key id that can stand in a log: a name such as Setup allows. Anything else may be a secret.
fn plain_key_id(kid: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (kid.len() <= MAX_KEY_ID && kid.bytes().all(is_plain)).then(|| kid.to_owned())
}

/// Checks the claims of a token whose signature was verified.
fn check(
    rules: &CallRules,
    claims: Map<String, Value>,
    now: SystemTime,
) -> Result<VerifiedCall, InvalidCall> {
    let fail = |claim| Err(InvalidCall::Claim(claim));
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    let is_for_us = match claims.get("aud") {
        Some(Value::String(audience)) => *audience == rules.audience,
        // Several audiences of a legacy Named Credential (unverified).
        Some(Value::Array(audiences)) => audiences.iter().any(|one| one.as_str() == Some(&rules.audience)),
        _ => false,
    };
    if !is_for_us {
        return fail("aud");
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let leeway = VerifiedCall::LEEWAY.as_secs();
    let Some(expires) = seconds(claims.get("exp")).filter(|expires| expires.saturating_add(leeway) > now)
    else {
        return fail("exp");
    };
    let is_past = |claim: &str| seconds(claims.get(claim)).filter(|at| *at <= now.saturating_add(leeway));
    let Some(issued) = is_past("iat") else { return fail("iat") };
    if is_past("nbf").is_none() {
        return fail("nbf");
    }
    if expires < issued || expires - issued > rules.max_lifetime.as_secs() {
        return fail("exp");
    }
    if text("iss") != Some(&rules.issuer) {
        return fail("iss");
    }
    if let Some(claim) = &rules.organization_claim {
        // As ids: of 15 and of 18 characters.
        let organization = text(claim).and_then(|id| id.parse::<OrgId>().ok());
        if organization != Some(rules.organization) {
            return fail("org");
        }
    }
    let Some(user) = text("sub").and_then(|id| id.parse::<UserId>().ok()) else { return fail("sub") };
    let own = |claim: &str| text(claim).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(VerifiedCall {
        user: UserRef::new(rules.organization, user),
        username: own(&rules.username_claim),
        token_id: own("jti"),
        expires_at: UNIX_EPOCH.checked_add(Duration::from_secs(expires)).unwrap_or(UNIX_EPOCH),
        claims,
        rules: 0,
        certificate: 0,
    })
}

/// Reads whole seconds since 1970: a number or, as a formula of an External Credential makes it, a text.
fn seconds(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
