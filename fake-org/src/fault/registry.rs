//! The armed rules, and the choice of the one that strikes a request.

use std::sync::{Arc, Mutex};

use super::rule::{Route, Rule};
use crate::base::lock;

/// The faults of an org. A cheap handle.
///
/// Rules are tried in the order they were armed; the first that matches and is not used up strikes, so "503
/// twice, then a reset" is two rules.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    armed: Arc<Mutex<Vec<Armed>>>,
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    hits: Arc<Mutex<u64>>,
}

/// An armed rule: how often it struck, and the way to take it back.
#[derive(Clone, Debug)]
pub struct FaultHandle {
    faults: Faults,
    hits: Arc<Mutex<u64>>,
}

impl FaultHandle {
    /// How many requests it struck.
    #[must_use]
    pub fn hits(&self) -> u64 {
        *lock(&self.hits)
    }

    /// Disarms it.
    pub fn remove(&self) {
        lock(&self.faults.armed).retain(|armed| !Arc::ptr_eq(&armed.hits, &self.hits));
    }
}

/// The request a rule may match.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) route: Option<Route>,
    pub(crate) path: &'a str,
    pub(crate) grant_type: Option<&'a str>,
    /// A part of a composite request.
    pub(crate) inner: bool,
}

impl Faults {
    /// Arms a rule on the route it names.
    pub fn add(&self, rule: Rule) -> FaultHandle {
        let hits = Arc::new(Mutex::new(0));
        lock(&self.armed).push(Armed { rule, hits: Arc::clone(&hits) });
        FaultHandle { faults: self.clone(), hits }
    }

    /// Arms a rule on a route: `org.faults().at(Route::Token, Fault::Html.once())`.
    pub fn at(&self, route: Route, rule: impl Into<Rule>) -> FaultHandle {
        self.add(rule.into().on(route))
    }

    /// Faults of `/services/oauth2/token`.
    pub fn token_endpoint(&self, rule: impl Into<Rule>) -> FaultHandle {
        self.at(Route::Token, rule)
    }

    /// Faults of token requests with `grant_type=refresh_token`.
    pub fn refresh(&self, rule: impl Into<Rule>) -> FaultHandle {
        self.at(Route::Token, rule.into().grant_type("refresh_token"))
    }

    /// Faults of everything below `/services/data`.
    pub fn api(&self, rule: impl Into<Rule>) -> FaultHandle {
        self.at(Route::Api, rule)
    }

    /// Faults of queries and their further pages.
    pub fn query(&self, rule: impl Into<Rule>) -> FaultHandle {
        self.at(Route::Query, rule)
    }

    /// Faults of every path that begins so.
    pub fn path(&self, prefix: &str, rule: impl Into<Rule>) -> FaultHandle {
        self.at(Route::Path(prefix.to_owned()), rule)
    }

    /// Disarms everything.
    pub fn clear(&self) {
        lock(&self.armed).clear();
    }

    /// What is armed now, with the requests left to strike.
    #[must_use]
    pub fn armed(&self) -> Vec<Rule> {
        lock(&self.armed).iter().map(|armed| armed.rule.clone()).collect()
    }

    /// Whether a rule looks into the body, so that it must be read before the choice.
    pub(crate) fn need_body(&self) -> bool {
        lock(&self.armed).iter().any(|armed| armed.rule.grant_type.is_some())
    }

    /// The rule that strikes this request; it is used up by one.
    pub(crate) fn strike(&self, target: &Target<'_>) -> Option<Rule> {
        let mut armed = lock(&self.armed);
        let index = armed.iter_mut().position(|armed| {
            let rule = &mut armed.rule;
            if rule.times == Some(0) || !rule.matches(target) {
                return false;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                return false;
            }
            true
        })?;
        let hit = armed.get_mut(index)?;
        *lock(&hit.hits) += 1;
        if let Some(times) = &mut hit.rule.times {
            *times -= 1;
        }
        let rule = hit.rule.clone();
        if rule.times == Some(0) {
            armed.remove(index);
        }
        Some(rule)
    }
}

impl Rule {
    fn matches(&self, target: &Target<'_>) -> bool {
        let route = match &self.route {
            Route::Any => true,
            Route::Path(prefix) => target.path.starts_with(prefix),
            Route::Api => matches!(target.route, Some(Route::Api | Route::Query)),
            other => target.route.as_ref() == Some(other),
        };
        route
            && self.inner == target.inner
            && (self.grant_type.is_none() || self.grant_type.as_deref() == target.grant_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    fn call(route: Route, grant_type: Option<&str>) -> Target<'_> {
        Target { route: Some(route), path: "/x", grant_type, inner: false }
    }

    #[test]
    fn rules_strike_in_order_and_are_used_up() {
        let faults = Faults::default();
        let first = faults.refresh(Fault::Status(503).times(2));
        faults.token_endpoint(Fault::Html);
        let refresh = || faults.strike(&call(Route::Token, Some("refresh_token"))).map(|rule| rule.fault);
        assert_eq!(
            faults.strike(&call(Route::Token, Some("authorization_code"))).map(|r| r.fault),
            Some(Fault::Html)
        );
        assert_eq!(refresh(), Some(Fault::Status(503)));
        assert_eq!(refresh(), Some(Fault::Status(503)));
        assert_eq!(refresh(), Some(Fault::Html));
        assert_eq!(first.hits(), 2);
        assert_eq!(faults.strike(&call(Route::Revoke, None)), None);
    }

    #[test]
    fn an_api_rule_covers_queries_and_skip_lets_calls_pass() {
        let faults = Faults::default();
        faults.api(Rule::from(Fault::Html).skip(1).times(1));
        assert!(faults.strike(&call(Route::Query, None)).is_none());
        assert!(faults.strike(&call(Route::Query, None)).is_some());
        assert!(faults.strike(&call(Route::Query, None)).is_none());
    }

    #[test]
    fn rules_read_from_json() {
        let rule: Rule = serde_json::from_str(
            r#"{"route":"token","fault":{"status":503},"times":2,"grant_type":"refresh_token","delay_ms":1500}"#,
        )
        .unwrap();
        assert_eq!(rule.fault, Fault::Status(503));
        assert_eq!(rule.delay_ms.as_millis(), 1500);
        let rule: Rule = serde_json::from_str(r#"{"route":{"path":"/id/"},"fault":"lose_answer"}"#).unwrap();
        assert_eq!(rule.route, Route::Path("/id/".into()));
    }

    /// Programs in other languages send the first names, and compare what they read back.
    #[test]
    fn a_fault_has_one_name_in_json_and_a_newer_one_that_is_read() {
        for (fault, name, alias) in [
            (Fault::LoseResponse, "lose_answer", "lose_response"),
            (Fault::ResetBeforeResponse, "reset_before_answer", "reset_before_response"),
        ] {
            assert_eq!(serde_json::to_value(&fault).unwrap(), name);
            for name in [name, alias] {
                assert_eq!(serde_json::from_value::<Fault>(name.into()).unwrap(), fault);
            }
        }
    }
}
