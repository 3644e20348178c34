//! The [`Client`]: the HTTP client, the limits of each org and the describe cache that connections share.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

#[cfg(feature = "events")]
use crate::events::{PubSubEndpoint, pubsub::PubSub};
use crate::{
    describe::cache::DescribeCache,
    http::{
        allowed_hosts::AllowedHosts,
        api_hosts::ApiHosts,
        client::HttpClient,
        error::HttpError,
        proxy::{Proxies, Proxy},
    },
    id::OrgId,
    request::{call_options::CallOptions, concurrency::OrgState},
    version::VersionChoice,
};

/// Number of orgs at which the state of those without a connection is dropped, so that memory stays bounded.
const SWEEP_ABOVE: usize = 1_024;

/// Sends the requests of an app's connections. Cheap to clone.
///
/// Clones share one connection pool, the limits of each org and the describe cache. All
/// [`Connection`](crate::Connection)s of a program should come from one client.
///
/// ```
/// use salesforce_connection::Client;
///
/// let client = Client::builder().max_concurrent_requests(16).build()?;
/// # Ok::<(), salesforce_connection::http::HttpError>(())
/// ```
#[derive(Clone)]
pub struct Client {
    http: HttpClient,
    #[cfg(feature = "events")]
    pubsub: PubSub,
    shared: Arc<Shared>,
}

/// Limits of the requests to each org.
#[derive(Debug, Clone)]
pub(crate) struct RequestLimits {
    pub(crate) max_concurrent: usize,
    pub(crate) acquire_timeout: Duration,
    pub(crate) low_priority_quota_percent: u8,
    pub(crate) call_options: CallOptions,
}

#[derive(Debug)]
struct Shared {
    version: VersionChoice,
    api_hosts: ApiHosts,
    limits: RequestLimits,
    orgs: Mutex<HashMap<OrgId, Arc<OrgState>>>,
    describes: DescribeCache,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api_version", &self.shared.version).finish_non_exhaustive()
    }
}

impl Client {
    /// Returns a builder with the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Returns a client that shares limits and caches with this one but has a separate connection pool.
    ///
    /// For programs with several single-threaded runtimes, such as the workers of an actix server: a pooled HTTP
    /// connection is driven by the runtime that opened it.
    ///
    /// # Errors
    /// [`HttpError::Build`] if the HTTP client cannot be created on this machine.
    pub fn with_separate_pool(&self) -> Result<Self, HttpError> {
        let http = self.http.with_separate_pool()?;
        Ok(Self {
            http,
            #[cfg(feature = "events")]
            pubsub: self.pubsub.with_separate_pool(),
            shared: Arc::clone(&self.shared),
        })
    }

    /// Returns the REST API version of relative paths, or that it is the newest of each org.
    pub fn version_choice(&self) -> VersionChoice {
        self.shared.version
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    #[cfg(feature = "events")]
    pub(crate) fn pubsub(&self) -> &PubSub {
        &self.pubsub
    }

    pub(crate) fn limits(&self) -> &RequestLimits {
        &self.shared.limits
    }

    pub(crate) fn api_hosts(&self) -> &ApiHosts {
        &self.shared.api_hosts
    }

    pub(crate) fn describes(&self) -> &DescribeCache {
        &self.shared.describes
    }

    /// Returns the state that all connections to an org share; created on first use.
    pub(crate) fn org(&self, id: OrgId) -> Arc<OrgState> {
        let mut all = self.shared.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(org) = all.get(&id) {
            return Arc::clone(org);
        }
        if all.len() >= SWEEP_ABOVE {
            all.retain(|_, org| Arc::strong_count(org) > 1);
        }
        let limits = &self.shared.limits;
        let org = Arc::new(OrgState::new(limits.max_concurrent, limits.acquire_timeout));
        all.insert(id, Arc::clone(&org));
        org
    }
}

/// Configures a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "nothing is created before build()"]
pub struct ClientBuilder {
    allowed_hosts: AllowedHosts,
    proxies: Proxies,
    api_hosts: Vec<String>,
    version: VersionChoice,
    limits: RequestLimits,
    #[cfg(feature = "events")]
    pubsub: PubSubEndpoint,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            allowed_hosts: AllowedHosts::default(),
            proxies: Proxies::default(),
            api_hosts: Vec::new(),
            version: VersionChoice::default(),
            limits: RequestLimits {
                max_concurrent: 64,
                acquire_timeout: Duration::from_secs(5),
                low_priority_quota_percent: 80,
                call_options: CallOptions::default(),
            },
            #[cfg(feature = "events")]
            pubsub: PubSubEndpoint::default(),
        }
    }
}

