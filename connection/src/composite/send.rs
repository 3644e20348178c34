//! Sends several subrequests as one request and finds the response to each.

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    composite::{
        body::{self, SubrequestBody},
        list::SubrequestList,
        reference::Reference,
        subrequest::RequestParts,
    },
    connection::Connection,
    error::{Error, InvalidResponse, Result},
    query::children,
    request::{
        decode,
        path::ResourcePath,
        send::{ApiRequest, MAX_RESPONSE_BYTES},
    },
    version::ApiVersion,
};

/// The body is missing or `null` if the response has none.
pub(crate) type Subresponse = body::Subresponse<Option<Box<RawValue>>>;
pub(crate) type CompositeResponseBody = body::CompositeResponseBody<Option<Box<RawValue>>>;

/// Returns the subrequests as they are sent.
pub(crate) fn subrequest_bodies(
    list: &SubrequestList,
    version: ApiVersion,
) -> Result<Vec<SubrequestBody<'_>>> {
    let bodies = list.with_ids()?.into_iter().map(|(reference_id, parts)| SubrequestBody {
        method: parts.method,
        url: format!("/services/data/v{version}/{}", parts.resource),
        reference_id,
        body: parts.body.as_ref(),
        http_headers: &parts.headers,
    });
    Ok(bodies.collect())
}

/// Sends a request with several subrequests. `idempotent`: whether all of them may run twice.
pub(crate) async fn post<T: DeserializeOwned>(
    connection: &Connection,
    resource: &str,
    body: &impl Serialize,
    idempotent: bool,
) -> Result<T> {
    let path = ResourcePath::versioned(connection.api_version(), resource)?;
    let request = ApiRequest::new(Method::POST, path).json(decode::body(body)?);
    let request = if idempotent { request.idempotent() } else { request };
    Ok(decode::response(&connection.send(request).await?)?)
}

/// Fails unless there is one response for each subrequest, in their order.
pub(crate) fn check_ids(response: &CompositeResponseBody, list: &SubrequestList) -> Result<()> {
    let expected = list.with_ids()?;
    let expected = expected.iter().map(|(id, _)| id);
    if response.composite_response.iter().map(|subresponse| &subresponse.reference_id).eq(expected) {
        Ok(())
    } else {
        Err(InvalidResponse::Unexpected("not one response per subrequest").into())
    }
}

/// Returns the response to one subrequest.
pub(crate) fn get<T>(responses: &[Subresponse], reference: &Reference<T>) -> Result<T> {
    let found = responses.iter().find(|response| response.reference_id == reference.id);
    let found = found.ok_or(InvalidResponse::Unexpected("the subrequest belongs to another composite"))?;
    body::read(found.http_status_code, body_of(found), reference.read)
}

/// Returns the first error that is not a consequence of another one.
///
/// Salesforce stops the other subrequests with `PROCESSING_HALTED` if one fails.
pub(crate) fn check(responses: &[Subresponse]) -> Result<()> {
    let mut halted = None;
    for response in responses {
        match body::read(response.http_status_code, body_of(response), |_| Ok(())) {
            Ok(()) => {}
            Err(error) if error.api_errors().iter().any(|entry| entry.code == "PROCESSING_HALTED") => {
                halted.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    halted.map_or(Ok(()), Err)
}

/// Returns each subrequest with the status and the body of its response.
pub(crate) fn with_parts<'a>(
    response: &'a mut CompositeResponseBody,
    list: &'a SubrequestList,
) -> impl Iterator<Item = (&'a RequestParts, u16, &'a mut Option<Box<RawValue>>)> {
    let responses = response.composite_response.iter_mut();
    list.subrequests
        .iter()
        .zip(responses)
        .map(|(parts, response)| (parts, response.http_status_code, &mut response.body))
}

/// Fetches the children that rows of queries need and that are not in the responses.
///
/// Only a response that `T` cannot be read from is changed, so that its other rows are not lost.
pub(crate) async fn complete_children<'a>(
    connection: &Connection,
    responses: impl Iterator<Item = (&'a RequestParts, u16, &'a mut Option<Box<RawValue>>)>,
) -> Result<()> {
    for (parts, status, body) in responses {
        let Some(page) = body.as_ref().map(|body| body.get().as_bytes()) else { continue };
        if status == 200 && (parts.lacks_children)(page) {
            let complete = children::complete(connection, page, MAX_RESPONSE_BYTES).await?;
            *body = Some(RawValue::from_string(complete).map_err(Error::internal)?);
        }
    }
    Ok(())
}

fn body_of(response: &Subresponse) -> &[u8] {
    response.body.as_ref().map_or("null", |body| body.get()).as_bytes()
}
