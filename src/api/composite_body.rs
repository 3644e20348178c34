//! The body of a composite call, and of its answer.
//!
//! Source: REST API Developer Guide, "Composite", "Composite Graph".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::refusal;
use crate::Result;

/// A composite call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CompositeBody<'a> {
    pub(super) all_or_none: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) collate_subrequests: Option<bool>,
    pub(super) composite_request: Vec<SubCall<'a>>,
}

/// One call, as a composite or a graph has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubCall<'a> {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) reference_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<&'a Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) http_headers: &'a Map<String, Value>,
}

/// The answers of a composite. `B` is a body as it was sent, kept or borrowed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubAnswers<B> {
    pub(super) composite_response: Vec<SubAnswer<B>>,
}

/// The answer to one call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubAnswer<B> {
    pub(super) body: B,
    pub(super) http_status_code: u16,
    pub(super) reference_id: String,
}

/// What a call of several gave, or why it was refused.
pub(super) fn read<T>(status: u16, body: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    if (200..300).contains(&status) { read(body) } else { Err(refusal::read(status, body, None).error) }
}
