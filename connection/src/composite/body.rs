//! The JSON of a composite request and of its response.
//!
//! Source: REST API Developer Guide, "Composite", "Composite Graph".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{error::Result, request::error_response};

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
    pub(crate) body: Option<&'a Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) http_headers: &'a Map<String, Value>,
}

/// The body of a composite response. `B` is the type of a subresponse's raw body, owned or borrowed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompositeResponseBody<B> {
    pub(crate) composite_response: Vec<Subresponse<B>>,
}

/// The response to one subrequest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subresponse<B> {
    pub(crate) body: B,
    pub(crate) http_status_code: u16,
    pub(crate) reference_id: String,
}

/// Returns what `read` makes of a success's body, or the error that another status stands for.
pub(crate) fn read<T>(status: u16, body: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    if (200..300).contains(&status) {
        read(body)
    } else {
        Err(error_response::read(status, body, None).error)
    }
}
