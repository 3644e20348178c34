//! What a user changes of an account: a form or JSON, with Salesforce's field names.

use actix_salesforce::{Error, records::RecordEtag};
use actix_web::{
    HttpMessage as _, HttpRequest,
    error::{ErrorBadRequest, ErrorForbidden},
    http::header::IF_MATCH,
    web::Bytes,
};
use serde_json::{Map, Value};

/// The fields to write. Which there are, and who may write them, is for Salesforce to decide: the call runs with the
/// user's own permissions.
pub(crate) struct Fields {
    pub(crate) fields: Map<String, Value>,
    /// Whether a script sent them, which wants no redirect.
    pub(crate) is_json: bool,
    /// The version that they change: the form's hidden field, or a script's `If-Match`.
    pub(crate) etag: Option<RecordEtag>,
}

/// Reads a form from a page, or JSON from a script. What a form left empty becomes empty in Salesforce too.
pub(crate) fn read(request: &HttpRequest, body: &Bytes) -> actix_web::Result<Fields> {
    let is_json = request.content_type() == "application/json";
    let mut fields: Map<String, Value> = if is_json {
        serde_json::from_slice(body).map_err(|_| ErrorBadRequest("The body is no JSON object."))?
    } else {
        let pairs = url::form_urlencoded::parse(body);
        pairs
            .map(|(name, text)| {
                let value = if text.trim().is_empty() { Value::Null } else { Value::from(text) };
                (name.into_owned(), value)
            })
            .collect()
    };
    let etag = match (is_json, request.headers().get(IF_MATCH)) {
        (true, header) => header.and_then(|value| value.to_str().ok()).map(str::to_owned),
        (false, _) => fields.remove("etag").and_then(|etag| etag.as_str().map(str::to_owned)),
    };
    let etag = etag.map(|etag| etag.parse()).transpose();
    let etag = etag.map_err(|_| ErrorBadRequest("The version is no entity tag and no date."))?;
    Ok(Fields { fields, is_json, etag })
}

/// Responds with 400 to a field that Salesforce does not have. Here the names come from the request; elsewhere an unknown
/// field is a mistake of the program, and the response is 500.
pub(crate) fn refused(error: Error) -> actix_web::Error {
    if error.status() == Some(400) && error.is_program_mistake() {
        ErrorBadRequest("An account has no such field, or the field does not take this value.")
    } else {
        error.into()
    }
}

/// Refuses what another origin's page sends. `Lax` cookies alone do not keep out a sibling subdomain.
pub(crate) fn same_origin(
    request: &HttpRequest,
    salesforce: &actix_salesforce::Salesforce,
) -> actix_web::Result<()> {
    if salesforce.is_cross_origin(request) {
        Err(ErrorForbidden("This request came from a page of another origin."))
    } else {
        Ok(())
    }
}
