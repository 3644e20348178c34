//! Settings: what an app may set, where it comes from, and which combinations are refused.
//!
//! The places of a setting, in order: a field of [`Config`] and its default, both here; its variable in `variables.rs`; two
//! lists in `text.rs`, which removes blanks and quotes around it; its check in `check.rs`; its parsed value in `settings.rs`;
//! what the grants need of it also in `GrantManagerConfig` (`grants/manager.rs`, filled in `salesforce.rs`); a setter in
//! `src/builder/`; a row in `docs/settings.md` and in the README's table; for a time also one in `docs/lifetimes.md`; whether
//! `actix-salesforce fake` sets it or passes it on (`cli/src/fake/environment.rs`); a wrong value in
//! `tests/isolated/configuration_errors.rs`; a row in `docs/test-map.md`, a line in `CHANGELOG.md`; and the lists of the
//! public API (`scripts/public-api --write`).

mod api;
mod check;
mod cookie_name;
mod credentials;
pub(crate) mod duration;
mod hosts;
#[cfg(feature = "inbound")]
mod inbound;
mod login_link;
mod logout;
mod my_domain;
mod plan;
mod problem;
mod proxies;
mod return_to;
mod service;
mod settings;
mod start;
mod text;
mod unused;
mod variables;

#[cfg(feature = "inbound")]
pub use self::inbound::{Caller, ClientCertificateHeader, DataCloud, InboundConfig, OutboundMessages};
#[cfg(feature = "inbound")]
pub(crate) use self::inbound::{CertificateHeader, CheckedCaller, Fingerprint, fingerprint};
pub use self::{
    api::ApiConfig,
    plan::{PlannedLogin, StartPlan},
    problem::{ConfigError, ConfigProblem},
    service::ServiceUserConfig,
};
pub(crate) use self::{
    credentials::PreviousApp,
    return_to::ReturnTo,
    settings::{Paths, Settings},
    start::store_problem,
};

use std::collections::BTreeMap;

use serde::Deserialize;

pub use crate::grants::{InvalidRevokeOnLogout, RevokeOnLogout};
use salesforce_connection::Secret;

