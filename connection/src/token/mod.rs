//! Where a connection gets its access token: [`TokenSource`] and its implementations.
//!
//! | source | for |
//! |---|---|
//! | [`FixedToken`] | a token that the program has, for example from the Salesforce CLI |
//! | [`ServiceTokenSource`] | a service user: client credentials or JWT bearer |
//! | [`ExchangedTokenSource`] | a user who is logged in at another identity provider: token exchange |
//! | a [`TokenSource`] of the program | everything else |

pub(crate) mod access_token;
mod audience;
mod broken_connection;
mod exchanged;
mod no_token;
mod service_token;
mod service_token_builder;
pub(crate) mod service_user;
mod source;
mod token_request;

pub use self::{
    access_token::{AccessToken, Generation},
    audience::ApiHostDenied,
    broken_connection::BrokenConnection,
    exchanged::{ExchangedTokenSource, ExchangedTokenSourceBuilder, SubjectTokenSource},
    service_token::ServiceTokenSource,
    service_token_builder::{ServiceTokenEvent, ServiceTokenSourceBuilder, ServiceTokenTiming},
    service_user::{InvalidPrivateKey, PrivateKey, ServiceUser},
    source::{FixedToken, TokenError, TokenSource},
};
