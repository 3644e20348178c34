//! Settings that would be ignored in silence: misspelt variables and scopes.

use std::cell::RefCell;

use super::Config;
use salesforce_connection::oauth::Scopes;

/// The scopes of Salesforce Help "OAuth Tokens and Scopes".
const SCOPES: &[&str] = &[
    "address",
    "api",
    "cdp_api",
    "cdp_calculated_insight_api",
    "cdp_identityresolution_api",
    "cdp_ingest_api",
    "cdp_profile_api",
    "cdp_query_api",
    "cdp_segment_api",
    "chatbot_api",
    "chatter_api",
    "content",
    "custom_permissions",
    "eclair_api",
    "einstein_gpt_api",
    "email",
    "forgot_password",
    "full",
    "id",
    "interaction_api",
    "lightning",
    "mcp_api",
    "offline_access",
    "openid",
    "pardot_api",
    "phone",
    "profile",
    "pwdless_login_api",
    "refresh_token",
    "scrt_api",
    "sfap_api",
    "user_registration_api",
    "visualforce",
    "wave_api",
    "web",
];

/// Without the feature `events` nothing is sent there, so that nothing is ignored. The fake org sets it for each app.
const OF_EVENTS: &str = "SALESFORCE_PUBSUB_URL";

/// Names that differ in more letters are not what was meant.
const MOST_CHANGES: usize = 4;

/// Returns those of these names that begin like this crate's variables and are read by nothing.
pub(super) fn variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let known = known_variables();
    let mut unused: Vec<String> = names
        .filter(|name| name.to_ascii_uppercase().starts_with("SALESFORCE_") && !known.contains(name))
        .filter(|name| name != OF_EVENTS)
        .collect();
    unused.sort_unstable();
    unused
}

/// Returns all variables that are read.
fn known_variables() -> Vec<String> {
    let names = RefCell::new(Vec::new());
    let _ = Config::from_variables(|name| {
        names.borrow_mut().push(name.to_owned());
        None
    });
    names.into_inner()
}

/// A setting that is read by nothing, or that does less than was meant.
enum Unused<'a> {
    Variable { name: &'a str, nearest: Option<String> },
    Scope { name: &'a str, nearest: Option<&'static str> },
    NoRefreshToken,
}

const NO_REFRESH_TOKEN: &str = "SALESFORCE_SCOPES has no refresh_token: each login ends with its access token, after the \
                                session timeout of the org";

fn find<'a>(variables: &'a [String], scopes: Option<&'a Scopes>) -> Vec<Unused<'a>> {
    let known = known_variables();
    let variable = |name: &'a String| Unused::Variable {
        name,
        nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
    };
    let mut found: Vec<_> = variables.iter().map(variable).collect();
    let Some(scopes) = scopes else { return found };
    let unknown = scopes.iter().filter(|scope| !SCOPES.contains(scope));
    found.extend(unknown.map(|name| Unused::Scope { name, nearest: nearest(name, SCOPES.iter().copied()) }));
    if !scopes.contains("refresh_token") {
        found.push(Unused::NoRefreshToken);
    }
    found
}

/// Warns of settings that are read by nothing, or that do less than was meant.
pub(super) fn warn(unused_variables: &[String], scopes: Option<&Scopes>) {
    for unused in find(unused_variables, scopes) {
        match unused {
            Unused::Variable { name: variable, nearest: Some(known) } => {
                tracing::warn!(variable, "setting ignored: no such variable. Did you mean {known}?")
            }
            Unused::Variable { name: variable, nearest: None } => {
                tracing::warn!(variable, "setting ignored: no such variable")
            }
            Unused::Scope { name: scope, nearest: Some(known) } => {
                tracing::warn!(scope, "scope unknown in SALESFORCE_SCOPES. Did you mean {known}?")
            }
            Unused::Scope { name: scope, nearest: None } => {
                tracing::warn!(scope, "scope unknown in SALESFORCE_SCOPES. Salesforce may refuse the login")
            }
            Unused::NoRefreshToken => tracing::warn!("{NO_REFRESH_TOKEN}"),
        }
    }
}

/// Returns what [`warn`] logs.
pub(super) fn warnings(unused_variables: &[String], scopes: Option<&Scopes>) -> Vec<String> {
    let did_you_mean = |known: &str| format!(". Did you mean {known}?");
    let found = find(unused_variables, scopes).into_iter();
    found
        .map(|unused| match unused {
            Unused::Variable { name, nearest } => {
                format!(
                    "{name} is ignored: no such setting{}",
                    nearest.as_deref().map(did_you_mean).unwrap_or_default()
                )
            }
            Unused::Scope { name, nearest } => {
                format!(
                    "{name} in SALESFORCE_SCOPES is unknown{}",
                    nearest.map(did_you_mean).unwrap_or_default()
                )
            }
            Unused::NoRefreshToken => NO_REFRESH_TOKEN.to_owned(),
        })
        .collect()
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_uppercase();
    let most = MOST_CHANGES.min(name.len() / 3);
    known
        .map(|known| (changes(&name, &known.to_ascii_uppercase()), known))
        .filter(|(changes, _)| *changes <= most)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, known)| known)
}

/// Returns how many letters have to be inserted, removed or replaced (Levenshtein).
fn changes(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (position, otherwise) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *otherwise);
            diagonal = row[position + 1];
            row[position + 1] = replaced.min(diagonal + 1).min(row[position] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_found_with_the_nearest_name() {
        let found = variables(
            [
                "SALESFORCE_CLIENT_SECRTE",
                "SALESFORCE_CLIENT_ID",
                "PATH",
                "salesforce_login_url",
                "SALESFORCE_SERVICE_KEY",
            ]
            .map(str::to_owned)
            .into_iter(),
        );
        assert_eq!(found, ["SALESFORCE_CLIENT_SECRTE", "salesforce_login_url"]);
        let ((), log) = crate::base::test_log::logged(|| {
            warn(&found, "api opneid".parse().ok().as_ref());
        });
        for text in [
            "Did you mean SALESFORCE_CLIENT_SECRET?",
            "Did you mean SALESFORCE_LOGIN_URL?",
            "Did you mean openid?",
        ] {
            assert!(log.contains(text), "{text}: {log}");
        }
        assert!(log.contains("SALESFORCE_SCOPES has no refresh_token"), "{log}");
        assert_eq!(log.matches("WARN").count(), 4, "{log}");
        let texts = warnings(&found, "api opneid".parse().ok().as_ref());
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert_eq!(
            texts[0],
            "SALESFORCE_CLIENT_SECRTE is ignored: no such setting. Did you mean SALESFORCE_CLIENT_SECRET?"
        );
    }

    #[test]
    fn the_default_scopes_are_known() {
        let ((), log) =
            crate::base::test_log::logged(|| warn(&[], Config::default().scopes.parse().ok().as_ref()));
        assert_eq!(log, "");
    }
}
