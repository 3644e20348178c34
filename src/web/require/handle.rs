//! What [`Salesforce`] does for access rules.

use std::{collections::HashSet, fmt, sync::Mutex};

use super::{RequireLogin, access::AccessCache};
use crate::{base::lock::lock, config::ConfigError, salesforce::Salesforce};
use salesforce_connection::UserRef;

/// What access rules know of this process.
#[derive(Default)]
pub(crate) struct RuleState {
    pub(super) users: AccessCache,
    /// The rules that the start warned of.
    warned: Mutex<HashSet<String>>,
}

impl RuleState {
    /// Returns whether these rules were not warned of before: once for all workers.
    fn warns_first(&self, rules: &str) -> bool {
        lock(&self.warned).insert(rules.to_owned())
    }
}

impl fmt::Debug for RuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuleState")
    }
}

impl Salesforce {
    /// Checks that the settings have what a rule needs, and warns of a rule that users of any org can meet.
    ///
    /// The middleware does it for each rule that is wrapped on a scope or a resource, so that a worker does not start with
    /// a rule that cannot be read. Call it in `main` for the rules of extractors ([`Allowed`](crate::Allowed)), and for
    /// an error that `?` returns before the server starts.
    ///
    /// # Errors
    /// Lists what is missing: a scope in `SALESFORCE_SCOPES`, a service user, a valid argument.
    ///
    /// ```no_run
    /// # use actix_salesforce::{RequireLogin, Salesforce};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let salesforce = Salesforce::from_env().await?;
    /// let rule = RequireLogin::new().org("00D5g00000ABCDE").permission("Manage_Invoices");
    /// salesforce.check_rule(&rule)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_rule(&self, rule: &RequireLogin) -> Result<(), ConfigError> {
        let settings = self.settings();
        let problems = rule.problems(settings);
        if !problems.is_empty() {
            return Err(ConfigError::new(problems));
        }
        if let Some(rules) = rule.warning(settings)
            && self.rules().warns_first(&rules)
        {
            tracing::warn!(
                rules,
                "an access rule that users of any org can meet: it is the word of the visitor's own org. Name the \
                 organizations in SALESFORCE_ALLOWED_ORGS or with `org`, or call `any_org` if each user sees the own org's \
                 data only"
            );
        }
        Ok(())
    }

    /// Forgets what was read about a user for access rules, in this process: the next request reads it again.
    ///
    /// For an app that learns of a change, for example because it has changed a permission itself. Otherwise what was read
    /// is used for [`RequireLogin::max_age`], or until the user's next login.
    pub async fn refresh_access(&self, user: UserRef) {
        self.rules().users.forget(self.grants().grant_keys(user)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rule_that_any_org_can_meet_is_warned_of_once() {
        let builder = Salesforce::builder().client_id("3MVG9").scopes("api custom_permissions");
        let salesforce = builder.build().await.unwrap();
        let rule = RequireLogin::new().permission("Export");
        let check = |rule: RequireLogin| {
            let check = || (0..4).for_each(|_| salesforce.check_rule(&rule).unwrap());
            crate::base::test_log::logged(check).1
        };
        let log = check(rule.clone());
        assert_eq!(log.matches("WARN").count(), 1, "{log}");
        assert!(log.contains("permission(\"Export\")") || log.contains("Export"), "{log}");
        assert_eq!(check(rule.any_org().permission("Import")), "");
    }
}
