//! How the app treats each organization's API.

use std::time::Duration;

use serde::Deserialize;

use super::check::Check;
use salesforce_connection::{Client, ClientBuilder, request::CallOptions};

/// How the app treats each organization's API.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiConfig {
    /// How many calls to one organization this process has under way at most; 64 by default. Calls beyond that
    /// wait, and calls to other organizations do not. (Salesforce itself lets 25 calls run that take longer than 20
    /// seconds.)
    pub concurrent_calls: usize,
    /// How long a call waits for its turn, in milliseconds, before it fails with [`Error::ConcurrencyLimit`](crate::Error::ConcurrencyLimit);
    /// 5,000 by default.
    pub queue_milliseconds: u64,
    /// Calls of [optional](crate::Connection::with_low_priority) connections are refused once so much of the organization's
    /// daily allocation is used, in percent; 80 by default.
    pub low_priority_quota_percent: u8,
    /// The client name this app sends to Salesforce (`client` in `Sforce-Call-Options`): letters, digits and `-._/`, up
    /// to 80.
    pub client_name: Option<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            concurrent_calls: 64,
            queue_milliseconds: 5_000,
            low_priority_quota_percent: 80,
            client_name: None,
        }
    }
}

impl ApiConfig {
    pub(super) fn check(&self, check: &mut Check) -> ClientBuilder {
        if self.concurrent_calls == 0 {
            check.problem("api.concurrent_calls", "must be above 0");
        }
        if self.low_priority_quota_percent > 100 {
            check.problem("api.low_priority_quota_percent", "must be a percentage");
        }
        let call_options = match &self.client_name {
            None => CallOptions::default(),
            Some(name) => CallOptions::default().client(name).unwrap_or_else(|error| {
                check.problem("api.client_name", error.to_string());
                CallOptions::default()
            }),
        };
        Client::builder()
            .max_concurrent_requests(self.concurrent_calls)
            .acquire_timeout(Duration::from_millis(self.queue_milliseconds))
            .low_priority_quota_percent(self.low_priority_quota_percent)
            .call_options(call_options)
    }
}
