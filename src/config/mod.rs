//! Settings: what an app may set, where it comes from, and what makes a set-up too weak to start.

mod api;
mod check;
mod problem;
mod service;
mod settings;

pub(crate) use self::settings::{Paths, Settings};
pub use self::{
    api::ApiConfig,
    problem::{ConfigError, Problem},
    service::ServiceUserConfig,
};

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Secret;

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
    /// Where grants and logins live: `memory:`, `sqlite:PATH`, `redis://…`, `redis+sentinel://…`, `redis+cluster://…`
    /// (with `rediss` for TLS) or `postgres://…`; secret, since it may hold a password. A server that does not answer
    /// at the start is an error after a few seconds. `SALESFORCE_STORE`.
    pub store: Secret,
    /// Extra origins that may be contacted (tests, proxies). `SALESFORCE_ALLOWED_ORIGINS`, space separated.
    pub allowed_origins: Vec<String>,
    /// Where the auth routes are.
    pub routes: Routes,
    /// Whose session handlers get.
    pub session: SessionMode,
    /// What the names of all of this crate's cookies begin with: letters, digits, `-` and `_`, 40 at most. On https
    /// `__Host-` stands in front, and `Path` is always `/`. Absent: `salesforce-` and eight hex digits that the client
    /// id, the public URL (with its port) and the mount decide, so that apps on one host do not log each other out. Set
    /// it where several addresses share their logins. `SALESFORCE_COOKIE_NAME`.
    pub cookie_name: Option<String>,
    /// Where a login without a (good) return target lands: a path of this app.
    pub after_login: String,
    /// Where a logout without a (good) return target lands: a path of this app.
    pub after_logout: String,
    /// A login ends after this many seconds without use.
    pub idle_lifetime_seconds: u64,
    /// A login ends this many seconds after it was made, whether or not it is used; ten years at most.
    pub absolute_lifetime_seconds: u64,
    /// Renews grants that have gone unused for this many days, for apps whose refresh token policy expires unused
    /// tokens. Absent: not at all.
    pub keep_alive_days: Option<u16>,
    /// The user that background jobs work as. `SALESFORCE_SERVICE_URL` and others.
    pub service: Option<ServiceUserConfig>,
    /// How each organization's API is treated.
    pub api: ApiConfig,
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
            cookie_name: None,
            after_login: "/".to_owned(),
            after_logout: "/".to_owned(),
            idle_lifetime_seconds: 24 * 60 * 60,
            absolute_lifetime_seconds: 30 * 24 * 60 * 60,
            keep_alive_days: None,
            service: None,
            api: ApiConfig::default(),
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

/// Whose actix-session session handlers get.
///
/// A login is in neither: it has a sealed cookie that no handler can overwrite. The session is renewed when a user logs
/// in or out (OWASP ASVS 7.2.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SessionMode {
    /// One that the middleware brings: an encrypted cookie, which handlers use through `actix_session::Session`. It
    /// holds some 2,800 bytes; a change that makes it larger is logged as an error and not stored.
    #[default]
    Embedded,
    /// The app's `SessionMiddleware`, wrapped around (registered after) this middleware. It must come from the
    /// actix-session that this crate links, re-exported as [`actix_salesforce::actix_session`](crate::actix_session):
    /// the session of another version is not seen.
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
        config.service = ServiceUserConfig::from_variables(variable);
        config.api_version = variable("SALESFORCE_API_VERSION");
        config.keys = variable("SALESFORCE_KEYS").map(Secret::new);
        config.cookie_name = variable("SALESFORCE_COOKIE_NAME");
        if let Some(store) = variable("SALESFORCE_STORE") {
            config.store = Secret::new(store);
        }
        if let Some(origins) = variable("SALESFORCE_ALLOWED_ORIGINS") {
            config.allowed_origins = origins.split_whitespace().map(str::to_owned).collect();
        }
        config
    }
}
