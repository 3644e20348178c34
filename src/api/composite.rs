//! Several calls in one, where later ones use what earlier ones gave.
//!
//! Source: REST API Developer Guide, "Composite".

use bytes::Bytes;
use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{
    Connection, ToRecordId, decode,
    name::{FieldName, ObjectName},
    path::{ResourcePath, segment},
    refusal,
    send::Call,
};
#[cfg(doc)]
use crate::Error;
use crate::{InvalidAnswer, InvalidRequest, Result, SalesforceId};

/// How many calls go into one.
const MAX_CALLS: usize = 25;

/// Up to 25 calls that are sent as one, made by [`Connection::composite`].
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// use serde_json::json;
///
/// let mut calls = sf.composite().all_or_none(true);
/// let account = calls.create("Account", &json!({ "Name": "Acme" }))?;
/// let contact = calls.create("Contact", &json!({ "LastName": "Lovelace", "AccountId": account.id() }))?;
/// let answers = calls.send().await?;
/// println!("{} of {}", answers.saved(&contact)?, answers.saved(&account)?);
/// # Ok(()) });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `send` is called"]
pub struct Composite {
    connection: Connection,
    all_or_none: bool,
    calls: Vec<SubCall>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubCall {
    method: &'static str,
    url: String,
    reference_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

/// One of the calls, to refer to it in later ones and to find its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    index: usize,
    id: String,
}

impl Reference {
    /// The id of the record that the call created: what a later call's field is set to.
    pub fn id(&self) -> String {
        self.field("id")
    }

    /// Any member of the call's answer: `records[0].Id` of a query, for example.
    pub fn field(&self, member: &str) -> String {
        format!("@{{{}.{member}}}", self.id)
    }
}

/// The answers of a [`Composite`].
#[derive(Debug)]
pub struct CompositeAnswers(Vec<SubAnswer>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubAnswer {
    body: Option<Box<RawValue>>,
    http_status_code: u16,
    reference_id: String,
}

impl Connection {
    /// Several calls in one, which counts as one against the API limit.
    pub fn composite(&self) -> Composite {
        Composite { connection: self.clone(), all_or_none: false, calls: Vec::new() }
    }
}

impl Composite {
    /// Whether one call that fails takes back what the others did.
    pub fn all_or_none(mut self, all_or_none: bool) -> Self {
        self.all_or_none = all_or_none;
        self
    }

    /// Creates a record.
    ///
    /// # Errors
    /// A name that is none, a record that cannot be written, or more than 25 calls.
    pub fn create<T: Serialize + ?Sized>(&mut self, object: &str, record: &T) -> Result<Reference> {
        let object: ObjectName = object.parse()?;
        self.push("POST", &format!("sobjects/{object}"), Some(body(record)?))
    }

    /// Changes a record. It may be one that an earlier call creates: give its [`Reference::id`].
    ///
    /// # Errors
    /// As [`create`](Self::create); an id that is neither an id nor a reference.
    pub fn update<T: Serialize + ?Sized>(&mut self, object: &str, id: &str, record: &T) -> Result<Reference> {
        let path = self.record(object, id)?;
        self.push("PATCH", &path, Some(body(record)?))
    }

    /// Changes or creates the record whose external id field has this value.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn upsert<T: Serialize + ?Sized>(
        &mut self,
        object: &str,
        field: &str,
        value: &str,
        record: &T,
    ) -> Result<Reference> {
        let (object, field) = (object.parse::<ObjectName>()?, field.parse::<FieldName>()?);
        let path = format!("sobjects/{object}/{}/{}", field.as_str(), segment(value)?);
        self.push("PATCH", &path, Some(body(record)?))
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn delete(&mut self, object: &str, id: &str) -> Result<Reference> {
        let path = self.record(object, id)?;
        self.push("DELETE", &path, None)
    }

    /// Reads some fields of a record.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn retrieve(&mut self, object: &str, id: &str, fields: &[&str]) -> Result<Reference> {
        for field in fields {
            field.parse::<FieldName>()?;
        }
        let path = format!("{}?fields={}", self.record(object, id)?, fields.join(","));
        self.push("GET", &path, None)
    }

    /// Sends all of them. The answers say how each went; this is an error only when the whole was refused.
    ///
    /// It is sent once: when the answer is lost, it may have taken effect.
    ///
    /// # Errors
    /// As [`RawRequest::send`](super::RawRequest::send).
    pub async fn send(self) -> Result<CompositeAnswers> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Whole<'a> {
            all_or_none: bool,
            composite_request: &'a [SubCall],
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            composite_response: Vec<SubAnswer>,
        }
        let whole = Whole { all_or_none: self.all_or_none, composite_request: &self.calls };
        let path = ResourcePath::versioned(self.connection.api_version(), "composite")?;
        let call = Call::new(Method::POST, path).json(decode::body(&whole)?);
        let answer: Answer = decode::json(&self.connection.send(call).await?.body)?;
        let expected = self.calls.iter().map(|call| &call.reference_id);
        if !answer.composite_response.iter().map(|answer| &answer.reference_id).eq(expected) {
            return Err(InvalidAnswer::Unexpected("the answers do not fit the calls").into());
        }
        Ok(CompositeAnswers(answer.composite_response))
    }

    fn record(&self, object: &str, id: &str) -> Result<String> {
        let object: ObjectName = object.parse()?;
        let known = self.calls.iter().any(|call| id == format!("@{{{}.id}}", call.reference_id));
        if known {
            Ok(format!("sobjects/{object}/{id}"))
        } else {
            Ok(format!("sobjects/{object}/{}", id.to_record_id()?))
        }
    }

    fn push(&mut self, method: &'static str, resource: &str, body: Option<Value>) -> Result<Reference> {
        if self.calls.len() >= MAX_CALLS {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_CALLS }.into());
        }
        let reference = Reference { index: self.calls.len(), id: format!("ref{}", self.calls.len()) };
        let url = format!("/services/data/v{}/{resource}", self.connection.api_version());
        self.calls.push(SubCall { method, url, reference_id: reference.id.clone(), body });
        Ok(reference)
    }
}

