//! Sends a query that is too long for a URL as the only subrequest of a composite request.
//!
//! That counts as one API request, too. Source: Salesforce Knowledge 000386264, "Maximum number of rows returned by
//! SOQL queries over the REST API": URI and headers may take 16,384 bytes together (414, 431); longer queries go into
//! the body of a Composite request, and further pages are read from `nextRecordsUrl` as usual. REST API Developer
//! Guide, "Composite": Query and QueryAll are supported.

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde_json::value::RawValue;

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    http::response::Response,
    request::{
        composite_body::{CompositeBody, CompositeResponseBody, SubrequestBody, Subresponse},
        decode,
        path::ResourcePath,
        send::{ApiRequest, MAX_HEAD_BYTES},
    },
    version::ApiVersion,
};

/// The header that sets a query's batch size. Source: REST API Developer Guide, "Query Options Header".
pub(crate) const QUERY_OPTIONS: &str = "sforce-query-options";
/// Maximum length of a URL's query, in bytes; above it a query is sent in a body.
///
/// Half of the 16,384 bytes that Salesforce allows for URI and headers together. The other half is for the headers.
pub(crate) const MAX_URL_QUERY_BYTES: usize = 8_192;
/// Maximum length of a URL's query that cannot be sent in a body (tooling queries, plans, searches), in bytes.
///
/// Almost all of what Salesforce allows for URI and headers together. The request's real length is checked when it is sent.
pub(crate) const MAX_UNSPLIT_QUERY_BYTES: usize = MAX_HEAD_BYTES - 1_024;
/// Maximum length of a SOQL text, in characters. Source: SOQL and SOSL Reference, "SOQL SELECT Syntax".
pub(crate) const MAX_SOQL_CHARACTERS: usize = 100_000;

/// A query that is sent in the body of a request.
#[derive(Debug, Clone)]
pub(crate) struct LongQuery {
    path: ResourcePath,
    options: Option<String>,
}

impl LongQuery {
    /// Returns the body. The path is percent-encoded, so that Salesforce cannot read a value in it as a reference
    /// (`@{…}`).
    fn body(&self) -> Result<Bytes> {
        let options = self.options.as_deref();
        let http_headers =
            options.map(|options| (QUERY_OPTIONS.to_owned(), options.into())).into_iter().collect();
        let subrequest = SubrequestBody {
            method: "GET",
            url: self.path.to_string(),
            reference_id: "query".to_owned(),
            body: None,
            http_headers: &http_headers,
        };
        let composite = CompositeBody {
            all_or_none: false,
            collate_subrequests: None,
            composite_request: vec![subrequest],
        };
        Ok(decode::body(&composite)?)
    }

    /// Returns the same query in another version of the REST API, and its body.
    pub(crate) fn in_version(self, version: ApiVersion) -> Result<(Self, Bytes)> {
        let query = Self { path: self.path.in_version(version), ..self };
        let body = query.body()?;
        Ok((query, body))
    }
}

/// Returns the request that sends a query, a path with its SOQL, in its body.
pub(crate) fn request(
    connection: &Connection,
    path: ResourcePath,
    options: Option<String>,
) -> Result<ApiRequest> {
    let query = LongQuery { path, options };
    let path = ResourcePath::versioned(connection.api_version(), "composite")?;
    // A POST that only reads, so it may be sent again.
    let request = ApiRequest::new(Method::POST, path).json(query.body()?).idempotent();
    Ok(ApiRequest { long_query: Some(Box::new(query)), ..request })
}

/// Returns the only subresponse of a composite response as a response: a page of the query, or its error.
pub(crate) fn unwrap(response: Response) -> Result<Response, InvalidResponse> {
    let (status, body) = {
        // Borrowed, because a page is large.
        let composite: CompositeResponseBody<Subresponse<&RawValue>> =
            decode::json(decode::json_of(&response)?)?;
        let [subresponse] = composite.composite_response.as_slice() else {
            return Err(InvalidResponse::Unexpected("a composite response without its only subresponse"));
        };
        (subresponse.http_status_code.0, response.body.slice_ref(subresponse.body.get().as_bytes()))
    };
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or(InvalidResponse::Unexpected("a subresponse without a status"))?;
    Ok(Response { status, body, ..response })
}
