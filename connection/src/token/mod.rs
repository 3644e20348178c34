//! Where a connection gets its access token: [`TokenSource`] and its implementations.
//!
//! | source | for |
//! |---|---|
//! | [`FixedToken`] | a token that the program has, for example from the Salesforce CLI |
//! | [`ServiceTokenSource`] | a service user: client credentials or JWT bearer |
//! | a [`TokenSource`] of the program | everything else |

pub(crate) mod access_token;
mod broken_connection;
mod service_token;
mod service_token_builder;
pub(crate) mod service_user;
mod source;

pub use self::{
    access_token::{AccessToken, Generation},
    broken_connection::BrokenConnection,
    service_token::ServiceTokenSource,
    service_token_builder::{ServiceTokenEvent, ServiceTokenSourceBuilder, ServiceTokenTiming},
    service_user::{InvalidPrivateKey, PrivateKey, ServiceUser},
    source::{FixedToken, TokenError, TokenSource},
};
