//! Tokens for a program of its own: no browser, no person, no refresh token.
//!
//! Source: Salesforce Help "OAuth 2.0 Client Credentials Flow for Server-to-Server Integration", "OAuth 2.0 JWT Bearer
//! Flow for Server-to-Server Integration"; RFC 6749 section 4.4, RFC 7523 section 2.1.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Serialize;
use url::Url;

use crate::{
    http::request::Request,
    oauth::{
        client::{OAuthApp, OAuthClient},
        error::{InvalidTokenResponse, OAuthError},
        login_host::LoginHost,
        token_response::{TokenResponse, TokenResponseBody},
    },
    secret::Secret,
};

/// Salesforce takes three minutes at most; less, so that clocks may differ by one.
const ASSERTION_LIVES: Duration = Duration::from_secs(120);
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A user that a program works as, without anyone logging in: give it to
/// [`Salesforce::connection_as`](crate::Salesforce::connection_as), or set it once with
/// [`Builder::service_user`](crate::Builder::service_user).
///
/// `Debug` shows neither key nor secret.
#[derive(Debug, Clone)]
pub struct ServiceUser {
    pub(crate) host: LoginHost,
    pub(crate) app: Option<OAuthApp>,
    pub(crate) flow: Flow,
}

#[derive(Debug, Clone)]
pub(crate) enum Flow {
    ClientCredentials,
    JwtBearer { username: String, key: PrivateKey, audience: Option<String> },
}

impl ServiceUser {
    /// The user that the app itself names as the one to "run as" for client credentials. The app needs its secret, and
    /// `my_domain` must be a My Domain: the shared login hosts refuse this flow.
    pub fn client_credentials(my_domain: LoginHost) -> Self {
        Self { host: my_domain, app: None, flow: Flow::ClientCredentials }
    }

    /// Any user who allowed the app before, or whom an administrator did, by the private key whose certificate was
    /// uploaded to the app. `username` is the name the user logs in with.
    pub fn jwt_bearer(host: LoginHost, username: impl Into<String>, key: PrivateKey) -> Self {
        Self { host, app: None, flow: Flow::JwtBearer { username: username.into(), key, audience: None } }
    }

    /// The `aud` claim, where it is not the one that goes with the host: `https://login.salesforce.com`,
    /// `https://test.salesforce.com` for sandboxes, or a site's own URL. No use with client credentials.
    #[must_use]
    pub fn audience(mut self, url: impl Into<String>) -> Self {
        if let Flow::JwtBearer { audience, .. } = &mut self.flow {
            *audience = Some(url.into());
        }
        self
    }

    /// Another app than the one that people log in with.
    #[must_use]
    pub fn app(mut self, app: OAuthApp) -> Self {
        self.app = Some(app);
        self
    }

    /// The login host that gives the tokens.
    pub fn host(&self) -> &LoginHost {
        &self.host
    }

    /// The app in whose name tokens are requested; `None` for that of the [`OAuthClient`].
    pub fn app_override(&self) -> Option<&OAuthApp> {
        self.app.as_ref()
    }

    /// The user name in the assertion; `None` with client credentials.
    pub fn username(&self) -> Option<&str> {
        match &self.flow {
            Flow::ClientCredentials => None,
            Flow::JwtBearer { username, .. } => Some(username),
        }
    }
}

/// An RSA key that assertions are signed with (RS256).
#[derive(Clone)]
pub struct PrivateKey(Arc<RsaKeyPair>);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([redacted])")
    }
}

/// A text that is no private RSA key. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "give an RSA private key of 2048 bits or more as PEM (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY), not encrypted"
)]
#[non_exhaustive]
pub struct InvalidPrivateKey;

