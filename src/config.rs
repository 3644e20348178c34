//! Settings: what an app may set, where it comes from, and what makes a set-up too weak to start.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Deserialize;
use url::Url;

use crate::{
    Secret,
    api::ApiVersion,
    oauth::{LoginHost, Scopes, is_loopback},
    store::KeyRing,
    web::return_to::ReturnTo,
};

/// The settings of [`Salesforce`](crate::Salesforce), as an app's settings file or environment gives them.
///
/// Nothing is checked before [`Salesforce::from_config`](crate::Salesforce::from_config), which reports all mistakes
/// at once. Unknown members are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The consumer key of the external client app or connected app. `SALESFORCE_CLIENT_ID`.
    pub client_id: String,
    /// Its consumer secret; absent for a public client. `SALESFORCE_CLIENT_SECRET`.
    pub client_secret: Option<Secret>,
    /// Where people log in unless they choose another of `login_hosts`. `SALESFORCE_LOGIN_URL`.
    pub login_url: String,
    /// Further login hosts by the name that `?host=` of the login route takes.
    pub login_hosts: BTreeMap<String, String>,
    /// Whether `?host=` of the login route also takes any `….my.salesforce.com` host.
    pub allow_my_domain: bool,
    /// The origin of this app as browsers see it. `SALESFORCE_PUBLIC_URL`.
    pub public_url: String,
    /// The scopes to ask for, space separated. `SALESFORCE_SCOPES`.
    pub scopes: String,
    /// The REST API version, for example `66.0`. `SALESFORCE_API_VERSION`.
    pub api_version: Option<String>,
    /// Base64 keys of 32 bytes, newest first, separated by commas or spaces. `SALESFORCE_KEYS`.
    pub keys: Option<Secret>,
    /// Where grants and logins live: `memory:`, `sqlite:PATH`, `redis://…`, `rediss://…` or `postgres://…`; secret, since
    /// it may hold a password. A server that does not answer at the start is an error after a few seconds.
    /// `SALESFORCE_STORE`.
    pub store: Secret,
    /// Extra origins that may be contacted (tests, proxies). `SALESFORCE_ALLOWED_ORIGINS`, space separated.
    pub allowed_origins: Vec<String>,
    /// Where the auth routes are.
    pub routes: Routes,
    /// Whose session holds the login id.
    pub session: SessionMode,
    /// Where a login without a (good) return target lands: a path of this app.
    pub after_login: String,
    /// Where a logout without a (good) return target lands: a path of this app.
    pub after_logout: String,
    /// A login that was not used for so many seconds ends.
    pub idle_lifetime_seconds: u64,
    /// A login ends so many seconds after it was made, used or not.
    pub absolute_lifetime_seconds: u64,
    /// Renews grants that were not used for so many days, for apps whose refresh token policy ends unused tokens. Absent:
    /// not at all.
    pub keep_alive_days: Option<u16>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: None,
            login_url: "https://login.salesforce.com".to_owned(),
            login_hosts: BTreeMap::new(),
            allow_my_domain: false,
            public_url: "http://127.0.0.1:8080".to_owned(),
            scopes: "api openid refresh_token".to_owned(),
            api_version: None,
            keys: None,
            store: Secret::new("memory:"),
            allowed_origins: Vec::new(),
            routes: Routes::default(),
            session: SessionMode::default(),
            after_login: "/".to_owned(),
            after_logout: "/".to_owned(),
            idle_lifetime_seconds: 24 * 60 * 60,
            absolute_lifetime_seconds: 30 * 24 * 60 * 60,
            keep_alive_days: None,
        }
    }
}

/// Where the auth routes are. A route that is `None` is not mounted; call its function by hand
/// (see [`routes`](crate::routes)).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Routes {
    /// The path of the scope that the middleware is wrapped on; empty when it is wrapped on the `App`.
    pub mount: String,
    /// What the paths of all four routes begin with.
    pub prefix: String,
    /// Starts a login.
    pub login: Option<String>,
    /// Where Salesforce sends the browser back to.
    pub callback: Option<String>,
    /// Ends a login.
    pub logout: Option<String>,
    /// Who is logged in, as JSON.
    pub me: Option<String>,
    /// The full redirect URI registered with the app, needed only when `callback` is `None`.
    pub redirect_uri: Option<String>,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            mount: String::new(),
            prefix: "/auth/salesforce".to_owned(),
            login: Some("/login".to_owned()),
            callback: Some("/callback".to_owned()),
            logout: Some("/logout".to_owned()),
            me: Some("/me".to_owned()),
            redirect_uri: None,
        }
    }
}

