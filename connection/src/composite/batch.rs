//! A batch: independent subrequests that are sent as one request.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[cfg(doc)]
use crate::query::Query;
use crate::{
    composite::{
        reference::ResponseReader,
        send::{PartBody, complete_children, post},
        subrequest::{MAX_SUBREQUESTS, RequestParts, Subrequest, subrequest_methods},
    },
    connection::Connection,
    error::{InvalidRequest, InvalidResponse, Result},
    request::{
        composite_body::{self, Status},
        decode,
    },
};

/// Up to 25 independent subrequests that are sent as one request, returned by [`Connection::batch`].
///
/// Salesforce runs them one after the other. Each counts against the API limit.
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// use salesforce_connection::composite::Subrequest;
/// use serde_json::{Value, json};
///
/// let mut batch = sf.batch();
/// let limits = batch.add(Subrequest::<Value>::request("GET", "limits", None)?)?;
/// let accounts = batch.query(sf.query::<Value>("SELECT Id, Name FROM Account LIMIT 5"))?;
/// let response = batch.send().await?;
/// println!("{} {}", response.get(&accounts)?.records.len(), response.get(&limits)?["DailyApiRequests"]["Remaining"]);
/// # Ok(()) });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `send` is called"]
pub struct Batch {
    connection: Connection,
    halt_on_error: bool,
    subrequests: Vec<RequestParts>,
    /// The batch's identity, which its handles share.
    identity: Arc<()>,
}

/// One subrequest of a [`Batch`], with which [`BatchResponse::get`] finds its response.
pub struct BatchHandle<T> {
    index: usize,
    read: ResponseReader<T>,
    batch: Arc<()>,
}

impl<T> fmt::Debug for BatchHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchHandle").field(&self.index).finish()
    }
}

/// The response to a [`Batch`].
#[derive(Debug)]
#[must_use = "subrequests may have failed: see `get` and `check`"]
pub struct BatchResponse {
    results: Vec<BatchResult>,
    batch: Arc<()>,
}

#[derive(Debug)]
struct BatchResult {
    status: Status,
    result: PartBody,
}

impl BatchResult {
    fn read(json: &RawValue) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Members<'a> {
            #[serde(borrow)]
            status_code: Option<&'a RawValue>,
            result: Option<Box<RawValue>>,
        }
        let Members { status_code, result } = composite_body::members(json);
        Self { status: status_code.map(Status::read).unwrap_or_default(), result: PartBody::new(result) }
    }
}

impl Connection {
    /// Returns an empty batch: several independent requests in one.
    pub fn batch(&self) -> Batch {
        let (subrequests, identity) = (Vec::new(), Arc::new(()));
        Batch { connection: self.clone(), halt_on_error: false, subrequests, identity }
    }
}

subrequest_methods! { Batch returns BatchHandle }

impl Batch {
    /// Sets whether to skip the subrequests after a failed one (`BATCH_PROCESSING_HALTED`). Default: false.
    ///
    /// The effects of earlier subrequests stay.
    pub fn halt_on_error(mut self, halt: bool) -> Self {
        self.halt_on_error = halt;
        self
    }

