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

/// Which kind of token is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenTypeHint {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// What is known about a token. Only `active` is sure to be there.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether it is good.
    pub active: bool,
    /// Its scopes, space separated.
    pub scope: Option<String>,
    /// The app it belongs to.
    pub client_id: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The identity URL.
    pub sub: Option<String>,
    /// When it ends, in seconds since 1970. The only place where Salesforce says so.
    pub exp: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub iat: Option<u64>,
}

impl OAuthClient {
    /// Revokes a token at `origin` (an instance, My Domain or login host). A refresh token takes all access tokens made
    /// from it along. A token that is not known (any more) counts as revoked: Salesforce answers 400 for it, unlike
    /// RFC 7009.
    ///
    /// # Errors
    /// [`OAuthError`]; repeating is harmless.
    pub async fn revoke(&self, origin: &Url, token: &Secret) -> Result<(), OAuthError> {
        let mut url = origin.clone();
        url.set_path(&format!("{}/services/oauth2/revoke", origin.path().trim_end_matches('/')));
        let answer = self.http().send(Request::form(url, [("token", token.expose())])).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let error = OAuthError::of(&answer);
        match error.refusal() {
            Some("invalid_token" | "unsupported_token_type") => Ok(()),
            _ => Err(error),
        }
    }

    /// Asks what is known about a token of this app.
    ///
    /// # Errors
    /// [`OAuthError`]. A token that is not known is no error: it is not active.
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
        let answer = self.http().send(request).await?;
        if answer.status.as_u16() != 200 {
            return Err(OAuthError::of(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|_| InvalidTokenResponse::Malformed.into())
    }
}
