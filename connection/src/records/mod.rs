//! Creates, reads, updates and deletes records of one object.

pub(crate) mod blob;
pub(crate) mod changes;
pub(crate) mod collections;
pub(crate) mod etag;
pub(crate) mod external_id;
pub(crate) mod multipart;
pub(crate) mod options;
pub(crate) mod record_id;
pub(crate) mod save_result;

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    blob::{Blob, BlobUpload},
    changes::{DeletedRecord, DeletedRecords, UpdatedRecords},
    collections::{RecordError, SaveResult},
    etag::{InvalidRecordEtag, RecordEtag},
    options::{AssignmentRule, DuplicateRules},
    record_id::ToRecordId,
    save_result::SavedRecord,
};
use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    http::response::Response,
    id::SalesforceId,
    name::{InvalidName, ObjectName},
    records::external_id::with_fields,
    request::{decode, path::ResourcePath, send::ApiRequest},
};
pub use crate::{
    error::duplicates::{DuplicateRecord, Duplicates},
    fields::{
        base64::Base64,
        compound::{Address, Location},
    },
};

/// A handle on the records of one object, returned by [`Connection::sobject`].
///
/// An id is a [`SalesforceId`], or a text that is checked before anything is sent. A record is any type that serde can
/// write as a JSON object with Salesforce's field names. It must not have an `Id` and, in an [`upsert`](Self::upsert),
/// not the external id field.
///
/// Source: REST API Developer Guide, "sObject Rows".
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before one of its async methods is called"]
pub struct SObjectHandle {
    connection: Connection,
    name: Result<ObjectName, InvalidName>,
    all_or_none: bool,
    /// Headers that all requests of the handle have.
    options: HeaderMap,
    /// The version that a record must have to be changed.
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

    pub(crate) fn with_options(&self, mut request: ApiRequest) -> ApiRequest {
        request.headers.extend(self.options.clone());
        request
    }

    /// Returns the object's name, or the error of an invalid one.
    pub(crate) fn name(&self) -> Result<String> {
        Ok(self.name.as_ref().map_err(|error| *error)?.to_string())
    }

    /// Creates a record and returns its id.
    ///
    /// The request is sent once. If its response is lost
    /// ([`HttpError::was_not_sent`](crate::http::error::HttpError::was_not_sent) is false), the record may exist.
    /// [`upsert`](Self::upsert) avoids this doubt.
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
    /// [`Error::Api`](crate::error::Error::Api) if Salesforce rejects the record (`REQUIRED_FIELD_MISSING`,
    /// `DUPLICATES_DETECTED`, validation rules, …), with all reasons in
    /// [`Error::api_errors`](crate::error::Error::api_errors);
    /// [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an invalid name or id, or a record that serde
    /// cannot write as JSON; otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send).
    #[doc(alias = "insert")]
    pub async fn create<T: Serialize + ?Sized>(&self, record: &T) -> Result<SalesforceId> {
        let request = ApiRequest::new(Method::POST, self.path(&[])?).json(decode::body(record)?);
        let response = self.connection.send(self.unconditional()?.with_options(request)).await?;
        Ok(SavedRecord::read(decode::json_of(&response)?)?.id)
    }

    /// Reads a record with all fields that the user may see.
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
    /// [`Error::Api`](crate::error::Error::Api) with status 404 if the record does not exist or the user may not see it;
    /// [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an invalid name or id; otherwise as
    /// [`RawRequest::send`](crate::request::raw::RawRequest::send).
    #[doc(alias = "get")]
    #[doc(alias = "find")]
    pub async fn retrieve<T: DeserializeOwned>(&self, id: impl ToRecordId) -> Result<T> {
        self.read(ApiRequest::get(self.record(id)?)).await
    }

    /// Reads some fields of a record, or all fields that the user may see if `fields` is empty.
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
    /// As [`retrieve`](Self::retrieve), and [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an
    /// invalid field name.
    pub async fn retrieve_fields<T: DeserializeOwned>(
        &self,
        id: impl ToRecordId,
        fields: &[&str],
    ) -> Result<T> {
        self.read(ApiRequest::get(with_fields(self.record(id)?, fields)?)).await
    }

    /// Updates the fields of a record that `record` has. The other fields stay unchanged.
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
    /// As [`create`](Self::create), and status 404 if the record does not exist;
    /// [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed) if the record changed since it was read
    /// and [`if_match`](Self::if_match) is set.
    #[doc(alias = "patch")]
    pub async fn update<T: Serialize + ?Sized>(&self, id: impl ToRecordId, record: &T) -> Result<()> {
        let request = ApiRequest::new(Method::PATCH, self.record(id)?).json(decode::body(record)?);
        expect_no_content(&self.connection.send(self.with_condition(request)).await?)
    }

    /// Deletes a record. It goes to the recycle bin.
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
    /// [`Error::Api`](crate::error::Error::Api) with status 404 if the record does not exist, with the code
    /// `DELETE_FAILED` if other records depend on it;
    /// [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed) if the record changed since it was read
    /// and [`if_match`](Self::if_match) is set; otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send).
    #[doc(alias = "destroy")]
    pub async fn delete(&self, id: impl ToRecordId) -> Result<()> {
        let request = ApiRequest::new(Method::DELETE, self.record(id)?);
        expect_no_content(&self.connection.send(self.with_condition(request)).await?)
    }

    fn record(&self, id: impl ToRecordId) -> Result<ResourcePath> {
        self.path(&[id.to_record_id()?.as_str()])
    }

    /// Returns the path below the object. `segments` must be percent-encoded.
    fn path(&self, segments: &[&str]) -> Result<ResourcePath> {
        let name = self.name.as_ref().map_err(|error| *error)?;
        let mut resource = format!("sobjects/{name}");
        for segment in segments {
            resource.push('/');
            resource.push_str(segment);
        }
        Ok(ResourcePath::versioned(self.connection.api_version(), &resource)?)
    }

    async fn read<T: DeserializeOwned>(&self, request: ApiRequest) -> Result<T> {
        let response = self.connection.send(self.with_options(request)).await?;
        Ok(decode::record(decode::json_of(&response)?)?)
    }
}

/// Fails unless the status is 204, the only success status of an update or deletion.
///
/// A response with another one comes from a proxy, and the record was not changed.
fn expect_no_content(response: &Response) -> Result<()> {
    if response.status == StatusCode::NO_CONTENT {
        Ok(())
    } else {
        Err(InvalidResponse::Unexpected("a write with a status other than 204").into())
    }
}
