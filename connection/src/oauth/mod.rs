//! Salesforce's OAuth 2.0 endpoints, without state and without a store.
//!
//! For a program that implements the login itself: an [`OAuthClient`] creates authorization URLs
//! ([`OAuthClient::authorize`]) and exchanges the codes of the callbacks ([`OAuthClient::exchange`]) for a
//! [`TokenResponse`]. The crate `actix-salesforce` does all of this, stores the tokens and refreshes them.
//!
//! Sources: RFC 6749 (OAuth 2.0), RFC 7636 (PKCE), RFC 7009 (revocation), RFC 7662 (introspection), OpenID Connect Core
//! 1.0, and Salesforce Help "Authorize Apps with OAuth".

pub(crate) mod authorize;
pub(crate) mod bearer;
pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod id_token;
pub(crate) mod identity;
pub(crate) mod jwks;
pub(crate) mod jws;
pub(crate) mod login_host;
pub(crate) mod preview;
pub(crate) mod refresh;
pub(crate) mod revoke;
pub(crate) mod scopes;
pub(crate) mod signed_request;
pub(crate) mod thin_response;
pub(crate) mod token_exchange;
pub(crate) mod token_response;

#[cfg(test)]
mod tests;

pub use crate::oauth::{
    authorize::{AuthorizationRequest, AuthorizeOptions, DisplayMode, Prompt, UnknownPrompt},
    client::{OAuthApp, OAuthClient},
    error::{InvalidTokenResponse, OAuthError},
    id_token::{IdTokenClaims, IdTokenError},
    identity::{Identity, UserInfo},
    login_host::{InvalidLoginHost, LoginHost},
    preview::{AuthorizationPreview, AuthorizationRefusal},
    refresh::{KnownGrant, RefreshError, RefreshedGrant},
    revoke::{Introspection, TokenTypeHint},
    scopes::{InvalidScopes, Scopes},
    signed_request::{InvalidSignedRequest, SignedRequest},
    token_exchange::{InvalidTokenExchange, SubjectToken, SubjectTokenType, TokenExchange},
    token_response::{IdentityUrl, TokenResponse},
};