fn body<T: Serialize + ?Sized>(record: &T) -> Result<Value> {
    serde_json::to_value(record).map_err(|error| InvalidRequest::Body(error).into())
}

impl CompositeAnswers {
    /// The record that a call created, or changed by external id.
    ///
    /// # Errors
    /// [`Error::Api`] when Salesforce refused the call, or took it back with another one (`PROCESSING_HALTED`).
    pub fn saved(&self, call: &Reference) -> Result<SalesforceId> {
        #[derive(Deserialize)]
        struct Saved {
            id: SalesforceId,
        }
        Ok(self.json::<Saved>(call)?.id)
    }

    /// Whether a call was done that gives nothing back: an update or a deletion.
    ///
    /// # Errors
    /// As [`saved`](Self::saved).
    pub fn done(&self, call: &Reference) -> Result<()> {
        self.body(call).map(drop)
    }

    /// What a call gave, read into `T`.
    ///
    /// # Errors
    /// As [`saved`](Self::saved); [`Error::InvalidAnswer`] when it does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self, call: &Reference) -> Result<T> {
        Ok(decode::json(&self.body(call)?)?)
    }

    fn body(&self, call: &Reference) -> Result<Bytes> {
        let answer = self.0.get(call.index).filter(|answer| answer.reference_id == call.id);
        let answer = answer.ok_or(InvalidAnswer::Unexpected("the call is one of another composite"))?;
        let body = answer.body.as_ref().map_or("null", |body| body.get());
        if (200..300).contains(&answer.http_status_code) {
            Ok(Bytes::copy_from_slice(body.as_bytes()))
        } else {
            Err(refusal::read(answer.http_status_code, body.as_bytes(), None).error)
        }
    }
}
