//! [`Config::plan`]: what the settings amount to, for tools such as `actix-salesforce doctor`.

use std::collections::BTreeSet;

use url::Url;

use super::{Config, ConfigError, start::store_problem, unused};
use crate::{
    base::{clock::Clock, seal::KeyRing},
    grants::{GrantTokens, HostOrgs, Timing},
    store::{AvailabilityObserver, GrantRecord, OpenError, OpenedStore},
};
use salesforce_connection::{
    ClientBuilder, OrgId,
    oauth::{LoginHost, OAuthApp, Scopes},
    token::ServiceUser,
};

/// What an app with these settings would do, see [`Config::plan`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StartPlan {
    /// The app's credentials.
    pub app: OAuthApp,
    /// The credentials from before a rotation, if the settings have them.
    pub previous_app: Option<OAuthApp>,
    /// The login hosts, the default host first.
    pub logins: Vec<PlannedLogin>,
    /// All callback URLs to register with the app in Salesforce: those of the login hosts, and that of My Domains which
    /// users enter.
    pub redirect_uris: BTreeSet<String>,
    /// The scopes that each login requests.
    pub scopes: Scopes,
    /// The URL of the app as browsers see it.
    pub public_url: Url,
    /// The login route as browsers see it. `None` if it is not mounted.
    pub login_route: Option<Url>,
    /// The logout route as browsers see it. `None` if it is not mounted.
    pub logout_route: Option<Url>,
    /// The route of Salesforce's single logout, to register as the app's Single Logout URL. `None` if it is off.
    pub single_logout_route: Option<Url>,
    /// The user of background jobs.
    pub service: Option<ServiceUser>,
    /// The client of all connections, with the proxies and the allowed hosts of the settings.
    pub client: ClientBuilder,
    keys: KeyRing,
    orgs: HostOrgs,
}

impl StartPlan {
    /// Returns whether the keys of the settings open this stored grant. Its tokens stay within.
    pub fn opens(&self, grant: &GrantRecord) -> bool {
        GrantTokens::is_opened_by(&self.keys, grant)
    }

    /// Returns which setting keeps users of this org from logging in at this login host, as a sentence without a full stop.
    /// `None`: no list of orgs does. Whether sandboxes or functions of the app refuse them needs a login.
    pub fn refusal(&self, host: &LoginHost, org: OrgId) -> Option<&'static str> {
        self.orgs.refusal(host, org)
    }
}

/// A login host, and where it sends the browser back to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlannedLogin {
    /// The name that `?host=` of the login route takes. `None` for the default host.
    pub name: Option<String>,
    /// The login host.
    pub host: LoginHost,
    /// The callback URL that has to be registered with the app in Salesforce.
    pub redirect_uri: Url,
}

impl Config {
    /// Checks the settings as a start does, and returns what the app would do. Reads the files of certificates, opens no
    /// store and sends nothing.
    ///
    /// ```
    /// use actix_salesforce::Config;
    ///
    /// let config = Config::from_variables(|name| (name == "SALESFORCE_CLIENT_ID").then(|| "3MVG9".to_owned()));
    /// let plan = config.plan()?;
    /// assert_eq!(plan.logins[0].redirect_uri.as_str(), "http://127.0.0.1:8080/auth/salesforce/callback");
    /// # Ok::<(), actix_salesforce::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// All missing and invalid settings, each with its fix.
    pub fn plan(self) -> Result<StartPlan, ConfigError> {
        let (config, unreadable) = self.without_surroundings().with_files();
        let (settings, _) = config.checked(None, unreadable)?;
        let planned = |name: Option<&String>, host: &LoginHost| PlannedLogin {
            name: name.cloned(),
            host: host.clone(),
            redirect_uri: settings.redirect_uri_of(host),
        };
        let default = planned(None, &settings.default_host);
        let further = settings.hosts.iter().map(|(name, host)| planned(Some(name), host));
        let logins = std::iter::once(default).chain(further).collect();
        let route = |path: &Option<String>| {
            let mut url = settings.public_url.clone();
            url.set_path(&settings.paths.full(path.as_deref()?));
            Some(url)
        };
        Ok(StartPlan {
            login_route: route(&settings.paths.login),
            logout_route: route(&settings.paths.logout),
            single_logout_route: route(&settings.paths.slo),
            redirect_uris: settings.redirect_uris(),
            client: settings.client(),
            logins,
            previous_app: settings.previous.map(|previous| previous.app),
            app: OAuthApp::new(settings.client_id, settings.client_secret),
            scopes: settings.scopes,
            public_url: settings.public_url,
            service: settings.service,
            keys: settings.keys,
            orgs: settings.host_orgs,
        })
    }

    /// Returns what the start warns of: settings that are ignored, or that do less than was meant.
    pub fn warnings(&self) -> Vec<String> {
        unused::warnings(&self.unused_variables, self.scopes.parse().ok().as_ref())
    }

