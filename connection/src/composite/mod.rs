//! Several calls in one: a composite, whose later calls use what earlier ones gave; graphs of such; a batch of calls
//! that know nothing of each other; a tree of records.
//!
//! Source: REST API Developer Guide, "Composite", "Composite Graph", "Composite Batch", "sObject Tree".

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod graph;
pub(crate) mod reference;
pub(crate) mod subrequest;
pub(crate) mod tree;

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

pub use crate::composite::{
    batch::{Batch, BatchHandle, BatchResponse},
    graph::{Graph, GraphResponse},
    reference::{Reference, ReferenceValue, ToTarget},
    subrequest::Subrequest,
    tree::{Tree, TreeError, TreeIds, TreeNode, TreeRecordError},
};
#[cfg(doc)]
use crate::error::Error;
use crate::{
    composite::{
        body::{CompositeBody, SubCall},
        reference::Calls,
        subrequest::calls,
    },
    connection::Connection,
    query::{Page, Query},
    records::save_result::SavedRecord,
    request::{decode, path::ResourcePath, send::ApiRequest},
    version::ApiVersion,
};
use crate::{
    error::{InvalidRequest, InvalidResponse, Result},
    id::SalesforceId,
};

/// How many calls go into one.
const MAX_CALLS: usize = 25;
/// How many of them may be queries or about many records.
const MAX_HEAVY: usize = 5;

/// Up to 25 calls that are sent as one and count as one, made by [`Connection::composite`].
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// use serde_json::{Value, json};
///
/// let mut calls = sf.composite().all_or_none(true);
/// let account = calls.create("Account", &json!({ "Name": "Acme" }))?;
/// let contact = calls.create("Contact", &json!({ "LastName": "Lovelace", "AccountId": account.id() }))?;
/// let read = calls.retrieve::<Value>("Account", &account, &["OwnerId"])?;
/// calls.update("Contact", &contact, &json!({ "OwnerId": read.field("OwnerId")? }))?;
/// let answers = calls.send().await?;
/// answers.check()?;
/// println!("{} of {}", answers.get(&contact)?, answers.get(&account)?);
/// # Ok(()) });
/// ```
///
/// Salesforce takes `@{` in any text of a record for a reference and has no way to write it otherwise. A record that
/// has it, and not from [`Reference::id`] or [`Reference::field`], is an error: what a user typed never reaches what
/// another call gave.
#[derive(Debug)]
#[must_use = "nothing is sent before `send` is called"]
pub struct Composite {
    connection: Connection,
    all_or_none: bool,
    collate: Option<bool>,
    calls: Calls,
}

/// The answers of a [`Composite`].
#[derive(Debug)]
pub struct CompositeAnswers(Vec<SubAnswer>);

/// Nothing or `null` where there is nothing to say.
type SubAnswer = body::SubAnswer<Option<Box<RawValue>>>;
type SubAnswers = body::SubAnswers<Option<Box<RawValue>>>;

impl Connection {
    /// Several calls in one, which counts as one against the API limit.
    pub fn composite(&self) -> Composite {
        Composite { connection: self.clone(), all_or_none: false, collate: None, calls: Calls::new() }
    }
}

calls! { Composite gives Reference }

impl Composite {
    /// Whether one call that fails takes back what the others did.
    pub fn all_or_none(mut self, all_or_none: bool) -> Self {
        self.all_or_none = all_or_none;
        self
    }

    /// Whether Salesforce may do calls that have nothing to do with each other at the same time, as it does unless told
    /// otherwise.
    pub fn collate_subrequests(mut self, collate: bool) -> Self {
        self.collate = Some(collate);
        self
    }

