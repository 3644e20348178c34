//! The client: one app's credentials, shared by all of its connections.

use std::sync::Arc;

use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, StandardRevocableToken, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use url::Url;

use crate::{
    client::Client,
    http::{allowed_hosts::AllowedHosts, client::HttpClient, error::HttpError},
    oauth::{
        endpoint::Endpoint,
        error::{InvalidTokenResponse, OAuthError},
        jwks::KeyCache,
        login_host::LoginHost,
        token_response::{TokenResponse, TokenResponseBody},
    },
    secret::Secret,
};

/// An external client app or connected app.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OAuthApp {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret; a public client has none.
    pub client_secret: Option<Secret>,
}

impl OAuthApp {
    /// An app by its consumer key and, unless it is a public client, its consumer secret.
    pub fn new(client_id: impl Into<String>, client_secret: Option<Secret>) -> Self {
        Self { client_id: client_id.into(), client_secret }
    }
}

/// Speaks to Salesforce's OAuth endpoints in the name of one app. Cheap to clone; clones share the key cache.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    shared: Arc<Shared>,
    http: HttpClient,
}

#[derive(Debug)]
struct Shared {
    app: OAuthApp,
    keys: KeyCache,
}

type TokenClient = oauth2::Client<
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
    /// A client that needs no store, no keys and no [`Salesforce`](crate::Salesforce): for a login of your own making.
    /// Keep it: a client holds the connections and the cache of keys.
    ///
    /// It contacts Salesforce's own hosts (`login.salesforce.com`, `test.salesforce.com` and those that end in
    /// `.my.salesforce.com` or `.my.site.com`) and `more_hosts`: login hosts and instances under a domain of your own,
    /// or the fake org. Everything else is refused before a byte is sent.
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
    /// [`HttpError::Build`]: the HTTP client cannot be made on this machine.
    pub fn new(app: OAuthApp, more_hosts: impl IntoIterator<Item = LoginHost>) -> Result<Self, HttpError> {
        let outbound = AllowedHosts::new(more_hosts.into_iter().map(|host| host.as_url().clone()));
        Ok(Self::with_http(app, HttpClient::new(Arc::new(outbound))?))
    }

    /// A client that sends with the connection pool and to the hosts of `client`.
    pub fn with_client(app: OAuthApp, client: &Client) -> Self {
        Self::with_http(app, client.http().clone())
    }

    pub(crate) fn with_http(app: OAuthApp, http: HttpClient) -> Self {
        Self { shared: Arc::new(Shared { app, keys: KeyCache::default() }), http }
    }

    /// Returns a client for another app that shares this one's connection pool.
    #[must_use]
    pub fn with_app(&self, app: OAuthApp) -> Self {
        Self::with_http(app, self.http.clone())
    }

    /// The app in whose name this client speaks.
    pub fn app(&self) -> &OAuthApp {
        &self.shared.app
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    pub(crate) fn keys(&self) -> &KeyCache {
        &self.shared.keys
    }

    /// Trades the code of a callback for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5). `code` is decoded once,
    /// as a query parser gives it; `redirect_uri` is the one of the authorization request.
    ///
    /// # Errors
    /// [`OAuthError`]. A code is good for one call: this is never repeated.
    pub async fn exchange(
        &self,
        host: &LoginHost,
        redirect_uri: &Url,
        code: &Secret,
        verifier: &Secret,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.token_client(host).set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let endpoint = Endpoint(self.http.clone());
        let answer = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
            .request_async(&endpoint)
            .await;
        self.check(answer, host)
    }

    /// Trades a refresh token for a new access token (RFC 6749 section 6).
    ///
    /// With rotation the answer brings a new refresh token and the one used is dead from then on: store the answer
    /// before anything else, and never let two calls with the same token happen. Connections of
    /// [`Salesforce`](crate::Salesforce) see to that.
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
        let endpoint = Endpoint(self.http.clone());
        let answer = client.exchange_refresh_token(&token).request_async(&endpoint).await;
        self.check(answer, host)
    }

    /// Checks the token endpoint's answer that a test brings, as if it had come over the network.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn accept(&self, host: &LoginHost, answer: &[u8]) -> Result<TokenResponse, OAuthError> {
        let answer: TokenResponseBody =
            serde_json::from_slice(answer).map_err(|_| InvalidTokenResponse::Malformed)?;
        self.check(Ok(answer), host)
    }

    fn token_client(&self, host: &LoginHost) -> TokenClient {
        let app = self.app();
        let client = oauth2::Client::new(ClientId::new(app.client_id.clone()))
            // In the body, as Salesforce's samples do: never in a URL (RFC 6749 section 2.3.1).
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(host.endpoint("/services/oauth2/token")));
        match &app.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    fn check(
        &self,
        answer: Result<TokenResponseBody, RequestTokenError<OAuthError, BasicErrorResponse>>,
        host: &LoginHost,
    ) -> Result<TokenResponse, OAuthError> {
        let answer = answer.map_err(|error| match error {
            RequestTokenError::Request(error) => error,
            // These carry the raw body, tokens and all: they end here.
            RequestTokenError::Parse(..)
            | RequestTokenError::ServerResponse(_)
            | RequestTokenError::Other(_) => InvalidTokenResponse::Malformed.into(),
        })?;
        Ok(TokenResponse::check(&answer, host, self.http.allowed_hosts(), self.app().client_secret.as_ref())?)
    }
}
