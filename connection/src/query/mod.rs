//! SOQL queries and their pages.

pub(crate) mod children;
mod chunked;
mod export;
pub(crate) mod page;
mod prefetch;
pub(crate) mod projection;
pub(crate) mod records;
mod select;
pub mod soql;

pub(crate) use self::page::{fetch_page, next_page_request};
pub use self::{chunked::ChunkedQuery, page::Page, projection::SObject, select::Select};
pub use crate::request::path::Cursor;

use std::marker::PhantomData;

use futures_util::TryStreamExt;
use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;

use crate::{
    connection::Connection,
    error::{Error, InvalidRequest, InvalidResponse, Result},
    query::{
        page::Progress,
        records::Records,
        soql::{
            bind::{BindError, Binds},
            literal::{SoqlLiteral, ToSoql},
            scan::comment_length,
        },
    },
    request::{
        long_query::{self, QUERY_OPTIONS},
        path::ResourcePath,
        send::{ApiRequest, MAX_RESPONSE_BYTES},
    },
};

/// Default maximum size of a page, in bytes after decompression: the limit of all responses, 32 MiB.
pub(crate) const MAX_PAGE_BYTES: usize = MAX_RESPONSE_BYTES;
/// The resource of the Tooling API's queries.
const TOOLING: &str = "tooling/query";

/// A SOQL query, made by [`Connection::query`].
///
/// Rows are read straight into `T`. Members of a row that `T` does not have are ignored, for example `attributes`.
#[doc(alias = "soql")]
#[derive(Debug)]
#[must_use = "nothing is sent before one of the `fetch` methods is called"]
pub struct Query<T> {
    connection: Connection,
    soql: String,
    binds: Binds,
    resource: &'static str,
    batch_size: Option<u16>,
    max_page_bytes: usize,
    row: PhantomData<fn() -> T>,
}

impl<T> Query<T> {
    pub(crate) fn new(connection: Connection, soql: String) -> Self {
        Self {
            connection,
            soql,
            binds: Binds::default(),
            resource: "query",
            batch_size: None,
            max_page_bytes: MAX_PAGE_BYTES,
            row: PhantomData,
        }
    }

    /// Returns the text with its placeholders.
    fn soql(&self) -> &str {
        &self.soql
    }

    /// Returns the text with its values in place.
    fn render(&self) -> Result<String, BindError> {
        self.binds.render(&self.soql)
    }

    /// Returns the same query with `list`, a finished literal, bound to `:name`.
    fn with_list(&self, name: &str, list: String) -> Self {
        let mut binds = self.binds.clone();
        binds.push_literal(name, SoqlLiteral::list(list));
        let (connection, soql) = (self.connection.clone(), self.soql.clone());
        Self { connection, soql, binds, row: PhantomData, ..*self }
    }

    fn with_soql(mut self, soql: String) -> Self {
        self.soql = soql;
        self
    }

    /// Binds a value to the placeholder `:name`, as a literal of its type. `name` has no colon.
    ///
    /// A value that does not fit is an error of the `fetch` methods, before anything is sent. See
    /// [`BindError`].
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// let big: Vec<Account> = sf
    ///     .query("SELECT Name FROM Account WHERE Industry IN :industries AND NumberOfEmployees > :minimum")
    ///     .bind("industries", ["Energy", "Banking"])
    ///     .bind("minimum", 50)
    ///     .fetch_all()
    ///     .await?;
    /// # Ok(()) });
    /// ```
    #[doc(alias = "parameter")]
    #[doc(alias = "escape")]
    #[doc(alias = "injection")]
    pub fn bind(mut self, name: &str, value: impl ToSoql) -> Self {
        self.binds.push(name, &value);
        self
    }

    /// Queries the objects of the Tooling API, such as Apex classes.
    pub(crate) fn tooling(mut self) -> Self {
        self.resource = TOOLING;
        self
    }

    /// Includes deleted and archived rows. Default: not included. A tooling query never includes them.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// let deleted: Vec<Account> =
    ///     sf.query("SELECT Name FROM Account WHERE IsDeleted = TRUE").include_deleted().fetch_all().await?;
    /// # Ok(()) });
    /// ```
    pub fn include_deleted(mut self) -> Self {
        if self.resource != TOOLING {
            self.resource = "queryAll";
        }
        self
    }

