//! Sends several requests as one: a composite, graphs, a batch, or a tree of records.
//!
//! | type | subrequests | how they depend on each other |
//! |---|---|---|
//! | [`Composite`] | up to 25 | later ones may use values of earlier ones; all or none, if set |
//! | [`Graph`] | up to 500 in 75 graphs | later ones may use values of earlier ones; all or none per graph |
//! | [`Batch`] | up to 25 | independent |
//! | [`Tree`] | up to 200 records | parents with their children; all or none |
//!
//! Source: REST API Developer Guide, "Composite", "Composite Graph", "Composite Batch", "sObject Tree".

use serde_json::value::RawValue;

pub(crate) mod batch;
pub(crate) mod graph;
pub(crate) mod list;
pub(crate) mod reference;
pub(crate) mod send;
pub(crate) mod subrequest;
pub(crate) mod tree;

pub use self::{
    batch::{Batch, BatchHandle, BatchResponse},
    graph::{Graph, GraphResponse},
    reference::{Reference, ReferenceValue, ToRecordRef},
    subrequest::Subrequest,
    tree::{Tree, TreeError, TreeIds, TreeNode, TreeRecordError},
};
use self::{
    list::SubrequestList,
    send::{
        Subresponse, check, check_readable, complete_children, get, post, subrequest_bodies, subresponses,
        with_parts,
    },
    subrequest::{MAX_SUBREQUESTS, subrequest_methods},
};
#[cfg(doc)]
use crate::error::Error;
use crate::{
    connection::Connection,
    error::{InvalidRequest, Result},
    request::{
        composite_body::{CompositeBody, CompositeResponseBody},
        decode,
    },
};

/// Maximum number of queries and requests with many records in one composite. Source: REST API Developer Guide,
/// "Composite".
const MAX_HEAVY_SUBREQUESTS: usize = 5;

/// Up to 25 subrequests that are sent as one request, returned by [`Connection::composite`].
///
/// It counts as one request against the API limit.
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// use serde_json::{Value, json};
///
/// let mut composite = sf.composite().all_or_none(true);
/// let account = composite.create("Account", &json!({ "Name": "Acme" }))?;
/// let contact = composite.create("Contact", &json!({ "LastName": "Lovelace", "AccountId": account.id() }))?;
/// let read = composite.retrieve::<Value>("Account", &account, &["OwnerId"])?;
/// composite.update("Contact", &contact, &json!({ "OwnerId": read.field("OwnerId")? }))?;
/// let response = composite.send().await?;
/// response.check()?;
/// println!("{} of {}", response.get(&contact)?, response.get(&account)?);
/// # Ok(()) });
/// ```
///
/// Salesforce takes `@{` in any text of a record for a reference and has no escape for it. A record with `@{` is
/// rejected before anything is sent, unless it comes from [`Reference::id`] or [`Reference::field`]: a user's text must
/// not read the values of other subrequests.
#[derive(Debug)]
#[must_use = "nothing is sent before `send` is called"]
pub struct Composite {
    connection: Connection,
    all_or_none: bool,
    collate: Option<bool>,
    list: SubrequestList,
}

/// The response to a [`Composite`].
#[derive(Debug)]
#[must_use = "subrequests may have failed: see `get` and `check`"]
pub struct CompositeResponse(Vec<Subresponse>);

impl Connection {
    /// Returns an empty composite: several requests in one, which may use each other's values.
    #[doc(alias = "transaction")]
    #[doc(alias = "all_or_none")]
    pub fn composite(&self) -> Composite {
        Composite { connection: self.clone(), all_or_none: false, collate: None, list: SubrequestList::new() }
    }
}

subrequest_methods! { Composite returns Reference }

impl Composite {
    /// Sets whether one failed subrequest rolls back all others. Default: false.
    pub fn all_or_none(mut self, all_or_none: bool) -> Self {
        self.all_or_none = all_or_none;
        self
    }

    /// Sets whether Salesforce may run independent subrequests concurrently. Default: Salesforce's, which is true.
    pub fn collate_subrequests(mut self, collate: bool) -> Self {
        self.collate = Some(collate);
        self
    }

    /// Adds a subrequest and returns its reference.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 25 subrequests, or above five that are queries or have many records;
    /// [`InvalidRequest::Reference`] for a reference to anything but an earlier subrequest of this composite.
    pub fn add<T>(&mut self, subrequest: Subrequest<T>) -> Result<Reference<T>> {
        let heavy = self.list.subrequests.iter().filter(|parts| parts.is_heavy()).count();
        if subrequest.parts.is_heavy() && heavy >= MAX_HEAVY_SUBREQUESTS {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_HEAVY_SUBREQUESTS }.into());
        }
        self.list.add(subrequest, MAX_SUBREQUESTS)
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
    /// let mut composite = sf.composite();
    /// let account = composite.upsert("Account", "ExternalKey__c", "A-17", &json!({ "Name": "Acme" }))?;
    /// let contact = composite.create("Contact", &json!({ "AccountId": account.id() }))?;
    /// let response = composite.send().await?;
    /// // Without `all_or_none` the account is saved although the contact lacks a name.
    /// assert!(response.get(&account)?.created);
    /// let error = response.get(&contact).unwrap_err();
    /// assert_eq!(error.api_errors()[0].code, "REQUIRED_FIELD_MISSING");
    /// assert!(response.check().is_err());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn send(self) -> Result<CompositeResponse> {
        if self.list.subrequests.is_empty() {
            return Ok(CompositeResponse(Vec::new()));
        }
        let version = self.connection.version_for_request().await?;
        let body = CompositeBody {
            all_or_none: self.all_or_none,
            collate_subrequests: self.collate,
            composite_request: subrequest_bodies(&self.list, version)?,
        };
        let idempotent = self.list.subrequests.iter().all(|parts| parts.idempotent);
        let response = post(&self.connection, "composite", &body, idempotent).await?;
        let response: CompositeResponseBody<&RawValue> = decode::json(decode::json_of(&response)?)?;
        let mut responses = subresponses(&response.composite_response, &self.list)?;
        check_readable(&responses)?;
        complete_children(&self.connection, with_parts(&mut responses, &self.list)).await;
        Ok(CompositeResponse(responses))
    }
}

impl CompositeResponse {
    /// Returns the result of a subrequest.
    ///
    /// That is the id of a created record, a [`SavedRecord`](crate::records::SavedRecord) for an upsert, what was read,
    /// or `()` for an update or deletion.
    ///
    /// # Errors
    /// The error with which Salesforce rejected the subrequest, as if it had been sent alone, or rolled it back with
    /// another one (`PROCESSING_HALTED`); [`Error::InvalidResponse`] if the response does not fit `T` or the subrequest
    /// belongs to another composite. A query's rows may need children on further pages: if those could not be fetched, the
    /// error of that request.
    pub fn get<T>(&self, subrequest: &Reference<T>) -> Result<T> {
        get(&self.0, subrequest)
    }

    /// Returns the first subrequest's error, if any failed.
    ///
    /// # Errors
    /// The first error that Salesforce sent for a subrequest itself, rather than because another one failed.
    pub fn check(&self) -> Result<()> {
        check(&self.0)
    }
}
