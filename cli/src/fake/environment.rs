//! The environment of a command that runs against the fake org.

use std::ffi::OsString;

use actix_salesforce::http::is_on_this_machine;
use salesforce_fake_org::FakeOrg;
use url::Url;

/// Variables that name another org, another app, or a way to them. The fake org knows none of them: a command that still
/// had them would fail there, or would send its requests to the caller's real org.
const OF_ANOTHER_ORG: [&str; 24] = [
    "SALESFORCE_PREVIOUS_CLIENT_ID",
    "SALESFORCE_PREVIOUS_CLIENT_SECRET",
    "SALESFORCE_LOGIN_HOSTS",
    "SALESFORCE_ALLOWED_ORGS",
    "SALESFORCE_DENIED_ORGS",
    "SALESFORCE_TOKEN_PROXY",
    "SALESFORCE_API_PROXY",
    "SALESFORCE_API_HOSTS",
    "SALESFORCE_SERVICE_URL",
    "SALESFORCE_SERVICE_USERNAME",
    "SALESFORCE_SERVICE_KEY",
    "SALESFORCE_SERVICE_CLIENT_ID",
    "SALESFORCE_SERVICE_CLIENT_SECRET",
    "SALESFORCE_CALLER_ORG",
    "SALESFORCE_CALLER_AUDIENCE",
    "SALESFORCE_CALLER_ISSUER",
    "SALESFORCE_CALLER_CERTIFICATES",
    "SALESFORCE_CALLER_KEY",
    "SALESFORCE_OUTBOUND_ORG",
    "SALESFORCE_OUTBOUND_SECRETS",
    "SALESFORCE_DATA_CLOUD_ORG",
    "SALESFORCE_DATA_CLOUD_KEYS",
    // Those of the Salesforce CLI, which `types` reads, too.
    "SF_ACCESS_TOKEN",
    "SF_ORG_INSTANCE_URL",
];
/// The fake org redirects browsers to loopback only.
const PUBLIC_URL: &str = "SALESFORCE_PUBLIC_URL";

/// What changes in the caller's environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// What the org sets.
    pub(super) set: Vec<(&'static str, String)>,
    /// Of these the variables to which the caller gave another value.
    pub(super) replaced: Vec<&'static str>,
    /// The caller's variables that the command does not get.
    pub(super) removed: Vec<&'static str>,
}

impl Environment {
    /// The value that the command gets.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let set = self.set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        set.or_else(|| if self.removed.contains(&name) { None } else { std::env::var(name).ok() })
    }
}

pub(super) fn of(org: &FakeOrg, callers: impl Iterator<Item = (OsString, OsString)>) -> Environment {
    changes(org.variables(), callers)
}

fn changes(
    set: Vec<(&'static str, String)>,
    callers: impl Iterator<Item = (OsString, OsString)>,
) -> Environment {
    let callers: Vec<_> = callers.collect();
    // Empty ones count as absent for the app, too.
    let callers_value = |name: &str| {
        let value = callers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        value.filter(|value| !value.is_empty())
    };
    let is_set_here = |name: &str| set.iter().any(|(known, _)| *known == name);
    let mut removed: Vec<_> = OF_ANOTHER_ORG
        .into_iter()
        .filter(|name| !is_set_here(name) && callers_value(name).is_some())
        .collect();
    if callers_value(PUBLIC_URL).is_some_and(|url| !url.to_str().is_some_and(is_local)) {
        removed.push(PUBLIC_URL);
    }
    let is_replaced = |(name, value): &(&'static str, String)| {
        callers_value(name).is_some_and(|callers| callers != value.as_str()).then_some(*name)
    };
    let replaced = set.iter().filter_map(is_replaced).collect();
    Environment { set, replaced, removed }
}

fn is_local(url: &str) -> bool {
    Url::parse(url.trim()).is_ok_and(|url| is_on_this_machine(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(callers: &[(&str, &str)]) -> Environment {
        let set = vec![
            ("SALESFORCE_CLIENT_ID", "fake".to_owned()),
            ("SALESFORCE_SERVICE_URL", "http://127.0.0.1:1".to_owned()),
        ];
        changes(set, callers.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn variables_of_another_org_are_replaced_or_left_out() {
        let changed = changed(&[
            ("SALESFORCE_CLIENT_ID", "3MVG9"),
            ("SALESFORCE_SERVICE_URL", "https://acme.my.salesforce.com"),
            ("SALESFORCE_SERVICE_KEY", "-----BEGIN"),
            ("SALESFORCE_ALLOWED_ORGS", ""),
            ("SALESFORCE_PUBLIC_URL", "https://app.acme.example"),
            ("SF_ACCESS_TOKEN", "00D!x"),
            ("SALESFORCE_STORE", "sqlite:grants.db"),
        ]);
        assert_eq!(changed.replaced, ["SALESFORCE_CLIENT_ID", "SALESFORCE_SERVICE_URL"]);
        assert_eq!(changed.removed, ["SALESFORCE_SERVICE_KEY", "SF_ACCESS_TOKEN", "SALESFORCE_PUBLIC_URL"]);
    }

    #[test]
    fn variables_that_agree_with_the_fake_org_are_no_news() {
        let changed = changed(&[
            ("SALESFORCE_CLIENT_ID", "fake"),
            ("SALESFORCE_PUBLIC_URL", "http://localhost:8081/app"),
            ("SALESFORCE_KEYS", "AAAA"),
        ]);
        assert!(changed.replaced.is_empty() && changed.removed.is_empty(), "{changed:?}");
    }
}
