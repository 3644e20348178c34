//! The settings and the keys, as a start checks them.

use actix_salesforce::{
    Config, Secret,
    config::{ConfigProblem, StartPlan},
    http::is_on_this_machine,
};

use super::finding::{Check, Finding, Report};

/// A key in base64. Nothing is sealed with it.
const UNUSED_KEY: &str = "WlAkwSYfFC2Q7aShHh3Rw1MzOxmAUqoYvcu3GnR9LSQ=";

/// Reports each invalid setting, and returns what the settings amount to.
///
/// Keys and store have separate checks: with invalid ones all others go on.
pub(super) fn check(config: &Config, report: &mut Report) -> Option<StartPlan> {
    let problems = match config.clone().plan() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().to_vec(),
    };
    let of = |problem: &ConfigProblem| match problem.setting {
        "SALESFORCE_KEYS" => Check::Keys,
        "SALESFORCE_STORE" => Check::Store,
        _ => Check::Settings,
    };
    for problem in &problems {
        let finding = Finding::failed(of(problem), format!("{} is missing or invalid.", problem.setting));
        report.add(finding.fix(&*problem.hint));
    }
    for warning in config.warnings() {
        report.add(Finding::warning(Check::Settings, warning).fix("correct the setting, or remove it"));
    }
    if !report.has(Check::Settings) {
        report.add(Finding::passed(Check::Settings, "All settings are valid."));
    }
    let plan = usable(config);
    if !report.has(Check::Keys) {
        match &plan {
            Some(_) if config.keys.is_some() => {
                report.add(Finding::passed(Check::Keys, "SALESFORCE_KEYS is valid."));
            }
            Some(plan) => report.add(Finding::passed(
                Check::Keys,
                format!("Keys are made at each start, which suits {} with memory:.", plan.public_url),
            )),
            None => report.skip([Check::Keys], "It depends on the other settings."),
        }
    }
    plan
}

/// Returns the plan, with other keys and another store if these are invalid.
fn usable(config: &Config) -> Option<StartPlan> {
    let without = |keys: Option<Secret>, store: Secret| {
        let mut config = config.clone();
        (config.keys, config.store) = (keys, store);
        config.plan().ok()
    };
    let key = || Some(Secret::new(UNUSED_KEY));
    config
        .clone()
        .plan()
        .ok()
        .or_else(|| without(key(), config.store.clone()))
        .or_else(|| without(key(), Secret::new("memory:")))
}

/// Returns whether browsers reach the app on this machine only.
pub(super) fn is_local(plan: &StartPlan) -> bool {
    is_on_this_machine(&plan.public_url)
}
