//! [`ServiceUser`]: tokens without a browser and without a refresh token.
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

/// Lifetime of a JWT assertion. Salesforce accepts at most three minutes; two leave a minute for a clock difference.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(120);
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A user that a program acts as without a login in the browser.
///
/// Use it with [`ServiceTokenSource::builder`](super::ServiceTokenSource::builder), or with the crate `actix-salesforce`.
/// `Debug` shows neither the key nor the secret.
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
    /// Creates the user that the app is configured to "run as", by the client credentials flow (RFC 6749 section 4.4).
    ///
    /// The app needs its consumer secret. `my_domain` must be a My Domain, since the shared login hosts reject this flow.
    pub fn client_credentials(my_domain: LoginHost) -> Self {
        Self { host: my_domain, app: None, flow: Flow::ClientCredentials }
    }

    /// Creates a user by name, by the JWT bearer flow (RFC 7523 section 2.1).
    ///
    /// The user, or an administrator, must have approved the app. `username` is the user name of the login; `key` is the
    /// private key of the certificate that was uploaded to the app.
    pub fn jwt_bearer(host: LoginHost, username: impl Into<String>, key: PrivateKey) -> Self {
        Self { host, app: None, flow: Flow::JwtBearer { username: username.into(), key, audience: None } }
    }

    /// Sets the `aud` claim of the JWT assertion. No effect with client credentials.
    ///
    /// Default: `https://login.salesforce.com`, `https://test.salesforce.com` for the My Domain of a sandbox or scratch
    /// org, or the URL of any other host.
    #[must_use]
    pub fn audience(mut self, url: impl Into<String>) -> Self {
        if let Flow::JwtBearer { audience, .. } = &mut self.flow {
            *audience = Some(url.into());
        }
        self
    }

    /// Sets the app whose credentials are sent. Default: the app of the [`OAuthClient`].
    #[must_use]
    pub fn with_app(mut self, app: OAuthApp) -> Self {
        self.app = Some(app);
        self
    }

    /// Returns the login host that issues the tokens.
    pub fn host(&self) -> &LoginHost {
        &self.host
    }

    /// Returns the app set by [`with_app`](Self::with_app).
    pub fn app(&self) -> Option<&OAuthApp> {
        self.app.as_ref()
    }

    /// Returns the user name in the JWT assertion; `None` with client credentials.
    pub fn username(&self) -> Option<&str> {
        match &self.flow {
            Flow::ClientCredentials => None,
            Flow::JwtBearer { username, .. } => Some(username),
        }
    }
}

/// An RSA private key that signs JWT assertions (RS256). `Debug` does not show it.
#[derive(Clone)]
pub struct PrivateKey(Arc<RsaKeyPair>);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([redacted])")
    }
}

/// The error for a text that is not an RSA private key. Does not repeat it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid private key: expected an unencrypted RSA key of 2048 bits or more as PEM (BEGIN PRIVATE KEY or BEGIN RSA \
     PRIVATE KEY)"
)]
#[non_exhaustive]
pub struct InvalidPrivateKey;

crate::debug::debug_as_display!(InvalidPrivateKey);

impl PrivateKey {
    /// Reads a key in PEM, PKCS #8 or PKCS #1, as `openssl req -x509 -newkey rsa:2048 -nodes` writes it.
    ///
    /// Line breaks may also be written `\n`, as is usual in environment variables.
    ///
    /// # Errors
    /// [`InvalidPrivateKey`] for any other text.
    pub fn from_pem(pem: &Secret) -> Result<Self, InvalidPrivateKey> {
        let pem = zeroize::Zeroizing::new(pem.expose().replace("\\n", "\n"));
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(InvalidPrivateKey),
        };
        key.map(|key| Self(Arc::new(key))).map_err(|_| InvalidPrivateKey)
    }

    /// Returns a signed JSON Web Token with these claims (RFC 7515, compact serialization).
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

/// The claims of RFC 7523 section 3. Salesforce does not require `jti`, and the assertion expires after two minutes.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

/// Returns the default `aud` for a host. Whether Salesforce accepts a My Domain's URL as well is unverified.
fn audience_of(host: &LoginHost) -> &str {
    let name = host.as_url().host_str().unwrap_or_default();
    match name.strip_suffix(".my.salesforce.com") {
        // A scratch org is a sandbox, too (Salesforce Help "My Domain URL Formats").
        Some(domain)
            if domain.ends_with(".sandbox") || domain.ends_with(".scratch") || domain.contains("--") =>
        {
            "https://test.salesforce.com"
        }
        Some(_) => "https://login.salesforce.com",
        None => host.issuer(),
    }
}

impl OAuthClient {
    /// Fetches tokens for a service user, by the user's flow.
    ///
    /// The response has no refresh token: fetch new tokens when the access token is rejected. The credentials are those
    /// of this client's app, even if the user has [another one](ServiceUser::with_app). `now` is the current time, from
    /// which the lifetime of a JWT assertion is counted.
    ///
    /// # Errors
    /// [`OAuthError`]. [`is_invalid_grant`](OAuthError::is_invalid_grant) if the app has no user to run as, the user has
    /// not approved the app, or the key does not match its certificate. [`OAuthError::NeedsMyDomain`] and
    /// [`OAuthError::Signing`] before anything is sent.
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
                let expires = now + ASSERTION_LIFETIME;
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
        let response = self.http().send(request).await?;
        if !response.status.is_success() {
            return Err(OAuthError::from_response(&response));
        }
        let body: TokenResponseBody =
            serde_json::from_slice(&response.body).map_err(|_| InvalidTokenResponse::Malformed)?;
        Ok(TokenResponse::check(&body, &user.host, self.http().allowed_hosts(), &self.secrets(), None)?)
    }

    /// Creates the request of the client credentials flow. Salesforce rejects `scope` here: the token has all scopes of the
    /// app.
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
    fn the_default_audience_depends_on_the_host() {
        for (host, audience) in [
            ("https://login.salesforce.com", "https://login.salesforce.com"),
            ("https://test.salesforce.com", "https://test.salesforce.com"),
            ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
            ("https://acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
            ("https://power-fun-1234.scratch.my.salesforce.com", "https://test.salesforce.com"),
            ("https://acme.my.site.com/customers", "https://acme.my.site.com/customers"),
            ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ] {
            assert_eq!(audience_of(&host.parse().unwrap()), audience, "{host}");
        }
    }

    #[test]
    fn an_invalid_private_key_is_rejected_and_not_repeated() {
        let not_rsa = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGlzIG5vdCBhbiBSU0Ega2V5LCBidXQgYSBjYW5hcnk=\n-----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\nY2FuYXJ5\n-----END PUBLIC KEY-----\n";
        for text in ["", "canary", not_rsa, public] {
            let error = PrivateKey::from_pem(&text.into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
