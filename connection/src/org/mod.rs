//! Limits, API versions and recently used records of an organization.
//!
//! Source: REST API Developer Guide, "Limits", "Versions", "Recently Viewed Items".

pub(crate) mod newest_version;

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

pub use self::newest_version::VersionSupport;
use crate::{
    connection::Connection,
    error::Result,
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// One limit of the org, returned by [`Connection::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Limit {
    /// The allowed amount.
    pub max: i64,
    /// The amount that is left.
    pub remaining: i64,
}

/// A version of the REST API that the org supports, returned by [`Connection::versions`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VersionInfo {
    /// The release's display name, for example `Spring '26`.
    pub label: String,
    /// The version number, for example `66.0`.
    pub version: String,
    /// The version's path, for example `/services/data/v66.0`.
    pub url: String,
}

impl Connection {
    /// Returns the org's limits by name, for example `DailyApiRequests`.
    ///
    /// Salesforce's numbers can be about five minutes old. The user needs the permission "View Setup and
    /// Configuration".
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let limits = sf.limits().await?;
    /// if let Some(requests) = limits.get("DailyApiRequests") {
    ///     println!("{} of {} requests are left", requests.remaining, requests.max);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn limits(&self) -> Result<BTreeMap<String, Limit>> {
        self.read(ResourcePath::versioned(self.api_version(), "limits")?).await
    }

    /// Returns the versions of the REST API that the org supports, oldest first.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// for version in sf.versions().await? {
    ///     println!("{}: {}", version.version, version.label);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn versions(&self) -> Result<Vec<VersionInfo>> {
        self.read(ResourcePath::parse("/services/data/", self.api_version(), &self.instance_url()?)?).await
    }

    /// Returns the records of any object that the user viewed last, newest first.
    ///
    /// `limit` is the maximum number of records.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let recent: Vec<serde_json::Value> = sf.recent(10).await?;
    /// println!("{}", recent.len());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn recent<T: DeserializeOwned>(&self, limit: u16) -> Result<Vec<T>> {
        let mut path = ResourcePath::versioned(self.api_version(), "recent")?;
        path.push_query("limit", &limit.to_string());
        self.read(path).await
    }

    /// Sends a GET request and decodes the JSON of its response.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: ResourcePath) -> Result<T> {
        Ok(decode::response(&self.send(ApiRequest::get(path)).await?)?)
    }
}
