//! ID tokens (OpenID Connect Core section 3.1.3.7; Salesforce Help "OpenID Token").

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    http::allowed_hosts::is_salesforce,
    oauth::{
        client::OAuthClient,
        error::OAuthError,
        jws::Header,
        login_host::LoginHost,
        token_response::{IdentityUrl, TokenResponse},
    },
    secret::Secret,
    user_ref::UserRef,
};

/// Tolerated difference of the clocks, in seconds.
const LEEWAY: u64 = 90;
/// Longest accepted lifetime in seconds. Salesforce issues tokens for at most 12 hours; a longer one is not its own.
const MAX_LIFETIME: u64 = 24 * 3600;
/// Largest token in bytes that is read. Real ones have about a kilobyte.
const MAX_BYTES: usize = 64 * 1024;

/// The claims of a verified ID token.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct IdTokenClaims {
    /// The issuer.
    pub iss: String,
    /// The subject: an identity URL.
    pub sub: String,
    /// The client ids that the token is for.
    aud: Audience,
    azp: Option<String>,
    /// When the token expires, in seconds since 1970.
    pub exp: u64,
    /// When the token was issued, in seconds since 1970.
    pub iat: u64,
    /// When the user proved who they are, in seconds since 1970, if the token says so (OpenID Connect Core section 2).
    /// Whether Salesforce sends it is unverified.
    #[serde(default, deserialize_with = "seconds")]
    pub auth_time: Option<u64>,
    nbf: Option<u64>,
    nonce: Option<Secret>,
    at_hash: Option<String>,
    /// The user name, if the app is configured to include it.
    pub preferred_username: Option<String>,
    /// The full name, if the app is configured to include it.
    pub name: Option<String>,
}

/// Reads whole seconds. Any other form counts as missing.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_u64())
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Why an ID token was rejected. Contains no part of the token.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// The response contains no ID token although `openid` was granted.
    #[error("the response contains no ID token although openid was granted")]
    Missing,
    /// The token is not in the only accepted form: RS256 with a key id and without critical extensions.
    #[error("the ID token is not in the accepted form (RS256, a key id, no critical extensions)")]
    Form,
    /// The login host does not publish the key that signed the token.
    #[error("the ID token's key is not one of the login host's keys")]
    UnknownKey,
    /// The signature is invalid, or a claim is missing or of the wrong type.
    #[error("the ID token's signature or claims are invalid")]
    Signature(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This claim does not match the login.
    #[error("the ID token's {0} does not match this login")]
    Claim(&'static str),
    /// The clock of this machine is wrong: the times of the token response agree with each other, and not with it.
    #[error(
        "this machine's clock is {} seconds {} Salesforce's clock. Synchronize it",
        difference.as_secs(),
        if *is_ahead { "ahead of" } else { "behind" }
    )]
    #[non_exhaustive]
    Clock {
        /// How far the clocks are apart.
        difference: Duration,
        /// Whether this machine's clock is ahead; otherwise it is behind.
        is_ahead: bool,
    },
    /// Fetching the keys failed. Says nothing about the token.
    #[error("fetching the login host's keys failed")]
    Keys(#[source] OAuthError),
}

crate::debug::debug_as_display!(IdTokenError);

impl OAuthClient {
    /// Verifies the ID token of a token response (OpenID Connect Core section 3.1.3.7).
    ///
    /// Checks the signature (RS256 with a key of the login host) and the claims `iss`, `aud`, `azp`, `exp`, `iat`, `nbf`,
    /// `nonce`, `at_hash` and `sub` against this app and this response. `nonce` is that of the authorization request, `now`
    /// the current time.
    ///
    /// The issuer may be the login host or the org's instance. Salesforce does not document which of them a login host
    /// that redirects to a My Domain uses.
    ///
    /// # Errors
    /// [`IdTokenError`]: the login must not continue.
    pub async fn verify_id_token(
        &self,
        host: &LoginHost,
        tokens: &TokenResponse,
        nonce: Option<&Secret>,
        now: SystemTime,
    ) -> Result<IdTokenClaims, IdTokenError> {
        let token = tokens.id_token.as_ref().ok_or(IdTokenError::Missing)?.expose();
        let kid = key_id(token)?;
        let key = self
            .keys()
            .find(self.http(), host, &kid, Instant::now())
            .await
            .map_err(IdTokenError::Keys)?
            .ok_or(IdTokenError::UnknownKey)?;

        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // `check` does both, with `now` as the time and `azp` included.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<IdTokenClaims>(token, &key, &validation)
            .map_err(|error| IdTokenError::Signature(error.into()))?
            .claims;
        check(&claims, &self.app().client_id, host, tokens, nonce, now)?;
        Ok(claims)
    }
}

impl TokenResponse {
    /// Returns whether the response belongs to `user`, by its identity URL and by its ID token if it has one.
    ///
    /// A refresh must not change the user (OpenID Connect Core section 12.2).
    pub fn is_for(&self, user: &UserRef, host: &LoginHost) -> bool {
        self.identity.user == *user && !self.id_token_contradicts(host)
    }

    /// Returns whether the ID token names another user or another issuer than the response (OpenID Connect Core section
    /// 12.2).
    ///
    /// Each of Salesforce's own hosts may be the issuer where the login host is one: which one it is after an org has moved,
    /// or after a redirect to its My Domain, is unverified, and the user is the same.
    ///
    /// Its signature is not verified: it came directly from the token endpoint (section 3.1.3.7, number 6), and no other
    /// claim is used. An unreadable token is ignored.
    fn id_token_contradicts(&self, host: &LoginHost) -> bool {
        #[derive(Deserialize)]
        struct Claims {
            iss: String,
            sub: String,
        }
        let token = self.id_token.as_ref().map(Secret::expose).filter(|token| token.len() <= MAX_BYTES);
        let claims = token.and_then(|token| URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok());
        let claims = claims.and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok());
        claims.is_some_and(|claims| {
            let is_own = is_salesforce(host.as_url()) && is_origin_of_salesforce(&claims.iss);
            !(is_issuer(&claims.iss, host, self) || is_own) || !is_subject(&claims.sub, &self.identity)
        })
    }
}

