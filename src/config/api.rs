//! Limits of requests to each organization's API.

use std::time::Duration;

use serde::Deserialize;

use super::check::Check;
use crate::api::{ApiManners, CallOptions};

/// Limits of requests to each organization's API.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiConfig {
    /// Maximum number of concurrent requests of this process to one organization. Default: 64. Further requests wait;
    /// requests to other organizations do not. (Salesforce limits concurrent requests that take longer than 20 seconds to
    /// 25 per production organization.)
    pub concurrent_calls: usize,
    /// How long a request waits for that limit, in milliseconds, before it fails with
    /// [`Error::Busy`](crate::Error::Busy). Default: 5,000.
    pub queue_milliseconds: u64,
    /// Requests of [optional](crate::Connection::optional) connections fail if more than this percentage of the
    /// organization's daily API requests is used. Default: 80.
    pub optional_until_percent: u8,
    /// The client name that this app sends to Salesforce (`client` in `Sforce-Call-Options`): letters, digits and `-._/`, up
    /// to 80 characters. Default: none.
    pub client_name: Option<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            concurrent_calls: 64,
            queue_milliseconds: 5_000,
            optional_until_percent: 80,
            client_name: None,
        }
    }
}

impl ApiConfig {
    pub(super) fn check(&self, check: &mut Check) -> ApiManners {
        if self.concurrent_calls == 0 {
            check.problem("api.concurrent_calls", "must be above 0");
        }
        if self.optional_until_percent > 100 {
            check.problem("api.optional_until_percent", "must be a percentage");
        }
        let call_options = match &self.client_name {
            None => CallOptions::default(),
            Some(name) => CallOptions::default().client(name).unwrap_or_else(|error| {
                check.problem("api.client_name", error.to_string());
                CallOptions::default()
            }),
        };
        ApiManners {
            concurrent_calls: self.concurrent_calls,
            queue: Duration::from_millis(self.queue_milliseconds),
            optional_until_percent: self.optional_until_percent,
            call_options,
        }
    }
}
