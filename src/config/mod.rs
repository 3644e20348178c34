//! The settings of an app: where they come from, and the check that rejects invalid and insecure ones.

mod api;
mod check;
mod problem;
mod service;
mod settings;

pub(crate) use self::settings::{Paths, Settings};
pub use self::{
    api::ApiConfig,
    problem::{ConfigError, ConfigProblem},
    service::ServiceUserConfig,
};

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Secret;

/// The settings of [`Salesforce`](crate::Salesforce), from a settings file or the environment.
///
/// They are checked by [`Salesforce::from_config`](crate::Salesforce::from_config), which reports all problems at once.
/// Deserializing fails for unknown members.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The consumer key of the external client app or connected app. `SALESFORCE_CLIENT_ID`.
    pub client_id: String,
    /// The consumer secret of that app; absent for a public client. `SALESFORCE_CLIENT_SECRET`.
    pub client_secret: Option<Secret>,
    /// Where users log in, unless the login request names one of `login_hosts`. Default: `https://login.salesforce.com`. `SALESFORCE_LOGIN_URL`.
    pub login_url: String,
    /// Further login hosts, by the name that `?host=` of the login route accepts. Default: none.
    pub login_hosts: BTreeMap<String, String>,
    /// Whether `?host=` of the login route also accepts any `….my.salesforce.com` host. Default: no.
    pub allow_my_domain: bool,
    /// The origin of this app as browsers see it. Default: `http://127.0.0.1:8080`. `SALESFORCE_PUBLIC_URL`.
    pub public_url: String,
    /// The scopes to request, separated by spaces. Default: `api openid refresh_token`. `SALESFORCE_SCOPES`.
    pub scopes: String,
    /// The REST API version, for example `66.0`. `SALESFORCE_API_VERSION`.
    pub api_version: Option<String>,
    /// Base64 keys of 32 bytes, newest first, separated by commas or spaces. `SALESFORCE_KEYS`.
    pub keys: Option<Secret>,
    /// Where grants and logins are stored: `memory:` (the default), `sqlite:PATH`, `redis://…`, `redis+sentinel://…`, `redis+cluster://…`
    /// (with `rediss` for TLS) or `postgres://…`. A secret, because it may contain a password. If the server does not
    /// respond at the start, that is an error after a few seconds. `SALESFORCE_STORE`.
    pub store: Secret,
    /// Extra origins that may be contacted (tests, proxies). `SALESFORCE_ALLOWED_ORIGINS`, space separated.
    pub allowed_origins: Vec<String>,
    /// The paths of the auth routes.
    pub routes: RoutePaths,
    /// Which session holds the login id. Default: one that this crate adds.
    pub session: SessionMode,
    /// Where to redirect after login if the request gave no valid `return_to`: a path of this app. Default: `/`.
    pub after_login: String,
    /// Where to redirect after logout if the request gave no valid `return_to`: a path of this app. Default: `/`.
    pub after_logout: String,
    /// A login ends after this many seconds without use. Default: 86,400 (a day).
    pub idle_lifetime_seconds: u64,
    /// A login ends this many seconds after it was created, even if it is used. Default: 2,592,000 (30 days); maximum: ten
    /// years.
    pub absolute_lifetime_seconds: u64,
    /// Renews grants that were unused for this many days, for apps whose refresh token policy expires unused tokens.
    /// Default: absent, no grant is renewed before it is used.
    pub keep_alive_days: Option<u16>,
    /// The user of background jobs. Default: none. `SALESFORCE_SERVICE_URL` and others.
    pub service: Option<ServiceUserConfig>,
    /// Limits of requests to each organization's API.
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
            routes: RoutePaths::default(),
            session: SessionMode::default(),
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

/// The paths of the auth routes. A route that is `None` is not mounted: the app mounts its function itself (see
/// [`routes`](crate::routes)).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RoutePaths {
    /// The path of the scope that the middleware wraps; empty if it wraps the `App`. Default: empty.
    pub mount: String,
    /// The prefix of all four routes. Default: `/auth/salesforce`.
    pub prefix: String,
    /// Starts a login. Default: `/login`.
    pub login: Option<String>,
    /// Receives the browser from Salesforce. Default: `/callback`.
    pub callback: Option<String>,
    /// Ends a login. Default: `/logout`.
    pub logout: Option<String>,
    /// Returns the user as JSON. Default: `/me`.
    pub me: Option<String>,
    /// The full redirect URI that is registered with the app. Needed only if `callback` is `None`.
    pub redirect_uri: Option<String>,
}

impl Default for RoutePaths {
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

/// Which actix-session session holds the opaque login id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SessionMode {
    /// A session that the middleware adds: an encrypted cookie, which handlers can use through `actix_session::Session`
    /// too.
    #[default]
    Embedded,
    /// The app's `SessionMiddleware`, wrapped around (registered after) this middleware. It must come from the
    /// actix-session that this crate links, re-exported as [`actix_salesforce::actix_session`](crate::actix_session): the
    /// session of another version is invisible to this crate.
    App,
}

impl Config {
    /// Reads the `SALESFORCE_…` environment variables of this process.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads the same variables from another source. Empty ones count as absent.
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
        if let Some(store) = variable("SALESFORCE_STORE") {
            config.store = Secret::new(store);
        }
        if let Some(origins) = variable("SALESFORCE_ALLOWED_ORIGINS") {
            config.allowed_origins = origins.split_whitespace().map(str::to_owned).collect();
        }
        config
    }
}
