//! Methods for many records per request.
//!
//! Source: REST API Developer Guide, "sObject Collections".

use std::{sync::Arc, time::Instant};

use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    error::{ApiError, Error, InvalidResponse, Result, passing},
    id::SalesforceId,
    name::FieldName,
    random,
    records::{SObjectHandle, record_id::ToRecordId, save_result::SavedRecord},
    request::{
        decode, error_body,
        path::ResourcePath,
        retry::{Failure, Idempotency},
        send::ApiRequest,
    },
};

/// Maximum number of records that Salesforce saves or deletes per request.
const MAX_RECORDS_PER_WRITE: usize = 200;
/// Maximum number of records that Salesforce returns per request.
const MAX_RECORDS_PER_READ: usize = 2_000;

/// The result for one of many records: its id, or why it was not saved.
pub type SaveResult = std::result::Result<SavedRecord, RecordError>;

/// Why one of many records was not saved.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Salesforce rejected the record. With all-or-none, the other records of its chunk have the code
    /// `ALL_OR_NONE_OPERATION_ROLLED_BACK`.
    #[error("record rejected by Salesforce: {}", codes(.0))]
    Refused(Vec<ApiError>),
    /// The request with the record failed. The record may have been saved, unless
    /// [`HttpError::was_not_sent`](crate::http::error::HttpError::was_not_sent) returns true.
    #[error("the request with this record failed")]
    Call(#[source] Arc<Error>),
    /// The record was not sent, because an earlier request failed.
    #[error("record not sent: an earlier request failed")]
    NotSent,
}

crate::debug::debug_as_display!(RecordError);

fn codes(errors: &[ApiError]) -> String {
    errors.iter().map(|entry| entry.code.as_str()).collect::<Vec<_>>().join(", ")
}

impl RecordError {
    /// Returns the reasons that Salesforce sent.
    pub fn api_errors(&self) -> &[ApiError] {
        match self {
            Self::Refused(errors) => errors,
            Self::Call(error) => error.api_errors(),
            Self::NotSent => &[],
        }
    }
}

/// One record with its type and id, as it is sent.
#[derive(Serialize)]
struct TypedRecord<'a, T> {
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
struct SaveRequest<'a, T> {
    all_or_none: bool,
    records: &'a [T],
}

/// Reads one result of a response about many records. An odd member must not lose the ids of the other records.
///
/// `default_created`: whether the record counts as created if the response does not say so. Only the response to an
/// upsert does.
fn read_result(result: &RawValue, default_created: bool) -> SaveResult {
    #[derive(Default, Deserialize)]
    struct RawResult<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        success: Option<&'a RawValue>,
        #[serde(borrow)]
        created: Option<&'a RawValue>,
        #[serde(borrow)]
        errors: Option<&'a RawValue>,
    }
    let result: RawResult<'_> = serde_json::from_str(result.get()).unwrap_or_default();
    let flag = |member: Option<&RawValue>| serde_json::from_str::<bool>(member?.get()).ok();
    let id = result.id.and_then(error_body::text).and_then(|id| id.parse::<SalesforceId>().ok());
    match (flag(result.success), id) {
        (Some(true), Some(id)) => {
            Ok(SavedRecord { id, created: flag(result.created).unwrap_or(default_created) })
        }
        (Some(false), _) => {
            let errors = result.errors.map(|errors| error_body::entries(errors.get()));
            Err(RecordError::Refused(errors.unwrap_or_default()))
        }
        (Some(true), None) => Err(unreadable("a saved record without an id")),
        (None, _) => Err(unreadable("a result that does not say whether the record was saved")),
    }
}

fn unreadable(what: &'static str) -> RecordError {
    RecordError::Call(Arc::new(InvalidResponse::Unexpected(what).into()))
}

/// Methods for many records, sent in chunks of 200 per request.
///
/// They return one result per record, in the order of the records. A rejected record does not affect the others, unless
/// [`all_or_none`](SObjectHandle::all_or_none) is set.
///
/// If the first request fails, the method returns its error. If a later one fails, its records and those after it have
/// a [`RecordError`], so that the results of earlier requests are not lost. Records that Salesforce rejects because
/// their row is locked are sent again, without the others, as the connection's
/// [`Retry`](crate::request::retry::Retry) allows.
impl SObjectHandle {
    /// Creates many records.
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
    /// As [`create`](Self::create), for the first request.
    #[doc(alias = "insert_many")]
    #[doc(alias = "collections")]
    pub async fn create_many<T: Serialize>(
        &self,
        records: impl IntoIterator<Item = T>,
    ) -> Result<Vec<SaveResult>> {
        let object = self.name()?;
        let records: Vec<_> = records.into_iter().map(|record| self.typed(&object, None, record)).collect();
        self.save(Method::POST, self.collection_path("")?, &records, true, false).await
    }

