//! What a rule needs of the settings, checked at the start.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use super::RequireLogin;
use crate::config::{ConfigProblem, Settings};

thread_local! {
    /// The rules that were wrapped on this thread and that no Salesforce has checked yet. A scope is made before the
    /// Salesforce around it, on the thread of the same worker.
    static WRAPPED: RefCell<Vec<Weak<RequireLogin>>> = const { RefCell::new(Vec::new()) };
}

/// Remembers a rule for the Salesforce that is wrapped around it.
pub(super) fn register(rule: &Rc<RequireLogin>) {
    WRAPPED.with_borrow_mut(|rules| {
        // What no Salesforce was wrapped around does not pile up.
        rules.retain(|rule| rule.strong_count() > 0);
        rules.push(Rc::downgrade(rule));
    });
}

/// Returns the rules that were wrapped on this thread since the last call.
pub(crate) fn rules_of_this_thread() -> Vec<Rc<RequireLogin>> {
    WRAPPED.take().iter().filter_map(Weak::upgrade).collect()
}

impl RequireLogin {
    /// Returns what the settings lack for this rule.
    pub(crate) fn problems(&self, settings: &Settings) -> Vec<ConfigProblem> {
        let mut problems: Vec<ConfigProblem> = self
            .mistakes
            .iter()
            .map(|mistake| ConfigProblem { setting: "RequireLogin", hint: (*mistake).to_owned() })
            .collect();
        let mut need_scope = |rule: String, scopes: &[&str]| {
            if !scopes.iter().any(|scope| settings.scopes.contains(scope)) {
                let hint = format!("add {}: the rule {rule} cannot be read without it", scopes[0]);
                problems.push(ConfigProblem { setting: "SALESFORCE_SCOPES", hint });
            }
        };
        for scope in &self.scopes {
            need_scope(format!("scope(\"{scope}\")"), &[scope]);
        }
        // Any of these opens the identity (Salesforce Help, "OAuth Tokens and Scopes").
        for kind in &self.user_types {
            need_scope(format!("user_type(\"{kind}\")"), &["id", "openid", "profile", "email", "api"]);
        }
        for name in &self.permissions {
            need_scope(format!("permission(\"{name}\")"), &["custom_permissions"]);
        }
        for name in &self.profiles {
            need_scope(format!("profile(\"{name}\")"), &["api"]);
        }
        if let (Some(name), None) = (self.permission_sets.first(), &settings.service) {
            let hint = format!(
                "set a service user, which may read PermissionSetAssignment: the rule permission_set(\"{name}\") cannot be \
                 read without one"
            );
            problems.push(ConfigProblem { setting: "SALESFORCE_SERVICE_URL", hint });
        }
        problems
    }

    /// Returns the warning for rules that users of any org can meet.
    pub(crate) fn warning(&self, settings: &Settings) -> Option<String> {
        if self.any_org || !self.orgs.is_empty() || !settings.host_orgs.allowed.is_empty() {
            return None;
        }
        let rules: Vec<String> = self.words_of_org().collect();
        (!rules.is_empty()).then(|| rules.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn settings(change: impl FnOnce(&mut Config)) -> Settings {
        let mut config = Config { client_id: "3MVG9".to_owned(), ..Config::default() };
        change(&mut config);
        config.check(false).unwrap()
    }

    #[test]
    fn each_rule_names_the_setting_that_it_lacks() {
        let plain = settings(|_| {});
        let rule = RequireLogin::new();
        for (rule, setting, hint) in [
            (rule.clone().permission("Export"), "SALESFORCE_SCOPES", "custom_permissions"),
            (rule.clone().scope("wave_api"), "SALESFORCE_SCOPES", "wave_api"),
            (rule.clone().permission_set("Billing"), "SALESFORCE_SERVICE_URL", "Billing"),
            (rule.clone().org("00X"), "RequireLogin", "00D"),
            (rule.clone().fresh(0), "RequireLogin", "minute"),
        ] {
            let problems = rule.problems(&plain);
            assert_eq!(problems.len(), 1, "{rule:?}: {problems:?}");
            assert!(problems[0].setting == setting && problems[0].hint.contains(hint), "{problems:?}");
        }
        let readable = rule
            .clone()
            .scope("api")
            .user_type("STANDARD")
            .profile("Sales")
            .org("00D000000000001EAA")
            .fresh(5);
        assert_eq!(readable.problems(&plain), []);
        let without_api = settings(|config| config.scopes = "openid".to_owned());
        assert_eq!(readable.problems(&without_api).len(), 2, "the scope api and the profile");
        assert_eq!(
            rule.permission("Export").problems(&settings(|config| config.scopes = "full".to_owned())),
            []
        );
    }

    #[test]
    fn only_a_rule_that_any_org_can_meet_is_warned_of() {
        let plain = settings(|_| {});
        let named = settings(|config| config.allowed_orgs = vec!["00D000000000001EAA".to_owned()]);
        let rules = [
            RequireLogin::new().permission("X"),
            RequireLogin::new().permission_set("X"),
            RequireLogin::new().profile("X"),
            RequireLogin::new().user_type("X"),
        ];
        for rule in rules {
            assert!(rule.warning(&plain).is_some_and(|rules| rules.contains("(\"X\")")), "{rule:?}");
            assert_eq!(rule.warning(&named), None);
            assert_eq!(rule.clone().org("00D000000000001EAA").warning(&plain), None);
            assert_eq!(rule.any_org().warning(&plain), None);
        }
        let others = RequireLogin::new().scope("api").fresh(5).allow_if(|_| true);
        assert_eq!(others.warning(&plain), None);
    }
}
