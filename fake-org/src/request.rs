//! A request as the org's log shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One of the org's origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Host {
    /// Where users log in (`login.salesforce.com`).
    Login,
    /// The org's My Domain: data and OAuth.
    Instance,
    /// The origin after `move_instance`.
    MovedInstance,
}

/// One request, as it came in, and the status of its response.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// Counts up from 1; never reused until a reset.
    pub number: u64,
    /// The origin it went to.
    pub host: Host,
    /// The method.
    pub method: String,
    /// The raw path, still percent-encoded.
    pub path: String,
    /// The raw query, without the `?`.
    pub query: Option<String>,
    /// Header names in lower case, in order. Values that are no text are shown lossily.
    pub headers: Vec<(String, String)>,
    /// The body as text, cut at 64 KiB.
    pub body: String,
    /// The form fields, when the body is a form; the last value of a repeated field.
    pub form: BTreeMap<String, String>,
    /// `None`: no response yet, or the connection was reset.
    pub status: Option<u16>,
    /// When it came in, milliseconds since 1970 on the org's clock.
    pub time: i64,
    /// Milliseconds until the response was ready.
    pub took: Option<u64>,
    /// The name of the fault that struck it.
    pub fault: Option<String>,
}

impl Request {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A decoded query parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_deref()?.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The raw path and query, as on the request line.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}
