//! Records of one kind of object.

pub(crate) mod base64;
pub(crate) mod blob;
pub(crate) mod changes;
pub(crate) mod collections;
pub(crate) mod duplicates;
pub(crate) mod etag;
pub(crate) mod external_id;
pub(crate) mod multipart;
pub(crate) mod options;
pub(crate) mod record_id;
pub(crate) mod save_result;

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    base64::Base64,
    blob::{Blob, BlobUpload},
    changes::{DeletedRecord, DeletedRecords, UpdatedRecords},
    collections::{RecordError, SaveResult},
    duplicates::{DuplicateRecord, Duplicates},
    etag::{InvalidRecordEtag, RecordEtag},
    options::{AssignmentRule, DuplicateRules},
    record_id::ToRecordId,
    save_result::SavedRecord,
};
use crate::records::external_id::with_fields;
use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    http::response::Response,
    id::SalesforceId,
    name::{InvalidName, ObjectName},
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// The records of one kind of object, made by [`Connection::sobject`].
///
/// Ids are taken as [`SalesforceId`], or as text that is checked. Records are any type that serde can write as a JSON
/// object with Salesforce's field names; it must not have an `Id`, nor in an upsert the external id field.
///
/// Source: REST API Developer Guide, "sObject Rows".
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before one of its calls"]
pub struct SObjectHandle {
    connection: Connection,
    name: Result<ObjectName, InvalidName>,
    all_or_none: bool,
    /// What Salesforce is asked to do beside saving.
    options: HeaderMap,
    /// In which state a record must be to be changed.
    condition: Option<RecordEtag>,
}

impl SObjectHandle {
    pub(crate) fn new(connection: Connection, name: &str) -> Self {
        let (name, options) = (name.parse(), HeaderMap::new());
        Self { connection, name, all_or_none: false, options, condition: None }
    }

    pub(crate) fn is_all_or_none(&self) -> bool {
        self.all_or_none
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn with_options(&self, mut call: ApiRequest) -> ApiRequest {
        call.headers.extend(self.options.clone());
        call
    }

    /// The object's name, checked.
    pub(crate) fn name(&self) -> Result<String> {
        Ok(self.name.as_ref().map_err(|error| *error)?.to_string())
    }

    /// Creates a record.
    ///
    /// It is sent once: when the answer is lost ([`HttpError::was_not_sent`](crate::http::error::HttpError::was_not_sent) is `false`),
    /// the record may exist. [`upsert`](Self::upsert) has no such doubt.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let contact = serde_json::json!({ "LastName": "Lovelace", "Email": "ada@example.com" });
    /// let id = sf.sobject("Contact").create(&contact).await?;
    /// println!("{id}");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) when Salesforce refuses it (`REQUIRED_FIELD_MISSING`, `DUPLICATES_DETECTED`,
    /// validation rules, …), with all reasons in [`Error::api_errors`](crate::error::Error::api_errors).
    pub async fn create<T: Serialize + ?Sized>(&self, record: &T) -> Result<SalesforceId> {
        let call = ApiRequest::new(Method::POST, self.path(&[])?).json(decode::body(record)?);
        let answer = self.connection.send(self.unconditional()?.with_options(call)).await?;
        Ok(SavedRecord::read(decode::json_of(&answer)?)?.id)
    }

    /// Reads a record with all the fields that the user may see.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { name: String, phone: Option<String> }
    ///
    /// let account: Account = sf.sobject("Account").retrieve(id).await?;
    /// assert_eq!(account.name, "Acme");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) with status 404 when there is no such record, or none that the user may see.
    pub async fn retrieve<T: DeserializeOwned>(&self, id: impl ToRecordId) -> Result<T> {
        self.read(ApiRequest::get(self.record(id)?)).await
    }

    /// Reads some fields of a record; all of them when none is named.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// let account: serde_json::Value = sf.sobject("Account").retrieve_fields(id, &["Name", "Phone"]).await?;
    /// assert_eq!(account["Name"], "Acme");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve), and when a name is not one of a field.
    pub async fn retrieve_fields<T: DeserializeOwned>(
        &self,
        id: impl ToRecordId,
        fields: &[&str],
    ) -> Result<T> {
        self.read(ApiRequest::get(with_fields(self.record(id)?, fields)?)).await
    }

    /// Changes the fields of a record that `record` has; the others stay.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// sf.sobject("Account").update(id, &serde_json::json!({ "Phone": "+49 30 1" })).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`create`](Self::create), and status 404 when there is no such record;
    /// [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed) when [`if_match`](Self::if_match) says so.
    pub async fn update<T: Serialize + ?Sized>(&self, id: impl ToRecordId, record: &T) -> Result<()> {
        let call = ApiRequest::new(Method::PATCH, self.record(id)?).json(decode::body(record)?);
        done(&self.connection.send(self.with_condition(call)).await?)
    }

    /// Deletes a record; it goes to the recycle bin.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// sf.sobject("Account").delete(id).await?;
    /// let again = sf.sobject("Account").delete(id).await;
    /// assert_eq!(again.unwrap_err().status(), Some(404));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api): status 404 when there was no such record, `DELETE_FAILED` when it is in use;
    /// [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed) when [`if_match`](Self::if_match) says so.
    pub async fn delete(&self, id: impl ToRecordId) -> Result<()> {
        let call = ApiRequest::new(Method::DELETE, self.record(id)?);
        done(&self.connection.send(self.with_condition(call)).await?)
    }

    fn record(&self, id: impl ToRecordId) -> Result<ResourcePath> {
        self.path(&[id.to_record_id()?.as_str()])
    }

    /// `segments` are encoded already.
    fn path(&self, segments: &[&str]) -> Result<ResourcePath> {
        let name = self.name.as_ref().map_err(|error| *error)?;
        let mut resource = format!("sobjects/{name}");
        for segment in segments {
            resource.push('/');
            resource.push_str(segment);
        }
        Ok(ResourcePath::versioned(self.connection.api_version(), &resource)?)
    }

    async fn read<T: DeserializeOwned>(&self, call: ApiRequest) -> Result<T> {
        Ok(decode::answer(&self.connection.send(self.with_options(call)).await?)?)
    }
}

/// A change is answered with 204. Anything else comes from something in between, which changed nothing.
fn done(answer: &Response) -> Result<()> {
    if answer.status == StatusCode::NO_CONTENT {
        Ok(())
    } else {
        Err(InvalidResponse::Unexpected("a change is answered with status 204").into())
    }
}
