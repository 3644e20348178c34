//! Records by an external id.

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::Result,
    id::SalesforceId,
    name::FieldName,
    records::{SObjectHandle, done, save_result::SavedRecord},
    request::{
        decode,
        path::{ResourcePath, segment},
        send::ApiRequest,
    },
};

/// Records that are named by the value of an external id field instead of an id.
///
/// A value may have any characters; one that ends like a file name (`.json`) is not found by Salesforce, which cuts it
/// there. When several records have the value, nothing is read or written: that is
/// [`Error::MultipleChoices`](crate::error::Error::MultipleChoices), with their ids.
///
/// Source: REST API Developer Guide, "sObject Rows by External ID".
impl SObjectHandle {
    /// Changes the record whose external id field has this value, or creates it.
    ///
    /// It is safe to send again, which is done when the answer is lost.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let account = serde_json::json!({ "Name": "Acme" });
    /// let saved = sf.sobject("Account").upsert("ExternalKey__c", "A/17", &account).await?;
    /// println!("{} {}", if saved.created { "created" } else { "changed" }, saved.id);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::MultipleChoices`](crate::error::Error::MultipleChoices) when several records have the value; otherwise as
    /// [`create`](Self::create).
    pub async fn upsert<T: Serialize + ?Sized>(
        &self,
        field: &str,
        value: &str,
        record: &T,
    ) -> Result<SavedRecord> {
        self.save_by(self.by(field, value)?, record).await
    }

    /// Changes the record whose external id field has this value, and never creates one.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # sf.sobject("Account").upsert("ExternalKey__c", "A-17", &serde_json::json!({ "Name": "Acme" })).await?;
    /// let change = serde_json::json!({ "Phone": "+49 30 1" });
    /// sf.sobject("Account").update_by("ExternalKey__c", "A-17", &change).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) with status 404 when there is none; otherwise as [`upsert`](Self::upsert).
    pub async fn update_by<T: Serialize + ?Sized>(
        &self,
        field: &str,
        value: &str,
        record: &T,
    ) -> Result<SalesforceId> {
        let mut path = self.by(field, value)?;
        path.push_query("updateOnly", "true");
        Ok(self.save_by(path, record).await?.id)
    }

    /// Reads the record whose external id field has this value. Without `fields` all that the user may see are read.
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
    /// [`Error::Api`](crate::error::Error::Api) with status 404 when there is none;
    /// [`Error::MultipleChoices`](crate::error::Error::MultipleChoices) when there are several.
    pub async fn retrieve_by<T: DeserializeOwned>(
        &self,
        field: &str,
        value: &str,
        fields: &[&str],
    ) -> Result<T> {
        let path = with_fields(self.by(field, value)?, fields)?;
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
    /// As [`retrieve_by`](Self::retrieve_by), and `DELETE_FAILED` when the record is in use.
    pub async fn delete_by(&self, field: &str, value: &str) -> Result<()> {
        let call = ApiRequest::new(Method::DELETE, self.by(field, value)?);
        done(&self.connection.send(self.unconditional()?.with_options(call)).await?)
    }

    fn by(&self, field: &str, value: &str) -> Result<ResourcePath> {
        let field: FieldName = field.parse()?;
        self.path(&[field.as_str(), &segment(value)?])
    }

    async fn save_by<T: Serialize + ?Sized>(&self, path: ResourcePath, record: &T) -> Result<SavedRecord> {
        let call = ApiRequest::new(Method::PATCH, path).json(decode::body(record)?).idempotent();
        let answer = self.connection.send(self.unconditional()?.with_options(call)).await?;
        Ok(SavedRecord::read(decode::json_of(&answer)?)?)
    }
}

/// Asks for some fields; for all when none is named.
pub(crate) fn with_fields(mut path: ResourcePath, fields: &[&str]) -> Result<ResourcePath> {
    for field in fields {
        field.parse::<FieldName>()?;
    }
    if !fields.is_empty() {
        path.push_query("fields", &fields.join(","));
    }
    Ok(path)
}
