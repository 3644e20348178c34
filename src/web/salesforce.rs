//! [`Salesforce`]: the one value that an app makes, and its builder.

use std::{fmt, sync::Arc, time::SystemTime};

use actix_web::HttpRequest;
use url::Url;

use super::context::Worker;
use crate::{
    Connection, Error, OrgId, Result, Secret, UserId,
    api::ApiShared,
    background::Background,
    clock::Clock,
    config::{Config, ConfigError, Problem, Routes, SessionMode, Settings},
    events::{Event, Events},
    grant::{
        AppKey, Engine, EngineParts, GrantInfo, GrantKey, Lifetimes, LogInError, LoginInfo, NewLogin,
        Profile, keep_alive,
    },
    http::{HttpClient, HttpError, Outbound},
    oauth::{LoginHost, OAuthApp, OAuthClient, ServiceUser, TokenSet},
    store::{Location, OpenError, Store, Subject},
};

/// Salesforce for an actix app: middleware, and handle on everything behind it. Cheap to clone.
///
/// Make it once, before `HttpServer::new`, and clone it into each worker:
///
/// ```no_run
/// use actix_salesforce::Salesforce;
/// use actix_web::{App, HttpServer};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let salesforce = Salesforce::from_env().await?;
/// HttpServer::new(move || App::new().wrap(salesforce.clone()))
///     .bind(("127.0.0.1", 8080))?
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Salesforce {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    outbound: Arc<Outbound>,
    oauth: OAuthClient,
    http: HttpClient,
    api: Arc<ApiShared>,
    engine: Arc<Engine>,
    background: Background,
    clock: Clock,
}

impl fmt::Debug for Salesforce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salesforce")
            .field("public_url", &self.inner.settings.public_url.as_str())
            .field("login_url", &self.inner.settings.default_host.as_url().as_str())
            .finish_non_exhaustive()
    }
}

impl Salesforce {
    /// Starts from the `SALESFORCE_…` environment variables (see [`Config`]).
    ///
    /// # Errors
    /// All settings that are missing or wrong at once, each with its fix.
    pub async fn from_env() -> std::result::Result<Self, ConfigError> {
        Self::from_config(Config::from_env()).await
    }

