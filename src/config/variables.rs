//! Settings from the `SALESFORCE_…` environment variables.

use salesforce_connection::Secret;

use super::{Config, ServiceUserConfig, text, unused};

impl Config {
    /// Reads the `SALESFORCE_…` environment variables of this process. The start warns of those that do not exist.
    pub fn from_env() -> Self {
        Self::default().with_env()
    }

    /// Reads the same variables from elsewhere. Empty ones count as absent. Blanks, line breaks and one pair of quotes
    /// around a value are removed.
    ///
    /// ```
    /// use actix_salesforce::Config;
    ///
    /// let config = Config::from_variables(|name| (name == "SALESFORCE_CLIENT_ID").then(|| "3MVG9".to_owned()));
    /// assert_eq!(config.client_id, "3MVG9");
    /// assert_eq!(config.scopes, "api openid refresh_token");
    /// ```
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self::default().with_variables(variable)
    }

    /// Replaces settings, such as those of a file, by the `SALESFORCE_…` environment variables of this process that are set.
    /// The start warns of those that do not exist.
    pub fn with_env(self) -> Self {
        let config = self.with_variables(|name| std::env::var(name).ok());
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        Self { unused_variables: unused::variables(names), ..config }
    }

    /// As [`with_env`](Self::with_env), with variables from elsewhere. A variable replaces its setting as a whole, also a
    /// list; those of the service user, and of a caller or sender of the feature `inbound`, replace one member each. Where
    /// the settings have several senders of a kind, such a variable is a problem at the start; one that names another org
    /// than the only sender of its kind replaces that sender. What surrounds values, such as blanks and quotes, is removed.
    ///
    /// ```
    /// use actix_salesforce::Config;
    ///
    /// let file: Config = serde_json::from_str(r#"{ "client_id": "3MVG9", "scopes": "api" }"#)?;
    /// let config = file.with_variables(|name| (name == "SALESFORCE_SCOPES").then(|| "api web".to_owned()));
    /// assert_eq!((config.client_id.as_str(), config.scopes.as_str()), ("3MVG9", "api web"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn with_variables(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| {
            variable(name).map(|value| text::bare(&value).to_owned()).filter(|value| !value.is_empty())
        };
        let mut config = self.without_surroundings();
        for (name, setting) in [
            ("SALESFORCE_CLIENT_ID", &mut config.client_id),
            ("SALESFORCE_LOGIN_URL", &mut config.login_url),
            ("SALESFORCE_PUBLIC_URL", &mut config.public_url),
            ("SALESFORCE_SCOPES", &mut config.scopes),
            ("SALESFORCE_REVOKE_ON_LOGOUT", &mut config.revoke_on_logout),
            ("SALESFORCE_LOGIN_TIMEOUT", &mut config.login_timeout),
            ("SALESFORCE_IDLE_TIMEOUT", &mut config.idle_timeout),
            ("SALESFORCE_MAX_LIFETIME", &mut config.max_lifetime),
            ("SALESFORCE_RECHECK", &mut config.recheck),
            ("SALESFORCE_KEEP_BROKEN", &mut config.keep_broken),
        ] {
            if let Some(text) = variable(name) {
                *setting = text;
            }
        }
        for (name, setting) in [
            ("SALESFORCE_PREVIOUS_CLIENT_ID", &mut config.previous_client_id),
            ("SALESFORCE_API_VERSION", &mut config.api_version),
            ("SALESFORCE_COOKIE_NAME", &mut config.cookie_name),
            ("SALESFORCE_REMEMBER", &mut config.remember),
        ] {
            *setting = variable(name).or(setting.take());
        }
        for (name, setting) in [
            ("SALESFORCE_CLIENT_SECRET", &mut config.client_secret),
            ("SALESFORCE_PREVIOUS_CLIENT_SECRET", &mut config.previous_client_secret),
            ("SALESFORCE_TOKEN_PROXY", &mut config.token_proxy),
            ("SALESFORCE_API_PROXY", &mut config.api_proxy),
            ("SALESFORCE_KEYS", &mut config.keys),
        ] {
            *setting = variable(name).map(Secret::new).or(setting.take());
        }
        for (name, setting) in [
            ("SALESFORCE_ALLOW_SANDBOXES", &mut config.allow_sandboxes),
            ("SALESFORCE_ALLOW_MY_DOMAIN", &mut config.allow_my_domain),
            ("SALESFORCE_SINGLE_LOGOUT", &mut config.single_logout),
            ("SALESFORCE_CACHE_LOGINS", &mut config.cache_logins),
        ] {
            match variable(name).map(|text| text.parse()) {
                None => {}
                Some(Ok(is_set)) => *setting = is_set,
                Some(Err(_)) => config.unclear_variables.push(name),
            }
        }
        let orgs = |text: String| -> Vec<String> {
            text.split([',', ' ', '\n', '\t']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        for (name, setting) in [
            ("SALESFORCE_ALLOWED_ORGS", &mut config.allowed_orgs),
            ("SALESFORCE_DENIED_ORGS", &mut config.denied_orgs),
        ] {
            if let Some(text) = variable(name) {
                *setting = orgs(text);
            }
        }
        for (name, setting) in [
            ("SALESFORCE_ALLOWED_ORIGINS", &mut config.allowed_origins),
            ("SALESFORCE_API_HOSTS", &mut config.api_hosts),
        ] {
            if let Some(text) = variable(name) {
                *setting = text.split_whitespace().map(str::to_owned).collect();
            }
        }
        if let Some(hosts) = variable("SALESFORCE_LOGIN_HOSTS") {
            let named =
                |entry: &str| entry.split_once('=').map(|(name, url)| (name.to_owned(), url.to_owned()));
            // An entry without a name is an error of the check: it has an empty one.
            let entry = |entry: &str| named(entry).unwrap_or_else(|| (String::new(), entry.to_owned()));
            config.login_hosts = hosts.split_whitespace().map(entry).collect();
        }
        if let Some(store) = variable("SALESFORCE_STORE") {
            config.store = Secret::new(store);
        }
        config.service = ServiceUserConfig::with_variables(config.service, variable);
        #[cfg(feature = "events")]
        {
            config.api.pubsub_url = variable("SALESFORCE_PUBSUB_URL").or(config.api.pubsub_url);
        }
        #[cfg(feature = "inbound")]
        {
            config.inbound.replace_by(variable);
        }
        config
    }
}
