//! [`Settings`]: checked settings.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::SessionMode;
use crate::{
    Secret,
    api::{ApiManners, ApiVersion},
    base::seal::KeyRing,
    oauth::{LoginHost, Scopes, ServiceUser},
    return_to::ReturnTo,
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
    pub(crate) after_login: ReturnTo,
    pub(crate) after_logout: ReturnTo,
    pub(crate) idle_lifetime: Duration,
    pub(crate) absolute_lifetime: Duration,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) service: Option<ServiceUser>,
    pub(crate) api: ApiManners,
}

impl Settings {
    /// Returns true if browsers reach the app over https. Decides the names and flags of cookies.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Returns `name` with a suffix for the mount path, so that several `Salesforce` in one app have separate cookies. The
    /// result is a valid cookie name if `name` is one.
    pub(crate) fn scoped_name(&self, name: &str) -> String {
        // `/` becomes `.`, and `.` is doubled. That is unambiguous, because a mount path has no empty segments.
        format!("{name}{}", self.paths.mount.replace('.', "..").replace('/', "."))
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
    /// Returns the path of a route from the root of the app.
    pub(crate) fn full(&self, path: &str) -> String {
        format!("{}{path}", self.mount)
    }

    /// Returns the paths of all mounted routes.
    pub(crate) fn mounted(&self) -> impl Iterator<Item = &str> {
        [&self.login, &self.callback, &self.logout, &self.me].into_iter().flatten().map(String::as_str)
    }
}
