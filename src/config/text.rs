//! Texts of settings: what a mounted file, a `.env` file or a shell adds around a value is removed.

use super::{ApiConfig, Config, RoutePaths, ServiceUserConfig, check::Check};
use salesforce_connection::Secret;

/// Returns the value without blanks, line breaks, byte order marks and one pair of quotes around it.
pub(super) fn bare(text: &str) -> &str {
    let trimmed = trim(text);
    let quoted = [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}')]
        .into_iter()
        .find_map(|(open, close)| trimmed.strip_prefix(open)?.strip_suffix(close));
    quoted.map_or(trimmed, trim)
}

fn trim(text: &str) -> &str {
    // A byte order mark, a zero-width space and a NUL are no white space to Rust.
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\0'))
}

fn clean(text: &mut String) {
    let bare = bare(text);
    if bare.len() != text.len() {
        *text = bare.to_owned();
    }
}

fn clean_secret(secret: &mut Secret) {
    *secret = Secret::new(bare(secret.expose()));
}

impl Config {
    /// Removes what surrounds the values, for all settings alike.
    pub(crate) fn without_surroundings(mut self) -> Self {
        // All fields are named, so that the compiler asks for a new one.
        let Self {
            client_id,
            client_secret,
            previous_client_id,
            previous_client_secret,
            login_url,
            login_hosts,
            allowed_orgs,
            denied_orgs,
            allow_sandboxes: _,
            allow_my_domain: _,
            token_proxy,
            api_proxy,
            public_url,
            scopes,
            api_version,
            keys,
            store,
            allowed_origins,
            api_hosts,
            routes:
                RoutePaths {
                    mount,
                    prefix,
                    login,
                    callback,
                    logout,
                    me,
                    hosts,
                    orgs,
                    connect,
                    slo,
                    canvas,
                    redirect_uri,
                },
            session: _,
            cookie_name,
            after_login,
            after_logout,
            login_timeout,
            remember,
            idle_timeout,
            max_lifetime,
            revoke_on_logout,
            single_logout: _,
            cache_logins: _,
            recheck,
            keep_broken,
            keep_alive_days: _,
            unused_variables: _,
            unclear_variables: _,
            service,
            api:
                ApiConfig {
                    max_concurrent_requests: _,
                    acquire_timeout,
                    low_priority_quota_percent: _,
                    client_name,
                    #[cfg(feature = "events")]
                        pubsub_url: _,
                },
            #[cfg(feature = "inbound")]
            inbound,
        } = &mut self;
        for text in [
            client_id,
            login_url,
            public_url,
            scopes,
            mount,
            prefix,
            after_login,
            after_logout,
            login_timeout,
            idle_timeout,
            max_lifetime,
            revoke_on_logout,
            recheck,
            keep_broken,
            acquire_timeout,
        ] {
            clean(text);
        }
        let optional = [
            previous_client_id,
            api_version,
            login,
            callback,
            logout,
            me,
            hosts,
            orgs,
            connect,
            slo,
            canvas,
            redirect_uri,
            cookie_name,
            remember,
            client_name,
        ];
        optional.into_iter().flatten().for_each(clean);
        let lists = allowed_origins.iter_mut().chain(api_hosts).chain(allowed_orgs).chain(denied_orgs);
        login_hosts.values_mut().chain(lists).for_each(clean);
        clean_secret(store);
        let secrets = [client_secret, previous_client_secret, keys, token_proxy, api_proxy];
        secrets.into_iter().flatten().for_each(clean_secret);
        if let Some(service) = service {
            service.clean();
        }
        #[cfg(feature = "inbound")]
        inbound.clean();
        self
    }

    /// Records a problem for each id and secret with a blank, a line break or a quote inside: it was copied with more
    /// than itself, and Salesforce would refuse it at the first login.
    pub(super) fn check_texts(&self, check: &mut Check) {
        let service = self.service.as_ref();
        let secret = |secret: &'_ Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        for (setting, value) in [
            ("SALESFORCE_CLIENT_ID", Some(self.client_id.clone())),
            ("SALESFORCE_CLIENT_SECRET", secret(&self.client_secret)),
            ("SALESFORCE_PREVIOUS_CLIENT_ID", self.previous_client_id.clone()),
            ("SALESFORCE_PREVIOUS_CLIENT_SECRET", secret(&self.previous_client_secret)),
            ("SALESFORCE_SERVICE_USERNAME", service.and_then(|service| service.username.clone())),
            ("SALESFORCE_SERVICE_CLIENT_ID", service.and_then(|service| service.client_id.clone())),
            ("SALESFORCE_SERVICE_CLIENT_SECRET", service.and_then(|service| secret(&service.client_secret))),
        ] {
            let value = zeroize::Zeroizing::new(value.unwrap_or_default());
            if value.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\u{feff}')) {
                check.problem(
                    setting,
                    "has a blank, a line break or a quote inside. Copy the value again, alone",
                );
            }
        }
        if self.store.expose().chars().any(char::is_control) {
            check.problem("SALESFORCE_STORE", "has a line break inside. Give one URL");
        }
    }
}

impl ServiceUserConfig {
    fn clean(&mut self) {
        clean(&mut self.url);
        [&mut self.username, &mut self.client_id].into_iter().flatten().for_each(clean);
        if let Some(secret) = &mut self.client_secret {
            clean_secret(secret);
        }
        if let Some(key) = &mut self.key {
            // A `.env` file has the line breaks of a PEM text as `\n`.
            *key = Secret::new(bare(key.expose()).replace("\\n", "\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_a_value_is_removed() {
        for text in
            ["x y", " x y\r\n", "\"x y\"", "'x y'\n", "\u{feff}x y", "\n\"x y\n\" ", "\u{201c}x y\u{201d}"]
        {
            assert_eq!(bare(text), "x y", "{text:?}");
        }
        for text in ["\"x", "x'", "'x\""] {
            assert_eq!(bare(text), text);
        }
        assert_eq!(bare("\"\""), "");
        assert_eq!(bare("\""), "\"");
    }

    #[test]
    fn a_settings_file_may_quote_each_setting() {
        let quoted = Config {
            client_id: "'3MVG9'".to_owned(),
            keys: Some("\"q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=\"".into()),
            login_timeout: "'5m'".to_owned(),
            recheck: "'0'".to_owned(),
            remember: Some("'1h'".to_owned()),
            allowed_orgs: vec!["'00D000000000001EAA'".to_owned()],
            ..Config::default()
        };
        let settings = quoted.without_surroundings().check(false).unwrap();
        assert_eq!(settings.login_timeout, std::time::Duration::from_secs(300));
        assert_eq!((settings.recheck, settings.remember), (None, Some(std::time::Duration::from_secs(3600))));
    }
}
