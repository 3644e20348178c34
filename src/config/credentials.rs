//! The app's previous credentials, for the time in which they rotate.

use super::{Config, check::Check};
use salesforce_connection::{Secret, oauth::OAuthApp};

/// The credentials before a rotation, and what belongs to them.
#[derive(Debug, Clone)]
pub(crate) struct PreviousApp {
    pub(crate) app: OAuthApp,
    /// What the names of our cookies began with: the default depends on the client id.
    pub(crate) cookie_stem: String,
}

impl Config {
    /// Checks the previous credentials. `cookie_stem` makes the stem of a client id.
    pub(super) fn previous_app(
        &self,
        check: &mut Check,
        cookie_stem: impl FnOnce(&str) -> String,
    ) -> Option<PreviousApp> {
        let id = self.previous_client_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let secret = self.previous_client_secret.as_ref();
        let Some(id) = id else {
            if secret.is_some() {
                check.problem(
                    "SALESFORCE_PREVIOUS_CLIENT_ID",
                    "set it too, to the client id that SALESFORCE_PREVIOUS_CLIENT_SECRET belongs to, or leave both out",
                );
            }
            return None;
        };
        match secret {
            Some(secret) => check.client_secret("SALESFORCE_PREVIOUS_CLIENT_SECRET", secret),
            // A public client has no secret, before the rotation and after it.
            None if self.client_secret.is_none() => {}
            None => check.problem(
                "SALESFORCE_PREVIOUS_CLIENT_SECRET",
                "set it too, to the secret that belongs to SALESFORCE_PREVIOUS_CLIENT_ID, or leave both out",
            ),
        }
        if id == self.client_id.trim() {
            check.problem(
                "SALESFORCE_PREVIOUS_CLIENT_ID",
                "is equal to SALESFORCE_CLIENT_ID. Set it to the client id from before the rotation, or leave both \
                 SALESFORCE_PREVIOUS_ settings out",
            );
        }
        let app = OAuthApp::new(id, secret.map(|secret| Secret::new(secret.expose().trim())));
        Some(PreviousApp { app, cookie_stem: cookie_stem(id) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(id: Option<&str>, secret: Option<&str>, is_public: bool) -> Vec<&'static str> {
        let config = Config {
            client_id: "3MVG9New".to_owned(),
            client_secret: (!is_public).then(|| "5D6F".into()),
            previous_client_id: id.map(str::to_owned),
            previous_client_secret: secret.map(Into::into),
            ..Config::default()
        };
        match config.without_surroundings().check(false) {
            Ok(settings) => {
                assert_eq!(settings.previous.is_some(), id.is_some());
                Vec::new()
            }
            Err(error) => error.problems().iter().map(|problem| problem.setting).collect(),
        }
    }

    #[test]
    fn half_a_pair_and_equal_ids_are_named() {
        let (id, secret) = ("SALESFORCE_PREVIOUS_CLIENT_ID", "SALESFORCE_PREVIOUS_CLIENT_SECRET");
        let none: [&str; 0] = [];
        assert_eq!(problems(None, None, false), none);
        assert_eq!(problems(Some("3MVG9Old"), Some("1A2B"), false), none);
        assert_eq!(problems(Some("3MVG9Old"), None, true), none);
        assert_eq!(problems(Some("3MVG9Old"), None, false), [secret]);
        assert_eq!(problems(None, Some("1A2B"), false), [id]);
        assert_eq!(problems(Some("'3MVG9New'"), Some("1A2B"), false), [id]);
        assert_eq!(problems(Some("3MVG9Old"), Some("changeme"), false), [secret]);
        assert_eq!(problems(Some("3MVG9 Old"), Some("1A2B"), false), [id]);
    }
}
