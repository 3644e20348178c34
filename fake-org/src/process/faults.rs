//! Faults of an org in another process.

use serde_json::Value;

use super::ProcessError;
use super::control::FakeOrgProcess;
use crate::fault::{Route, Rule};

/// Arms and disarms faults, as `Faults` does in the same process. `Request::fault` shows which requests they struck.
#[derive(Clone, Copy, Debug)]
pub struct ProcessFaults<'a>(pub(super) &'a FakeOrgProcess);

impl ProcessFaults<'_> {
    /// Arms a rule on the route it names.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn add(&self, rule: Rule) -> Result<(), ProcessError> {
        let rule = serde_json::to_value(rule).unwrap_or_default();
        self.0.post("/fake/faults", &rule).map(drop)
    }

    /// Arms a rule on a route.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn at(&self, route: Route, rule: impl Into<Rule>) -> Result<(), ProcessError> {
        self.add(rule.into().on(route))
    }

    /// Arms a rule on `/services/oauth2/token`.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn token_endpoint(&self, rule: impl Into<Rule>) -> Result<(), ProcessError> {
        self.at(Route::Token, rule)
    }

    /// Arms a rule on token requests with `grant_type=refresh_token`.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn refresh(&self, rule: impl Into<Rule>) -> Result<(), ProcessError> {
        self.at(Route::Token, rule.into().grant_type("refresh_token"))
    }

    /// Arms a rule on everything below `/services/data`.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn api(&self, rule: impl Into<Rule>) -> Result<(), ProcessError> {
        self.at(Route::Api, rule)
    }

    /// Arms a rule on queries and their further pages.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn query(&self, rule: impl Into<Rule>) -> Result<(), ProcessError> {
        self.at(Route::Query, rule)
    }

    /// Arms a rule on every path that begins with `prefix`.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn path(&self, prefix: &str, rule: impl Into<Rule>) -> Result<(), ProcessError> {
        self.at(Route::Path(prefix.to_owned()), rule)
    }

    /// Disarms everything.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn clear(&self) -> Result<(), ProcessError> {
        self.0.send("DELETE", "/fake/faults", None).map(drop)
    }

    /// Returns the armed rules, each with the number of requests it will still strike.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn armed(&self) -> Result<Vec<Rule>, ProcessError> {
        let mut response = self.0.get("/fake/faults")?;
        let rules = response.get_mut("faults").map(Value::take).unwrap_or_default();
        super::control::read("/fake/faults", rules)
    }
}