impl PrivateKey {
    /// Reads a key as `openssl req -x509 -newkey rsa:2048 -nodes` writes it: PKCS #8 or PKCS #1, in PEM. Line breaks
    /// may also be written `\n`, as environment variables often have them.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn from_pem(pem: &Secret) -> Result<Self, InvalidPrivateKey> {
        let pem = zeroize::Zeroizing::new(pem.expose().replace("\\n", "\n"));
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(InvalidPrivateKey),
        };
        key.map(|key| Self(Arc::new(key))).map_err(|_| InvalidPrivateKey)
    }

    /// A JSON Web Signature (RFC 7515) over these claims.
    fn sign(&self, claims: &impl Serialize) -> Option<String> {
        let claims = serde_json::to_vec(claims).ok()?;
        let mut token = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

/// RFC 7523 section 3. Without `jti`: Salesforce asks for none, and an assertion lives for two minutes only.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

/// The `aud` that goes with a host. (That a My Domain's own URL is accepted too is unverified.)
fn audience_of(host: &LoginHost) -> &str {
    let name = host.as_url().host_str().unwrap_or_default();
    match name.strip_suffix(".my.salesforce.com") {
        Some(domain) if domain.ends_with(".sandbox") || domain.contains("--") => {
            "https://test.salesforce.com"
        }
        Some(_) => "https://login.salesforce.com",
        None => host.issuer(),
    }
}

impl OAuthClient {
    /// Tokens for a service user, by whichever flow it names. They come without a refresh token: when the access token
    /// is no longer good, ask again.
    ///
    /// They are asked for in the name of this client's app; `now` is what the assertion's lifetime is counted from.
    ///
    /// # Errors
    /// [`OAuthError`]: `invalid_grant` when the app has no user to run as, the user has not allowed the app, or the key is
    /// another; [`OAuthError::NeedsMyDomain`] before anything is sent.
    pub async fn service_tokens(
        &self,
        user: &ServiceUser,
        now: SystemTime,
    ) -> Result<TokenResponse, OAuthError> {
        let app = self.app();
        let url = user.host.endpoint("/services/oauth2/token");
        let request = match &user.flow {
            Flow::ClientCredentials => {
                if user.host.is_shared() {
                    return Err(OAuthError::NeedsMyDomain);
                }
                self.client_credentials(app, url)
            }
            Flow::JwtBearer { username, key, audience } => {
                let expires = now + ASSERTION_LIVES;
                let claims = Claims {
                    iss: &app.client_id,
                    sub: username,
                    aud: audience.as_deref().unwrap_or_else(|| audience_of(&user.host)),
                    exp: expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
                };
                let assertion = key.sign(&claims).ok_or(OAuthError::Signing)?;
                Request::form(url, [("grant_type", JWT_BEARER), ("assertion", &assertion)])
            }
        };
        let answer = self.http().send(request).await?;
        if !answer.status.is_success() {
            return Err(OAuthError::of(&answer));
        }
        let tokens: TokenResponseBody =
            serde_json::from_slice(&answer.body).map_err(|_| InvalidTokenResponse::Malformed)?;
        Ok(TokenResponse::check(
            &tokens,
            &user.host,
            self.http().allowed_hosts(),
            app.client_secret.as_ref(),
        )?)
    }

    /// Without `scope`, which Salesforce refuses here: the token has all scopes of the app.
    fn client_credentials(&self, app: &OAuthApp, url: Url) -> Request {
        let secret = app.client_secret.as_ref().map_or("", Secret::expose);
        let fields =
            [("grant_type", "client_credentials"), ("client_id", &app.client_id), ("client_secret", secret)];
        Request::form(url, fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_goes_with_the_host() {
        for (host, audience) in [
            ("https://login.salesforce.com", "https://login.salesforce.com"),
            ("https://test.salesforce.com", "https://test.salesforce.com"),
            ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
            ("https://acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
            ("https://acme.my.site.com/customers", "https://acme.my.site.com/customers"),
            ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ] {
            assert_eq!(audience_of(&host.parse().unwrap()), audience, "{host}");
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused_and_not_repeated() {
        let not_rsa = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGlzIG5vdCBhbiBSU0Ega2V5LCBidXQgYSBjYW5hcnk=\n-----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\nY2FuYXJ5\n-----END PUBLIC KEY-----\n";
        for text in ["", "canary", not_rsa, public] {
            let error = PrivateKey::from_pem(&text.into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
