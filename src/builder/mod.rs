//! [`SalesforceBuilder`]: settings in code.

#[cfg(feature = "events")]
mod consumers;
mod functions;
#[cfg(feature = "inbound")]
mod inbound;
mod logout;

use std::{
    fmt,
    sync::{Arc, Once},
    time::Duration,
};

use crate::{
    base::clock::Clock,
    config::{
        Config, ConfigError, ConfigProblem, RoutePaths, SessionMode, Settings, duration, store_problem,
    },
    grants::{AppFunctions, Events, Timing},
    salesforce::{Salesforce, start},
    store::Store,
    web::WebFunctions,
};
use salesforce_connection::{Secret, token::ServiceUser};

/// Settings in code. Each setter sets a field of [`Config`] and has its default. Only what cannot stand in a file (a
/// custom store, an event listener) is set here alone.
#[must_use = "nothing happens before build()"]
pub struct SalesforceBuilder {
    config: Config,
    store: Option<Arc<dyn Store>>,
    service: Option<ServiceUser>,
    events: Events,
    clock: Clock,
    web: WebFunctions,
    functions: AppFunctions,
    #[cfg(feature = "events")]
    consumers: Vec<crate::consumer::Consumer>,
}

impl fmt::Debug for SalesforceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Adds settings in code to those that an app has read from its file or environment.
impl From<Config> for SalesforceBuilder {
    fn from(config: Config) -> Self {
        Self {
            config,
            store: None,
            service: None,
            events: Events::default(),
            clock: Clock::system(),
            web: WebFunctions::default(),
            functions: AppFunctions::default(),
            #[cfg(feature = "events")]
            consumers: Vec::new(),
        }
    }
}

