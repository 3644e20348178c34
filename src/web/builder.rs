//! [`Builder`]: settings in code, and the start from them.

use std::{fmt, sync::Arc, time::Duration};

use super::{Salesforce, salesforce::start};
use crate::{
    Secret,
    base::clock::Clock,
    config::{Config, ConfigError, ConfigProblem, RoutePaths, SessionMode, Settings},
    grants::{AuthEvent, Events, Timing},
    oauth::ServiceUser,
    store::{OpenError, Store, StoreUrl},
};

/// Settings in code. Each setter sets a member of [`Config`], whose default it has; what cannot be in a file (a store
/// of your own, a listener) is set here only.
#[must_use = "nothing happens before build()"]
pub struct Builder {
    config: Config,
    store: Option<Arc<dyn Store>>,
    service: Option<ServiceUser>,
    events: Events,
    clock: Clock,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Settings of an app's own file or environment, to which code adds the rest: a store, a listener.
impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        Self { config, store: None, service: None, events: Events::default(), clock: Clock::system() }
    }
}

impl Builder {
    /// The consumer key.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.config.client_id = id.into();
        self
    }

    /// The consumer secret. Leave it out for a public client.
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.config.client_secret = Some(secret.into());
        self
    }

    /// Where people log in: production, sandbox, a My Domain or an Experience Cloud site.
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        self.config.login_url = url.into();
        self
    }

    /// One more login host, which `?host=NAME` of the login route chooses.
    pub fn login_host(mut self, name: impl Into<String>, url: impl Into<String>) -> Self {
        self.config.login_hosts.insert(name.into(), url.into());
        self
    }

    /// Lets `?host=` of the login route name any `….my.salesforce.com`.
    pub fn allow_my_domain(mut self, allow: bool) -> Self {
        self.config.allow_my_domain = allow;
        self
    }

    /// The origin of this app as browsers see it.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.config.public_url = url.into();
        self
    }

    /// The scopes to ask for, space separated.
    pub fn scopes(mut self, scopes: impl Into<String>) -> Self {
        self.config.scopes = scopes.into();
        self
    }

    /// The REST API version, for example `66.0`.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.config.api_version = Some(version.into());
        self
    }

    /// Base64 keys of 32 bytes, newest first.
    pub fn keys(mut self, keys: impl Into<Secret>) -> Self {
        self.config.keys = Some(keys.into());
        self
    }

    /// Where grants and logins live, as [`Config::store`] has it: `sqlite:PATH`, `redis://…`, `postgres://…` and
    /// others.
    pub fn store_at(mut self, address: impl Into<Secret>) -> Self {
        self.config.store = address.into();
        self
    }

    /// A store of the app's own. It counts as one that outlives the process, so it needs [`keys`](Self::keys).
    pub fn store(self, store: impl Store) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// A store that something else uses too, as [`store`](Self::store).
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// One more origin that may be contacted.
    pub fn allowed_origin(mut self, origin: impl Into<String>) -> Self {
        self.config.allowed_origins.push(origin.into());
        self
    }

    /// Where the auth routes are.
    pub fn routes(mut self, routes: RoutePaths) -> Self {
        self.config.routes = routes;
        self
    }

    /// The path of the scope that the middleware is wrapped on.
    ///
    /// An app may wrap several, for several orgs or apps in Salesforce, each on a scope of its own: side by side, or
    /// one inside the other. The mount tells their cookies and logins apart, and a handler gets the connection of the
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

    /// Whose session holds the login id.
    pub fn session(mut self, mode: SessionMode) -> Self {
        self.config.session = mode;
        self
    }

    /// Where a login without a return target lands.
    pub fn after_login(mut self, path: impl Into<String>) -> Self {
        self.config.after_login = path.into();
        self
    }

    /// Where a logout without a return target lands.
    pub fn after_logout(mut self, path: impl Into<String>) -> Self {
        self.config.after_logout = path.into();
        self
    }

    /// How long a login lasts without use, and how long at most.
    pub fn lifetimes(mut self, idle: Duration, absolute: Duration) -> Self {
        self.config.idle_lifetime_seconds = idle.as_secs();
        self.config.absolute_lifetime_seconds = absolute.as_secs();
        self
    }

    /// Renews grants that have gone unused for this many days, for apps whose refresh token policy expires unused
    /// tokens.
    pub fn keep_alive_days(mut self, days: u16) -> Self {
        self.config.keep_alive_days = Some(days);
        self
    }

    /// The user that background jobs work as: see [`Salesforce::service_connection`].
    pub fn service_user(mut self, user: ServiceUser) -> Self {
        self.service = Some(user);
        self
    }

    /// How many calls to one organization may be under way in this process, and how long others wait for their turn.
    pub fn concurrent_calls(mut self, limit: usize, queue: Duration) -> Self {
        self.config.api.concurrent_calls = limit;
        self.config.api.queue_milliseconds = u64::try_from(queue.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// How much of an organization's daily calls may be used before those of [optional](crate::Connection::optional)
    /// connections are refused, in percent.
    pub fn optional_until_percent(mut self, percent: u8) -> Self {
        self.config.api.optional_until_percent = percent;
        self
    }

    /// The client name this app sends to Salesforce.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.config.api.client_name = Some(name.into());
        self
    }

    /// Calls `listener` with every [`AuthEvent`] once it is certain. The call is synchronous, on the crate's own thread or
    /// a worker's: send long work through a channel.
    ///
    /// ```
    /// # use actix_salesforce::{AuthEvent, Salesforce};
    /// let builder = Salesforce::builder().on_event(|event| match event {
    ///     AuthEvent::ReuseSuspected(who) => eprintln!("alarm: {who:?}"),
    ///     _ => {}
    /// });
    /// ```
    pub fn on_event(mut self, listener: impl Fn(&AuthEvent) + Send + Sync + 'static) -> Self {
        self.events = Events::to(listener);
        self
    }

    /// Checks everything and starts.
    ///
    /// # Errors
    /// All settings that are missing or wrong at once, each with its fix.
    pub async fn build(self) -> std::result::Result<Salesforce, ConfigError> {
        let Self { config, store, service, events, clock } = self;
        let problem =
            |error: OpenError| ConfigProblem { setting: "SALESFORCE_STORE", hint: error.to_string() };
        let location =
            store.map_or_else(|| StoreUrl::parse(config.store.expose()), |store| Ok(StoreUrl::Given(store)));
        let checked = config.check(location.as_ref().is_ok_and(StoreUrl::is_durable));
        let (settings, location) = match (checked, location.map_err(problem)) {
            (Ok(settings), Ok(location)) => {
                (Settings { service: service.or(settings.service), ..settings }, location)
            }
            (Ok(_), Err(problem)) => return Err(ConfigError::new(vec![problem])),
            (Err(error), Err(problem)) => return Err(error.and(problem)),
            (Err(error), Ok(_)) => return Err(error),
        };
        let opened = location.open(&clock, Timing::of_process().store(), events.clone()).await;
        let store = opened.map_err(|error| ConfigError::new(vec![problem(error)]))?;
        start(settings, store, events, clock).map_err(|error| {
            ConfigError::new(vec![ConfigProblem {
                setting: "this machine",
                hint: format!("could not be used: {error}"),
            }])
        })
    }
}