    /// Starts from settings that the app read itself.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub async fn from_config(config: Config) -> std::result::Result<Self, ConfigError> {
        Builder::from(config).build().await
    }

    /// Starts from settings in code.
    pub fn builder() -> Builder {
        Builder::from(Config::default())
    }

    /// The OAuth client of this app, for flows that are written by hand.
    pub fn oauth(&self) -> &OAuthClient {
        &self.inner.oauth
    }

    /// The redirect URI that logins use: the public URL and the callback's path.
    pub fn redirect_uri(&self) -> &Url {
        &self.inner.settings.redirect_uri
    }

    /// The login host that is used when none is named.
    pub fn login_host(&self) -> &LoginHost {
        &self.inner.settings.default_host
    }

    /// Keeps tokens that were obtained by hand, and gives the connection that uses them. From then on they are renewed
    /// as needed, and [`connection_for`](Self::connection_for) finds them.
    ///
    /// # Errors
    /// The store did not take them.
    pub async fn keep(&self, host: &LoginHost, tokens: TokenSet) -> Result<Connection> {
        let grant = self.engine().save(tokens, Profile::default(), host).await?;
        Ok(self.connection(grant))
    }

    /// The connection of a user who logged in, or whose tokens were [kept](Self::keep), for work outside of a request.
    ///
    /// # Errors
    /// [`Error::LoginRequired`] when there is no grant of this user, [`Error::is_transient`] when the store is down.
    pub async fn connection_for(&self, organization: OrgId, user: UserId) -> Result<Connection> {
        let app = AppKey::of_client_id(&self.inner.settings.client_id);
        let grant = self.engine().grant(GrantKey::new(app, organization, user)).await?;
        grant.map(|grant| self.connection(grant)).ok_or(Error::LoginRequired)
    }

    /// A connection of the app's own service user, for work that no person asked for. It is the same [`Connection`] that
    /// handlers get: one function can serve both.
    ///
    /// The first call gets a token; all connections of the user share it, and the call that finds it expired gets a new
    /// one. No login, no store and no refresh token is involved.
    ///
    /// ```
    /// # use salesforce_fake_org::FakeOrg;
    /// use actix_salesforce::{Connection, Result, Salesforce, oauth::ServiceUser};
    ///
    /// /// Called by a handler with the visitor's connection, and by the nightly job with the service user's.
    /// async fn count_accounts(sf: &Connection) -> Result<u64> {
    ///     sf.query::<()>("SELECT COUNT() FROM Account").count().await
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    /// # let org = FakeOrg::builder().rows(40).execution_user("ada@example.com").start().await?;
    /// # let my_domain = org.instance_url();
    /// let salesforce = Salesforce::builder()
    ///     .client_id("3MVG9...")
    ///     .client_secret("...")
    ///     .service_user(ServiceUser::client_credentials(my_domain.parse()?))
    /// #   .client_id(org.client_id()).client_secret(org.client_secret())
    ///     .build()
    ///     .await?;
    /// let sf = salesforce.service_connection().await?;
    /// assert_eq!(count_accounts(&sf).await?, 40);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoServiceUser`] when none is set; [`Error::ServiceUser`] when Salesforce refuses it a token, which only an
    /// administrator can mend; [`Error::Unavailable`] when Salesforce cannot be reached.
    pub async fn service_connection(&self) -> Result<Connection> {
        let user = self.inner.settings.service.as_ref().ok_or(Error::NoServiceUser)?;
        self.connection_as(user).await
    }

    /// A connection of any service user, for apps that have several. Connections of the same app, host and user name share
    /// one token.
    ///
    /// # Errors
    /// As [`service_connection`](Self::service_connection). A host that is neither Salesforce's nor one of the settings
    /// is refused: name it as an allowed origin.
    pub async fn connection_as(&self, user: &ServiceUser) -> Result<Connection> {
        Ok(self.connection(self.engine().service(user).await?))
    }

    /// Who is logged in: the logins of a user, of an organization, or all.
    ///
    /// # Errors
    /// The store is down.
    pub async fn logins(&self, of: Subject) -> Result<Vec<LoginInfo>> {
        Ok(self.engine().list_logins(of).await?)
    }

    /// The grants of a user, of an organization, or all.
    ///
    /// # Errors
    /// The store is down.
    pub async fn grants(&self, of: Subject) -> Result<Vec<GrantInfo>> {
        Ok(self.engine().list_grants(of).await?)
    }

    /// Logs a user, an organization or everyone out everywhere: ends the grants with all of their logins, and has the
    /// tokens revoked at Salesforce afterwards. Gives how many grants there were.
    ///
    /// # Errors
    /// The store is down; what was ended until then stays ended, and the grant that it failed at is tried again in the
    /// background.
    pub async fn revoke(&self, of: Subject) -> Result<usize> {
        Ok(self.engine().end_all(of).await?)
    }

    /// Ends one login, as its own logout would; the others of the same person stay. When it was the last one, the tokens are
    /// revoked at Salesforce afterwards. One that has ended already is no error.
    ///
    /// # Errors
    /// The store is down. It is tried again in the background.
    pub async fn end_login(&self, login: &LoginInfo) -> Result<()> {
        Ok(self.engine().end_login(login.key).await?)
    }

    /// Whether a browser sent this request from a page of another origin than this app: by `Origin`, else by
    /// `Sec-Fetch-Site`. For handlers that change something, which must refuse it (cross-site request forgery).
    ///
    /// Browsers send one of the two with every POST. A request with neither comes from a program, whose user means it.
    /// (The logout route is stricter: it wants to see one of them.)
    pub fn is_cross_origin(&self, request: &HttpRequest) -> bool {
        super::routes::is_cross_origin(&self.settings().public_url, request.headers())
    }

    fn connection(&self, grant: crate::grant::GrantHandle) -> Connection {
        let version = self.inner.settings.api_version;
        Connection::new(grant, self.inner.http.clone(), version, self.api_shared())
    }

    pub(crate) fn api_shared(&self) -> Arc<ApiShared> {
        Arc::clone(&self.inner.api)
    }

    /// Whether both are handles on the same thing.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.inner.engine
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.inner.clock.now()
    }

    /// One worker's share.
    pub(crate) fn worker(&self) -> std::result::Result<Worker, HttpError> {
        let http = HttpClient::new(Arc::clone(&self.inner.outbound))?;
        Ok(Worker::new(self.clone(), http))
    }

    /// Trades a code and records the login. Runs where no request owns it: a browser that goes away in the middle must
    /// not leave a code spent and its tokens lost. Nor a login that nobody has: one that is not kept ends.
    pub(crate) async fn finish_login(
        &self,
        host: LoginHost,
        code: Secret,
        verifier: Secret,
        nonce: Option<Secret>,
    ) -> std::result::Result<NewLogin, LogInError> {
        let engine = Arc::clone(&self.inner.engine);
        let redirect_uri = self.inner.settings.redirect_uri.clone();
        self.inner
            .background
            .run(async move {
                let id = engine.exchange(&host, &redirect_uri, &code, &verifier, nonce.as_ref()).await?;
                Ok(NewLogin::new(id, engine))
            })
            .await?
    }
}

#[cfg(feature = "test-util")]
impl Salesforce {
    /// Records a login with tokens that a test brings; as [`finish_login`](Self::finish_login) otherwise.
    pub(crate) async fn admit(
        &self,
        host: LoginHost,
        tokens: TokenSet,
    ) -> std::result::Result<Secret, LogInError> {
        let engine = Arc::clone(&self.inner.engine);
        self.inner.background.run(async move { engine.admit(tokens, &host, None).await }).await?
    }
}

