//! Checked settings.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::{ReturnTo, SessionMode};
use crate::base::seal::KeyRing;
use salesforce_connection::{
    ApiVersion, ClientBuilder, Secret,
    oauth::{LoginHost, Scopes},
    token::ServiceUser,
};

/// Checked settings.
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
    /// What the names of all of our cookies begin with.
    pub(crate) cookie_stem: String,
    pub(crate) after_login: ReturnTo,
    pub(crate) after_logout: ReturnTo,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) recheck: Option<Duration>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) service: Option<ServiceUser>,
    pub(crate) api: ClientBuilder,
}

impl Settings {
    /// Returns whether browsers reach the app over https, which decides cookie names and flags.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Returns the name of a cookie of ours: the stem, `kind` behind it and, on https, `__Host-` in front.
    ///
    /// No stem holds a `.`, so a kind that begins with one keeps the cookies of all apps on a host apart. Without https
    /// there is no prefix: some browsers drop such cookies on http loopback.
    pub(crate) fn scoped_name(&self, kind: &str) -> String {
        let prefix = if self.is_https() { "__Host-" } else { "" };
        format!("{prefix}{}{kind}", self.cookie_stem)
    }
}

/// The paths of the mounted routes, relative to `mount`.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) mount: String,
    pub(crate) login: Option<String>,
    pub(crate) callback: Option<String>,
    pub(crate) logout: Option<String>,
    pub(crate) me: Option<String>,
}

impl Paths {
    /// Returns the path that browsers request.
    pub(crate) fn full(&self, path: &str) -> String {
        format!("{}{path}", self.mount)
    }

    /// Returns the paths of all mounted routes.
    pub(crate) fn mounted(&self) -> impl Iterator<Item = &str> {
        [&self.login, &self.callback, &self.logout, &self.me].into_iter().flatten().map(String::as_str)
    }
}
