//! [`OAuthClient`]: requests to the OAuth endpoints with the credentials of one app.

use std::sync::Arc;

use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, StandardRevocableToken, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use url::Url;

use crate::{
    client::Client,
    http::{allowed_hosts::AllowedHosts, client::HttpClient, error::HttpError, proxy::Proxies},
    oauth::{
        endpoint::Endpoint,
        error::OAuthError,
        jwks::KeyCache,
        login_host::LoginHost,
        refresh::without_body,
        token_response::{TokenResponse, TokenResponseBody},
    },
    secret::Secret,
};

/// The path of the token endpoint.
pub(crate) const TOKEN_PATH: &str = "/services/oauth2/token";

/// The credentials of an external client app or connected app.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OAuthApp {
    /// The client id; Salesforce calls it the consumer key.
    pub client_id: String,
    /// The client secret; Salesforce calls it the consumer secret. `None` for a public client.
    pub client_secret: Option<Secret>,
}

impl OAuthApp {
    /// Creates the credentials from the consumer key and the consumer secret. A public client has no secret.
    pub fn new(client_id: impl Into<String>, client_secret: Option<Secret>) -> Self {
        Self { client_id: client_id.into(), client_secret }
    }
}

/// Sends requests to Salesforce's OAuth endpoints with the credentials of one app.
///
/// Cheap to clone; clones share one connection pool and one cache of the keys for ID tokens.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    shared: Arc<Shared>,
    http: HttpClient,
}

#[derive(Debug)]
struct Shared {
    app: OAuthApp,
    /// Further secrets of the app that sign its responses.
    more_secrets: Vec<Secret>,
    keys: KeyCache,
}