impl ClientBuilder {
    /// Sets the hosts that may be contacted. Default: Salesforce's own domains.
    pub fn allowed_hosts(mut self, hosts: AllowedHosts) -> Self {
        self.allowed_hosts = hosts;
        self
    }

    /// Names a host besides the instance that connections may send their token to. Default: none.
    ///
    /// One of Salesforce's API platform: `api.salesforce.com`, for example. For tests also the URL of an
    /// [allowed](Self::allowed_hosts) origin on this machine. See [`Connection::api_host`](crate::Connection::api_host).
    pub fn api_host(mut self, name: impl Into<String>) -> Self {
        self.api_hosts.push(name.into());
        self
    }

    /// Sends all requests to `/services/oauth2/`, and those for the keys of ID tokens, through a proxy. Default: none; the
    /// environment's proxies are ignored.
    ///
    /// For orgs that accept a refresh token from fixed addresses only.
    pub fn token_proxy(mut self, proxy: Proxy) -> Self {
        self.proxies.tokens = Some(proxy);
        self
    }

    /// Sends all other requests through a proxy. Default: none; the environment's proxies are ignored.
    pub fn api_proxy(mut self, proxy: Proxy) -> Self {
        self.proxies.api = Some(proxy);
        self
    }

    /// Sets the REST API version of relative paths, or [`VersionChoice::Newest`]. Default:
    /// [`ApiVersion::CURRENT`](crate::ApiVersion::CURRENT).
    ///
    /// A version that is more than three years old is logged as a warning: Salesforce may announce its end.
    pub fn api_version(mut self, version: impl Into<VersionChoice>) -> Self {
        self.version = version.into();
        self
    }

    /// Limits the requests to one org that run at a time in this process; others wait. At least 1. Default: 64.
    ///
    /// They are shared fairly: a user may hold three slots for each free one, so three quarters of them alone, and a free
    /// slot goes to the user with the fewest. Hanging requests of one user do not hold up the others. Each
    /// [API host](Self::api_host) has as many slots again.
    ///
    /// Salesforce allows an org 25 concurrent requests that take longer than 20 seconds. Source: Salesforce Developer
    /// Limits and Allocations Quick Reference, "API Request Limits and Allocations".
    #[doc(alias = "rate limit")]
    #[doc(alias = "throttle")]
    pub fn max_concurrent_requests(mut self, limit: usize) -> Self {
        self.limits.max_concurrent = limit.max(1);
        self
    }

    /// Sets how long a request waits for a free slot. Default: 5 seconds.
    ///
    /// After that it fails with [`Error::ConcurrencyLimit`](crate::Error::ConcurrencyLimit).
    #[doc(alias = "queue")]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.limits.acquire_timeout = timeout;
        self
    }

    /// Sets the percentage of an org's daily API requests that low-priority connections may use up. Default: 80.
    ///
    /// Above it, requests of [low-priority](crate::Connection::with_low_priority) connections fail with
    /// [`Error::QuotaReserved`](crate::Error::QuotaReserved).
    pub fn low_priority_quota_percent(mut self, percent: u8) -> Self {
        self.limits.low_priority_quota_percent = percent;
        self
    }

    /// Sets the call options of every request. Default: none.
    pub fn call_options(mut self, call_options: CallOptions) -> Self {
        self.limits.call_options = call_options;
        self
    }

    /// Sets the address of the Pub/Sub API, from which events come. Default: `https://api.pubsub.salesforce.com`.
    #[cfg(feature = "events")]
    pub fn pubsub_endpoint(mut self, endpoint: PubSubEndpoint) -> Self {
        self.pubsub = endpoint;
        self
    }

    /// Creates the client.
    ///
    /// # Errors
    /// [`HttpError::Build`] if the HTTP client cannot be created on this machine, [`HttpError::InvalidApiHost`] for a name
    /// that is no API host.
    pub fn build(self) -> Result<Client, HttpError> {
        let api_hosts = ApiHosts::new(&self.api_hosts, &self.allowed_hosts)?;
        let http = HttpClient::new(Arc::new(self.allowed_hosts), self.proxies)?;
        let (version, limits) = (self.version, self.limits);
        if let VersionChoice::Fixed(version) = version
            && version.is_near_end()
        {
            tracing::warn!(%version, "this API version is over three years old: Salesforce may announce its end. Use a newer one");
        }
        let shared = Shared {
            version,
            api_hosts,
            limits,
            orgs: Mutex::default(),
            describes: DescribeCache::default(),
        };
        Ok(Client {
            http,
            #[cfg(feature = "events")]
            pubsub: PubSub::new(self.pubsub),
            shared: Arc::new(shared),
        })
    }
}