    /// Opens the store of the settings without a change to it: no table is created or changed, and no file made.
    ///
    /// # Errors
    /// The setting is invalid, the store cannot be opened, a newer version of this crate has written its tables, or it has
    /// no tables yet and its user may not create them.
    pub async fn open_store(self) -> Result<OpenedStore, ConfigError> {
        let config = self.without_surroundings();
        let problem = |error: OpenError| ConfigError::new(vec![store_problem(&error)]);
        let location = config.store_location(None).map_err(problem)?;
        location.open_as_is(&Clock::system(), Timing::of_process().store(), Unobserved).await.map_err(problem)
    }
}

/// The caller sees each error itself.
struct Unobserved;

impl AvailabilityObserver for Unobserved {
    fn store_unavailable(&self) {}
    fn store_recovered(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        let of = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Config::from_variables(of)
    }

    #[test]
    fn a_plan_has_the_callback_of_each_login_host_and_the_routes_below_the_public_path() {
        let plan = config(&[
            ("SALESFORCE_CLIENT_ID", "3MVG9"),
            ("SALESFORCE_KEYS", "WlAkwSYfFC2Q7aShHh3Rw1MzOxmAUqoYvcu3GnR9LSQ="),
            ("SALESFORCE_PUBLIC_URL", "https://app.example/shop"),
            ("SALESFORCE_LOGIN_HOSTS", "sandbox=https://test.salesforce.com"),
        ]);
        let plan = plan.plan().unwrap();
        let logins: Vec<_> =
            plan.logins.iter().map(|login| (login.name.as_deref(), login.redirect_uri.as_str())).collect();
        let callback = "https://app.example/shop/auth/salesforce/callback";
        assert_eq!(logins, [(None, callback), (Some("sandbox"), callback)]);
        assert_eq!(
            plan.login_route.as_ref().map(Url::as_str),
            Some("https://app.example/shop/auth/salesforce/login")
        );
    }

    #[test]
    fn a_plan_reports_the_problems_of_the_settings_and_of_the_store_together() {
        let error = config(&[("SALESFORCE_STORE", "mysql://h")]).plan().unwrap_err();
        let settings: Vec<_> = error.problems().iter().map(|problem| problem.setting).collect();
        assert_eq!(settings, ["SALESFORCE_CLIENT_ID", "SALESFORCE_STORE"]);
        let error = config(&[("SALESFORCE_CACHE_LOGINS", "true")]).plan().unwrap_err();
        let settings: Vec<_> = error.problems().iter().map(|problem| problem.setting).collect();
        assert_eq!(settings, ["SALESFORCE_CLIENT_ID", "SALESFORCE_CACHE_LOGINS"], "only Redis has a cache");
    }

    #[test]
    fn a_plan_names_all_callbacks_and_the_route_of_single_logout() {
        let plan = config(&[
            ("SALESFORCE_CLIENT_ID", "3MVG9"),
            ("SALESFORCE_KEYS", "WlAkwSYfFC2Q7aShHh3Rw1MzOxmAUqoYvcu3GnR9LSQ="),
            ("SALESFORCE_PUBLIC_URL", "https://app.example"),
            ("SALESFORCE_LOGIN_URL", "https://login.acme.example"),
            ("SALESFORCE_ALLOWED_ORGS", "00D000000000001EAA"),
            ("SALESFORCE_ALLOW_MY_DOMAIN", "true"),
            ("SALESFORCE_SINGLE_LOGOUT", "true"),
        ]);
        let plan = plan.plan().unwrap();
        let callback = "https://app.example/auth/salesforce/callback";
        assert_eq!(Vec::from_iter(plan.redirect_uris), [callback, &format!("{callback}/salesforce")]);
        let slo = plan.single_logout_route.as_ref().map(Url::as_str);
        assert_eq!(slo, Some("https://app.example/auth/salesforce/slo"));
    }

    /// As a start does: a file that is missing hides no other problem.
    #[cfg(feature = "inbound")]
    #[test]
    fn a_plan_reads_the_files_of_certificates() {
        let caller = [
            ("SALESFORCE_CALLER_ORG", "00D000000000001EAA"),
            ("SALESFORCE_CALLER_AUDIENCE", "https://app.example"),
            ("SALESFORCE_CALLER_ISSUER", "https://acme.my.salesforce.com"),
            ("SALESFORCE_CALLER_CERTIFICATES", "orders_2026=/nowhere/orders.crt"),
        ];
        let error = config(&caller).plan().unwrap_err();
        let of = |setting: &str| {
            let problems = error.problems().iter().filter(|problem| problem.setting == setting);
            problems.map(|problem| &*problem.hint).collect::<Vec<_>>()
        };
        assert_eq!(of("SALESFORCE_CLIENT_ID").len(), 1, "{error}");
        let certificates = of("SALESFORCE_CALLER_CERTIFICATES");
        assert!(certificates.len() == 1 && certificates[0].contains("could not be read"), "{error}");
    }
}