impl SalesforceBuilder {
    /// Sets the consumer key of the external client app. Required.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.config.client_id = id.into();
        self
    }

    /// Sets the forward proxy for all of `/services/oauth2/` and for the keys of ID tokens: an `http`, `socks5` or
    /// `socks5h` URL, or `env`. Default: none, and the environment's proxies are ignored.
    pub fn token_proxy(mut self, proxy: impl Into<Secret>) -> Self {
        self.config.token_proxy = Some(proxy.into());
        self
    }

    /// Sets the forward proxy for all other requests to Salesforce, as [`token_proxy`](Self::token_proxy).
    pub fn api_proxy(mut self, proxy: impl Into<Secret>) -> Self {
        self.config.api_proxy = Some(proxy.into());
        self
    }

    /// Sets the consumer secret. Default: none, for a public client.
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.config.client_secret = Some(secret.into());
        self
    }

    /// Sets the consumer key from before a rotation of the app's credentials, see [`Config::previous_client_id`].
    /// Default: none.
    pub fn previous_client_id(mut self, id: impl Into<String>) -> Self {
        self.config.previous_client_id = Some(id.into());
        self
    }

    /// Sets the consumer secret that belongs to [`previous_client_id`](Self::previous_client_id). Default: none.
    pub fn previous_client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.config.previous_client_secret = Some(secret.into());
        self
    }

    /// Sets where users log in: production, sandbox, a My Domain or an Experience Cloud site. Default:
    /// `https://login.salesforce.com`.
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        self.config.login_url = url.into();
        self
    }

    /// Adds a login host, which users choose by `?host=NAME` of the login route, or in the chooser at
    /// `/auth/salesforce/hosts`, which shows the name. Default: none.
    ///
    /// A host that Salesforce does not run receives codes and the client secret, and says who users are. Its URL ends with
    /// the ids of the orgs that it may speak for, `https://login.acme.example|00D…,00D…`, and its callback URL with `/` and
    /// its name. Where it needs separate credentials, give it a separate `Salesforce` with a [`mount`](Self::mount).
    pub fn login_host(mut self, name: impl Into<String>, url: impl Into<String>) -> Self {
        self.config.login_hosts.insert(name.into(), url.into());
        self
    }

    /// Sets the ids of the orgs whose users may use the app, existing logins and jobs included. Default: all.
    pub fn allowed_orgs<T: Into<String>>(mut self, orgs: impl IntoIterator<Item = T>) -> Self {
        self.config.allowed_orgs = orgs.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the ids of the orgs whose users may not log in, even if [`allowed_orgs`](Self::allowed_orgs) names them.
    /// Default: none.
    pub fn denied_orgs<T: Into<String>>(mut self, orgs: impl IntoIterator<Item = T>) -> Self {
        self.config.denied_orgs = orgs.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether users of sandboxes and scratch orgs may log in. Default: `true`.
    ///
    /// `false`: each process asks each org with a user's token, until it has said it, whether it is one
    /// (`Organization.IsSandbox`). An org that does not say it is refused.
    pub fn allow_sandboxes(mut self, allow: bool) -> Self {
        self.config.allow_sandboxes = allow;
        self
    }

    /// Lets users enter any My Domain, by its name (`acme`) or its address below `.my.salesforce.com`: in the chooser at
    /// `/auth/salesforce/hosts`, or as `?host=` of the login route. Default: `false`.
    pub fn allow_my_domain(mut self, allow: bool) -> Self {
        self.config.allow_my_domain = allow;
        self
    }

    /// Sets the URL of this app as browsers see it, with a path only if a proxy strips it. Default:
    /// `http://127.0.0.1:8080`.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.config.public_url = url.into();
        self
    }

    /// Sets the scopes to request, separated by spaces. Default: `api openid refresh_token`.
    pub fn scopes(mut self, scopes: impl Into<String>) -> Self {
        self.config.scopes = scopes.into();
        self
    }

    /// Sets the REST API version, for example `66.0`, or `newest`: the newest that each org has. Default:
    /// [`ApiVersion`](crate::ApiVersion)'s.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.config.api_version = Some(version.into());
        self
    }

    /// Sets the keys that seal cookies and stored tokens: 32 bytes each in base64, newest first, separated by commas or
    /// spaces. Default: keys made at start for a loopback public URL with the memory store; otherwise required.
    pub fn keys(mut self, keys: impl Into<Secret>) -> Self {
        self.config.keys = Some(keys.into());
        self
    }

    /// Sets where grants and logins are stored, by a URL: `sqlite:PATH`, `redis://…`, `postgres://…` and others (see
    /// [`Config::store`]). Default: `memory:`.
    pub fn store_url(mut self, address: impl Into<Secret>) -> Self {
        self.config.store = address.into();
        self
    }

    /// Sets whether a login that was read lately is used without asking Redis, until Redis reports a change (see
    /// [`Config::cache_logins`] for the price). For `redis://…` and `rediss://…` only. Default: `false`.
    pub fn cache_logins(mut self, on: bool) -> Self {
        self.config.cache_logins = on;
        self
    }

    /// Sets a custom store. It is expected to outlive the process, so it needs [`keys`](Self::keys). Default: the one of
    /// [`store_url`](Self::store_url).
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Adds an origin that may be contacted (tests, proxies). Default: Salesforce's hosts and the login hosts only.
    pub fn allowed_origin(mut self, origin: impl Into<String>) -> Self {
        self.config.allowed_origins.push(origin.into());
        self
    }

    /// Names a host of Salesforce besides the instance that requests may send their token to, such as
    /// `api.salesforce.com`: see [`Connection::api_host`](crate::Connection::api_host). Default: none.
    pub fn api_host(mut self, name: impl Into<String>) -> Self {
        self.config.api_hosts.push(name.into());
        self
    }

    /// Sets the paths of the auth routes. Default: below `/auth/salesforce`.
    pub fn routes(mut self, routes: RoutePaths) -> Self {
        self.config.routes = routes;
        self
    }

    /// Sets the path of the scope that the middleware is wrapped on. Default: empty, for the `App` itself.
    ///
    /// An app may wrap several, for several orgs or apps in Salesforce, each on a separate scope: side by side, or one
    /// inside the other. The mount tells their cookies and logins apart, and a handler gets the connection of the
    /// innermost one around it.
    ///
    /// ```
    /// use actix_salesforce::Salesforce;
    /// use actix_web::{App, web};
    ///
    /// fn configure(app: &mut web::ServiceConfig, sales: &Salesforce, support: &Salesforce) {
    ///     app.service(web::scope("/sales").wrap(sales.clone())) // made with `.mount("/sales")`
    ///         .service(web::scope("/support").wrap(support.clone())); // made with `.mount("/support")`
    /// }
    /// ```
    pub fn mount(mut self, path: impl Into<String>) -> Self {
        self.config.routes.mount = path.into();
        self
    }

    /// Sets what the names of all of this crate's cookies begin with, see [`Config::cookie_name`]. Default:
    /// `salesforce-` and eight hex digits that the client id, the public URL and the mount decide.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.config.cookie_name = Some(name.into());
        self
    }

    /// Sets whose session handlers get. Default: [`SessionMode::Embedded`].
    pub fn session(mut self, mode: SessionMode) -> Self {
        self.config.session = mode;
        self
    }

    /// Sets where to redirect after a login whose request gave no valid `return_to`. Default: `/`.
    pub fn after_login(mut self, path: impl Into<String>) -> Self {
        self.config.after_login = path.into();
        self
    }

    /// Sets how long a login at Salesforce may take. A callback that comes later starts one new login. Default: 10
    /// minutes; a day at most.
    pub fn login_timeout(mut self, timeout: Duration) -> Self {
        self.config.login_timeout = duration::format(timeout);
        self
    }

    /// Lets the login cookie outlive the browser for this long; at most [`idle_timeout`](Self::idle_timeout). Default:
    /// the login ends when the browser closes.
    pub fn remember(mut self, time: Duration) -> Self {
        self.config.remember = Some(duration::format(time));
        self
    }

    /// Sets how long a login lasts without use. Default: 24 hours.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = duration::format(timeout);
        self
    }

    /// Sets how long a login lasts at most, even if it is used. Default: 30 days; ten years at most.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.max_lifetime = duration::format(lifetime);
        self
    }

    /// Sets the longest time until Salesforce is asked whether a login that is in use is still valid. Zero: it is not
    /// asked. Default: one hour.
    pub fn recheck(mut self, period: Duration) -> Self {
        self.config.recheck = duration::format(period);
        self
    }

    /// Sets how long a grant that Salesforce refused for good stays listed as needing reconnecting. Zero: it is
    /// forgotten at once. Default: 30 days; ten years at most.
    pub fn keep_broken(mut self, time: Duration) -> Self {
        self.config.keep_broken = duration::format(time);
        self
    }

    /// Refreshes grants that have been unused for this many days, for apps whose refresh token policy expires unused
    /// tokens. Default: never.
    pub fn keep_alive_days(mut self, days: u16) -> Self {
        self.config.keep_alive_days = Some(days);
        self
    }

    /// Sets the user that background jobs work as: see [`Salesforce::service_connection`]. Default: none.
    pub fn service_user(mut self, user: ServiceUser) -> Self {
        self.service = Some(user);
        self
    }

    /// Sets how many requests to one org this process sends concurrently; more wait. At least 1. Default: 64.
    ///
    /// One user may take three quarters of them, so that hanging requests of one user do not hold up the others.
    #[doc(alias = "rate limit")]
    #[doc(alias = "throttle")]
    pub fn max_concurrent_requests(mut self, limit: usize) -> Self {
        self.config.api.max_concurrent_requests = limit;
        self
    }

    /// Sets how long a request waits for a free slot before it fails with
    /// [`Error::ConcurrencyLimit`](crate::Error::ConcurrencyLimit). Default: 5 seconds.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.config.api.acquire_timeout = duration::format(timeout);
        self
    }

    /// Sets how much of an org's daily API requests may be used before those of
    /// [optional](crate::Connection::with_low_priority) connections are refused, in percent. Default: 80.
    pub fn low_priority_quota_percent(mut self, percent: u8) -> Self {
        self.config.api.low_priority_quota_percent = percent;
        self
    }

    /// Sets the client name that this app sends to Salesforce. Default: none.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.config.api.client_name = Some(name.into());
        self
    }

    /// Sets the address of the Pub/Sub API, from which events come. Default: `https://api.pubsub.salesforce.com`.
    #[cfg(feature = "events")]
    pub fn pubsub_url(mut self, url: impl Into<String>) -> Self {
        self.config.api.pubsub_url = Some(url.into());
        self
    }

    /// Checks all settings, opens the store and starts.
    ///
    /// # Errors
    /// Lists all missing and invalid settings, each with its fix; if there is none, all problems of consumers. A store that
    /// cannot be opened, or has no positions for consumers, is reported after those.
    pub async fn build(self) -> std::result::Result<Salesforce, ConfigError> {
        #[cfg(feature = "events")]
        let consumers = self.consumers;
        let Self { config, store, service, events, clock, functions, web, .. } = self;
        report_where_failures_go();
        let (config, unreadable) = with_files(config.without_surroundings()).await?;
        let (settings, location) = config.checked(store, unreadable)?;
        let paths = settings.paths.with_connect(web.connect.is_set());
        let settings = Settings { service: service.or(settings.service), paths, ..settings };
        #[cfg(feature = "events")]
        consumers::check(&consumers, &settings)?;
        let opened = location.open(&clock, Timing::of_process().store(), events.clone()).await;
        let store = opened.map_err(|error| ConfigError::new(vec![store_problem(&error)]))?;
        #[cfg(feature = "events")]
        consumers::check_store(&consumers, &*store).await?;
        let started = start(
            settings,
            store,
            events,
            clock,
            functions,
            web,
            #[cfg(feature = "events")]
            consumers,
        );
        started.map_err(|error| {
            ConfigError::new(vec![ConfigProblem {
                setting: "this machine",
                hint: format!("could not be used: {error}"),
            }])
        })
    }
}

/// Reads the files of the settings. They may hang, on a network share for example: not on this thread.
async fn with_files(config: Config) -> std::result::Result<(Config, Vec<ConfigProblem>), ConfigError> {
    tokio::task::spawn_blocking(move || config.with_files()).await.map_err(|error| {
        let hint = format!("the files of certificates could not be read: {error}");
        ConfigError::new(vec![ConfigProblem { setting: "inbound.callers", hint }])
    })
}

/// Says once in a process where failures are reported: a program without a subscriber would show nothing.
#[allow(clippy::print_stderr, reason = "there is no other place that the program shows")]
fn report_where_failures_go() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if tracing::dispatcher::has_been_set() {
            tracing::info!("failures are reported here, by `tracing`; pages have no details");
        } else {
            eprintln!(
                "actix-salesforce reports failures through `tracing`, and this program has no subscriber. Add \
                 `tracing_subscriber::fmt().init();` at the start of `main` to see them."
            );
        }
    });
}
