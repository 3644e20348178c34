//! [`Salesforce`]: the one value that an app creates.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use url::Url;

use crate::{
    base::{background::BackgroundRuntime, clock::Clock},
    builder::SalesforceBuilder,
    config::{Config, ConfigError, Settings},
    grants::{
        Admission, AppFunctions, Apps, Events, GrantHandle, GrantInfo, GrantManager, GrantManagerConfig,
        JobGrant, Lifetimes, LoginInfo, Profile, StoredGrant, Timing, keep_alive, reseal, rotation,
    },
    store::{GrantFilter, Store},
    web::{CallLimit, RuleState, WebFunctions},
};
use salesforce_connection::{
    Client, Connection, Error, Result, UserRef,
    http::HttpError,
    oauth::{LoginHost, OAuthApp, OAuthClient, TokenResponse},
    token::{ServiceUser, TokenSource},
};

mod finish_login;
mod health;
mod owners;
#[cfg(feature = "test-util")]
mod testing;

pub use self::health::Health;

/// Salesforce for an actix app: the middleware, and the handle on everything behind it. Cheap to clone.
///
/// Create it once, before `HttpServer::new`, and clone it into each worker:
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
    oauth: OAuthClient,
    client: Client,
    grants: Arc<GrantManager>,
    /// Before the background thread, which they need until they have left.
    #[cfg(feature = "events")]
    consumers: crate::consumer::Consumers,
    background: BackgroundRuntime,
    clock: Clock,
    functions: WebFunctions,
    rules: RuleState,
    logout_calls: CallLimit,
    #[cfg(feature = "events")]
    feeds: crate::feed::Feeds,
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
    /// Lists all missing and invalid settings, each with its fix.
    pub async fn from_env() -> std::result::Result<Self, ConfigError> {
        Self::from_config(Config::from_env()).await
    }

    /// Starts from settings that the app has read itself.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub async fn from_config(config: Config) -> std::result::Result<Self, ConfigError> {
        SalesforceBuilder::from(config).build().await
    }

    /// Starts from settings in code.
    pub fn builder() -> SalesforceBuilder {
        SalesforceBuilder::from(Config::default())
    }

    /// Returns the OAuth client of this app, for flows written by hand.
    pub fn oauth(&self) -> &OAuthClient {
        &self.inner.oauth
    }

    /// Returns the redirect URI of logins: the public URL with the callback's path.
    pub fn redirect_uri(&self) -> &Url {
        &self.inner.settings.redirect_uri
    }

    /// Returns the default login host.
    pub fn login_host(&self) -> &LoginHost {
        &self.inner.settings.default_host
    }

    /// Stores tokens from a flow written by hand, and returns the connection that uses them.
    ///
    /// From then on they are refreshed as needed, and [`user_connection`](Self::user_connection) finds them.
    ///
    /// # Errors
    /// [`Error::OrgNotAllowed`] if the settings do not let the user's org in; [`Error::is_transient`] if the store is down.
    pub async fn import_tokens(&self, host: &LoginHost, tokens: TokenResponse) -> Result<Connection> {
        let grant = self.grants().save(tokens, Profile::default(), host).await?;
        Ok(self.connection(grant))
    }

    /// Returns the connection of a user, for work outside of a request.
    ///
    /// The user has logged in, or their tokens were [stored](Self::import_tokens).
    ///
    /// # Errors
    /// [`Error::LoginRequired`] if the store has no grant of this user; [`Error::NeedsReconnecting`] with the reason and
    /// the path of the login if Salesforce refused the grant for good, here or in a request of the connection;
    /// [`Error::OrgNotAllowed`] if the settings do not let the user's org in; [`Error::is_transient`] if the store is down.
    #[doc(alias = "background")]
    #[doc(alias = "cron")]
    #[doc(alias = "offline")]
    pub async fn user_connection(&self, user: UserRef) -> Result<Connection> {
        match self.grants().grant_of(user).await? {
            StoredGrant::Valid(grant) => Ok(self.connection(grant)),
            StoredGrant::Broken(broken) => Err(Error::NeedsReconnecting(Arc::new(broken))),
            StoredGrant::OrgNotAllowed => Err(Error::OrgNotAllowed),
            StoredGrant::Undecided(cause) => Err(cause.into()),
            StoredGrant::Absent => Err(Error::LoginRequired),
        }
    }

    /// Returns a connection of the app's service user, for work that no user asked for.
    ///
    /// It is the same [`Connection`] that handlers get, so one function can serve both. The first request fetches a
    /// token; all connections of the service user share it and fetch a new one once it has expired. No login, no store
    /// and no refresh token is involved.
    ///
    /// ```
    /// # use salesforce_fake_org::FakeOrg;
    /// use actix_salesforce::{Connection, Result, Salesforce, token::ServiceUser};
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
    /// [`Error::NoServiceUser`] if none is set; [`Error::ServiceUser`] if Salesforce refuses it a token, which only an
    /// administrator can fix; [`Error::OrgNotAllowed`] if the settings do not let its org in; [`Error::Unavailable`] if
    /// Salesforce cannot be reached.
    pub async fn service_connection(&self) -> Result<Connection> {
        let user = self.inner.settings.service.as_ref().ok_or(Error::NoServiceUser)?;
        self.service_connection_for(user).await
    }

    /// Returns a connection of any service user, for apps that have several.
    ///
    /// Connections of the same app, host and user name share one token.
    ///
    /// # Errors
    /// As [`service_connection`](Self::service_connection). A host other than Salesforce's and those of the settings is
    /// refused: add it as an allowed origin.
    pub async fn service_connection_for(&self, user: &ServiceUser) -> Result<Connection> {
        Ok(self.connect(self.grants().service(user).await?))
    }

    /// Lists the logins of a user, of an org, or all.
    ///
    /// # Errors
    /// The store is down.
    #[doc(alias = "sessions")]
    pub async fn list_logins(&self, of: GrantFilter) -> Result<Vec<LoginInfo>> {
        Ok(self.grants().list_logins(of).await?)
    }

    /// Lists the grants of a user, of an org, or all.
    ///
    /// A grant that Salesforce refused for good stays listed for `SALESFORCE_KEEP_BROKEN`, with
    /// [`needs_reconnecting`](crate::admin::GrantInfo::needs_reconnecting).
    ///
    /// # Errors
    /// The store is down.
    pub async fn list_grants(&self, of: GrantFilter) -> Result<Vec<GrantInfo>> {
        Ok(self.grants().list_grants(of).await?)
    }

    /// Logs a user, an org or all users out everywhere, and returns how many grants there were.
    ///
    /// Ends the grants with all of their logins, then revokes the tokens at Salesforce in the background. What is listed
    /// as needing reconnecting is forgotten.
    ///
    /// # Errors
    /// The store is down, or went down meanwhile. Grants ended until then stay ended; the rest is retried in the
    /// background until it is stored or the program ends.
    #[doc(alias = "offboarding")]
    #[doc(alias = "logout_all")]
    #[doc(alias = "deprovision")]
    pub async fn revoke_grants(&self, of: GrantFilter) -> Result<usize> {
        Ok(self.grants().revoke_matching(of).await?)
    }

    /// Ends one login; other logins of the same user stay. Does nothing if it has ended already.
    ///
    /// After the last login of a user the tokens are revoked at Salesforce in the background, unless
    /// [`revoke_on_logout`](SalesforceBuilder::revoke_on_logout) is `never`.
    ///
    /// # Errors
    /// The store is down. The logout is retried in the background.
    #[doc(alias = "logout")]
    #[doc(alias = "sign_out")]
    pub async fn revoke_login(&self, login: &LoginInfo) -> Result<()> {
        Ok(self.grants().revoke_login(login.key).await?)
    }

    /// Waits until refreshes, token writes and logouts that are under way are stored, 22 seconds at most. Before that,
    /// consumers of events finish the event at hand, store their position and let another process take over, within 7.5
    /// seconds.
    ///
    /// Call it at the end of `main`, after the server has stopped. It covers the clones of this handle too: what is
    /// begun after it fails. A program that ends without it waits as long when the last handle is dropped and when the
    /// main thread ends, but blocks the thread meanwhile.
    ///
    /// ```no_run
    /// # use actix_salesforce::Salesforce;
    /// # use actix_web::{App, HttpServer};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let salesforce = Salesforce::from_env().await?;
    /// let wrapped = salesforce.clone();
    /// HttpServer::new(move || App::new().wrap(wrapped.clone())).bind(("127.0.0.1", 8080))?.run().await?;
    /// salesforce.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(self) {
        #[cfg(feature = "events")]
        self.inner.consumers.finish().await;
        self.inner.background.finish().await;
    }

    /// What access rules know of this process.
    pub(crate) fn rules(&self) -> &RuleState {
        &self.inner.rules
    }

    fn connection(&self, grant: GrantHandle) -> Connection {
        self.connect(Arc::new(JobGrant { grant, owned: None }))
    }

    fn connect(&self, source: Arc<dyn TokenSource>) -> Connection {
        Connection::new(&self.inner.client, source)
    }

    /// Returns whether both are clones of one handle.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn grants(&self) -> &Arc<GrantManager> {
        &self.inner.grants
    }

    pub(crate) fn functions(&self) -> &WebFunctions {
        &self.inner.functions
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.inner.clock.now()
    }

    /// By a clock that is never set back.
    pub(crate) fn instant(&self) -> Instant {
        self.inner.clock.instant()
    }

    /// How often single logout was called, in this process.
    pub(crate) fn logout_calls(&self) -> &CallLimit {
        &self.inner.logout_calls
    }

    /// The feeds of this process.
    #[cfg(feature = "events")]
    pub(crate) fn feeds(&self) -> &crate::feed::Feeds {
        &self.inner.feeds
    }

    /// Returns a client with a separate connection pool, for one worker.
    pub(crate) fn worker_client(&self) -> std::result::Result<Client, HttpError> {
        self.inner.client.with_separate_pool()
    }
}

