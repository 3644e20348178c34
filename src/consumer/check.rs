//! What is wrong with consumers is said at the start.

use std::collections::HashSet;

use super::Consumer;
use crate::{
    config::{ConfigProblem, Settings},
    store::{ConsumerKey, Store, StoreError},
};

/// Longest name of a consumer, in bytes. It stands in logs and metrics.
const MAX_NAME_BYTES: usize = 64;

/// Returns the problems of consumers with these settings.
pub(crate) fn problems(consumers: &[Consumer], settings: &Settings) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    let mut problem = |hint: String| problems.push(ConfigProblem { setting: "consumer", hint });
    if !consumers.is_empty() && settings.service.is_none() {
        problem(
            "a consumer needs a service user: set SALESFORCE_SERVICE_URL, or `SalesforceBuilder::service_user`"
                .to_owned(),
        );
    }
    let mut names = HashSet::new();
    for consumer in consumers {
        let name = &consumer.name;
        if !is_name(name) {
            problem(format!("{name:?} is not a name: use 1 to 64 letters, digits, `.`, `-` and `_`"));
        } else if !names.insert(name) {
            problem(format!("there are two consumers {name:?}: give each another name"));
        }
        let topic = &consumer.topic;
        let is_topic =
            ["/data/", "/event/"].iter().any(|kind| topic.len() > kind.len() && topic.starts_with(kind));
        if !is_topic || topic.chars().any(|c| c.is_whitespace() || c.is_control()) {
            problem(format!(
                "{topic:?} of {name:?} is not a topic: `/data/AccountChangeEvent`, `/event/Order_Event__e`"
            ));
        }
        if consumer.handlers.is_empty() {
            problem(format!(
                "{name:?} has no handler: add `.on(\"Account\", handler)` or `.on_event(handler)`"
            ));
        }
        for duplicate in &consumer.handlers.duplicates {
            problem(format!("{name:?} has two handlers for {duplicate:?}: leave one out"));
        }
        if consumer.on_failure == (super::OnFailure::Skip { after: 0 }) {
            problem(format!("{name:?} would skip each event: `OnFailure::Skip` needs at least 1 try"));
        }
        if consumer.ignores_own_changes && settings.client_name.is_none() {
            problem(format!(
                "{name:?} is to ignore the app's own changes, which have no name: set `client_name`"
            ));
        }
    }
    problems
}

fn is_name(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_fine)
}

/// Returns the problem if the store has no positions. A store that is down now may have them.
pub(crate) async fn store_problem(consumers: &[Consumer], store: &dyn Store) -> Option<ConfigProblem> {
    if consumers.is_empty() {
        return None;
    }
    // A record that does not exist: the cheapest operation on positions.
    match store.load_position(ConsumerKey::from_bytes([0; 32])).await {
        Err(error @ StoreError::Unsupported(_)) => {
            Some(ConfigProblem { setting: "consumer", hint: format!("needs another store: {error}") })
        }
        _ => None,
    }
}
