//! [`Settings`]: the values of [`Config`](super::Config), checked and parsed. The names of cookies are made here, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use url::Url;

use super::{PreviousApp, ReturnTo, RevokeOnLogout, SessionMode};
use crate::{
    base::seal::KeyRing,
    grants::{HostOrgs, is_run_by_salesforce},
};
use salesforce_connection::{
    ClientBuilder, Secret, VersionChoice,
    http::AllowedHosts,
    oauth::{LoginHost, Scopes},
    token::ServiceUser,
};

/// The domains below which each org has its pages (Salesforce Help "My Domain URL Formats").
const PAGE_DOMAINS: [&str; 5] =
    ["lightning.force.com", "my.salesforce.com", "my.site.com", "vf.force.com", "my.salesforce-setup.com"];

/// Checked settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Secret>,
    /// The credentials before a rotation, as long as grants need them.
    pub(crate) previous: Option<PreviousApp>,
    pub(crate) default_host: LoginHost,
    pub(crate) hosts: BTreeMap<String, LoginHost>,
    /// Which orgs the login hosts may speak for that Salesforce does not run.
    pub(crate) host_orgs: HostOrgs,
    pub(crate) allow_sandboxes: bool,
    pub(crate) allow_my_domain: bool,
    pub(crate) public_url: Url,
    pub(crate) redirect_uri: Url,
    pub(crate) scopes: Scopes,
    pub(crate) api_version: VersionChoice,
    pub(crate) keys: KeyRing,
    pub(crate) allowed_origins: Vec<Url>,
    pub(crate) paths: Paths,
    pub(crate) session: SessionMode,
    /// What the names of all of our cookies begin with.
    pub(crate) cookie_stem: String,
    pub(crate) after_login: ReturnTo,
    pub(crate) after_logout: ReturnTo,
    pub(crate) revoke_on_logout: RevokeOnLogout,
    /// How long a login at Salesforce may take.
    pub(crate) login_timeout: Duration,
    /// How long the login cookie outlives the browser; `None`: it ends with it.
    pub(crate) remember: Option<Duration>,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) recheck: Option<Duration>,
    /// How long a refused grant stays listed. Zero: not at all.
    pub(crate) keep_broken: Duration,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) service: Option<ServiceUser>,
    pub(crate) api: ClientBuilder,
    /// What this app's own changes of records are from.
    #[cfg(feature = "events")]
    pub(crate) client_name: Option<String>,
    #[cfg(feature = "inbound")]
    pub(crate) inbound: super::inbound::Inbound,
}

impl Settings {
    /// Returns the client of all connections, which contacts the hosts of the settings and Salesforce's own.
    pub(crate) fn client(&self) -> ClientBuilder {
        let login_hosts = std::iter::once(&self.default_host).chain(self.hosts.values());
        let login_hosts = login_hosts.chain(self.service.iter().map(ServiceUser::host));
        #[cfg(feature = "inbound")]
        let login_hosts = login_hosts.chain(self.inbound.login_hosts());
        let hosts = login_hosts.map(LoginHost::as_url);
        let allowed_hosts = AllowedHosts::new(hosts.chain(&self.allowed_origins).cloned());
        self.api.clone().allowed_hosts(allowed_hosts).api_version(self.api_version)
    }

    /// Returns whether browsers reach the app over https, which decides cookie names and flags.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Returns whether users may choose between login hosts.
    pub(crate) fn is_choice_of_hosts(&self) -> bool {
        !self.hosts.is_empty() || self.allow_my_domain
    }

    /// Returns the login host with this URL if users may choose it here.
    pub(crate) fn offered_host(&self, url: &str) -> Option<LoginHost> {
        let is_it = |host: &&LoginHost| host.as_url().as_str() == url;
        let configured = std::iter::once(&self.default_host).chain(self.hosts.values()).find(is_it);
        configured.cloned().or_else(|| {
            let name = Url::parse(url).ok()?;
            let host = self.my_domain(name.host_str()?)?;
            is_it(&&host).then_some(host)
        })
    }

