//! Facts about an org: its limits and API versions.
//!
//! Source: REST API Developer Guide, "Limits", "Versions", "Recently Viewed Items".

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    connection::Connection,
    error::Result,
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// One limit of the organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Limit {
    /// What is allowed.
    pub max: i64,
    /// What is left of it.
    pub remaining: i64,
}

/// A version of the REST API that the organization has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VersionInfo {
    /// For people, for example `Spring '26`.
    pub label: String,
    /// For example `66.0`.
    pub version: String,
    /// Its path.
    pub url: String,
}

impl Connection {
    /// The organization's limits by name, for example `DailyApiRequests`. Right to about five minutes. The user needs
    /// the permission "View Setup and Configuration".
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let limits = sf.limits().await?;
    /// if let Some(calls) = limits.get("DailyApiRequests") {
    ///     println!("{} of {} calls are left", calls.remaining, calls.max);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn limits(&self) -> Result<BTreeMap<String, Limit>> {
        self.read(ResourcePath::versioned(self.api_version(), "limits")?).await
    }

    /// The versions of the REST API that the organization has, oldest first.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let newest = sf.versions().await?.pop();
    /// println!("{newest:?}");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn versions(&self) -> Result<Vec<VersionInfo>> {
        self.read(ResourcePath::parse("/services/data/", self.api_version(), &self.instance_url()?)?).await
    }

    /// The records that the user saw last, newest first.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let seen: Vec<serde_json::Value> = sf.recent(10).await?;
    /// println!("{}", seen.len());
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

    pub(crate) async fn read<T: DeserializeOwned>(&self, path: ResourcePath) -> Result<T> {
        Ok(decode::answer(&self.send(ApiRequest::get(path)).await?)?)
    }
}
