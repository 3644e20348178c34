//! [`Salesforce`]: the one value that an app makes.

use std::{fmt, sync::Arc, time::SystemTime};

use actix_web::HttpRequest;
use url::Url;

use super::{Builder, context::Worker};
use crate::{
    Connection, Error, OrgId, Result, Secret, UserId,
    api::ApiShared,
    base::{background::BackgroundRuntime, clock::Clock},
    config::{Config, ConfigError, Settings},
    grants::{
        Events, GrantInfo, GrantManager, GrantManagerConfig, Lifetimes, LogInError, LoginInfo, NewLogin,
        Profile, Timing, keep_alive,
    },
    http::{HttpClient, HttpError, Outbound},
    oauth::{LoginHost, OAuthApp, OAuthClient, ServiceUser, TokenSet},
    store::{AppKey, GrantFilter, GrantKey, Store},
    user_ref::UserRef,
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
    engine: Arc<GrantManager>,
    background: BackgroundRuntime,
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
        let app = AppKey::from_client_id(&self.inner.settings.client_id);
        let grant = self.engine().grant(GrantKey::new(app, UserRef::new(organization, user))).await?;
        grant.map(|grant| self.connection(grant)).ok_or(Error::LoginRequired)
    }

    /// A connection of the app's own service user, for work that no person asked for. It is the same [`Connection`]
    /// that handlers get: one function can serve both.
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
    /// [`Error::NoServiceUser`] when none is set; [`Error::ServiceUser`] when Salesforce refuses it a token, which only
    /// an administrator can mend; [`Error::Unavailable`] when Salesforce cannot be reached.
    pub async fn service_connection(&self) -> Result<Connection> {
        let user = self.inner.settings.service.as_ref().ok_or(Error::NoServiceUser)?;
        self.connection_as(user).await
    }

    /// A connection of any service user, for apps that have several. Connections of the same app, host and user name
    /// share one token.
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
    pub async fn logins(&self, of: GrantFilter) -> Result<Vec<LoginInfo>> {
        Ok(self.engine().list_logins(of).await?)
    }

    /// The grants of a user, of an organization, or all.
    ///
    /// # Errors
    /// The store is down.
    pub async fn grants(&self, of: GrantFilter) -> Result<Vec<GrantInfo>> {
        Ok(self.engine().list_grants(of).await?)
    }

    /// Logs a user, an organization or everyone out everywhere: ends the grants with all of their logins, and has the
    /// tokens revoked at Salesforce afterwards. Gives how many grants there were.
    ///
    /// # Errors
    /// The store is down, or went down meanwhile. What was ended until then stays ended; the rest is tried in the
    /// background until the store takes it, or the program ends.
    pub async fn revoke(&self, of: GrantFilter) -> Result<usize> {
        Ok(self.engine().revoke_matching(of).await?)
    }

    /// Ends one login, as its own logout would; the others of the same person stay. When it was the last one, the
    /// tokens are revoked at Salesforce afterwards. One that has ended already is no error.
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

    fn connection(&self, grant: crate::grants::GrantHandle) -> Connection {
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

    pub(crate) fn engine(&self) -> &Arc<GrantManager> {
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
        self.inner.background.run(async move { engine.complete_login(tokens, &host, None).await }).await?
    }
}

/// Puts the parts together for checked settings.
pub(super) fn start(
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
    let timing = Timing::of_process();
    let background = BackgroundRuntime::start_within(timing.shutdown)?;
    let engine = GrantManager::new(GrantManagerConfig {
        app: AppKey::from_client_id(&settings.client_id),
        store,
        keys: settings.keys.clone(),
        oauth: engines_own,
        background: background.spawner(),
        clock: clock.clone(),
        events,
        lifetimes: Lifetimes { idle: settings.idle_lifetime, absolute: settings.absolute_lifetime },
        timing,
    });
    if let Some(unused_for) = settings.keep_alive {
        let spawner = background.spawner();
        spawner.spawn(keep_alive::run(Arc::downgrade(&engine), spawner.clone(), unused_for));
    }
    let api = Arc::new(ApiShared::new(settings.api.clone()));
    let inner = Inner { settings, outbound, oauth, http, api, engine, background, clock };
    Ok(Salesforce { inner: Arc::new(inner) })
}
