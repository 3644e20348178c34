//! Many records in one call.
//!
//! Source: REST API Developer Guide, "sObject Collections".

use std::{sync::Arc, time::Instant};

use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{ApiError, Error, InvalidResponse, Result},
    id::SalesforceId,
    name::FieldName,
    random,
    records::{SObjectHandle, record_id::ToRecordId, save_result::SavedRecord},
    request::{
        decode,
        error_response::RawEntry,
        path::ResourcePath,
        retry::{Failure, Idempotency},
        send::ApiRequest,
    },
};

/// How many records Salesforce takes in one call.
const CHUNK: usize = 200;
/// How many it gives in one.
const READ_CHUNK: usize = 2_000;

/// What became of one record of many: its id, or why it was not saved.
pub type SaveResult = std::result::Result<SavedRecord, RecordError>;

/// Why one record of many was not saved.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Salesforce refused it. With all-or-none, the records that went with it say
    /// `ALL_OR_NONE_OPERATION_ROLLED_BACK`.
    #[error("Salesforce refused the record ({})", codes(.0))]
    Refused(Vec<ApiError>),
    /// The call that it was in failed. Whether the record was saved is not known, unless
    /// [`HttpError::was_not_sent`](crate::http::error::HttpError::was_not_sent) says so.
    #[error("the call with this record failed")]
    Call(#[source] Arc<Error>),
    /// A call before the one that it would have been in failed. It was not sent.
    #[error("the record was not sent: an earlier call failed")]
    NotSent,
}

fn codes(errors: &[ApiError]) -> String {
    errors.iter().map(|entry| entry.code.as_str()).collect::<Vec<_>>().join(", ")
}

impl RecordError {
    /// What Salesforce said about the record.
    pub fn api_errors(&self) -> &[ApiError] {
        match self {
            Self::Refused(errors) => errors,
            Self::Call(error) => error.api_errors(),
            Self::NotSent => &[],
        }
    }
}

/// One record as it is sent.
#[derive(Serialize)]
struct Typed<'a, T> {
    attributes: Attributes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<SalesforceId>,
    #[serde(flatten)]
    record: T,
}

#[derive(Serialize)]
struct Attributes<'a> {
    #[serde(rename = "type")]
    object: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Batch<'a, T> {
    all_or_none: bool,
    records: &'a [T],
}

#[derive(Deserialize)]
struct Item {
    id: Option<SalesforceId>,
    success: bool,
    #[serde(default)]
    created: Option<bool>,
    #[serde(default)]
    errors: Vec<RawEntry>,
}

impl Item {
    /// `new`: whether a record that does not say so is new.
    fn result(self, new: bool) -> Result<SaveResult, InvalidResponse> {
        match (self.success, self.id) {
            (true, Some(id)) => Ok(Ok(SavedRecord { id, created: self.created.unwrap_or(new) })),
            (true, None) => Err(InvalidResponse::Unexpected("a record that was saved has no id")),
            (false, _) => {
                let errors = self.errors.into_iter().map(ApiError::from).collect();
                Ok(Err(RecordError::Refused(errors)))
            }
        }
    }
}

