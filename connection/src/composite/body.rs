//! The body of a composite call, and of its answer.
//!
//! Source: REST API Developer Guide, "Composite", "Composite Graph".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{error::Result, request::error_response};

/// A composite call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompositeBody<'a> {
    pub(crate) all_or_none: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) collate_subrequests: Option<bool>,
    pub(crate) composite_request: Vec<SubCall<'a>>,
}

/// One call, as a composite or a graph has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubCall<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) reference_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<&'a Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) http_headers: &'a Map<String, Value>,
}

/// The answers of a composite. `B` is a body as it was sent, kept or borrowed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubAnswers<B> {
    pub(crate) composite_response: Vec<SubAnswer<B>>,
}

/// The answer to one call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubAnswer<B> {
    pub(crate) body: B,
    pub(crate) http_status_code: u16,
    pub(crate) reference_id: String,
}

/// What a call of several gave, or why it was refused.
pub(crate) fn read<T>(status: u16, body: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    if (200..300).contains(&status) {
        read(body)
    } else {
        Err(error_response::read(status, body, None).error)
    }
}
