//! Salesforce's OAuth 2.0, without state and without a store.
//!
//! jsforce's recipe by hand: one [`OAuthClient`] makes authorization URLs ([`OAuthClient::authorize`]) and trades the
//! codes that come back ([`OAuthClient::exchange`]) for a [`TokenResponse`]. Make the client with [`OAuthClient::new`], or
//! take the one of a [`Salesforce`](crate::Salesforce::oauth), which can also keep the tokens and re-establish a
//! connection later: `examples/by_hand.rs` is a whole app.

pub(crate) mod authorize;
pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod id_token;
pub(crate) mod identity;
pub(crate) mod jwks;
pub(crate) mod login_host;
pub(crate) mod revoke;
pub(crate) mod scopes;
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
    revoke::{Introspection, TokenTypeHint},
    scopes::{InvalidScopes, Scopes},
    token_response::{IdentityUrl, TokenResponse},
};
