//! Records of an object that were updated, deleted or recently viewed.
//!
//! Source: REST API Developer Guide, "sObject Get UpdatedRecords", "sObject Get DeletedRecords", "sObject Basic
//! Information".

use std::collections::BTreeMap;

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{
    error::Result, id::SalesforceId, query::soql::SoqlDateTime, records::SObjectHandle,
    request::path::ResourcePath,
};

/// The records that were updated in a period, returned by [`SObjectHandle::updated`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdatedRecords {
    /// The records' ids.
    pub ids: Vec<SalesforceId>,
    /// The time up to which the list is complete. Use it as the start of the next period.
    pub latest_date_covered: SoqlDateTime,
}

/// The records that were deleted in a period, returned by [`SObjectHandle::deleted`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeletedRecords {
    /// The deleted records.
    #[serde(rename = "deletedRecords")]
    pub records: Vec<DeletedRecord>,
    /// The time from which on Salesforce still knows deletions.
    pub earliest_date_available: SoqlDateTime,
    /// The time up to which the list is complete. Use it as the start of the next period.
    pub latest_date_covered: SoqlDateTime,
}

/// One deleted record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeletedRecord {
    /// The record's id.
    pub id: SalesforceId,
    /// When the record was deleted.
    pub deleted_date: SoqlDateTime,
}

impl SObjectHandle {
    /// Returns the records of the object that the user viewed last, newest first.
    ///
    /// Each has the fields that Salesforce shows in a list of such records, usually `Id` and `Name`. Source: REST API
    /// Developer Guide, "sObject Basic Information".
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde_json::{Value, json};
    /// # let id = sf.sobject("Account").update_recently_used().create(&json!({ "Name": "Acme" })).await?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { id: salesforce_connection::SalesforceId, name: String }
    ///
    /// let recent: Vec<Account> = sf.sobject("Account").recent().await?;
    /// assert_eq!(recent[0].name, "Acme");
    /// # assert_eq!(recent[0].id, id);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send), and status 404 if the object does not exist.
    pub async fn recent<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Basic<T> {
            // Required, so that a JSON array is an error: serde also reads arrays into structs.
            #[serde(rename = "objectDescribe")]
            _object: BTreeMap<String, IgnoredAny>,
            recent_items: Vec<T>,
        }
        let connection = self.connection();
        let resource = format!("sobjects/{}", self.name()?);
        let basic: Basic<T> =
            connection.read(ResourcePath::versioned(connection.api_version(), &resource)?).await?;
        Ok(basic.recent_items)
    }

    /// Returns the records that were created or updated between two times, at most 30 days ago.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::soql::SoqlDateTime;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let now = SystemTime::now();
    /// let hour_ago: SoqlDateTime = (now - Duration::from_secs(3600)).try_into()?;
    /// let updated = sf.sobject("Account").updated(hour_ago, now.try_into()?).await?;
    /// println!("{} updated; the next period starts at {}", updated.ids.len(), updated.latest_date_covered);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) if `start` is too long ago (`INVALID_REPLICATION_DATE`) or there are
    /// more than 600,000 records (`EXCEEDED_ID_LIMIT`).
    pub async fn updated(&self, start: SoqlDateTime, end: SoqlDateTime) -> Result<UpdatedRecords> {
        self.replication("updated", start, end).await
    }

    /// Returns the records that were deleted between two times, at most 15 days ago.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use std::time::{Duration, SystemTime};
    ///
    /// let now = SystemTime::now();
    /// let yesterday = now - Duration::from_secs(24 * 60 * 60);
    /// let deleted = sf.sobject("Account").deleted(yesterday.try_into()?, now.try_into()?).await?;
    /// for record in deleted.records {
    ///     println!("{} at {}", record.id, record.deleted_date);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`updated`](Self::updated).
    pub async fn deleted(&self, start: SoqlDateTime, end: SoqlDateTime) -> Result<DeletedRecords> {
        self.replication("deleted", start, end).await
    }

    async fn replication<T: DeserializeOwned>(
        &self,
        kind: &str,
        start: SoqlDateTime,
        end: SoqlDateTime,
    ) -> Result<T> {
        let connection = self.connection();
        let resource = format!("sobjects/{}/{kind}", self.name()?);
        let mut path = ResourcePath::versioned(connection.api_version(), &resource)?;
        path.push_query("start", &start.to_string());
        path.push_query("end", &end.to_string());
        connection.read(path).await
    }
}