    /// Adds a subrequest and returns its handle.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 25 subrequests; [`InvalidRequest::Reference`] for a subrequest that refers
    /// to another one; [`InvalidRequest::Header`] for one with headers, which batches do not support. A query with a
    /// [`batch_size`](Query::batch_size) has a header.
    pub fn add<T>(&mut self, subrequest: Subrequest<T>) -> Result<BatchHandle<T>> {
        let Subrequest { parts, read } = subrequest;
        if self.subrequests.len() >= MAX_SUBREQUESTS {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_SUBREQUESTS }.into());
        }
        if parts.resource.contains("@{") {
            return Err(InvalidRequest::Reference.into());
        }
        if !parts.headers.is_empty() {
            return Err(InvalidRequest::Header.into());
        }
        let index = self.subrequests.len();
        self.subrequests.push(parts);
        Ok(BatchHandle { index, read, batch: Arc::clone(&self.identity) })
    }

    /// Sends the subrequests. Without any, nothing is sent.
    ///
    /// Fails only if Salesforce rejects the request as a whole. The response has the result of each subrequest. The
    /// request is sent once unless all subrequests are idempotent: if its response is lost, it may have taken effect.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use serde_json::{Value, json};
    ///
    /// let mut batch = sf.batch().halt_on_error(true);
    /// let invalid = batch.update("Account", "001000000000001AAA", &json!({ "Nonsense__c": 1 }))?;
    /// let skipped = batch.query(sf.query::<Value>("SELECT Id FROM Account"))?;
    /// let response = batch.send().await?;
    /// assert!(response.get(&invalid).is_err());
    /// assert_eq!(response.get(&skipped).unwrap_err().api_errors()[0].code, "BATCH_PROCESSING_HALTED");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn send(self) -> Result<BatchResponse> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct BatchBody<'a> {
            halt_on_error: bool,
            batch_requests: Vec<SubrequestBody<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct SubrequestBody<'a> {
            method: &'static str,
            url: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            rich_input: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct ResponseBody<'a> {
            #[serde(borrow)]
            results: Vec<&'a RawValue>,
        }
        if self.subrequests.is_empty() {
            return Ok(BatchResponse { results: Vec::new(), batch: self.identity });
        }
        let version = self.connection.version_for_request().await?;
        let batch_requests = self.subrequests.iter().map(|parts| SubrequestBody {
            method: parts.method,
            url: format!("v{version}/{}", parts.resource),
            rich_input: parts.body.as_deref(),
        });
        let body = BatchBody { halt_on_error: self.halt_on_error, batch_requests: batch_requests.collect() };
        let idempotent = self.subrequests.iter().all(|parts| parts.idempotent);
        let response = post(&self.connection, "composite/batch", &body, idempotent).await?;
        let ResponseBody { results } = decode::json(decode::json_of(&response)?)?;
        let mut results: Vec<_> = results.into_iter().map(BatchResult::read).collect();
        let is_readable = results.iter().any(|result| result.status.0.is_some());
        // The results have no ids: those of a shorter list belong to unknown subrequests.
        if results.len() != self.subrequests.len() || !is_readable {
            return Err(InvalidResponse::Unexpected("not one response per subrequest").into());
        }
        let responses = self.subrequests.iter().zip(&mut results);
        let responses = responses.map(|(parts, result)| (parts, result.status, &mut result.result));
        complete_children(&self.connection, responses).await;
        Ok(BatchResponse { results, batch: self.identity })
    }
}

impl BatchResponse {
    /// Fails with the first error that Salesforce sent for a subrequest. The response as a whole is a success even then.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use serde_json::json;
    ///
    /// let mut batch = sf.batch();
    /// batch.create("Account", &json!({ "Name": "Acme" }))?;
    /// batch.create("Account", &json!({ "Nonsense__c": 1 }))?;
    /// let error = batch.send().await?.check().unwrap_err();
    /// assert_eq!(error.api_errors()[0].code, "INVALID_FIELD");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// The error with which Salesforce rejected or skipped the subrequest.
    pub fn check(&self) -> Result<()> {
        self.results.iter().try_for_each(|result| result.result.check(result.status))
    }

    /// Returns the result of a subrequest.
    ///
    /// # Errors
    /// The error with which Salesforce rejected the subrequest, as if it had been sent alone, or skipped it
    /// (`BATCH_PROCESSING_HALTED`); [`Error::InvalidResponse`](crate::error::Error::InvalidResponse) if the response
    /// does not fit `T` or the subrequest belongs to another batch. A query's rows may need children on further pages: if
    /// those could not be fetched, the error of that request.
    pub fn get<T>(&self, subrequest: &BatchHandle<T>) -> Result<T> {
        let is_own = Arc::ptr_eq(&self.batch, &subrequest.batch);
        let result = self.results.get(subrequest.index).filter(|_| is_own);
        let result = result.ok_or(InvalidResponse::Unexpected("the subrequest belongs to another batch"))?;
        result.result.read(result.status, subrequest.read)
    }
}