/// The settings of [`Salesforce`](crate::Salesforce), from a settings file or the environment.
///
/// [`Salesforce::from_config`](crate::Salesforce::from_config) checks them and reports all mistakes at once.
/// Deserializing fails on unknown fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The consumer key of the external client app or connected app. `SALESFORCE_CLIENT_ID`.
    pub client_id: String,
    /// The consumer secret of that app; absent for a public client. `SALESFORCE_CLIENT_SECRET`.
    pub client_secret: Option<Secret>,
    /// The consumer key before a rotation of the app's credentials, during which Salesforce takes both for 30 days.
    /// Grants that were given to it are refreshed and found under it; logins begin under [`client_id`](Self::client_id).
    /// Default: none. `SALESFORCE_PREVIOUS_CLIENT_ID`.
    pub previous_client_id: Option<String>,
    /// The consumer secret that belongs to [`previous_client_id`](Self::previous_client_id).
    /// `SALESFORCE_PREVIOUS_CLIENT_SECRET`.
    pub previous_client_secret: Option<Secret>,
    /// Where users log in unless the login route's `?host=` names another host. Default:
    /// `https://login.salesforce.com`. `SALESFORCE_LOGIN_URL`.
    pub login_url: String,
    /// Further login hosts by the name that `?host=` of the login route takes, and the chooser shows. A host that
    /// Salesforce does not run names the orgs that it may speak for: `https://login.acme.example|00D…,00D…`; each such
    /// host has a separate callback URL, with `/` and its name at the end. Default: none. `SALESFORCE_LOGIN_HOSTS`,
    /// `name=URL` separated by spaces.
    pub login_hosts: BTreeMap<String, String>,
    /// The ids of the orgs whose users may use the app, existing logins and jobs included. Needed if there are several
    /// login hosts and Salesforce does not run [`login_url`](Self::login_url), which may speak for these orgs only.
    /// Default: all. `SALESFORCE_ALLOWED_ORGS`, separated by spaces or commas.
    pub allowed_orgs: Vec<String>,
    /// The ids of the orgs whose users may not log in, even if [`allowed_orgs`](Self::allowed_orgs) names them. Existing
    /// logins of theirs count no more. Default: none. `SALESFORCE_DENIED_ORGS`, separated by spaces or commas.
    pub denied_orgs: Vec<String>,
    /// Whether users of sandboxes and scratch orgs may log in. `false`: each process asks each org, until
    /// it has said it, whether it is one (`Organization.IsSandbox`). An org that does not say it is refused. Existing logins and jobs end, too: at once
    /// where the names of the org's hosts say so, else when the org has said it. Default: `true`. `SALESFORCE_ALLOW_SANDBOXES`,
    /// `true` or `false`.
    pub allow_sandboxes: bool,
    /// Whether users may enter the name or the address of any My Domain (`….my.salesforce.com`), in the chooser and as
    /// `?host=` of the login route. Default: `false`. `SALESFORCE_ALLOW_MY_DOMAIN`, `true` or `false`.
    pub allow_my_domain: bool,
    /// The forward proxy for all of `/services/oauth2/` and for the keys of ID tokens, at each host:
    /// `http://[user:password@]host[:port]`, `socks5://…`, `socks5h://…`, or `env` for `HTTPS_PROXY` and `NO_PROXY`.
    /// Default: none, and the environment's proxies are ignored. `SALESFORCE_TOKEN_PROXY`.
    pub token_proxy: Option<Secret>,
    /// The forward proxy for all other requests to Salesforce, as [`token_proxy`](Self::token_proxy).
    /// `SALESFORCE_API_PROXY`.
    pub api_proxy: Option<Secret>,
    /// The URL of this app as browsers see it. It has a path only if a proxy serves the app below that path and strips
    /// it; for a proxy that does not strip, see [`RoutePaths::mount`]. Default: `http://127.0.0.1:8080`.
    /// `SALESFORCE_PUBLIC_URL`.
    pub public_url: String,
    /// The scopes to request, separated by spaces. Default: `api openid refresh_token`. `SALESFORCE_SCOPES`.
    pub scopes: String,
    /// The REST API version, for example `66.0`, or `newest`: the newest that each org has. `SALESFORCE_API_VERSION`.
    pub api_version: Option<String>,
    /// The keys that seal cookies and stored tokens: 32 bytes each in base64, newest first, separated by commas or
    /// spaces. Absent: made at start for a loopback public URL with `memory:`, otherwise an error. `SALESFORCE_KEYS`.
    pub keys: Option<Secret>,
    /// Where grants and logins are stored: `memory:` (the default), `sqlite:PATH`, `redis://…`, `redis+sentinel://…`,
    /// `redis+cluster://…` (with `rediss` for TLS) or `postgres://…`; secret, since it may hold a password. A server
    /// that does not respond at the start is an error after a few seconds. `SALESFORCE_STORE`.
    pub store: Secret,
    /// Whether a login that was read lately is used without asking Redis, until Redis reports a change. A logout in another
    /// process is then seen up to a second late if the connection to Redis breaks without a sign of it
    /// (`RedisStore::cache_logins`). For one server, `redis://…` or `rediss://…`; an error with any other store. Default:
    /// `false`. `SALESFORCE_CACHE_LOGINS`, `true` or `false`.
    pub cache_logins: bool,
    /// Extra origins that may be contacted (tests, proxies). Default: none. `SALESFORCE_ALLOWED_ORIGINS`, separated by
    /// spaces.
    pub allowed_origins: Vec<String>,
    /// Hosts of Salesforce besides the instance that requests may name, such as `api.salesforce.com`: see
    /// [`Connection::api_host`](crate::Connection::api_host). Default: none. `SALESFORCE_API_HOSTS`, separated by spaces.
    pub api_hosts: Vec<String>,
    /// Where the auth routes are.
    pub routes: RoutePaths,
    /// Whose session handlers get.
    pub session: SessionMode,
    /// What the names of all of this crate's cookies begin with: letters, digits, `-` and `_`, 40 at most. On https
    /// `__Host-` stands in front, and `Path` is always `/`. Absent: `salesforce-` and eight hex digits that the client
    /// id, the public URL (with its port) and the mount decide, so that apps on one host do not log each other out. Set
    /// it where several addresses share their logins. `SALESFORCE_COOKIE_NAME`.
    pub cookie_name: Option<String>,
    /// Where to redirect after a login whose request gave no valid `return_to`: a path of this app. Default: `/`.
    pub after_login: String,
    /// Where to redirect after a logout whose request gave no valid `return_to`: a path of this app. Default: `/`.
    pub after_logout: String,
    /// What a user's logout does to the grant: `never` (it stays, for jobs), `last` (the grant's last logout deletes it and
    /// revokes its tokens) or `always` (each logout ends all logins of the grant). Default: `last`.
    /// `SALESFORCE_REVOKE_ON_LOGOUT`.
    pub revoke_on_logout: String,
    /// Whether Salesforce's single logout ends this app's logins, too: mounts the route of [`RoutePaths::slo`] and gives
    /// each browser a cookie for it. Default: `false`. `SALESFORCE_SINGLE_LOGOUT`, `true` or `false`.
    pub single_logout: bool,
    /// How long a login at Salesforce may take, at most a day. A callback that comes later starts one new login. Default:
    /// `10m`. `SALESFORCE_LOGIN_TIMEOUT`.
    pub login_timeout: String,
    /// How long the login cookie outlives the browser; at most `idle_timeout`. Absent: the login ends when the browser
    /// closes. `SALESFORCE_REMEMBER`.
    pub remember: Option<String>,
    /// A login ends after this time without use: a whole number with `s`, `m`, `h` or `d`. Default: `24h`.
    /// `SALESFORCE_IDLE_TIMEOUT`.
    pub idle_timeout: String,
    /// A login ends this time after it was made, even if it is used; ten years at most. Default: `30d`.
    /// `SALESFORCE_MAX_LIFETIME`.
    pub max_lifetime: String,
    /// The longest time until Salesforce is asked whether a login that is in use is still valid, so that a deactivated
    /// user loses pages without a request to Salesforce, too. `0s`: it is not asked. Default: `1h`. `SALESFORCE_RECHECK`.
    pub recheck: String,
    /// How long a grant that Salesforce refused for good stays listed as needing reconnecting, without tokens; ten years at
    /// most. `0s`: it is forgotten at once. Default: `30d`. `SALESFORCE_KEEP_BROKEN`.
    pub keep_broken: String,
    /// Refreshes grants that have been unused for this many days, for apps whose refresh token policy expires unused
    /// tokens. Absent: never.
    pub keep_alive_days: Option<u16>,
    /// The user of background jobs. Default: none. `SALESFORCE_SERVICE_URL` and others.
    pub service: Option<ServiceUserConfig>,
    /// Limits of the requests to each org's API.
    pub api: ApiConfig,
    /// Who may call the app from Salesforce. Feature `inbound`.
    #[cfg(feature = "inbound")]
    pub inbound: InboundConfig,
    /// Variables that [`from_env`](Self::from_env) found and that nothing reads, for a warning at the start.
    #[serde(skip)]
    pub(crate) unused_variables: Vec<String>,
    /// Variables that are neither `true` nor `false` and have to be.
    #[serde(skip)]
    pub(crate) unclear_variables: Vec<&'static str>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: None,
            previous_client_id: None,
            previous_client_secret: None,
            login_url: "https://login.salesforce.com".to_owned(),
            login_hosts: BTreeMap::new(),
            allowed_orgs: Vec::new(),
            denied_orgs: Vec::new(),
            allow_sandboxes: true,
            allow_my_domain: false,
            token_proxy: None,
            api_proxy: None,
            public_url: "http://127.0.0.1:8080".to_owned(),
            scopes: "api openid refresh_token".to_owned(),
            api_version: None,
            keys: None,
            store: Secret::new("memory:"),
            cache_logins: false,
            allowed_origins: Vec::new(),
            api_hosts: Vec::new(),
            routes: RoutePaths::default(),
            session: SessionMode::default(),
            cookie_name: None,
            after_login: "/".to_owned(),
            after_logout: "/".to_owned(),
            revoke_on_logout: RevokeOnLogout::default().to_string(),
            single_logout: false,
            login_timeout: "10m".to_owned(),
            remember: None,
            idle_timeout: "24h".to_owned(),
            max_lifetime: "30d".to_owned(),
            recheck: "1h".to_owned(),
            keep_broken: "30d".to_owned(),
            keep_alive_days: None,
            service: None,
            api: ApiConfig::default(),
            #[cfg(feature = "inbound")]
            inbound: InboundConfig::default(),
            unused_variables: Vec::new(),
            unclear_variables: Vec::new(),
        }
    }
}