    /// Sets the number of rows in a page, 200 to 2,000. Default: Salesforce's, 2,000. Salesforce may return fewer.
    pub fn batch_size(mut self, rows: u16) -> Self {
        self.batch_size = Some(rows.clamp(200, 2_000));
        self
    }

    /// Sets the maximum size of a page, in bytes after decompression. Default: 32 MiB.
    ///
    /// Two pages are in memory at a time.
    pub fn max_page_bytes(mut self, bytes: usize) -> Self {
        self.max_page_bytes = bytes;
        self
    }

    /// Returns the request for the first page.
    fn first_request(&self) -> Result<ApiRequest> {
        let soql = self.render()?;
        let mut path = ResourcePath::versioned(self.connection.api_version(), self.resource)?;
        path.push_query("q", &soql);
        let options = self.options();
        // A composite request cannot have tooling queries.
        let is_tooling = self.resource == TOOLING;
        let limit =
            if is_tooling { long_query::MAX_UNSPLIT_QUERY_BYTES } else { long_query::MAX_URL_QUERY_BYTES };
        let mut request = if path.query_bytes() <= limit {
            ApiRequest::get(path)
        } else if soql.chars().count() <= long_query::MAX_SOQL_CHARACTERS && !is_tooling {
            long_query::request(&self.connection, path, options.clone())?
        } else {
            return Err(self.too_long(&soql));
        };
        request.max_bytes = self.max_page_bytes;
        if let Some(options) = options {
            let value = HeaderValue::try_from(options).map_err(Error::internal)?;
            request.headers.insert(QUERY_OPTIONS, value);
        }
        Ok(request)
    }

    /// Returns the value of [`QUERY_OPTIONS`].
    pub(crate) fn options(&self) -> Option<String> {
        self.batch_size.map(|rows| format!("batchSize={rows}"))
    }

    fn too_long(&self, soql: &str) -> Error {
        let limit = if self.resource == TOOLING {
            long_query::MAX_UNSPLIT_QUERY_BYTES
        } else {
            long_query::MAX_SOQL_CHARACTERS
        };
        InvalidRequest::QueryTooLong { characters: soql.chars().count(), limit }.into()
    }

    /// Returns the connection, the query with its values in place, and the resource that runs it.
    pub(crate) fn into_parts(self) -> Result<(Connection, String, &'static str)> {
        let soql = self.render()?;
        Ok((self.connection, soql, self.resource))
    }

    /// Returns true for `SELECT COUNT()`.
    fn is_count(&self) -> bool {
        let mut rest = self.soql.trim_start();
        for expected in ["SELECT", "COUNT", "(", ")"] {
            while let Some(length) = comment_length(rest) {
                rest = rest[length..].trim_start();
            }
            let Some(found) = rest.get(..expected.len()) else { return false };
            if !found.eq_ignore_ascii_case(expected) {
                return false;
            }
            rest = rest[expected.len()..].trim_start();
        }
        true
    }

    fn progress(&self) -> Progress {
        Progress::new(self.is_count())
    }
}