/// Settings in code. Each setter has the name and default of its member in [`Config`].
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

    /// Where grants and logins live: `memory:`, `sqlite:PATH`, `redis://…`, `rediss://…` or `postgres://…`.
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
    pub fn routes(mut self, routes: Routes) -> Self {
        self.config.routes = routes;
        self
    }

    /// The path of the scope that the middleware is wrapped on.
    ///
    /// An app may wrap several, for several orgs or apps in Salesforce, each on a scope of its own: side by side, or one
    /// inside the other. The mount tells their cookies and logins apart, and a handler gets the connection of the innermost
    /// one around it.
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

    /// How long a login lasts unused, and at most.
    pub fn lifetimes(mut self, idle: std::time::Duration, absolute: std::time::Duration) -> Self {
        self.config.idle_lifetime_seconds = idle.as_secs();
        self.config.absolute_lifetime_seconds = absolute.as_secs();
        self
    }

    /// Renews grants that were not used for so many days, for apps whose refresh token policy ends unused tokens.
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
    pub fn concurrent_calls(mut self, limit: usize, queue: std::time::Duration) -> Self {
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

    /// What this app calls itself towards Salesforce.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.config.api.client_name = Some(name.into());
        self
    }

    /// Has `listener` told of every [`Event`], once it is certain. It runs on the crate's own thread or a worker's, and
    /// everything waits for it: hand long work on, for example through a channel.
    ///
    /// ```
    /// # use actix_salesforce::{Event, Salesforce};
    /// let builder = Salesforce::builder().on_event(|event| match event {
    ///     Event::ReuseSuspected(who) => eprintln!("alarm: {who:?}"),
    ///     _ => {}
    /// });
    /// ```
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events = Events::to(listener);
        self
    }

    /// Checks everything and starts.
    ///
    /// # Errors
    /// All settings that are missing or wrong at once, each with its fix.
    pub async fn build(self) -> std::result::Result<Salesforce, ConfigError> {
        let Self { config, store, service, events, clock } = self;
        let problem = |error: OpenError| Problem { setting: "SALESFORCE_STORE", fix: error.to_string() };
        let location =
            store.map_or_else(|| Location::parse(config.store.expose()), |store| Ok(Location::Given(store)));
        let checked = config.check(location.as_ref().is_ok_and(Location::is_durable));
        let (settings, location) = match (checked, location.map_err(problem)) {
            (Ok(settings), Ok(location)) => {
                (Settings { service: service.or(settings.service), ..settings }, location)
            }
            (Ok(_), Err(problem)) => return Err(ConfigError::new(vec![problem])),
            (Err(error), Err(problem)) => return Err(error.and(problem)),
            (Err(error), Ok(_)) => return Err(error),
        };
        let opened = location.open(&clock, &events).await;
        let store = opened.map_err(|error| ConfigError::new(vec![problem(error)]))?;
        start(settings, store, events, clock).map_err(|error| {
            ConfigError::new(vec![Problem {
                setting: "this machine",
                fix: format!("could not be used: {error}"),
            }])
        })
    }
}

fn start(
    settings: Settings,
    store: Arc<dyn Store>,
    events: Events,
    clock: Clock,
) -> std::result::Result<Salesforce, Box<dyn std::error::Error + Send + Sync>> {
    let login_origins = std::iter::once(&settings.default_host)
        .chain(settings.hosts.values())
        .chain(settings.service.iter().map(|user| &user.host))
        .map(|host| host.as_url().clone());
    let outbound = Arc::new(Outbound::new(login_origins.chain(settings.allowed_origins.iter().cloned())));
    let http = HttpClient::new(Arc::clone(&outbound))?;
    let app = OAuthApp::new(settings.client_id.clone(), settings.client_secret.clone());
    let oauth = OAuthClient::with_http(app.clone(), http.clone());
    // The engine's connections live on the crate's own thread, those of callers on theirs. Were they one pool, the
    // engine would sometimes wait for a connection whose thread is waiting for the engine.
    let engines_own = OAuthClient::with_http(app, HttpClient::new(Arc::clone(&outbound))?);
    let background = Background::start()?;
    let engine = Engine::new(EngineParts {
        app: AppKey::of_client_id(&settings.client_id),
        store,
        keys: settings.keys.clone(),
        oauth: engines_own,
        background: background.spawner(),
        clock: clock.clone(),
        events,
        lifetimes: Lifetimes { idle: settings.idle_lifetime, absolute: settings.absolute_lifetime },
    });
    if let Some(unused_for) = settings.keep_alive {
        let spawner = background.spawner();
        spawner.spawn(keep_alive::run(Arc::downgrade(&engine), spawner.clone(), unused_for));
    }
    let api = Arc::new(ApiShared::new(settings.api.clone()));
    let inner = Inner { settings, outbound, oauth, http, api, engine, background, clock };
    Ok(Salesforce { inner: Arc::new(inner) })
}
