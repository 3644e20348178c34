//! The service user's settings.

use serde::Deserialize;

use super::check::Check;
use salesforce_connection::{
    Secret,
    oauth::OAuthApp,
    token::{PrivateKey, ServiceUser},
};

/// The user that background jobs work as: by JWT bearer with a user name and a key, by client credentials without both.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceUserConfig {
    /// The login host of its tokens. The client credentials flow needs a My Domain. `SALESFORCE_SERVICE_URL`.
    pub url: String,
    /// The user name in Salesforce. `SALESFORCE_SERVICE_USERNAME`.
    pub username: Option<String>,
    /// The private key in PEM whose certificate was uploaded to the app. `SALESFORCE_SERVICE_KEY`.
    pub key: Option<Secret>,
    /// The consumer key, if the service user has another app than logins. `SALESFORCE_SERVICE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// The consumer secret of that app. `SALESFORCE_SERVICE_CLIENT_SECRET`.
    pub client_secret: Option<Secret>,
}

impl ServiceUserConfig {
    /// Replaces what variables say. Without its URL the check names the variable, instead of ignoring the others.
    pub(super) fn with_variables(
        service: Option<Self>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let url = variable("SALESFORCE_SERVICE_URL");
        let (username, key) = (variable("SALESFORCE_SERVICE_USERNAME"), variable("SALESFORCE_SERVICE_KEY"));
        let client_id = variable("SALESFORCE_SERVICE_CLIENT_ID");
        let client_secret = variable("SALESFORCE_SERVICE_CLIENT_SECRET");
        if [&url, &username, &key, &client_id, &client_secret].iter().all(|value| value.is_none()) {
            return service;
        }
        let service = service.unwrap_or_default();
        Some(Self {
            url: url.unwrap_or(service.url),
            username: username.or(service.username),
            key: key.map(Secret::new).or(service.key),
            client_id: client_id.or(service.client_id),
            client_secret: client_secret.map(Secret::new).or(service.client_secret),
        })
    }

    /// Checks the settings. `app_has_secret`: the login's app has a secret.
    pub(super) fn check(&self, check: &mut Check, app_has_secret: bool) -> Option<ServiceUser> {
        if self.url.is_empty() {
            check.problem(
                "SALESFORCE_SERVICE_URL",
                "set it to your My Domain (https://yourcompany.my.salesforce.com), or leave out the other settings of the \
                 service user",
            );
            return None;
        }
        let host = check.login_host("SALESFORCE_SERVICE_URL", &self.url)?;
        let app = self.client_id.as_ref().map(|id| OAuthApp::new(id.trim(), self.client_secret.clone()));
        if app.is_none() && self.client_secret.is_some() {
            check.problem(
                "SALESFORCE_SERVICE_CLIENT_ID",
                "set it too, or leave SALESFORCE_SERVICE_CLIENT_SECRET out: the login's app is used then",
            );
        }
        let user = match (&self.username, &self.key) {
            (Some(username), Some(key)) => match PrivateKey::from_pem(key) {
                Ok(key) => ServiceUser::jwt_bearer(host, username.trim(), key),
                Err(error) => {
                    check.problem("SALESFORCE_SERVICE_KEY", error.to_string());
                    return None;
                }
            },
            (None, None) => {
                if host.is_shared() {
                    check.problem(
                        "SALESFORCE_SERVICE_URL",
                        "client credentials need a My Domain (https://yourcompany.my.salesforce.com); for a user name and \
                         a key set SALESFORCE_SERVICE_USERNAME and SALESFORCE_SERVICE_KEY",
                    );
                }
                let has_secret = app.as_ref().map_or(app_has_secret, |app| app.client_secret.is_some());
                if !has_secret {
                    check.problem(
                        "SALESFORCE_CLIENT_SECRET",
                        "client credentials need the app's secret (SALESFORCE_SERVICE_CLIENT_SECRET for another app)",
                    );
                }
                ServiceUser::client_credentials(host)
            }
            (Some(_), None) => {
                check.problem("SALESFORCE_SERVICE_KEY", "set it to the user's private key, in PEM");
                return None;
            }
            (None, Some(_)) => {
                check.problem("SALESFORCE_SERVICE_USERNAME", "set it to the name that the user logs in with");
                return None;
            }
        };
        Some(match app {
            Some(app) => user.with_app(app),
            None => user,
        })
    }
}