/// Many records at once, in chunks of 200. There is one result for each record, in their order; one record that is
/// refused does not keep the others out, unless [`all_or_none`](SObjectHandle::all_or_none) says so.
///
/// When a call fails in the middle, the results say so for its records and for those after it: what was saved before is
/// not forgotten. Only when the very first call fails is that the error of the whole. Records that Salesforce refuses
/// because their row is locked are sent again as the connection's [`Retry`](crate::request::retry::Retry) says, without the others.
impl SObjectHandle {
    /// Creates records.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let new = vec![serde_json::json!({ "Name": "Acme" }), serde_json::json!({})];
    /// for (record, saved) in new.iter().zip(sf.sobject("Account").create_many(&new).await?) {
    ///     if let Err(error) = saved {
    ///         println!("{error}: {record}");
    ///     }
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`create`](Self::create), for the first call.
    pub async fn create_many<T: Serialize>(
        &self,
        records: impl IntoIterator<Item = T>,
    ) -> Result<Vec<SaveResult>> {
        let object = self.name()?;
        let records: Vec<_> = records.into_iter().map(|record| self.typed(&object, None, record)).collect();
        self.save(Method::POST, self.collection("")?, &records, true, false).await
    }

    /// Changes records, each given with its id.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// let changes = [(id, serde_json::json!({ "Phone": "+49 30 1" }))];
    /// for changed in sf.sobject("Account").update_many(changes).await? {
    ///     assert!(changed.is_ok());
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), for the first call; a text that is no id.
    pub async fn update_many<I: ToRecordId, T: Serialize>(
        &self,
        records: impl IntoIterator<Item = (I, T)>,
    ) -> Result<Vec<SaveResult>> {
        let object = self.name()?;
        let records: Vec<_> = records
            .into_iter()
            .map(|(id, record)| Ok(self.typed(&object, Some(id.to_record_id()?), record)))
            .collect::<Result<_>>()?;
        self.save(Method::PATCH, self.collection("")?, &records, false, false).await
    }

    /// Changes or creates records by an external id field, which each record has among its fields.
    ///
    /// It is safe to send again, which is done when an answer is lost.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let accounts = [serde_json::json!({ "ExternalKey__c": "A-1", "Name": "Acme" })];
    /// for saved in sf.sobject("Account").upsert_many("ExternalKey__c", &accounts).await? {
    ///     assert!(saved.is_ok_and(|saved| saved.created));
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`upsert`](Self::upsert), for the first call.
    pub async fn upsert_many<T: Serialize>(
        &self,
        field: &str,
        records: impl IntoIterator<Item = T>,
    ) -> Result<Vec<SaveResult>> {
        let object = self.name()?;
        let field: FieldName = field.parse()?;
        let records: Vec<_> = records.into_iter().map(|record| self.typed(&object, None, record)).collect();
        let path = self.collection(&format!("/{object}/{}", field.as_str()))?;
        self.save(Method::PATCH, path, &records, false, true).await
    }

    /// Deletes records.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// // All of them, or none.
    /// let deleted = sf.sobject("Account").all_or_none(true).delete_many([id]).await?;
    /// assert!(deleted[0].is_ok());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete), for the first call; a text that is no id.
    pub async fn delete_many<I: ToRecordId>(
        &self,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<Vec<SaveResult>> {
        let ids: Vec<_> = ids.into_iter().map(|id| id.to_record_id()).collect::<Result<_, _>>()?;
        self.unconditional()?;
        let all_or_none = if self.is_all_or_none() { "true" } else { "false" };
        let call = |ids: &[&SalesforceId]| {
            let mut path = self.collection("")?;
            let list: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
            path.push_query("ids", &list.join(","));
            path.push_query("allOrNone", all_or_none);
            // Sent again, those that are gone already would look like refused ones.
            Ok(self.with_options(ApiRequest::new(Method::DELETE, path).no_retry()))
        };
        let mut results = Results::default();
        for chunk in ids.chunks(CHUNK) {
            if !results.add(self.chunk(chunk, false, &call).await, chunk.len())? {
                break;
            }
        }
        Ok(results.complete(ids.len()))
    }

    /// Reads some fields of many records, in chunks of 2,000; `None` for a record that is not there, or that the user
    /// may not see.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// let found: Vec<Option<Account>> = sf.sobject("Account").retrieve_many([id], &["Name"]).await?;
    /// assert_eq!(found[0].as_ref().map(|account| &*account.name), Some("Acme"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`retrieve_fields`](Self::retrieve_fields).
    pub async fn retrieve_many<T: DeserializeOwned, I: ToRecordId>(
        &self,
        ids: impl IntoIterator<Item = I>,
        fields: &[&str],
    ) -> Result<Vec<Option<T>>> {
        #[derive(Serialize)]
        struct Wanted<'a> {
            ids: &'a [SalesforceId],
            fields: &'a [&'a str],
        }
        let ids: Vec<_> = ids.into_iter().map(|id| id.to_record_id()).collect::<Result<_, _>>()?;
        for field in fields {
            field.parse::<FieldName>()?;
        }
        let mut records = Vec::with_capacity(ids.len());
        for ids in ids.chunks(READ_CHUNK) {
            let body = decode::body(&Wanted { ids, fields })?;
            let path = self.collection(&format!("/{}", self.name()?))?;
            // A POST that reads.
            let call = ApiRequest::new(Method::POST, path).json(body).idempotent();
            let some: Vec<Option<T>> = decode::answer(&self.connection().send(call).await?)?;
            if some.len() != ids.len() {
                return Err(
                    InvalidResponse::Unexpected("another number of records than was asked for").into()
                );
            }
            records.extend(some);
        }
        Ok(records)
    }

    fn typed<'a, T>(&self, object: &'a str, id: Option<SalesforceId>, record: T) -> Typed<'a, T> {
        Typed { attributes: Attributes { object }, id, record }
    }

    fn collection(&self, rest: &str) -> Result<ResourcePath> {
        let resource = format!("composite/sobjects{rest}");
        Ok(ResourcePath::versioned(self.connection().api_version(), &resource)?)
    }

    async fn save<T: Serialize>(
        &self,
        method: Method,
        path: ResourcePath,
        records: &[T],
        new: bool,
        harmless: bool,
    ) -> Result<Vec<SaveResult>> {
        self.unconditional()?;
        let call = |records: &[&T]| {
            let body = decode::body(&Batch { all_or_none: self.is_all_or_none(), records })?;
            let call = self.with_options(ApiRequest::new(method.clone(), path.clone()).json(body));
            Ok(if harmless { call.idempotent() } else { call })
        };
        let mut results = Results::default();
        for chunk in records.chunks(CHUNK) {
            if !results.add(self.chunk(chunk, new, &call).await, chunk.len())? {
                break;
            }
        }
        Ok(results.complete(records.len()))
    }

    /// Sends one chunk. Records whose row is locked are sent again, and only they: nothing of them was written. (With
    /// all-or-none they took the others with them, and what to do is the caller's to say.)
    async fn chunk<T>(
        &self,
        records: &[T],
        new: bool,
        call: impl Fn(&[&T]) -> Result<ApiRequest>,
    ) -> Result<Vec<SaveResult>> {
        let all: Vec<_> = records.iter().collect();
        let began = Instant::now();
        let mut results = self.items(call(&all)?, all.len(), new).await?;
        for retries in 0.. {
            let locked: Vec<_> = (0..results.len()).filter(|at| is_locked(&results[*at])).collect();
            if locked.is_empty() || self.is_all_or_none() {
                break;
            }
            let retry = self.connection().retry();
            let (locking, spent) = (Failure::RowLocked, began.elapsed());
            let wait = retry.wait(Idempotency::Unsafe, locking, retries, spent, random::fraction());
            let Some(wait) = wait else { break };
            tokio::time::sleep(wait).await;
            let some: Vec<_> = locked.iter().map(|at| &records[*at]).collect();
            match self.items(call(&some)?, some.len(), new).await {
                Ok(again) => locked.into_iter().zip(again).for_each(|(at, result)| results[at] = result),
                Err(error) => {
                    let error = Arc::new(error);
                    locked
                        .into_iter()
                        .for_each(|at| results[at] = Err(RecordError::Call(Arc::clone(&error))));
                    break;
                }
            }
        }
        Ok(results)
    }

    async fn items(&self, call: ApiRequest, expected: usize, new: bool) -> Result<Vec<SaveResult>> {
        let items: Vec<Item> = decode::answer(&self.connection().send(call).await?)?;
        if items.len() != expected {
            return Err(InvalidResponse::Unexpected("another number of results than of records").into());
        }
        Ok(items.into_iter().map(|item| item.result(new)).collect::<Result<_, _>>()?)
    }
}

fn is_locked(result: &SaveResult) -> bool {
    matches!(result, Err(RecordError::Refused(errors)) if errors.iter().any(|entry| entry.code == "UNABLE_TO_LOCK_ROW"))
}

/// The results of several calls.
#[derive(Default)]
struct Results(Vec<SaveResult>);

impl Results {
    /// Adds those of one call of `n` records. Whether to go on.
    fn add(&mut self, call: Result<Vec<SaveResult>>, n: usize) -> Result<bool> {
        match call {
            Ok(some) => {
                self.0.extend(some);
                Ok(true)
            }
            Err(error) if self.0.is_empty() => Err(error),
            Err(error) => {
                let error = Arc::new(error);
                self.0.extend((0..n).map(|_| Err(RecordError::Call(Arc::clone(&error)))));
                Ok(false)
            }
        }
    }

    /// One result for each of `n` records.
    fn complete(mut self, n: usize) -> Vec<SaveResult> {
        self.0.resize_with(n, || Err(RecordError::NotSent));
        self.0
    }
}
