//! Records that are identified by the value of an external id field.

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::Result,
    id::SalesforceId,
    name::FieldName,
    records::{SObjectHandle, expect_no_content, save_result::SavedRecord},
    request::{
        decode,
        path::{ResourcePath, segment},
        send::ApiRequest,
    },
};

/// Methods that identify a record by the value of an external id field instead of its id.
///
/// A value may have any characters. Salesforce does not find a value that ends like a file name (`.json`), because it
/// removes the ending. If several records have the value, nothing is read or written, and the method fails with
/// [`Error::MultipleChoices`](crate::error::Error::MultipleChoices), which has their ids.
///
/// Source: REST API Developer Guide, "sObject Rows by External ID".
impl SObjectHandle {
    /// Updates the record whose external id field has this value, or creates it.
    ///
    /// The request is idempotent: it is sent again if the response is lost.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let account = serde_json::json!({ "Name": "Acme" });
    /// let saved = sf.sobject("Account").upsert("ExternalKey__c", "A/17", &account).await?;
    /// println!("{} {}", if saved.created { "created" } else { "updated" }, saved.id);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::MultipleChoices`](crate::error::Error::MultipleChoices) if several records have the value; otherwise as
    /// [`create`](Self::create).
    pub async fn upsert<T: Serialize + ?Sized>(
        &self,
        field: &str,
        value: &str,
        record: &T,
    ) -> Result<SavedRecord> {
        self.save_by(self.path_by(field, value)?, record).await
    }

    /// Updates the record whose external id field has this value, without ever creating one. Returns its id.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # sf.sobject("Account").upsert("ExternalKey__c", "A-17", &serde_json::json!({ "Name": "Acme" })).await?;
    /// let fields = serde_json::json!({ "Phone": "+49 30 1" });
    /// sf.sobject("Account").update_by("ExternalKey__c", "A-17", &fields).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) with status 404 if no record has the value; otherwise as
    /// [`upsert`](Self::upsert).
    pub async fn update_by<T: Serialize + ?Sized>(
        &self,
        field: &str,
        value: &str,
        record: &T,
    ) -> Result<SalesforceId> {
        let mut path = self.path_by(field, value)?;
        path.push_query("updateOnly", "true");
        Ok(self.save_by(path, record).await?.id)
    }

    /// Reads the record whose external id field has this value.
    ///
    /// Reads `fields`, or all fields that the user may see if `fields` is empty.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # sf.sobject("Account").upsert("ExternalKey__c", "A-17", &serde_json::json!({ "Name": "Acme" })).await?;
    /// let account: serde_json::Value = sf.sobject("Account").retrieve_by("ExternalKey__c", "A-17", &["Name"]).await?;
    /// assert_eq!(account["Name"], "Acme");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) with status 404 if no record has the value;
    /// [`Error::MultipleChoices`](crate::error::Error::MultipleChoices) if several have it.
    pub async fn retrieve_by<T: DeserializeOwned>(
        &self,
        field: &str,
        value: &str,
        fields: &[&str],
    ) -> Result<T> {
        let path = with_fields(self.path_by(field, value)?, fields)?;
        self.read(ApiRequest::get(path)).await
    }

    /// Deletes the record whose external id field has this value.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # sf.sobject("Account").upsert("ExternalKey__c", "A-17", &serde_json::json!({ "Name": "Acme" })).await?;
    /// sf.sobject("Account").delete_by("ExternalKey__c", "A-17").await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`retrieve_by`](Self::retrieve_by), and [`Error::Api`](crate::error::Error::Api) with the code
    /// `DELETE_FAILED` if other records depend on the record.
    pub async fn delete_by(&self, field: &str, value: &str) -> Result<()> {
        let request = ApiRequest::new(Method::DELETE, self.path_by(field, value)?);
        expect_no_content(&self.connection.send(self.unconditional()?.with_options(request)).await?)
    }

    fn path_by(&self, field: &str, value: &str) -> Result<ResourcePath> {
        let field: FieldName = field.parse()?;
        self.path(&[field.as_str(), &segment(value)?])
    }

    async fn save_by<T: Serialize + ?Sized>(&self, path: ResourcePath, record: &T) -> Result<SavedRecord> {
        let request = ApiRequest::new(Method::PATCH, path).json(decode::body(record)?).idempotent();
        let response = self.connection.send(self.unconditional()?.with_options(request)).await?;
        SavedRecord::read(decode::json_of(&response)?)
    }
}

/// Adds the fields to read to a path. An empty list selects all fields.
pub(crate) fn with_fields(mut path: ResourcePath, fields: &[&str]) -> Result<ResourcePath> {
    for field in fields {
        field.parse::<FieldName>()?;
    }
    if !fields.is_empty() {
        path.push_query("fields", &fields.join(","));
    }
    Ok(path)
}
