//! The errors of Salesforce that its documentation has, from `tests/fixtures/salesforce-errors.json`: what the pages explain is
//! tested against it.

use serde::Deserialize;

/// An error, where Salesforce sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Documented {
    /// `authorize.callback`, `token`, `rest`, …
    #[serde(rename = "where")]
    pub(super) place: String,
    http_status: Option<u16>,
    /// `errorCode` in the REST API.
    #[serde(alias = "errorCode")]
    pub(super) error: String,
    /// Several texts have ` / ` between them.
    description: String,
}

impl Documented {
    pub(super) fn descriptions(&self) -> impl Iterator<Item = &str> {
        self.description.split(" / ")
    }

    /// The status, 400 for the error of one record in a response with another status.
    pub(super) fn status(&self) -> u16 {
        self.http_status.filter(|status| *status >= 400).unwrap_or(400)
    }
}

/// Returns the errors that are sent at one of these places.
pub(super) fn at(places: &[&str]) -> Vec<Documented> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/salesforce-errors.json");
    let all: Vec<Documented> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(all.len() > 150, "the whole list");
    all.into_iter().filter(|error| places.contains(&error.place.as_str())).collect()
}
