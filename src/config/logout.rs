//! The check of what a logout does.

use super::{RevokeOnLogout, check::Check};

impl Check {
    pub(super) fn revoke_on_logout(&mut self, text: &str) -> RevokeOnLogout {
        text.parse().unwrap_or_else(|error: super::InvalidRevokeOnLogout| {
            self.problem("SALESFORCE_REVOKE_ON_LOGOUT", error.to_string());
            RevokeOnLogout::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn what_a_logout_revokes_is_one_of_three_words() {
        let check = |text: &str| {
            let config = Config::from_variables(|name| match name {
                "SALESFORCE_CLIENT_ID" => Some("3MVG9".to_owned()),
                "SALESFORCE_REVOKE_ON_LOGOUT" => Some(text.to_owned()),
                _ => None,
            });
            config.without_surroundings().check(false).map(|settings| settings.revoke_on_logout)
        };
        for (text, policy) in [
            ("", RevokeOnLogout::Last),
            ("never", RevokeOnLogout::Never),
            (" 'last' ", RevokeOnLogout::Last),
            ("always", RevokeOnLogout::Always),
        ] {
            assert_eq!(check(text), Ok(policy), "{text}");
        }
        for text in ["Always", "true", "none"] {
            let error = check(text).unwrap_err();
            let problems: Vec<_> = error.problems().iter().map(|problem| problem.setting).collect();
            assert_eq!(problems, ["SALESFORCE_REVOKE_ON_LOGOUT"], "{text}");
        }
    }
}