/// The paths of the auth routes. A route that is `None` is not mounted; its function can be mounted by hand (see
/// [`routes`](crate::routes)).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RoutePaths {
    /// The path of the scope that the middleware is wrapped on. Default: empty, for the `App` itself.
    pub mount: String,
    /// What the paths of all routes begin with. Default: `/auth/salesforce`.
    pub prefix: String,
    /// Starts a login. Default: `/login`.
    pub login: Option<String>,
    /// Where Salesforce sends the browser back to. Default: `/callback`.
    pub callback: Option<String>,
    /// Ends a login. Default: `/logout`.
    pub logout: Option<String>,
    /// Returns the logged-in user as JSON. Default: `/me`.
    pub me: Option<String>,
    /// Shows the login hosts to choose from, if the settings have several. Default: `/hosts`.
    pub hosts: Option<String>,
    /// The orgs that the browser is logged in at: lists, adds, switches and drops them. Default: `/orgs`.
    pub orgs: Option<String>,
    /// Connects Salesforce to a user of the app itself; mounted if the app names owners
    /// ([`SalesforceBuilder::connect_owner`](crate::SalesforceBuilder::connect_owner)). Default: `/connect`.
    pub connect: Option<String>,
    /// Ends all logins of a browser that logs out at Salesforce. Mounted with [`Config::single_logout`] only. Default:
    /// `/slo`.
    pub slo: Option<String>,
    /// Takes Salesforce's signed request, for an app in a frame of Salesforce (Canvas). Mounted with a client secret only,
    /// with which Salesforce signs. Default: `/canvas`.
    pub canvas: Option<String>,
    /// The full redirect URI registered with the app. Needed only if `callback` is `None`.
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
            hosts: Some("/hosts".to_owned()),
            orgs: Some("/orgs".to_owned()),
            connect: Some("/connect".to_owned()),
            slo: Some("/slo".to_owned()),
            canvas: Some("/canvas".to_owned()),
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