    /// Adds a call.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 25 calls, of them five queries or calls of many records;
    /// [`InvalidRequest::Reference`] for a reference to no earlier call of this composite.
    pub fn add<T>(&mut self, call: Subrequest<T>) -> Result<Reference<T>> {
        let heavy = self.calls.list.iter().filter(|call| call.is_heavy()).count();
        if call.parts.is_heavy() && heavy >= MAX_HEAVY {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_HEAVY }.into());
        }
        self.calls.add(call, MAX_CALLS)
    }

    /// Sends all of them. The answers say how each went; this is an error only when the whole was refused. Nothing is
    /// sent when there is no call.
    ///
    /// It is sent once when a call in it must not be done twice: when the answer is lost, it may have taken effect.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use serde_json::{Value, json};
    ///
    /// let mut calls = sf.composite();
    /// let account = calls.upsert("Account", "ExternalKey__c", "A-17", &json!({ "Name": "Acme" }))?;
    /// let contact = calls.create("Contact", &json!({ "AccountId": account.id() }))?;
    /// let answers = calls.send().await?;
    /// // Each call went its own way: this contact has no name.
    /// assert!(answers.get(&account)?.created);
    /// let refused = answers.get(&contact).unwrap_err();
    /// assert_eq!(refused.api_errors()[0].code, "REQUIRED_FIELD_MISSING");
    /// assert!(answers.check().is_err());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn send(self) -> Result<CompositeAnswers> {
        if self.calls.list.is_empty() {
            return Ok(CompositeAnswers(Vec::new()));
        }
        let whole = CompositeBody {
            all_or_none: self.all_or_none,
            collate_subrequests: self.collate,
            composite_request: sub_calls(&self.calls, self.connection.api_version())?,
        };
        let harmless = self.calls.list.iter().all(|call| call.harmless);
        let answer: SubAnswers = post(&self.connection, "composite", &whole, harmless).await?;
        check_ids(&answer, &self.calls)?;
        Ok(CompositeAnswers(answer.composite_response))
    }
}

fn sub_calls(calls: &Calls, version: ApiVersion) -> Result<Vec<SubCall<'_>>> {
    let calls = calls.with_ids()?.into_iter().map(|(reference_id, call)| SubCall {
        method: call.method,
        url: format!("/services/data/v{version}/{}", call.resource),
        reference_id,
        body: call.body.as_ref(),
        http_headers: &call.headers,
    });
    Ok(calls.collect())
}

/// Sends a call of several; `harmless` when doing all of them twice does no harm.
async fn post<T: DeserializeOwned>(
    connection: &Connection,
    resource: &str,
    body: &impl Serialize,
    harmless: bool,
) -> Result<T> {
    let path = ResourcePath::versioned(connection.api_version(), resource)?;
    let call = ApiRequest::new(Method::POST, path).json(decode::body(body)?);
    let call = if harmless { call.idempotent() } else { call };
    Ok(decode::answer(&connection.send(call).await?)?)
}

/// Whether there is one answer for each call.
fn check_ids(answers: &SubAnswers, calls: &Calls) -> Result<()> {
    let expected = calls.with_ids()?;
    let expected = expected.iter().map(|(id, _)| id);
    if answers.composite_response.iter().map(|answer| &answer.reference_id).eq(expected) {
        Ok(())
    } else {
        Err(InvalidResponse::Unexpected("the answers do not fit the calls").into())
    }
}

impl CompositeAnswers {
    /// What a call gave: the id of a record that was created, what an upsert did, what was read; nothing for a change
    /// or a deletion that was done.
    ///
    /// # Errors
    /// What Salesforce said when it refused the call, as if it had been sent alone, or took it back with another one
    /// (`PROCESSING_HALTED`); [`Error::InvalidResponse`] when it does not fit `T`, or the call is one of another
    /// composite.
    pub fn get<T>(&self, call: &Reference<T>) -> Result<T> {
        get(&self.0, call)
    }

    /// Whether all calls were done.
    ///
    /// # Errors
    /// What Salesforce said about the first one that was refused for a reason of its own, and not because of another
    /// one.
    pub fn check(&self) -> Result<()> {
        check(&self.0)
    }
}

fn get<T>(answers: &[SubAnswer], call: &Reference<T>) -> Result<T> {
    let answer = answers.iter().find(|answer| answer.reference_id == call.id);
    let answer = answer.ok_or(InvalidResponse::Unexpected("the call is one of another composite"))?;
    body::read(answer.http_status_code, bytes(answer), call.read)
}

fn check(answers: &[SubAnswer]) -> Result<()> {
    let mut halted = None;
    for found in answers {
        match body::read(found.http_status_code, bytes(found), |_| Ok(())) {
            Ok(()) => {}
            Err(error) if error.api_errors().iter().any(|entry| entry.code == "PROCESSING_HALTED") => {
                halted.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    halted.map_or(Ok(()), Err)
}

fn bytes(answer: &SubAnswer) -> &[u8] {
    answer.body.as_ref().map_or("null", |body| body.get()).as_bytes()
}
