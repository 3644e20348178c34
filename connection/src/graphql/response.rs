//! Reads the response to a GraphQL operation.

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::failure::GraphQlError;
use crate::{
    error::InvalidResponse,
    http::response::Response,
    request::{
        decode,
        error_body::{self, MAX_ENTRIES},
    },
};

/// The data of an operation beside Salesforce's errors, returned by [`fetch_partial`](super::GraphQl::fetch_partial).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a response may have errors"]
pub struct GraphQlResponse<T> {
    /// The data; `None` if there is none: the operation failed as a whole.
    pub data: Option<T>,
    /// What failed. Empty if everything succeeded.
    pub errors: Vec<GraphQlError>,
}

/// Returns data and errors. Data that is missing, `null` or empty is `None`.
///
/// A response with neither is invalid, and so are errors that are not a list: they must not look like a success.
pub(super) fn read(response: &Response) -> Result<(Option<Bytes>, Vec<GraphQlError>), InvalidResponse> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
    }

    let body = decode::json_of(response)?;
    // A list would be read as the members of the struct.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(InvalidResponse::Unexpected("a GraphQL response that is not an object"));
    }
    let raw: Raw<'_> = decode::json(body)?;
    let errors = match raw.errors {
        None => Vec::new(),
        Some(errors) => error_body::elements(errors.get(), MAX_ENTRIES)
            .ok_or(InvalidResponse::Unexpected("GraphQL errors that are not a list"))?
            .into_iter()
            .map(GraphQlError::read)
            .collect(),
    };
    // Salesforce sends `{}` with the errors of an operation that was not run.
    let is_empty = |data: &RawValue| data.get().trim_matches(['{', '}', ' ', '\r', '\n', '\t']).is_empty();
    let data =
        raw.data.filter(|data| !is_empty(data)).map(|data| response.body.slice_ref(data.get().as_bytes()));
    if data.is_none() && errors.is_empty() {
        return Err(InvalidResponse::Unexpected("a GraphQL response without data"));
    }
    Ok((data, errors))
}

/// Reads the data of a response without errors.
pub(super) fn data<T: DeserializeOwned>(data: Option<Bytes>) -> Result<T, InvalidResponse> {
    decode::record(&data.ok_or(InvalidResponse::Unexpected("a GraphQL response without data"))?)
}
