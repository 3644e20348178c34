//! The JSON of a composite request and of its response.
//!
//! Source: REST API Developer Guide, "Composite", "Composite Graph".

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    error::{InvalidResponse, Result},
    number,
    request::{error_body, error_response},
};

/// The body of a composite request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompositeBody<'a> {
    pub(crate) all_or_none: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) collate_subrequests: Option<bool>,
    pub(crate) composite_request: Vec<SubrequestBody<'a>>,
}

/// One subrequest in the body of a composite or a graph.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubrequestBody<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) reference_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) http_headers: &'a Map<String, Value>,
}

/// The body of a composite response. `S` is what each subresponse is read into.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompositeResponseBody<S> {
    pub(crate) composite_response: Vec<S>,
}

/// The response to one subrequest. `B` is the type of its raw body, owned or borrowed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subresponse<B> {
    pub(crate) body: B,
    pub(crate) http_status_code: Status,
    pub(crate) reference_id: String,
}

/// The status of one subrequest; `None` if the response does not say it.
///
/// Read tolerantly: an odd one must not lose the results of the other subrequests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) Option<u16>);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(<&RawValue>::deserialize(deserializer)?))
    }
}

impl Status {
    /// Reads a number however it is written, also as a text.
    pub(crate) fn read(json: &RawValue) -> Self {
        let text = error_body::text(json);
        let integer = number::integer(text.as_deref().unwrap_or_else(|| json.get()));
        Self(integer.and_then(|status| u16::try_from(status).ok()).filter(|status| *status >= 100))
    }
}

/// Returns what `read` makes of a success's body, or the error that another status stands for.
pub(crate) fn read<T>(status: Status, body: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    match status.0 {
        Some(200..300) => read(body),
        Some(status) => Err(error_response::read(status, body, None).error),
        None => Err(InvalidResponse::Unexpected("no readable result of this subrequest").into()),
    }
}

/// Reads an object whose members may be of any type: a missing or odd one must not lose the others.
pub(crate) fn members<'a, T: Deserialize<'a> + Default>(json: &'a RawValue) -> T {
    // An array would be read as the members of a struct.
    let is_object = json.get().starts_with('{');
    is_object.then(|| serde_json::from_str(json.get()).ok()).flatten().unwrap_or_default()
}

/// Reads a list of such objects, each under the text that its member `id` has. Those without one are left out.
pub(crate) fn by_id<'a, T: Deserialize<'a> + Default>(
    list: &[&'a RawValue],
    id: impl Fn(&T) -> Option<&'a RawValue>,
) -> HashMap<String, T> {
    let with_id = |json: &&'a RawValue| {
        let members: T = members(json);
        Some((error_body::text(id(&members)?)?, members))
    };
    list.iter().filter_map(with_id).collect()
}
