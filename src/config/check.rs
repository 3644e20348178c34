//! Checks the settings: an incomplete or weak set-up does not start.

use std::time::Duration;

use url::Url;

use super::{
    Config, ConfigError, ConfigProblem, ReturnTo, RoutePaths, Settings, cookie_name, duration, proxies,
    settings::Paths,
};
use crate::base::seal::KeyRing;
use salesforce_connection::{
    Secret, VersionChoice,
    http::{AllowedHosts, Proxy, check_api_host, is_loopback, is_on_this_machine},
    oauth::{LoginHost, Scopes},
};

/// The longest lifetime of a login: ten years. More is a typing error, and must stay far below where `SystemTime`
/// overflows.
const LONGEST_LOGIN: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The longest time that a login at Salesforce may take: a day. Its one-time key stays in the store for as long.
const LONGEST_PENDING: Duration = Duration::from_secs(24 * 60 * 60);

impl Config {
    /// Checks all settings. `durable_store`: the store outlives the process, so the keys must too.
    pub(crate) fn check(self, durable_store: bool) -> Result<Settings, ConfigError> {
        let mut check = Check { problems: Vec::new() };
        self.check_texts(&mut check);

        let client_id = self.client_id.trim().to_owned();
        if client_id.is_empty() {
            check.problem("SALESFORCE_CLIENT_ID", "set it to the consumer key of your external client app");
        }
        if let Some(secret) = &self.client_secret {
            check.client_secret("SALESFORCE_CLIENT_SECRET", secret);
        }

        let public_url = check.public_url(&self.public_url);
        let allowed_origins =
            self.allowed_origins.iter().filter_map(|text| check.allowed_origin(text)).collect::<Vec<_>>();
        let allowed_hosts = AllowedHosts::new(allowed_origins.iter().cloned());
        for name in &self.api_hosts {
            if let Err(error) = check_api_host(name, &allowed_hosts) {
                check.problem("SALESFORCE_API_HOSTS", error.to_string());
            }
        }
        let default_host = check.login_host("SALESFORCE_LOGIN_URL", &self.login_url);
        let default_orgs = self.allowed_orgs.as_slice();
        let (hosts, mut host_orgs) = check.hosts(&self, default_host.as_ref(), default_orgs);
        host_orgs.denied = check.orgs("SALESFORCE_DENIED_ORGS", self.denied_orgs.iter().map(String::as_str));

        for variable in &self.unclear_variables {
            check.problem(variable, "give true or false");
        }

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
        super::unused::warn(&self.unused_variables, scopes.as_ref());
        let api_version = match self.api_version.as_deref().map(str::parse::<VersionChoice>) {
            None => Some(VersionChoice::default()),
            Some(Ok(version)) => Some(version),
            Some(Err(_)) => {
                check.problem("SALESFORCE_API_VERSION", "give a version such as 66.0, or newest");
                None
            }
        };

        let loopback = public_url.as_ref().is_some_and(is_on_this_machine);
        let keys = check.keys(self.keys.as_ref(), loopback, durable_store);
        let public_path = public_url.as_ref().map_or("", |url| url.path().trim_end_matches('/'));
        let mut paths = check.paths(&self.routes, public_path);
        paths.slo = paths.slo.filter(|_| self.single_logout);
        paths.canvas = paths.canvas.filter(|_| self.client_secret.is_some());
        paths.named_callbacks = !self.login_hosts.is_empty() || self.allow_my_domain;
        if !paths.named_callbacks {
            paths.hosts = None;
        }
        let cookie_stem = check.cookie_stem(
            self.cookie_name.as_deref(),
            &client_id,
            public_url.as_ref().map_or("", Url::as_str),
            &paths.mount,
        );
        let previous = self.previous_app(&mut check, |id| match &self.cookie_name {
            Some(_) => cookie_stem.clone(),
            None => cookie_name::default_stem(id, public_url.as_ref().map_or("", Url::as_str), &paths.mount),
        });
        let redirect_uri = public_url
            .as_ref()
            .and_then(|public| check.redirect_uri(public, &paths, self.routes.redirect_uri.as_deref()));
        let after_login = check.redirect_target("after_login", public_path, &self.after_login);
        let after_logout = check.redirect_target("after_logout", public_path, &self.after_logout);
        let revoke_on_logout = check.revoke_on_logout(&self.revoke_on_logout);
        let idle_timeout = check.duration("SALESFORCE_IDLE_TIMEOUT", &self.idle_timeout);
        let max_lifetime = check.duration("SALESFORCE_MAX_LIFETIME", &self.max_lifetime);
        if idle_timeout.is_zero() || max_lifetime < idle_timeout {
            check.problem("SALESFORCE_IDLE_TIMEOUT", "must be above 0 and not above SALESFORCE_MAX_LIFETIME");
        }
        if max_lifetime > LONGEST_LOGIN {
            check.problem("SALESFORCE_MAX_LIFETIME", "must not be above ten years (3650d)");
        }
        let recheck = check.duration_or_off("SALESFORCE_RECHECK", &self.recheck);
        let keep_broken = check.duration_or_off("SALESFORCE_KEEP_BROKEN", &self.keep_broken);
        if keep_broken > LONGEST_LOGIN {
            check.problem("SALESFORCE_KEEP_BROKEN", "must not be above ten years (3650d)");
        }
        let login_timeout = check.duration("SALESFORCE_LOGIN_TIMEOUT", &self.login_timeout);
        if login_timeout.is_zero() || login_timeout > LONGEST_PENDING {
            check.problem("SALESFORCE_LOGIN_TIMEOUT", "must be above 0 and not above a day (24h)");
        }
        let remember = self.remember.as_deref().map(|text| check.duration("SALESFORCE_REMEMBER", text));
        if remember.is_some_and(|time| time.is_zero() || time > idle_timeout || time > max_lifetime) {
            check.problem(
                "SALESFORCE_REMEMBER",
                "must be above 0 and not above SALESFORCE_IDLE_TIMEOUT or SALESFORCE_MAX_LIFETIME, after which the \
                 login is over anyway; leave it out to end logins with the browser",
            );
        }
        if self.keep_alive_days == Some(0) {
            check.problem(
                "keep_alive_days",
                "must be above 0; leave it out to refresh grants only when they are used",
            );
        }

        let has_secret = self.client_secret.is_some();
        let service = self.service.as_ref().and_then(|service| service.check(&mut check, has_secret));
        let api = self.api.check(&mut check);
        let mut api = self.api_hosts.iter().fold(api, |api, name| api.api_host(name));
        if let Some(proxy) = check.proxy("SALESFORCE_TOKEN_PROXY", self.token_proxy.as_ref()) {
            api = api.token_proxy(proxy);
        }
        if let Some(proxy) = check.proxy("SALESFORCE_API_PROXY", self.api_proxy.as_ref()) {
            api = api.api_proxy(proxy);
        }

        #[cfg(feature = "inbound")]
        let inbound = self.inbound.check(&mut check, default_host.as_ref());

        proxies::warn_of_plain_addresses(&self);

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
                previous,
                default_host,
                hosts,
                host_orgs,
                allow_sandboxes: self.allow_sandboxes,
                allow_my_domain: self.allow_my_domain,
                public_url,
                redirect_uri,
                scopes,
                api_version,
                keys,
                allowed_origins,
                paths,
                session: self.session,
                cookie_stem,
                after_login,
                after_logout,
                revoke_on_logout,
                login_timeout,
                remember,
                idle_timeout,
                max_lifetime,
                recheck: (!recheck.is_zero()).then_some(recheck),
                keep_broken,
                keep_alive: self
                    .keep_alive_days
                    .map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
                service,
                api,
                #[cfg(feature = "events")]
                client_name: self.api.client_name.clone(),
                #[cfg(feature = "inbound")]
                inbound,
            }),
            _ => Err(ConfigError::new(check.problems)),
        }
    }
}

