//! Calls that know nothing of each other.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::{
    composite::{
        MAX_CALLS, body, post,
        reference::ToTarget,
        subrequest::{Parts, Read, Subrequest, calls},
    },
    connection::Connection,
    error::{InvalidRequest, InvalidResponse, Result},
    id::SalesforceId,
    query::{Page, Query},
    records::save_result::SavedRecord,
};

/// Up to 25 calls that are sent as one, made by [`Connection::batch`]. They are done one after the other and each on
/// its own; each counts against the API limit.
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// use salesforce_connection::composite::Subrequest;
/// use serde_json::{Value, json};
///
/// let mut calls = sf.batch();
/// let limits = calls.add(Subrequest::<Value>::request("GET", "limits", None)?)?;
/// let accounts = calls.query(sf.query::<Value>("SELECT Id, Name FROM Account LIMIT 5"))?;
/// let answers = calls.send().await?;
/// println!("{} {}", answers.get(&accounts)?.records.len(), answers.get(&limits)?["DailyApiRequests"]["Remaining"]);
/// # Ok(()) });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `send` is called"]
pub struct Batch {
    connection: Connection,
    halt_on_error: bool,
    calls: Vec<Parts>,
    /// Tells its calls from those of other batches.
    own: Arc<()>,
}

/// One of the calls of a [`Batch`], to find its answer.
pub struct BatchHandle<T> {
    index: usize,
    read: Read<T>,
    of: Arc<()>,
}

impl<T> fmt::Debug for BatchHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchHandle").field(&self.index).finish()
    }
}

/// The answers of a [`Batch`].
#[derive(Debug)]
pub struct BatchResponse {
    results: Vec<Item>,
    of: Arc<()>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    status_code: u16,
    result: Option<Box<RawValue>>,
}

impl Connection {
    /// Several calls in one that know nothing of each other.
    pub fn batch(&self) -> Batch {
        Batch { connection: self.clone(), halt_on_error: false, calls: Vec::new(), own: Arc::new(()) }
    }
}

calls! { Batch gives BatchHandle }

impl Batch {
    /// Whether the calls after one that fails are left out (`BATCH_PROCESSING_HALTED`). What was done before stays.
    pub fn halt_on_error(mut self, halt: bool) -> Self {
        self.halt_on_error = halt;
        self
    }

    /// Adds a call.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 25; [`InvalidRequest::Reference`] for a call that refers to another one
    /// and [`InvalidRequest::Header`] for one with headers, which a batch has not: a query with a
    /// [`batch_size`](Query::batch_size) is one.
    pub fn add<T>(&mut self, call: Subrequest<T>) -> Result<BatchHandle<T>> {
        if self.calls.len() >= MAX_CALLS {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_CALLS }.into());
        }
        if call.parts.resource.contains("@{") {
            return Err(InvalidRequest::Reference.into());
        }
        if !call.parts.headers.is_empty() {
            return Err(InvalidRequest::Header.into());
        }
        let index = self.calls.len();
        self.calls.push(call.parts);
        Ok(BatchHandle { index, read: call.read, of: Arc::clone(&self.own) })
    }

    /// Sends all of them. The answers say how each went; this is an error only when the whole was refused. Nothing is
    /// sent when there is no call.
    ///
    /// It is sent once when a call in it must not be done twice.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use serde_json::{Value, json};
    ///
    /// let mut calls = sf.batch().halt_on_error(true);
    /// let wrong = calls.update("Account", "001000000000001AAA", &json!({ "Nonsense__c": 1 }))?;
    /// let after = calls.query(sf.query::<Value>("SELECT Id FROM Account"))?;
    /// let answers = calls.send().await?;
    /// assert!(answers.get(&wrong).is_err());
    /// assert_eq!(answers.get(&after).unwrap_err().api_errors()[0].code, "BATCH_PROCESSING_HALTED");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn send(self) -> Result<BatchResponse> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Whole<'a> {
            halt_on_error: bool,
            batch_requests: Vec<One<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct One<'a> {
            method: &'static str,
            url: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            rich_input: Option<&'a Value>,
        }
        #[derive(Deserialize)]
        struct Response {
            results: Vec<Item>,
        }
        if self.calls.is_empty() {
            return Ok(BatchResponse { results: Vec::new(), of: self.own });
        }
        let version = self.connection.api_version();
        let calls = self.calls.iter().map(|call| One {
            method: call.method,
            url: format!("v{version}/{}", call.resource),
            rich_input: call.body.as_ref(),
        });
        let whole = Whole { halt_on_error: self.halt_on_error, batch_requests: calls.collect() };
        let harmless = self.calls.iter().all(|call| call.harmless);
        let Response { results } = post(&self.connection, "composite/batch", &whole, harmless).await?;
        if results.len() != self.calls.len() {
            return Err(InvalidResponse::Unexpected("the answers do not fit the calls").into());
        }
        Ok(BatchResponse { results, of: self.own })
    }
}

impl BatchResponse {
    /// What a call gave.
    ///
    /// # Errors
    /// What Salesforce said when it refused the call, as if it had been sent alone, or left it out
    /// (`BATCH_PROCESSING_HALTED`); [`Error::InvalidResponse`](crate::error::Error::InvalidResponse) when it does not fit `T`, or
    /// the call is one of another batch.
    pub fn get<T>(&self, call: &BatchHandle<T>) -> Result<T> {
        let item = self.results.get(call.index).filter(|_| Arc::ptr_eq(&self.of, &call.of));
        let item = item.ok_or(InvalidResponse::Unexpected("the call is one of another batch"))?;
        let body = item.result.as_ref().map_or("null", |body| body.get());
        body::read(item.status_code, body.as_bytes(), call.read)
    }
}