/// Returns whether `iss` is the login host or the org's instance.
fn is_issuer(iss: &str, host: &LoginHost, tokens: &TokenResponse) -> bool {
    iss == host.issuer() || iss == tokens.instance_url.as_str().trim_end_matches('/')
}

fn is_origin_of_salesforce(iss: &str) -> bool {
    Url::parse(iss).is_ok_and(|url| is_salesforce(&url) && url.origin().ascii_serialization() == iss)
}

fn is_subject(sub: &str, identity: &IdentityUrl) -> bool {
    IdentityUrl::parse(sub).is_some_and(|sub| sub.user == identity.user)
}

/// Returns the key id in the header. Keys that the header contains or links to are never used.
fn key_id(token: &str) -> Result<String, IdTokenError> {
    if token.len() > MAX_BYTES {
        return Err(IdTokenError::Form);
    }
    let header = Header::of(token).ok_or(IdTokenError::Form)?;
    match header {
        Header { alg, kid: Some(kid), crit: None, .. } if alg == "RS256" && kid.len() <= 128 => Ok(kid),
        _ => Err(IdTokenError::Form),
    }
}

/// Returns the error of a wrong clock, if the token was issued with its response: a token of another time keeps its own
/// error.
fn clock_error(claims: &IdTokenClaims, tokens: &TokenResponse, now: u64) -> Option<IdTokenError> {
    let issued_at = tokens.issued_at?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let difference = Duration::from_secs(claims.iat.abs_diff(now));
    let is_new = claims.iat.abs_diff(issued_at) <= LEEWAY && claims.iat <= claims.exp;
    is_new.then_some(IdTokenError::Clock { difference, is_ahead: now > claims.iat })
}

fn check(
    claims: &IdTokenClaims,
    client_id: &str,
    host: &LoginHost,
    tokens: &TokenResponse,
    nonce: Option<&Secret>,
    now: SystemTime,
) -> Result<(), IdTokenError> {
    let fail = |claim| Err(IdTokenError::Claim(claim));
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if !is_issuer(&claims.iss, host, tokens) {
        return fail("issuer");
    }
    let audience = claims.aud.as_slice();
    let others = audience.iter().any(|name| name != client_id);
    if !audience.iter().any(|name| name == client_id) || (others && claims.azp.is_none()) {
        return fail("audience");
    }
    if claims.azp.as_deref().is_some_and(|azp| azp != client_id) {
        return fail("authorized party");
    }
    let are_times_wrong = claims.exp.saturating_add(LEEWAY) <= now || claims.iat > now.saturating_add(LEEWAY);
    if are_times_wrong && let Some(error) = clock_error(claims, tokens, now) {
        return Err(error);
    }
    if claims.exp.saturating_add(LEEWAY) <= now || claims.exp > now.saturating_add(MAX_LIFETIME) {
        return fail("expiry");
    }
    if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(LEEWAY)) {
        return fail("start");
    }
    if claims.iat > now.saturating_add(LEEWAY) || claims.iat > claims.exp {
        return fail("time of issue");
    }
    // `Secret` compares in constant time.
    if nonce.is_some() && claims.nonce.as_ref() != nonce {
        return fail("nonce");
    }
    if let Some(at_hash) = &claims.at_hash {
        let digest = Sha256::digest(tokens.access_token.expose().as_bytes());
        if *at_hash != URL_SAFE_NO_PAD.encode(&digest[..16]) {
            return fail("access token hash");
        }
    }
    if is_subject(&claims.sub, &tokens.identity) { Ok(()) } else { fail("subject") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::scopes::Scopes;

    const ID: &str = "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU";

    fn refreshed(iss: &str, sub: &str) -> TokenResponse {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::json!({ "iss": iss, "sub": sub }).to_string());
        TokenResponse {
            access_token: Secret::new("a"),
            refresh_token: None,
            instance_url: Url::parse("https://acme.my.salesforce.com").unwrap(),
            identity: IdentityUrl::parse(ID).unwrap(),
            scopes: Scopes::default(),
            issued_at: None,
            id_token: Some(Secret::new(format!("header.{claims}.signature"))),
            community_url: None,
        }
    }

    /// An org moves, or a refresh is redirected to its My Domain: the grant does not end for the name of the issuer.
    #[test]
    fn a_refresh_may_name_another_issuer_of_salesforces_own_and_no_other_user() {
        let user = IdentityUrl::parse(ID).unwrap().user;
        let (own, portal) =
            (LoginHost::production(), "https://login.acme.example".parse::<LoginHost>().unwrap());
        for (host, iss, is_same) in [
            (&own, "https://login.salesforce.com", true),
            (&own, "https://acme.my.salesforce.com", true),
            (&own, "https://acme-renamed.my.salesforce.com", true),
            (&own, "https://acme-renamed.my.salesforce.com/", false),
            (&own, "https://evil.example", false),
            (&own, "http://acme-renamed.my.salesforce.com", false),
            (&portal, "https://login.acme.example", true),
            (&portal, "https://acme-renamed.my.salesforce.com", false),
        ] {
            assert_eq!(refreshed(iss, ID).is_for(&user, host), is_same, "{iss}");
            let other = "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9QAAU";
            assert!(!refreshed(iss, other).is_for(&user, host), "{iss}");
        }
    }
}
