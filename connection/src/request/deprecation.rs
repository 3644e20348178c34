//! [`Deprecation`]: Salesforce's warning that an API version ends.
//!
//! Source: REST API Developer Guide, "Warning Header" (`Warning: 299 - "This API is deprecated and will be removed …"`).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use reqwest::header::{HeaderMap, WARNING};

use crate::request::error_body;

/// Number of versions that are remembered. Salesforce supports about 40 at a time.
const MAX_VERSIONS: usize = 100;

/// A version of the API that Salesforce has announced the end of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deprecation {
    /// The version, for example `50.0`.
    pub version: String,
    /// Salesforce's sentence: when the version ends, and where to read more.
    pub message: String,
}

/// The warnings that an org sent to this process, by version.
#[derive(Debug, Default)]
pub(crate) struct Deprecations(Mutex<BTreeMap<u16, String>>);

impl Deprecations {
    /// Records the warning in a response to a request for this version. Returns whether it is the first one.
    pub(crate) fn record(&self, version: u16, headers: &HeaderMap) -> bool {
        let Some(message) = headers.get(WARNING).and_then(|value| message(value.to_str().ok()?)) else {
            return false;
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(&version) || all.len() >= MAX_VERSIONS {
            return false;
        }
        all.insert(version, message);
        true
    }

    pub(crate) fn all(&self) -> Vec<Deprecation> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let deprecation = |(version, message): (&u16, &String)| Deprecation {
            version: format!("{version}.0"),
            message: message.clone(),
        };
        all.iter().map(deprecation).collect()
    }
}

/// Returns the text of a warning with the code 299.
fn message(header: &str) -> Option<String> {
    let text = header.trim().strip_prefix("299 ")?;
    let quoted = text.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map(|(text, _)| text);
    Some(error_body::shortened(quoted.unwrap_or(text).to_owned()))
}