/// Whose actix-session session holds the opaque login id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SessionMode {
    /// One that the middleware brings: an encrypted cookie of its own, which handlers can use through
    /// `actix_session::Session` too.
    #[default]
    Embedded,
    /// The app's own `SessionMiddleware`, wrapped around (registered after) this middleware.
    App,
}

impl Config {
    /// Reads the `SALESFORCE_…` variables of this process.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads the same variables from somewhere else. Empty ones count as absent.
    ///
    /// ```
    /// use actix_salesforce::Config;
    ///
    /// let config = Config::from_variables(|name| (name == "SALESFORCE_CLIENT_ID").then(|| "3MVG9".to_owned()));
    /// assert_eq!(config.client_id, "3MVG9");
    /// assert_eq!(config.scopes, "api openid refresh_token");
    /// ```
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut config = Self::default();
        if let Some(id) = variable("SALESFORCE_CLIENT_ID") {
            config.client_id = id;
        }
        config.client_secret = variable("SALESFORCE_CLIENT_SECRET").map(Secret::new);
        if let Some(url) = variable("SALESFORCE_LOGIN_URL") {
            config.login_url = url;
        }
        if let Some(url) = variable("SALESFORCE_PUBLIC_URL") {
            config.public_url = url;
        }
        if let Some(scopes) = variable("SALESFORCE_SCOPES") {
            config.scopes = scopes;
        }
        config.api_version = variable("SALESFORCE_API_VERSION");
        config.keys = variable("SALESFORCE_KEYS").map(Secret::new);
        if let Some(store) = variable("SALESFORCE_STORE") {
            config.store = Secret::new(store);
        }
        if let Some(origins) = variable("SALESFORCE_ALLOWED_ORIGINS") {
            config.allowed_origins = origins.split_whitespace().map(str::to_owned).collect();
        }
        config
    }
}

/// A setting that is wrong, and how to mend it. Never contains the setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The environment variable, or the member of [`Config`] where there is none.
    pub setting: &'static str,
    /// What is wrong and what to do.
    pub fix: String,
}

/// Everything that is wrong with a configuration. The app does not start with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    pub(crate) fn and(mut self, problem: Problem) -> Self {
        self.problems.push(problem);
        self
    }

    /// Each wrong setting with its fix.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Salesforce settings cannot be used:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.setting, problem.fix))
    }
}

impl std::error::Error for ConfigError {}

/// Settings that were checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) default_host: LoginHost,
    pub(crate) hosts: BTreeMap<String, LoginHost>,
    pub(crate) allow_my_domain: bool,
    pub(crate) public_url: Url,
    pub(crate) redirect_uri: Url,
    pub(crate) scopes: Scopes,
    pub(crate) api_version: ApiVersion,
    pub(crate) keys: KeyRing,
    pub(crate) allowed_origins: Vec<Url>,
    pub(crate) paths: Paths,
    pub(crate) session: SessionMode,
    pub(crate) after_login: ReturnTo,
    pub(crate) after_logout: ReturnTo,
    pub(crate) idle_lifetime: Duration,
    pub(crate) absolute_lifetime: Duration,
    pub(crate) keep_alive: Option<Duration>,
}

impl Settings {
    /// Whether browsers reach the app over https: decides cookie names and flags.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

/// The mounted routes' paths, relative to `mount`.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) mount: String,
    pub(crate) login: Option<String>,
    pub(crate) callback: Option<String>,
    pub(crate) logout: Option<String>,
    pub(crate) me: Option<String>,
}

impl Paths {
    /// The path a browser asks for.
    pub(crate) fn full(&self, path: &str) -> String {
        format!("{}{path}", self.mount)
    }

    pub(crate) fn mounted(&self) -> impl Iterator<Item = &str> {
        [&self.login, &self.callback, &self.logout, &self.me].into_iter().flatten().map(String::as_str)
    }
}

