//! Where a connection gets its access token.

pub(crate) mod access_token;
mod service_token;
pub(crate) mod service_user;
mod source;

pub use self::{
    access_token::{AccessToken, Generation},
    service_token::{ServiceTokenEvent, ServiceTokenSource, ServiceTokenSourceBuilder, ServiceTokenTiming},
    service_user::{InvalidPrivateKey, PrivateKey, ServiceUser},
    source::{FixedToken, TokenError, TokenSource},
};