/// Creates the handle from checked settings.
pub(crate) fn start(
    settings: Settings,
    store: Arc<dyn Store>,
    events: Events,
    clock: Clock,
    admission: AppFunctions,
    functions: WebFunctions,
    #[cfg(feature = "events")] consumers: Vec<crate::consumer::Consumer>,
) -> std::result::Result<Salesforce, Box<dyn std::error::Error + Send + Sync>> {
    let redirect_uris = settings.redirect_uris();
    if redirect_uris.len() > 1 {
        let redirect_uris = redirect_uris.into_iter().collect::<Vec<_>>().join(" ");
        tracing::info!(
            redirect_uris,
            "several login hosts: register each of these callback URLs in Salesforce"
        );
    }
    if let Some(slo) = &settings.paths.slo {
        let mut url = settings.public_url.clone();
        url.set_path(&settings.paths.full(slo));
        tracing::info!(%url, "single logout is on: register this as the app's Single Logout URL in Salesforce");
    }
    let client = settings.client().build()?;
    let app = OAuthApp::new(settings.client_id.clone(), settings.client_secret.clone());
    let previous = settings.previous.as_ref().map(|previous| previous.app.clone());
    let mut oauth = OAuthClient::with_client(app.clone(), &client);
    if let Some(secret) = previous.as_ref().and_then(|previous| previous.client_secret.clone()) {
        oauth = oauth.accepting_signatures_of(secret);
    }
    // The grant manager's HTTP connections live on the background thread, those of callers on theirs. In one pool the
    // manager would sometimes wait for a connection whose thread is waiting for the manager.
    let background_client = client.with_separate_pool()?;
    let background_oauth = OAuthClient::with_client(app, &background_client);
    let timing = Timing::of_process();
    let background = BackgroundRuntime::start_within(timing.shutdown)?;
    let grants = GrantManager::new(GrantManagerConfig {
        apps: Apps::new(background_oauth, previous),
        store: Arc::clone(&store),
        keys: settings.keys.clone(),
        background: background.spawner(),
        clock: clock.clone(),
        events,
        lifetimes: Lifetimes { idle: settings.idle_timeout, absolute: settings.max_lifetime },
        recheck: settings.recheck,
        host_orgs: settings.host_orgs.clone(),
        admission: Admission::new(!settings.allow_sandboxes, admission),
        client: background_client,
        keep_broken: settings.keep_broken,
        login_path: settings.login_path(),
        connect_path: settings.connect_path(),
        revoke_on_logout: settings.revoke_on_logout,
        timing,
    });
    if let Some(unused_for) = settings.keep_alive {
        let spawner = background.spawner();
        spawner.spawn(keep_alive::run(Arc::downgrade(&grants), spawner.clone(), unused_for));
    }
    if settings.keys.has_older() {
        let spawner = background.spawner();
        spawner.spawn(reseal::run(Arc::downgrade(&grants), spawner.clone()));
    }
    if settings.previous.is_some() {
        let spawner = background.spawner();
        spawner.spawn(rotation::run(Arc::downgrade(&grants), spawner.clone()));
    }
    #[cfg(feature = "events")]
    let consumers = crate::consumer::start(consumers, &settings, &grants, &store, &client, &clock)?;
    let inner = Inner {
        settings,
        oauth,
        client,
        grants,
        #[cfg(feature = "events")]
        consumers,
        background,
        clock,
        functions,
        rules: RuleState::default(),
        logout_calls: CallLimit::default(),
        #[cfg(feature = "events")]
        feeds: crate::feed::Feeds::default(),
    };
    Ok(Salesforce { inner: Arc::new(inner) })
}