    /// Returns the redirect URI of logins at this host.
    ///
    /// A host that Salesforce does not run has a separate one if there are several, so that a code of another host
    /// cannot be brought into its login (mix-up, RFC 9700 section 4.4).
    pub(crate) fn redirect_uri_of(&self, host: &LoginHost) -> Url {
        let mut url = self.redirect_uri.clone();
        if let Some(name) = self.callback_name(host) {
            let path = format!("{}/{name}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        url
    }

    /// Returns what stands behind the callback's path in the redirect URI of this host.
    fn callback_name(&self, host: &LoginHost) -> Option<&str> {
        if !self.is_choice_of_hosts() || *host == self.default_host {
            return None;
        }
        if is_run_by_salesforce(host) {
            // They share one, which is not that of a default host that Salesforce does not run.
            return (!is_run_by_salesforce(&self.default_host)).then_some(Self::OF_SALESFORCE);
        }
        self.hosts.iter().find(|(_, known)| *known == host).map(|(name, _)| name.as_str())
    }

    /// The name of the callback of Salesforce's own hosts if the default host is not one of them.
    pub(crate) const OF_SALESFORCE: &str = "salesforce";

    /// Returns all redirect URIs, to register with the app in Salesforce.
    pub(crate) fn redirect_uris(&self) -> BTreeSet<String> {
        let hosts = std::iter::once(&self.default_host).chain(self.hosts.values());
        let mut uris: BTreeSet<_> = hosts.map(|host| self.redirect_uri_of(host).to_string()).collect();
        if self.allow_my_domain {
            uris.insert(self.redirect_uri_of(&LoginHost::production()).to_string());
        }
        uris
    }

    /// Returns the sites whose pages may show this app's page "open in a window" in a frame: Salesforce's own, the login
    /// hosts and the allowed origins.
    pub(crate) fn frame_ancestors(&self) -> String {
        let salesforce = PAGE_DOMAINS.iter().map(|domain| format!("https://*.{domain}"));
        salesforce.chain(self.page_origins()).collect::<Vec<_>>().join(" ")
    }

    /// Returns whether a page of Salesforce, a login host or an allowed origin has this address.
    pub(crate) fn is_salesforce_page(&self, url: &Url) -> bool {
        let is_below = |host: &str, domain: &str| {
            host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        let is_salesforce = || {
            let host = url.host_str().unwrap_or_default();
            let is_default = url.scheme() == "https" && url.port().is_none();
            is_default && PAGE_DOMAINS.iter().any(|domain| is_below(host, domain))
        };
        is_salesforce() || self.page_origins().contains(&url.origin().ascii_serialization())
    }

    fn page_origins(&self) -> BTreeSet<String> {
        let hosts = std::iter::once(&self.default_host).chain(self.hosts.values()).map(LoginHost::as_url);
        hosts.chain(&self.allowed_origins).map(|url| url.origin().ascii_serialization()).collect()
    }

    /// Returns the name of a cookie of ours: the stem, `kind` behind it and, on https, `__Host-` in front.
    ///
    /// No stem holds a `.`, so a kind that begins with one keeps the cookies of all apps on a host apart. Without https
    /// there is no prefix: some browsers drop such cookies on http loopback.
    pub(crate) fn scoped_name(&self, kind: &str) -> String {
        self.name_after(&self.cookie_stem, kind)
    }

    /// Returns the names of a cookie of ours, each with the client id that it belongs to: the name that is written, and
    /// while the app's credentials rotate the one that was written before.
    pub(crate) fn scoped_names(&self, kind: &str) -> impl Iterator<Item = (&str, String)> {
        let previous =
            self.previous.as_ref().map(|previous| (&previous.app.client_id, &previous.cookie_stem));
        let all = [(&self.client_id, &self.cookie_stem)].into_iter().chain(previous);
        all.map(move |(client_id, stem)| (client_id.as_str(), self.name_after(stem, kind)))
    }

    fn name_after(&self, stem: &str, kind: &str) -> String {
        let prefix = if self.is_https() { "__Host-" } else { "" };
        format!("{prefix}{stem}{kind}")
    }
}

/// The paths of the mounted routes, relative to `mount`.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// The path of the public URL, which a proxy strips; empty without one.
    pub(crate) public: String,
    pub(crate) mount: String,
    /// Whether there are callbacks with the name of a login host behind the path.
    pub(crate) named_callbacks: bool,
    pub(crate) login: Option<String>,
    pub(crate) callback: Option<String>,
    pub(crate) logout: Option<String>,
    pub(crate) me: Option<String>,
    /// Absent if there is one login host only.
    pub(crate) hosts: Option<String>,
    pub(crate) orgs: Option<String>,
    pub(crate) connect: Option<String>,
    /// `None` unless single logout is on.
    pub(crate) slo: Option<String>,
    /// `None` unless the app has a client secret.
    pub(crate) canvas: Option<String>,
}

impl Paths {
    /// Returns the path that browsers request.
    pub(crate) fn full(&self, path: &str) -> String {
        format!("{}{}{path}", self.public, self.mount)
    }

    /// Returns these paths, without the connect route unless the app names owners.
    pub(crate) fn with_connect(self, names_owners: bool) -> Self {
        Self { connect: self.connect.filter(|_| names_owners), ..self }
    }

    /// Returns the paths of all mounted routes.
    pub(crate) fn mounted(&self) -> impl Iterator<Item = &str> {
        let all = [
            &self.login,
            &self.callback,
            &self.logout,
            &self.me,
            &self.hosts,
            &self.orgs,
            &self.connect,
            &self.slo,
            &self.canvas,
        ];
        all.into_iter().flatten().map(String::as_str)
    }
}