    /// Updates many records, each given with its id.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// let records = [(id, serde_json::json!({ "Phone": "+49 30 1" }))];
    /// for updated in sf.sobject("Account").update_many(records).await? {
    ///     assert!(updated.is_ok());
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), for the first request.
    pub async fn update_many<I: ToRecordId, T: Serialize>(
        &self,
        records: impl IntoIterator<Item = (I, T)>,
    ) -> Result<Vec<SaveResult>> {
        let object = self.name()?;
        let records: Vec<_> = records
            .into_iter()
            .map(|(id, record)| Ok(self.typed(&object, Some(id.to_record_id()?), record)))
            .collect::<Result<_>>()?;
        self.save(Method::PATCH, self.collection_path("")?, &records, false, false).await
    }

    /// Updates or creates many records by an external id field.
    ///
    /// Each record has the external id among its fields. The requests are idempotent: they are sent again if a response
    /// is lost.
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
    /// As [`upsert`](Self::upsert), for the first request.
    pub async fn upsert_many<T: Serialize>(
        &self,
        field: &str,
        records: impl IntoIterator<Item = T>,
    ) -> Result<Vec<SaveResult>> {
        let object = self.name()?;
        let field: FieldName = field.parse()?;
        let records: Vec<_> = records.into_iter().map(|record| self.typed(&object, None, record)).collect();
        let path = self.collection_path(&format!("/{object}/{}", field.as_str()))?;
        self.save(Method::PATCH, path, &records, false, true).await
    }

    /// Deletes many records. They go to the recycle bin.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// // All of them or none.
    /// let deleted = sf.sobject("Account").all_or_none(true).delete_many([id]).await?;
    /// assert!(deleted[0].is_ok());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete), for the first request.
    pub async fn delete_many<I: ToRecordId>(
        &self,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<Vec<SaveResult>> {
        let ids: Vec<_> = ids.into_iter().map(|id| id.to_record_id()).collect::<Result<_, _>>()?;
        self.unconditional()?;
        let all_or_none = if self.is_all_or_none() { "true" } else { "false" };
        let request = |ids: &[&SalesforceId]| {
            let mut path = self.collection_path("")?;
            let list: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
            path.push_query("ids", &list.join(","));
            path.push_query("allOrNone", all_or_none);
            // In a repeated request, records that are already deleted would look like rejected ones.
            Ok(self.with_options(ApiRequest::new(Method::DELETE, path).no_retry()))
        };
        let mut results = Results::default();
        for chunk in ids.chunks(MAX_RECORDS_PER_WRITE) {
            if !results.add(self.save_chunk(chunk, false, &request).await, chunk.len())? {
                break;
            }
        }
        Ok(results.complete(ids.len()))
    }

    /// Reads some fields of many records, in chunks of 2,000 per request.
    ///
    /// Returns one item per id, in the order of the ids: `None` if the record does not exist or the user may not see
    /// it.
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
    /// As [`retrieve_fields`](Self::retrieve_fields), for any of the requests.
    pub async fn retrieve_many<T: DeserializeOwned, I: ToRecordId>(
        &self,
        ids: impl IntoIterator<Item = I>,
        fields: &[&str],
    ) -> Result<Vec<Option<T>>> {
        #[derive(Serialize)]
        struct RetrieveRequest<'a> {
            ids: &'a [SalesforceId],
            fields: &'a [&'a str],
        }
        let ids: Vec<_> = ids.into_iter().map(|id| id.to_record_id()).collect::<Result<_, _>>()?;
        for field in fields {
            field.parse::<FieldName>()?;
        }
        let mut records = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_RECORDS_PER_READ) {
            let body = decode::body(&RetrieveRequest { ids, fields })?;
            let path = self.collection_path(&format!("/{}", self.name()?))?;
            // A POST that only reads, because the ids do not fit into a URL.
            let request = ApiRequest::new(Method::POST, path).json(body).idempotent();
            let response = self.connection().send(request).await?;
            let body = decode::json_of(&response)?;
            let found = decode::elements(body, ids.len())?;
            let first = found.into_iter().map(RawValue::get).find(|record| *record != "null");
            let chunk: Vec<Option<T>> = decode::records::<T, _>(body, first)?;
            if chunk.len() != ids.len() {
                return Err(InvalidResponse::Unexpected("not one record per id").into());
            }
            records.extend(chunk);
        }
        Ok(records)
    }

    fn typed<'a, T>(&self, object: &'a str, id: Option<SalesforceId>, record: T) -> TypedRecord<'a, T> {
        TypedRecord { attributes: Attributes { object }, id, record }
    }

    fn collection_path(&self, rest: &str) -> Result<ResourcePath> {
        let resource = format!("composite/sobjects{rest}");
        Ok(ResourcePath::versioned(self.connection().api_version(), &resource)?)
    }

    async fn save<T: Serialize>(
        &self,
        method: Method,
        path: ResourcePath,
        records: &[T],
        default_created: bool,
        idempotent: bool,
    ) -> Result<Vec<SaveResult>> {
        self.unconditional()?;
        let request = |records: &[&T]| {
            let body = decode::body(&SaveRequest { all_or_none: self.is_all_or_none(), records })?;
            let request = self.with_options(ApiRequest::new(method.clone(), path.clone()).json(body));
            Ok(if idempotent { request.idempotent() } else { request })
        };
        let mut results = Results::default();
        for chunk in records.chunks(MAX_RECORDS_PER_WRITE) {
            if !results.add(self.save_chunk(chunk, default_created, &request).await, chunk.len())? {
                break;
            }
        }
        Ok(results.complete(records.len()))
    }

    /// Sends one chunk, then sends the records again whose row was locked, without the others.
    ///
    /// Salesforce wrote nothing of a locked row, so that this is safe. With all-or-none the whole chunk was rolled back,
    /// and the caller decides.
    async fn save_chunk<T>(
        &self,
        records: &[T],
        default_created: bool,
        request: impl Fn(&[&T]) -> Result<ApiRequest>,
    ) -> Result<Vec<SaveResult>> {
        let all: Vec<_> = records.iter().collect();
        let started_at = Instant::now();
        let mut results = self.send_chunk(request(&all)?, all.len(), default_created).await?;
        for retries in 0.. {
            let locked: Vec<_> = (0..results.len()).filter(|index| is_locked(&results[*index])).collect();
            if locked.is_empty() || self.is_all_or_none() {
                break;
            }
            let retry = self.connection().retry();
            let (failure, elapsed) = (Failure::RowLocked, started_at.elapsed());
            let wait = retry.wait(Idempotency::NotIdempotent, failure, retries, elapsed, random::fraction());
            let Some(wait) = wait else { break };
            tokio::time::sleep(wait).await;
            let repeated: Vec<_> = locked.iter().map(|index| &records[*index]).collect();
            match self.send_chunk(request(&repeated)?, repeated.len(), default_created).await {
                Ok(new) => locked.into_iter().zip(new).for_each(|(index, result)| results[index] = result),
                Err(error) => {
                    let error = Arc::new(error);
                    locked
                        .into_iter()
                        .for_each(|index| results[index] = Err(RecordError::Call(Arc::clone(&error))));
                    break;
                }
            }
        }
        Ok(results)
    }

    async fn send_chunk(
        &self,
        request: ApiRequest,
        expected: usize,
        default_created: bool,
    ) -> Result<Vec<SaveResult>> {
        let response = self.connection().send(request).await?;
        let results = decode::elements(decode::json_of(&response)?, expected + 1)?;
        if results.len() != expected {
            return Err(InvalidResponse::Unexpected("not one result per record").into());
        }
        let results: Vec<_> =
            results.into_iter().map(|result| read_result(result, default_created)).collect();
        // Without any readable result there is no id to lose.
        if results.iter().all(|result| matches!(result, Err(RecordError::Call(_)))) && expected > 0 {
            return Err(InvalidResponse::Unexpected("results that cannot be read").into());
        }
        Ok(results)
    }
}

fn is_locked(result: &SaveResult) -> bool {
    matches!(result, Err(RecordError::Refused(errors)) if passing::is_locked(errors))
}

/// The results of several requests.
#[derive(Default)]
struct Results(Vec<SaveResult>);

impl Results {
    /// Adds the results of one request with `n` records. Returns whether to send the next one.
    fn add(&mut self, outcome: Result<Vec<SaveResult>>, n: usize) -> Result<bool> {
        match outcome {
            Ok(results) => {
                self.0.extend(results);
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

    /// Returns one result for each of `n` records.
    fn complete(mut self, n: usize) -> Vec<SaveResult> {
        self.0.resize_with(n, || Err(RecordError::NotSent));
        self.0
    }
}