pub(super) struct Check {
    problems: Vec<ConfigProblem>,
}

impl Check {
    pub(super) fn problem(&mut self, setting: &'static str, hint: impl Into<String>) {
        self.problems.push(ConfigProblem { setting, hint: hint.into() });
    }

    /// Reads a proxy.
    fn proxy(&mut self, setting: &'static str, text: Option<&Secret>) -> Option<Proxy> {
        let proxy = Proxy::try_from(text?);
        proxy.map_err(|error| self.problem(setting, error.to_string())).ok()
    }

    pub(super) fn client_secret(&mut self, setting: &'static str, secret: &Secret) {
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
                setting,
                "set it to the consumer secret of your app, or leave it out for a public client",
            );
        }
    }

    fn public_url(&mut self, text: &str) -> Option<Url> {
        let fix = "give the URL that browsers use for this app: https://host[:port], with a path only if a proxy serves \
                   the app below it and strips it (plain http for 127.0.0.1, [::1], localhost and names below it only)";
        let url = Url::parse(text.trim()).ok().filter(|url| {
            let mut origin = url.clone();
            origin.set_path("");
            is_bare_origin(&origin) && is_plain_path(url.path().trim_end_matches('/'))
        });
        match url {
            Some(mut url)
                if url.scheme() == "https" || (url.scheme() == "http" && is_on_this_machine(&url)) =>
            {
                // `/app` and `/app/` are one place.
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
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

    pub(super) fn login_host(&mut self, setting: &'static str, text: &str) -> Option<LoginHost> {
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
                "required, because the records of this store outlive the process. Set it to 32 random bytes in base64 \
                 (openssl rand -base64 32)"
                    .to_owned()
            }
            None if loopback => match KeyRing::generate() {
                Ok(ring) => {
                    tracing::warn!(
                        "SALESFORCE_KEYS is not set: keys were made for this run. A restart logs all users out"
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

    /// Returns the duration, or a valid one after recording a problem.
    pub(super) fn duration(&mut self, setting: &'static str, text: &str) -> Duration {
        duration::parse(text).unwrap_or_else(|| {
            self.problem(setting, "give a whole number with ms, s, m, h or d, such as 24h");
            Duration::from_secs(60)
        })
    }

    /// As [`duration`](Self::duration), and zero for `0` without a unit.
    fn duration_or_off(&mut self, setting: &'static str, text: &str) -> Duration {
        if text.trim() == "0" { Duration::ZERO } else { self.duration(setting, text) }
    }

    fn paths(&mut self, routes: &RoutePaths, public: &str) -> Paths {
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
            public: public.to_owned(),
            mount: routes.mount.clone(),
            named_callbacks: false,
            login: route("routes.login", &routes.login),
            callback: route("routes.callback", &routes.callback),
            logout: route("routes.logout", &routes.logout),
            me: route("routes.me", &routes.me),
            hosts: route("routes.hosts", &routes.hosts),
            orgs: route("routes.orgs", &routes.orgs),
            connect: route("routes.connect", &routes.connect),
            slo: route("routes.slo", &routes.slo),
            canvas: route("routes.canvas", &routes.canvas),
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
                        && callback.as_deref().is_none_or(|callback| {
                            // The route takes a slash at the end, too, and Salesforce compares the whole text.
                            url.path().strip_suffix('/').unwrap_or(url.path()) == paths.full(callback)
                        })
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

    /// Returns the target as browsers see it: below the path of the public URL.
    fn redirect_target(&mut self, setting: &'static str, public: &str, text: &str) -> Option<ReturnTo> {
        let target = ReturnTo::parse(text).and_then(|target| target.below(public));
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