pub(crate) type TokenClient = oauth2::Client<
    BasicErrorResponse,
    TokenResponseBody,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl OAuthClient {
    /// Creates a client with a separate connection pool, for a program that implements the login itself.
    ///
    /// Create one client and share it: it holds the open connections and the key cache. It contacts Salesforce's domains
    /// (see [`AllowedHosts`](crate::http::AllowedHosts)) and `more_hosts`: login hosts and instances under other domains,
    /// or the fake org. Requests to any other host fail before anything is sent.
    ///
    /// ```
    /// use salesforce_connection::oauth::{AuthorizeOptions, LoginHost, OAuthApp, OAuthClient};
    ///
    /// let client = OAuthClient::new(OAuthApp::new("3MVG9…", Some("the consumer secret".into())), [])?;
    /// let redirect_uri = "https://app.example/oauth2/callback".parse()?;
    /// let options = AuthorizeOptions::new("api refresh_token".parse()?);
    /// let authorization = client.authorize(&LoginHost::my_domain("acme")?, &redirect_uri, &options);
    /// assert_eq!(authorization.url.host_str(), Some("acme.my.salesforce.com"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`HttpError::Build`] if the HTTP client cannot be created on this machine.
    pub fn new(app: OAuthApp, more_hosts: impl IntoIterator<Item = LoginHost>) -> Result<Self, HttpError> {
        let allowed_hosts = AllowedHosts::new(more_hosts.into_iter().map(|host| host.as_url().clone()));
        Ok(Self::with_http(app, HttpClient::new(Arc::new(allowed_hosts), Proxies::default())?))
    }

    /// Creates a client that shares the connection pool and the allowed hosts of `client`.
    pub fn with_client(app: OAuthApp, client: &Client) -> Self {
        Self::with_http(app, client.http().clone())
    }

    pub(crate) fn with_http(app: OAuthApp, http: HttpClient) -> Self {
        let shared = Shared { app, more_secrets: Vec::new(), keys: KeyCache::default() };
        Self { shared: Arc::new(shared), http }
    }

    /// Returns a client for another app that shares this one's connection pool.
    #[must_use]
    pub fn with_app(&self, app: OAuthApp) -> Self {
        Self::with_http(app, self.http.clone())
    }

    /// Returns a client that also accepts responses whose `signature` is made with this secret of the same app.
    ///
    /// For the time in which the app's credentials rotate and two secrets are valid: with which of them Salesforce signs
    /// the response to a request is unverified. The secret is never sent.
    #[must_use]
    pub fn accepting_signatures_of(&self, secret: Secret) -> Self {
        let more_secrets = self.shared.more_secrets.iter().cloned().chain([secret]).collect();
        let shared = Shared { app: self.app().clone(), more_secrets, keys: KeyCache::default() };
        Self { shared: Arc::new(shared), http: self.http.clone() }
    }

    /// Returns the app whose credentials this client sends.
    pub fn app(&self) -> &OAuthApp {
        &self.shared.app
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Returns the hosts that this client may contact.
    pub fn allowed_hosts(&self) -> &AllowedHosts {
        self.http.allowed_hosts()
    }

    pub(crate) fn keys(&self) -> &KeyCache {
        &self.shared.keys
    }

    /// Exchanges the authorization code of a callback for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    ///
    /// `code` is the value as a query parser returns it, percent-decoded once. `redirect_uri` and `verifier` are those of
    /// the authorization request.
    ///
    /// # Errors
    /// [`OAuthError`]. Never retried: a code is valid for one request.
    pub async fn exchange(
        &self,
        host: &LoginHost,
        redirect_uri: &Url,
        code: &Secret,
        verifier: &Secret,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.token_client(host).set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let endpoint = Endpoint::new(self.http.clone());
        let response = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
            .request_async(&endpoint)
            .await;
        let body = response.map_err(without_body)?;
        let checked = self.check_body(&body, host);
        if checked.is_err() {
            self.discard(&body, host).await;
        }
        checked
    }

    /// Revokes tokens that will not be used, at the host that issued them. A failure is logged.
    async fn discard(&self, body: &TokenResponseBody, host: &LoginHost) {
        use oauth2::TokenResponse as _;

        /// A user waits for the page behind the failed login, and the host may be a hostile one.
        const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

        let refresh_token = body.refresh_token().map(|token| token.secret().as_str());
        let token = Secret::new(refresh_token.unwrap_or_else(|| body.access_token().secret()));
        match tokio::time::timeout(TIMEOUT, self.revoke(host.as_url(), &token)).await {
            Ok(Ok(())) => tracing::info!("tokens of an invalid response revoked"),
            Ok(Err(error)) => tracing::warn!(%error, "revoking the tokens of an invalid response failed"),
            Err(_) => tracing::warn!("revoking the tokens of an invalid response failed: timeout"),
        }
    }

    /// Exchanges a refresh token for a new access token (RFC 6749 section 6).
    ///
    /// With refresh token rotation the response contains a new refresh token, and the used one is revoked. Store the
    /// response before anything else, and never send the same token twice at a time. The crate `actix-salesforce`
    /// ensures both. A response that lacks a member is an error here; [`refresh_grant`](Self::refresh_grant) fills it in
    /// from what is known.
    ///
    /// # Errors
    /// [`OAuthError`]; see [`is_invalid_grant`](OAuthError::is_invalid_grant),
    /// [`is_transient`](OAuthError::is_transient) and [`is_response_lost`](OAuthError::is_response_lost).
    pub async fn refresh(
        &self,
        host: &LoginHost,
        refresh_token: &Secret,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.token_client(host);
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let endpoint = Endpoint::new(self.http.clone());
        let response = client.exchange_refresh_token(&token).request_async(&endpoint).await;
        self.check(response, host)
    }

    /// Checks a token response that a test made up, as if the token endpoint had sent it.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn accept(&self, host: &LoginHost, body: &[u8]) -> Result<TokenResponse, OAuthError> {
        let body: TokenResponseBody =
            serde_json::from_slice(body).map_err(|_| crate::oauth::error::InvalidTokenResponse::Malformed)?;
        self.check(Ok(body), host)
    }

    fn token_client(&self, host: &LoginHost) -> TokenClient {
        self.token_client_at(TokenUrl::from_url(host.endpoint(TOKEN_PATH)))
    }

    pub(crate) fn token_client_at(&self, url: TokenUrl) -> TokenClient {
        let app = self.app();
        let client = oauth2::Client::new(ClientId::new(app.client_id.clone()))
            // In the body, as in Salesforce's samples, and never in a URL (RFC 6749 section 2.3.1).
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(url);
        match &app.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    fn check(
        &self,
        body: Result<TokenResponseBody, RequestTokenError<OAuthError, BasicErrorResponse>>,
        host: &LoginHost,
    ) -> Result<TokenResponse, OAuthError> {
        self.check_body(&body.map_err(without_body)?, host)
    }

    fn check_body(&self, body: &TokenResponseBody, host: &LoginHost) -> Result<TokenResponse, OAuthError> {
        Ok(TokenResponse::check(body, host, self.http.allowed_hosts(), &self.secrets(), None)?)
    }

    /// Returns the secrets that sign responses to this app. None: a public client, whose responses have no signature.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        self.app().client_secret.iter().chain(&self.shared.more_secrets).collect()
    }
}
