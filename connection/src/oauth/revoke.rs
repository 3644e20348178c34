//! Revocation and introspection (RFC 7009, RFC 7662; Salesforce Help "Revoke OAuth Tokens", "OpenID Connect Token
//! Introspection").

use serde::Deserialize;
use url::Url;

use crate::{
    http::request::Request,
    oauth::{
        client::OAuthClient,
        error::{InvalidTokenResponse, OAuthError},
        login_host::LoginHost,
    },
    secret::Secret,
};

/// The kind of token to introspect (RFC 7662 section 2.1, `token_type_hint`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenTypeHint {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// The state of a token (RFC 7662 section 2.2). Only `active` is always present.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether the token is valid.
    pub active: bool,
    /// The scopes of the token, separated by spaces.
    pub scope: Option<String>,
    /// The client id of the app that the token belongs to.
    pub client_id: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The identity URL.
    pub sub: Option<String>,
    /// When the token expires, in seconds since 1970. Salesforce reports this nowhere else.
    pub exp: Option<u64>,
    /// When the token was issued, in seconds since 1970.
    pub iat: Option<u64>,
}

impl OAuthClient {
    /// Revokes a token at `origin`: an instance, My Domain or login host (RFC 7009).
    ///
    /// A refresh token revokes all access tokens that came from it. An unknown token counts as revoked; Salesforce
    /// responds with status 400 then, unlike RFC 7009.
    ///
    /// # Errors
    /// [`OAuthError`]. Repeating the request is harmless.
    pub async fn revoke(&self, origin: &Url, token: &Secret) -> Result<(), OAuthError> {
        let mut url = origin.clone();
        url.set_path(&format!("{}/services/oauth2/revoke", origin.path().trim_end_matches('/')));
        let response = self.http().send(Request::form(url, [("token", token.expose())])).await?;
        if response.status.is_success() {
            return Ok(());
        }
        let error = OAuthError::from_response(&response);
        match error.error_code() {
            Some("invalid_token" | "unsupported_token_type") => Ok(()),
            _ => Err(error),
        }
    }

    /// Fetches the state of a token of this app (RFC 7662).
    ///
    /// # Errors
    /// [`OAuthError`]. An unknown token is not an error: its [`active`](Introspection::active) is `false`.
    pub async fn introspect(
        &self,
        host: &LoginHost,
        token: &Secret,
        kind: TokenTypeHint,
    ) -> Result<Introspection, OAuthError> {
        let hint = match kind {
            TokenTypeHint::Access => "access_token",
            TokenTypeHint::Refresh => "refresh_token",
        };
        let app = self.app();
        let mut fields =
            vec![("token", token.expose()), ("token_type_hint", hint), ("client_id", app.client_id.as_str())];
        if let Some(secret) = &app.client_secret {
            fields.push(("client_secret", secret.expose()));
        }
        let request = Request::form(host.endpoint("/services/oauth2/introspect"), fields);
        let response = self.http().send(request).await?;
        if response.status.as_u16() != 200 {
            return Err(OAuthError::from_response(&response));
        }
        serde_json::from_slice(&response.body).map_err(|_| InvalidTokenResponse::Malformed.into())
    }
}
