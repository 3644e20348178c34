//! Queries that are too long for a URL go as the one part of a composite call. That counts as one call, too.
//!
//! Source: Salesforce Knowledge 000386264, "Maximum number of rows returned by SOQL queries over the REST API": URI and
//! headers may take 16,384 bytes together (414, 431); longer queries go into the body of a Composite request, and
//! further pages may be read from `nextRecordsUrl` as ever. REST API Developer Guide, "Composite": Query and QueryAll
//! are supported.

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    composite::body::{self, CompositeBody, CompositeResponseBody, SubrequestBody},
    connection::Connection,
    error::{InvalidResponse, Result},
    query::QUERY_OPTIONS,
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// A URL's query above this goes into a body: half of what Salesforce takes, since it says of itself that the other
/// half may be needed.
pub(crate) const LONG: usize = 8_192;
/// The most that SOQL may have. Source: SOQL and SOSL Reference, "SOQL SELECT Syntax".
pub(crate) const MAX_CHARACTERS: usize = 100_000;

/// The call that asks for `query`, a path with its SOQL, in its body. The path is percent-encoded, so that no value in
/// it can be taken for a reference (`@{…}`).
pub(crate) fn call(
    connection: &Connection,
    query: &ResourcePath,
    options: Option<&str>,
) -> Result<ApiRequest> {
    let http_headers =
        options.map(|options| (QUERY_OPTIONS.to_owned(), options.into())).into_iter().collect();
    let part = SubrequestBody {
        method: "GET",
        url: query.to_string(),
        reference_id: "query".to_owned(),
        body: None,
        http_headers: &http_headers,
    };
    let whole =
        CompositeBody { all_or_none: false, collate_subrequests: None, composite_request: vec![part] };
    let path = ResourcePath::versioned(connection.api_version(), "composite")?;
    // A POST that reads.
    Ok(ApiRequest::new(Method::POST, path).json(decode::body(&whole)?).idempotent())
}

/// What is in the answer to `call`: the page itself, or the one part of a composite answer.
pub(crate) fn read<T: DeserializeOwned>(is_long: bool, body: &[u8]) -> Result<T> {
    if !is_long {
        return Ok(decode::json(body)?);
    }
    // Borrowed: a page is large.
    let answer: CompositeResponseBody<&RawValue> = decode::json(body)?;
    let [part] = answer.composite_response.as_slice() else {
        return Err(InvalidResponse::Unexpected(
            "a composite answer without the one part that was asked for",
        )
        .into());
    };
    body::read(part.http_status_code, part.body.get().as_bytes(), |page| Ok(decode::json(page)?))
}
