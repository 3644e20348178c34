//! [`NamedQuery`]: a query that an administrator has given a name.
//!
//! Source: REST API Developer Guide, "Named Query API".

use std::fmt::Display;

use futures_util::TryStreamExt as _;
use serde::de::DeserializeOwned;

use crate::{
    connection::Connection,
    error::{InvalidRequest, Result},
    name::{InvalidName, is_api_name},
    query::{self, Page},
    request::{path::ResourcePath, send::ApiRequest},
};

/// A query that is stored in the org, created by [`Connection::named_query`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before a method fetches rows"]
pub struct NamedQuery {
    connection: Connection,
    name: String,
    parameters: Vec<(String, String)>,
}

impl Connection {
    /// Starts a query that is stored in the org under a name. Needs API version 66.0 (a beta in 65.0).
    ///
    /// The user needs the permission "View Setup and Configuration". Salesforce requires a value for each parameter.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { name: String }
    ///
    /// let found: Vec<Account> = sf.named_query("AccountsByIndustry").parameter("industry", "Energy").fetch_all().await?;
    /// for account in found {
    ///     println!("{}", account.name);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn named_query(&self, name: impl Into<String>) -> NamedQuery {
        NamedQuery { connection: self.clone(), name: name.into(), parameters: Vec::new() }
    }
}

impl NamedQuery {
    /// Sets a parameter: a text, a number, a boolean, a date or time, or a date literal (`TODAY`, `LAST_N_DAYS:10`).
    ///
    /// The value is sent as it is displayed; Salesforce reads it by the type of its parameter.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.parameters.push((name.into(), value.to_string()));
        self
    }

    /// Fetches the first page of rows. The others: [`Connection::page`].
    ///
    /// # Errors
    /// [`Error::UnknownResource`](crate::Error::UnknownResource) if the org has no such query or the user may not use it;
    /// otherwise as [`Query::page`](crate::Query::page).
    pub async fn page<T: DeserializeOwned>(self) -> Result<Page<T>> {
        for name in self.parameters.iter().map(|(name, _)| name).chain([&self.name]) {
            if !is_api_name(name) {
                let what = if *name == self.name { "a named query" } else { "a parameter of a named query" };
                return Err(InvalidRequest::Name(InvalidName::of(what)).into());
            }
        }
        let resource = format!("named/query/{}", self.name);
        let mut path = ResourcePath::versioned(self.connection.api_version(), &resource)?;
        for (name, value) in &self.parameters {
            path.push_query(name, value);
        }
        let page = query::fetch_page(&self.connection, ApiRequest::get(path)).await;
        page.map_err(|error| error.or_unknown("named query", &self.name))
    }

    /// Fetches all rows, over as many pages as there are.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn fetch_all<T: DeserializeOwned + Send + 'static>(self) -> Result<Vec<T>> {
        let connection = self.connection.clone();
        let first = self.page().await?;
        connection.rows(first).try_collect().await
    }
}