impl Config {
    /// Checks everything; `durable_store` says that the store outlives the process, which asks for lasting keys.
    pub(crate) fn check(self, durable_store: bool) -> Result<Settings, ConfigError> {
        let mut check = Check { problems: Vec::new() };

        let client_id = self.client_id.trim().to_owned();
        if client_id.is_empty() {
            check.problem("SALESFORCE_CLIENT_ID", "set it to the consumer key of your external client app");
        }
        if let Some(secret) = &self.client_secret {
            check.client_secret(secret);
        }

        let public_url = check.public_url(&self.public_url);
        let allowed_origins =
            self.allowed_origins.iter().filter_map(|text| check.allowed_origin(text)).collect();
        let default_host = check.login_host("SALESFORCE_LOGIN_URL", &self.login_url);
        let hosts = self
            .login_hosts
            .iter()
            .filter_map(|(name, text)| {
                let plain = !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
                if !plain {
                    check.problem("login_hosts", "names consist of letters, digits, - and _");
                }
                check.login_host("login_hosts", text).map(|host| (name.clone(), host))
            })
            .collect();

        let scopes = match self.scopes.parse::<Scopes>() {
            Ok(scopes) if !scopes.is_empty() => Some(scopes),
            _ => {
                check.problem(
                    "SALESFORCE_SCOPES",
                    "give scope names separated by spaces, such as: api openid refresh_token",
                );
                None
            }
        };
        let api_version = match self.api_version.as_deref().map(str::parse::<ApiVersion>) {
            None => Some(ApiVersion::default()),
            Some(Ok(version)) => Some(version),
            Some(Err(_)) => {
                check.problem("SALESFORCE_API_VERSION", "give a version such as 66.0");
                None
            }
        };

        let loopback = public_url.as_ref().is_some_and(is_loopback);
        let keys = check.keys(self.keys.as_ref(), loopback, durable_store);
        let paths = check.paths(&self.routes);
        let redirect_uri = public_url
            .as_ref()
            .and_then(|public| check.redirect_uri(public, &paths, self.routes.redirect_uri.as_deref()));
        let after_login = check.landing("after_login", &self.after_login);
        let after_logout = check.landing("after_logout", &self.after_logout);
        if self.idle_lifetime_seconds == 0 || self.absolute_lifetime_seconds < self.idle_lifetime_seconds {
            check.problem("idle_lifetime_seconds", "must be above 0 and not above absolute_lifetime_seconds");
        }

        match (public_url, default_host, redirect_uri, scopes, api_version, keys, after_login, after_logout) {
            (
                Some(public_url),
                Some(default_host),
                Some(redirect_uri),
                Some(scopes),
                Some(api_version),
                Some(keys),
                Some(after_login),
                Some(after_logout),
            ) if check.problems.is_empty() => Ok(Settings {
                client_id,
                client_secret: self.client_secret,
                default_host,
                hosts,
                allow_my_domain: self.allow_my_domain,
                public_url,
                redirect_uri,
                scopes,
                api_version,
                keys,
                allowed_origins,
                paths,
                session: self.session,
                after_login,
                after_logout,
                idle_lifetime: Duration::from_secs(self.idle_lifetime_seconds),
                absolute_lifetime: Duration::from_secs(self.absolute_lifetime_seconds),
                keep_alive: self
                    .keep_alive_days
                    .map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
            }),
            _ => Err(ConfigError { problems: check.problems }),
        }
    }
}

struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn problem(&mut self, setting: &'static str, fix: impl Into<String>) {
        self.problems.push(Problem { setting, fix: fix.into() });
    }

    fn client_secret(&mut self, secret: &Secret) {
        const PLACEHOLDERS: [&str; 8] = [
            "secret",
            "changeme",
            "change-me",
            "password",
            "your-client-secret",
            "client_secret",
            "todo",
            "xxx",
        ];
        let text = secret.expose().trim();
        if text.is_empty() || PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder)) {
            self.problem(
                "SALESFORCE_CLIENT_SECRET",
                "set it to the consumer secret of your app, or leave it out for a public client",
            );
        }
    }

    fn public_url(&mut self, text: &str) -> Option<Url> {
        let fix = "give the origin that browsers use for this app: https://host[:port], no path (plain http for \
                   127.0.0.1, [::1] and localhost only)";
        let url = Url::parse(text.trim()).ok().filter(is_bare_origin);
        match url {
            Some(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
                Some(url)
            }
            _ => {
                self.problem("SALESFORCE_PUBLIC_URL", fix);
                None
            }
        }
    }

    fn allowed_origin(&mut self, text: &str) -> Option<Url> {
        let url = Url::parse(text.trim()).ok().filter(|url| is_bare_origin(url) && !text.contains('*'));
        match url {
            Some(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
                Some(url)
            }
            _ => {
                self.problem(
                    "SALESFORCE_ALLOWED_ORIGINS",
                    "list whole origins, https://host[:port], without path or wildcard (plain http for loopback only)",
                );
                None
            }
        }
    }

    fn login_host(&mut self, setting: &'static str, text: &str) -> Option<LoginHost> {
        match text.trim().parse::<LoginHost>() {
            Ok(host) => Some(host),
            Err(error) => {
                self.problem(setting, error.to_string());
                None
            }
        }
    }

    fn keys(&mut self, keys: Option<&Secret>, loopback: bool, durable_store: bool) -> Option<KeyRing> {
        let problem = match keys {
            Some(keys) => match KeyRing::from_base64(keys.expose()) {
                Ok(ring) => return Some(ring),
                Err(error) => error.to_string(),
            },
            None if durable_store => {
                "this store outlives the process and needs lasting keys: set it to 32 random bytes in base64 \
                 (openssl rand -base64 32)"
                    .to_owned()
            }
            None if loopback => match KeyRing::generate() {
                Ok(ring) => {
                    tracing::warn!(
                        "SALESFORCE_KEYS is not set: keys were made for this run, a restart logs everyone out"
                    );
                    return Some(ring);
                }
                Err(error) => error.to_string(),
            },
            None => "set it to 32 random bytes in base64 (openssl rand -base64 32)".to_owned(),
        };
        self.problem("SALESFORCE_KEYS", problem);
        None
    }

    fn paths(&mut self, routes: &Routes) -> Paths {
        let fix = "paths are empty or begin with one /, do not end with one, and consist of letters, digits and -._~/";
        if !is_plain_path(&routes.mount) {
            self.problem("routes.mount", fix);
        }
        if !is_plain_path(&routes.prefix) {
            self.problem("routes.prefix", fix);
        }
        let mut route = |setting, path: &Option<String>| {
            let path = path.as_deref()?;
            if path.is_empty() || !is_plain_path(path) {
                self.problem(setting, fix);
            }
            Some(format!("{}{path}", routes.prefix))
        };
        let paths = Paths {
            mount: routes.mount.clone(),
            login: route("routes.login", &routes.login),
            callback: route("routes.callback", &routes.callback),
            logout: route("routes.logout", &routes.logout),
            me: route("routes.me", &routes.me),
        };
        let mut mounted: Vec<&str> = paths.mounted().collect();
        mounted.sort_unstable();
        if mounted.windows(2).any(|pair| pair[0] == pair[1]) {
            self.problem("routes", "two routes have the same path");
        }
        paths
    }

    fn redirect_uri(&mut self, public: &Url, paths: &Paths, given: Option<&str>) -> Option<Url> {
        match (&paths.callback, given) {
            (Some(callback), None) => public.join(&paths.full(callback)).ok(),
            (callback, Some(given)) => {
                let url = Url::parse(given).ok().filter(|url| {
                    url.origin() == public.origin()
                        && url.query().is_none()
                        && url.fragment().is_none()
                        && callback.as_deref().is_none_or(|callback| url.path() == paths.full(callback))
                });
                if url.is_none() {
                    self.problem(
                        "routes.redirect_uri",
                        "must be SALESFORCE_PUBLIC_URL followed by the path that the callback is mounted at",
                    );
                }
                url
            }
            (None, None) => {
                self.problem(
                    "routes.redirect_uri",
                    "the callback route is left out: mount `routes::callback` yourself and give its full URL here",
                );
                None
            }
        }
    }

    fn landing(&mut self, setting: &'static str, text: &str) -> Option<ReturnTo> {
        let target = ReturnTo::parse(text);
        if target.is_none() {
            self.problem(setting, "must be a path of this app that begins with one /");
        }
        target
    }
}

fn is_bare_origin(url: &Url) -> bool {
    url.host().is_some()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

fn is_plain_path(path: &str) -> bool {
    path.is_empty()
        || (path.starts_with('/')
            && !path.ends_with('/')
            && !path.contains("//")
            && !path.split('/').any(|segment| segment == "." || segment == "..")
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)))
}