impl<T> Query<T> {
    /// Returns the number of rows that the query finds.
    ///
    /// That is the result of `SELECT COUNT()`, or the `totalSize` in the first page of any other query.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let accounts = sf.query::<()>("SELECT COUNT() FROM Account WHERE Name LIKE :name").bind("name", "A%").count().await?;
    /// # assert!(accounts > 0);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`page`](Self::page), and [`Error::InvalidResponse`] if Salesforce does not know the number (external
    /// objects).
    pub async fn count(self) -> Result<u64> {
        let page = fetch_page::<serde::de::IgnoredAny>(&self.connection, self.first_request()?).await?;
        page.total_size.ok_or(InvalidResponse::Unexpected("the number of rows is unknown").into())
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// Returns the rows as a stream.
    ///
    /// It needs memory for two pages: the next page is fetched while the current one is read, unless children in its rows
    /// have further pages. Nothing is sent before
    /// the first poll, and dropping the stream stops it. It can outlive the handler, for example as the body of a
    /// response. The first error is the last item.
    ///
    /// ```
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use futures_util::TryStreamExt;
    ///
    /// let mut accounts = sf.query::<Account>("SELECT Name FROM Account").fetch();
    /// while let Some(account) = accounts.try_next().await? {
    ///     println!("{}", account.name);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// One page is fetched ahead of the reader. Pages from 64 KiB on are decoded on a thread of tokio for blocking
    /// work, so that the reader's thread serves others meanwhile.
    ///
    /// # Errors
    /// Those of [`page`](Self::page), [`Error::CursorClosed`] if Salesforce closed the query's cursor, and
    /// [`InvalidResponse::Truncated`] if rows in the middle are missing. A last page with fewer rows than announced is a
    /// warning: see [`Records::missing_rows`].
    pub fn fetch(self) -> Records<T>
    where
        T: Send + 'static,
    {
        let (first, progress) = (self.first_request(), self.progress());
        Records::new(self.connection, first, self.max_page_bytes, progress)
    }

    /// Fetches all rows into memory.
    ///
    /// Their number is limited by memory only: write `LIMIT` into the query, or use [`fetch`](Self::fetch).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// let accounts: Vec<Account> = sf.query("SELECT Name FROM Account LIMIT 5").fetch_all().await?;
    /// assert_eq!(accounts.len(), 5);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`fetch`](Self::fetch).
    pub async fn fetch_all(self) -> Result<Vec<T>>
    where
        T: Send + 'static,
    {
        self.fetch().try_collect().await
    }

    /// Fetches the first row.
    ///
    /// Other rows are ignored; write `LIMIT 1` so that Salesforce does not send them. If a second row would be an error,
    /// write `LIMIT 2` and use [`fetch_all`](Self::fetch_all).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// let account: Account = sf.query("SELECT Name FROM Account WHERE Id = :id").bind("id", id).fetch_one().await?;
    /// assert_eq!(account.name, "Acme");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::RowNotFound`] if the query finds no row, and those of [`page`](Self::page).
    pub async fn fetch_one(self) -> Result<T> {
        self.fetch_optional().await?.ok_or(Error::RowNotFound)
    }

    /// Fetches the first row, or returns `None` if the query finds no row.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// let found: Option<Account> =
    ///     sf.query("SELECT Name FROM Account WHERE Name = :name").bind("name", "O'Hara").fetch_optional().await?;
    /// assert!(found.is_none());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`page`](Self::page).
    pub async fn fetch_optional(self) -> Result<Option<T>> {
        let mut page = fetch_page(&self.connection, self.first_request()?).await?;
        let mut progress = self.progress();
        loop {
            progress.add(&page)?;
            if let Some(row) = page.records.into_iter().next() {
                return Ok(Some(row));
            }
            let Some(cursor) = page.next else { return Ok(None) };
            page = fetch_page(&self.connection, next_page_request(cursor, self.max_page_bytes)).await?;
        }
    }

    /// Returns Salesforce's plans for the query with their costs, the cheapest first.
    ///
    /// Sends one request and runs no query. Source: REST API Developer Guide, "Query Performance Feedback".
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let plans = sf.query::<()>("SELECT Id FROM Account WHERE Name = :name").bind("name", "Acme").explain().await?;
    /// println!("the cheapest costs {}", plans["plans"][0]["relativeCost"]);
    /// # assert!(plans["plans"][0]["relativeCost"].is_number());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`page`](Self::page).
    pub async fn explain(self) -> Result<serde_json::Value> {
        let soql = self.render()?;
        let mut path = ResourcePath::versioned(self.connection.api_version(), "query")?;
        path.push_query("explain", &soql);
        // Composite requests are not documented for plans, so the URL may take almost all of Salesforce's limit.
        if path.query_bytes() > long_query::MAX_UNSPLIT_QUERY_BYTES {
            return Err(self.too_long(&soql));
        }
        let plans: serde_json::Value = self.connection.read(path).await?;
        if plans["plans"].is_array() {
            Ok(plans)
        } else {
            Err(InvalidResponse::Unexpected("the response has no query plans").into())
        }
    }

    /// Fetches the first page. [`Connection::page`] fetches the others.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// let page = sf.query::<Account>("SELECT Name FROM Account").batch_size(200).page().await?;
    /// println!("{} of {:?}", page.records.len(), page.total_size);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Bind`] and [`InvalidRequest::QueryTooLong`] before anything is sent, [`Error::Api`] if Salesforce
    /// rejects the query, and [`Error::InvalidResponse`] if a row does not fit `T`.
    pub async fn page(self) -> Result<Page<T>> {
        let page = fetch_page(&self.connection, self.first_request()?).await?;
        self.progress().add(&page)?;
        Ok(page)
    }
}
