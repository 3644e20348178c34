//! Queries that are too long for a URL go as the one part of a composite call. That counts as one call, too.
//!
//! Source: Salesforce Knowledge 000386264, "Maximum number of rows returned by SOQL queries over the REST API": URI and
//! headers may take 16,384 bytes together (414, 431); longer queries go into the body of a Composite request, and further
//! pages may be read from `nextRecordsUrl` as ever. REST API Developer Guide, "Composite": Query and QueryAll are supported.

use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Connection, decode, path::ResourcePath, refusal, send::Call};
use crate::{InvalidAnswer, Result};

/// A URL's query above this goes into a body: half of what Salesforce takes, since it says of itself that the other half
/// may be needed.
pub(super) const LONG: usize = 8_192;
/// The most that SOQL may have. Source: SOQL and SOSL Reference, "SOQL SELECT Syntax".
pub(super) const MAX_CHARACTERS: usize = 100_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    composite_request: [Part<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    method: &'a str,
    url: String,
    reference_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_headers: Option<Headers<'a>>,
}

#[derive(Serialize)]
struct Headers<'a> {
    #[serde(rename = "Sforce-Query-Options")]
    query_options: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    composite_response: Vec<PartAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartAnswer<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    http_status_code: u16,
}

/// The call that asks for `query`, a path with its SOQL, in its body. The path is percent-encoded, so that no value in it can
/// be taken for a reference (`@{…}`).
pub(super) fn call(connection: &Connection, query: &ResourcePath, options: Option<&str>) -> Result<Call> {
    let part = Part {
        method: "GET",
        url: query.to_string(),
        reference_id: "query",
        http_headers: options.map(|query_options| Headers { query_options }),
    };
    let path = ResourcePath::versioned(connection.api_version(), "composite")?;
    let body = decode::body(&Body { composite_request: [part] })?;
    // A POST that reads.
    Ok(Call::new(Method::POST, path).json(body).harmless())
}

/// What is in the answer to `call`: the page itself, or the one part of a composite answer.
pub(super) fn read<T: DeserializeOwned>(is_long: bool, body: &[u8]) -> Result<T> {
    if !is_long {
        return Ok(decode::json(body)?);
    }
    let answer: Answer<'_> = decode::json(body)?;
    let [part] = answer.composite_response.as_slice() else {
        return Err(
            InvalidAnswer::Unexpected("a composite answer without the one part that was asked for").into()
        );
    };
    let page = part.body.get().as_bytes();
    if part.http_status_code != 200 {
        return Err(refusal::read(part.http_status_code, page, None).error);
    }
    Ok(decode::json(page)?)
}
