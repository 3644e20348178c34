//! Sends several subrequests as one request and finds the response to each.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    composite::{
        list::SubrequestList,
        reference::{Reference, ResponseReader},
        subrequest::RequestParts,
    },
    connection::Connection,
    error::{Error, InvalidResponse, Result, kept::KeptError},
    http::response::Response,
    query::children,
    request::{
        composite_body::{self, Status, SubrequestBody},
        decode,
        path::ResourcePath,
        send::{ApiRequest, MAX_RESPONSE_BYTES},
    },
    version::ApiVersion,
};

/// The body of the response to one subrequest. It is missing or `null` if the response has none, and an error if its rows
/// need children that could not be fetched.
#[derive(Debug)]
pub(crate) struct PartBody(Result<Option<Box<RawValue>>, KeptError>);

impl PartBody {
    pub(crate) fn new(body: Option<Box<RawValue>>) -> Self {
        Self(Ok(body))
    }

    /// Returns what `read` makes of a success's body, or the error of this subrequest.
    pub(crate) fn read<T>(&self, status: Status, read: ResponseReader<T>) -> Result<T> {
        let body = self.0.as_ref().map_err(KeptError::to_error)?;
        composite_body::read(status, bytes(body.as_deref()), read)
    }

    /// Fails if Salesforce rejected the subrequest.
    pub(crate) fn check(&self, status: Status) -> Result<()> {
        // The subrequest itself has succeeded if its children are missing.
        let body = self.0.as_ref().ok().and_then(Option::as_deref);
        composite_body::read(status, bytes(body), |_| Ok(()))
    }
}

fn bytes(body: Option<&RawValue>) -> &[u8] {
    body.map_or("null", RawValue::get).as_bytes()
}

pub(crate) type Subresponse = composite_body::Subresponse<PartBody>;

/// Returns the subrequests as they are sent.
pub(crate) fn subrequest_bodies(
    list: &SubrequestList,
    version: ApiVersion,
) -> Result<Vec<SubrequestBody<'_>>> {
    let bodies = list.with_ids()?.into_iter().map(|(reference_id, parts)| SubrequestBody {
        method: parts.method,
        url: format!("/services/data/v{version}/{}", parts.resource),
        reference_id,
        body: parts.body.as_deref(),
        http_headers: &parts.headers,
    });
    Ok(bodies.collect())
}

/// Sends a request with several subrequests. `idempotent`: whether all of them may run twice.
pub(crate) async fn post(
    connection: &Connection,
    resource: &str,
    body: &impl Serialize,
    idempotent: bool,
) -> Result<Response> {
    let path = ResourcePath::versioned(connection.api_version(), resource)?;
    let request = ApiRequest::new(Method::POST, path).json(decode::body(body)?);
    let request = if idempotent { request.idempotent() } else { request };
    connection.send(request).await
}

/// Returns one response for each subrequest, in their order, from a list of them in any order.
///
/// A missing or odd one does not lose the others: it has no status.
pub(crate) fn subresponses(found: &[&RawValue], list: &SubrequestList) -> Result<Vec<Subresponse>> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Members<'a> {
        #[serde(borrow)]
        body: Option<&'a RawValue>,
        #[serde(borrow)]
        http_status_code: Option<&'a RawValue>,
        #[serde(borrow)]
        reference_id: Option<&'a RawValue>,
    }
    let mut found = composite_body::by_id(found, |members: &Members<'_>| members.reference_id);
    let subresponses = list.with_ids()?.into_iter().map(|(reference_id, _)| {
        let Members { body, http_status_code, .. } = found.remove(&reference_id).unwrap_or_default();
        let body = PartBody::new(body.filter(|body| body.get() != "null").map(ToOwned::to_owned));
        let http_status_code = http_status_code.map(Status::read).unwrap_or_default();
        Subresponse { body, http_status_code, reference_id }
    });
    Ok(subresponses.collect())
}

/// Fails if no subresponse can be read: then there is no result to lose.
pub(crate) fn check_readable<'a>(subresponses: impl IntoIterator<Item = &'a Subresponse>) -> Result<()> {
    if subresponses.into_iter().any(|subresponse| subresponse.http_status_code.0.is_some()) {
        Ok(())
    } else {
        Err(InvalidResponse::Unexpected("not one response per subrequest").into())
    }
}

/// Returns the response to one subrequest.
pub(crate) fn get<T>(responses: &[Subresponse], reference: &Reference<T>) -> Result<T> {
    let found = responses.iter().find(|response| response.reference_id == reference.id);
    let found = found.ok_or(InvalidResponse::Unexpected("the subrequest belongs to another composite"))?;
    found.body.read(found.http_status_code, reference.read)
}

/// Returns the first error that is not a consequence of another one.
///
/// Salesforce stops the other subrequests with `PROCESSING_HALTED` if one fails.
pub(crate) fn check(responses: &[Subresponse]) -> Result<()> {
    let mut halted = None;
    for response in responses {
        match response.body.check(response.http_status_code) {
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
    responses: &'a mut [Subresponse],
    list: &'a SubrequestList,
) -> impl Iterator<Item = (&'a RequestParts, Status, &'a mut PartBody)> {
    let responses = responses.iter_mut();
    list.subrequests
        .iter()
        .zip(responses)
        .map(|(parts, response)| (parts, response.http_status_code, &mut response.body))
}

/// Fetches the children that rows of queries need and that are not in the responses.
///
/// Only a response that `T` cannot be read from is changed, so that its other rows are not lost. A failure is that of the
/// one response: the others say what was saved.
pub(crate) async fn complete_children<'a>(
    connection: &Connection,
    responses: impl Iterator<Item = (&'a RequestParts, Status, &'a mut PartBody)>,
) {
    let mut last: Option<KeptError> = None;
    for (parts, status, body) in responses {
        let Ok(Some(page)) = &body.0 else { continue };
        let page = page.get().as_bytes();
        if status.0 != Some(200) || !(parts.lacks_children)(page) {
            continue;
        }
        body.0 = match &last {
            Some(error) => Err(error.clone()),
            None => complete(connection, page).await.map(Some).map_err(|error| {
                // The next page would be waited for as long, and what was saved is not known before.
                let is_of_all = error.is_transient() || error.needs_login();
                let error = KeptError::from(error);
                last = is_of_all.then(|| error.clone());
                error
            }),
        };
    }
}

async fn complete(connection: &Connection, page: &[u8]) -> Result<Box<RawValue>> {
    let complete = children::complete(connection, page, MAX_RESPONSE_BYTES).await?;
    RawValue::from_string(complete).map_err(Error::internal)
}
