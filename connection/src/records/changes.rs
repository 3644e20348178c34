//! Which records of an object changed, were deleted, or were used last.
//!
//! Source: REST API Developer Guide, "sObject Get UpdatedRecords", "sObject Get DeletedRecords", "sObject Basic Information".

use std::collections::BTreeMap;

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{
    error::Result, id::SalesforceId, query::soql::SoqlDateTime, records::SObjectHandle,
    request::path::ResourcePath,
};

/// The records that were changed in some time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdatedRecords {
    /// The records.
    pub ids: Vec<SalesforceId>,
    /// Up to when all changes are in: where the next question begins.
    pub latest_date_covered: SoqlDateTime,
}

/// The records that were deleted in some time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeletedRecords {
    /// The records.
    #[serde(rename = "deletedRecords")]
    pub records: Vec<DeletedRecord>,
    /// Before then nothing is known any more.
    pub earliest_date_available: SoqlDateTime,
    /// Up to when all deletions are in: where the next question begins.
    pub latest_date_covered: SoqlDateTime,
}

/// A record that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeletedRecord {
    /// The record.
    pub id: SalesforceId,
    /// When.
    pub deleted_date: SoqlDateTime,
}

impl SObjectHandle {
    /// The records of the object that the user saw last, newest first, with the fields that a list of them shows.
    /// Source: REST API Developer Guide, "sObject Basic Information".
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use serde_json::{Value, json};
    /// # let id = sf.sobject("Account").update_recently_used().create(&json!({ "Name": "Acme" })).await?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Seen { id: salesforce_connection::SalesforceId, name: String }
    ///
    /// let seen: Vec<Seen> = sf.sobject("Account").recent().await?;
    /// assert_eq!(seen[0].name, "Acme");
    /// # assert_eq!(seen[0].id, id);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send); status 404 when there is no such object.
    pub async fn recent<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Basic<T> {
            /// Not to take a list for this: serde reads one into a struct, too.
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

    /// The records that were changed between two times, at most 30 days back.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::soql::SoqlDateTime;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let now = SystemTime::now();
    /// let hour_ago: SoqlDateTime = (now - Duration::from_secs(3600)).try_into()?;
    /// let changed = sf.sobject("Account").updated(hour_ago, now.try_into()?).await?;
    /// println!("{} changed; ask again from {}", changed.ids.len(), changed.latest_date_covered);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) when the time is too long ago (`INVALID_REPLICATION_DATE`) or there are more
    /// than 600,000 records (`EXCEEDED_ID_LIMIT`).
    pub async fn updated(&self, start: SoqlDateTime, end: SoqlDateTime) -> Result<UpdatedRecords> {
        self.replication("updated", start, end).await
    }

    /// The records that were deleted between two times, at most 15 days back.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use std::time::{Duration, SystemTime};
    ///
    /// let now = SystemTime::now();
    /// let yesterday = now - Duration::from_secs(24 * 60 * 60);
    /// let gone = sf.sobject("Account").deleted(yesterday.try_into()?, now.try_into()?).await?;
    /// for record in gone.records {
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
        what: &str,
        start: SoqlDateTime,
        end: SoqlDateTime,
    ) -> Result<T> {
        let connection = self.connection();
        let resource = format!("sobjects/{}/{what}", self.name()?);
        let mut path = ResourcePath::versioned(connection.api_version(), &resource)?;
        path.push_query("start", &start.to_string());
        path.push_query("end", &end.to_string());
        connection.read(path).await
    }
}
