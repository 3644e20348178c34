//! How a request is sent: token, refresh, retries, limits.

pub(crate) mod api_host_state;
pub(crate) mod call_options;
pub(crate) mod circuit_breaker;
pub(crate) mod composite_body;
pub(crate) mod compress;
pub(crate) mod concurrency;
pub(crate) mod decode;
pub(crate) mod deprecation;
pub(crate) mod error_body;
pub(crate) mod error_response;
pub(crate) mod finite;
pub(crate) mod long_query;
pub(crate) mod misdirected;
pub(crate) mod newest_version;
pub(crate) mod path;
pub(crate) mod raw;
pub(crate) mod rejected_tokens;
pub(crate) mod retry;
pub(crate) mod send;
pub(crate) mod slots;
pub(crate) mod usage;

pub use self::{
    call_options::{CallOptions, InvalidCallOption},
    deprecation::Deprecation,
    path::InvalidPath,
    raw::{RawRequest, RawResponse},
    retry::Retry,
    usage::ApiUsage,
};
