//! Where users of this app log in at a certain login host.

use std::{collections::BTreeMap, sync::Arc};

use super::Settings;
use crate::{
    base::append_query::append_query,
    grants::{ConnectPath, LoginPath},
    store::ConnectionName,
};
use salesforce_connection::oauth::LoginHost;

/// What the settings say about it.
struct LoginLinks {
    login: String,
    hosts: BTreeMap<String, LoginHost>,
    default_host: LoginHost,
    is_choice: bool,
}

impl LoginLinks {
    fn of(settings: &Settings) -> Option<Self> {
        Some(Self {
            login: settings.paths.full(settings.paths.login.as_deref()?),
            hosts: settings.hosts.clone(),
            default_host: settings.default_host.clone(),
            is_choice: settings.is_choice_of_hosts(),
        })
    }

    fn to(&self, host: &LoginHost, return_to: Option<&str>) -> String {
        let return_to = return_to.map(|return_to| ("return_to", return_to));
        // Without a name the login goes to the host of the browser's last one.
        let is_named = *host != self.default_host || self.is_choice;
        let host = is_named.then(|| ("host", host_name(&self.hosts, host)));
        append_query(&self.login, return_to.into_iter().chain(host))
    }
}

/// Returns what `?host=` of the login route calls this host: its name in the settings, or its address without the scheme.
fn host_name<'a>(hosts: &'a BTreeMap<String, LoginHost>, host: &'a LoginHost) -> &'a str {
    let named = hosts.iter().find(|(_, known)| *known == host).map(|(name, _)| name.as_str());
    named.unwrap_or_else(|| host.issuer().split_once("://").map_or("", |(_, address)| address))
}

impl Settings {
    /// Returns the link that logs in at this host and comes back to `return_to`. `None` if the app has no login route.
    pub(crate) fn login_link(&self, host: &LoginHost, return_to: Option<&str>) -> Option<String> {
        LoginLinks::of(self).map(|links| links.to(host, return_to))
    }

    /// Returns the link to Salesforce's login page at the host with this URL, for a user with this name.
    pub(crate) fn fresh_login_link(&self, host: &str, username: Option<&str>) -> Option<String> {
        let host = self.offered_host(host)?;
        let login = self.login_link(&host, None)?;
        let hint = username.map(|username| ("login_hint", username));
        Some(append_query(&login, [("prompt", "login")].into_iter().chain(hint)))
    }

    /// Returns what `?host=` of the login route calls this host.
    pub(crate) fn host_name<'a>(&'a self, host: &'a LoginHost) -> &'a str {
        host_name(&self.hosts, host)
    }

    /// Returns the function that gives the path of the login at a host.
    pub(crate) fn login_path(&self) -> LoginPath {
        let links = LoginLinks::of(self);
        Arc::new(move |host| Some(links.as_ref()?.to(host, None)))
    }

    /// Returns the function that gives the path at which an owner connects at a host.
    pub(crate) fn connect_path(&self) -> ConnectPath {
        let path = self.paths.connect.as_deref().map(|path| self.paths.full(path));
        let (hosts, default_host) = (self.hosts.clone(), self.default_host.clone());
        Arc::new(move |host: Option<&LoginHost>, name: &ConnectionName| {
            let host = host.filter(|host| **host != default_host);
            let host = host.map(|host| ("host", host_name(&hosts, host)));
            Some(append_query(path.as_deref()?, [("name", name.as_str())].into_iter().chain(host)))
        })
    }
}
