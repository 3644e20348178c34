//! Limits of the requests to each org's API.

use serde::Deserialize;

use super::check::Check;
use salesforce_connection::{Client, ClientBuilder, request::CallOptions};

/// Limits of the requests to each org's API.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiConfig {
    /// How many requests to one org this process sends concurrently. Further ones wait; requests to other orgs do not.
    /// Default: 64. (Salesforce itself allows 25 concurrent requests that take longer than 20 seconds.)
    pub max_concurrent_requests: usize,
    /// How long a request waits for a free slot before it fails with
    /// [`Error::ConcurrencyLimit`](crate::Error::ConcurrencyLimit). Default: `5s`.
    pub acquire_timeout: String,
    /// Requests of [low-priority](crate::Connection::with_low_priority) connections fail once this much of the org's daily
    /// allocation is used, in percent. Default: 80.
    pub low_priority_quota_percent: u8,
    /// The client name that this app sends to Salesforce (`client` in `Sforce-Call-Options`): up to 80 letters, digits
    /// and `-._/`. Default: none.
    pub client_name: Option<String>,
    /// The address of the Pub/Sub API, from which events come: `SALESFORCE_PUBSUB_URL`. Default:
    /// `https://api.pubsub.salesforce.com`.
    #[cfg(feature = "events")]
    pub pubsub_url: Option<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 64,
            acquire_timeout: "5s".to_owned(),
            low_priority_quota_percent: 80,
            client_name: None,
            #[cfg(feature = "events")]
            pubsub_url: None,
        }
    }
}

impl ApiConfig {
    pub(super) fn check(&self, check: &mut Check) -> ClientBuilder {
        if self.max_concurrent_requests == 0 {
            check.problem("api.max_concurrent_requests", "must be above 0");
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
        let client = Client::builder();
        #[cfg(feature = "events")]
        let client = match self.pubsub_url.as_deref().unwrap_or_default().trim() {
            "" => client,
            url => match url.parse() {
                Ok(endpoint) => client.pubsub_endpoint(endpoint),
                Err(error) => {
                    check.problem("SALESFORCE_PUBSUB_URL", error.to_string());
                    client
                }
            },
        };
        client
            .max_concurrent_requests(self.max_concurrent_requests)
            .acquire_timeout(check.duration("api.acquire_timeout", &self.acquire_timeout))
            .low_priority_quota_percent(self.low_priority_quota_percent)
            .call_options(call_options)
    }
}
