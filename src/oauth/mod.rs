//! Salesforce's OAuth 2.0, without state and without a store.
//!
//! jsforce's recipe by hand: one [`OAuthClient`] makes authorization URLs ([`OAuthClient::authorize`]) and trades the
//! codes that come back ([`OAuthClient::exchange`]) for a [`TokenSet`]. Make the client with [`OAuthClient::new`], or
//! take the one of a [`Salesforce`](crate::Salesforce::oauth), which can also keep the tokens and re-establish a
//! connection later: `examples/by_hand.rs` is a whole app.

mod authorize;
mod client;
mod endpoint;
mod error;
mod host;
mod id_token;
mod identity;
mod jwks;
mod manage;
mod scopes;
mod service;
mod tokens;

#[cfg(test)]
mod tests;

pub use self::{
    authorize::{Authorization, AuthorizeOptions, DisplayMode, Prompt},
    client::{OAuthApp, OAuthClient},
    error::{AnswerFault, OAuthError},
    host::{InvalidLoginHost, LoginHost},
    id_token::{IdClaims, IdTokenError},
    identity::{Identity, UserInfo},
    manage::{Introspection, TokenTypeHint},
    scopes::{InvalidScopes, Scopes},
    service::{InvalidPrivateKey, PrivateKey, ServiceUser},
    tokens::{IdentityUrl, TokenSet},
};
pub(crate) use self::{host::is_loopback, identity::bearer};
