//! The outbound HTTP client: which hosts it may contact, its responses and its errors.

pub(crate) mod allowed_hosts;
pub(crate) mod api_hosts;
pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod event_stream;
pub(crate) mod proxy;
pub(crate) mod request;
pub(crate) mod response;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod streaming_body;
#[cfg(test)]
mod tests;

pub use self::{
    allowed_hosts::{AllowedHosts, HostNotAllowed, is_loopback, is_on_this_machine},
    api_hosts::InvalidApiHost,
    error::HttpError,
    proxy::{InvalidProxy, Proxy},
};
#[doc(hidden)]
pub use self::{api_hosts::check_api_host, client::SHORT_TIMEOUT};
