//! SOQL queries and their pages.

pub(crate) mod chunked;
pub(crate) mod export;
pub(crate) mod long;
pub(crate) mod projection;
pub(crate) mod records;
pub(crate) mod select;
pub mod soql;

pub use self::{chunked::ChunkedQuery, projection::SObject, select::Select};
pub use crate::request::path::Cursor;

use std::marker::PhantomData;

use futures_util::TryStreamExt;
use reqwest::{Method, header::HeaderValue};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};

use crate::{
    connection::Connection,
    error::{Error, InvalidRequest, InvalidResponse, Result},
    query::{
        records::Records,
        soql::bind::{BindError, Binds, SoqlLiteral, ToSoql},
    },
    request::{
        decode,
        path::ResourcePath,
        send::{ApiRequest, MAX_RESPONSE_BYTES},
    },
};

/// The largest page that is read unless the query says otherwise.
pub(crate) const MAX_PAGE_BYTES: usize = MAX_RESPONSE_BYTES;
const TOOLING: &str = "tooling/query";
/// Source: REST API Developer Guide, "Query Options Header".
pub(crate) const QUERY_OPTIONS: &str = "sforce-query-options";

/// A SOQL query, made by [`Connection::query`].
///
/// Rows are read straight into `T`; members of a row that `T` does not have, `attributes` for one, are ignored.
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

    /// The text, with its placeholders.
    pub(crate) fn text(&self) -> &str {
        &self.soql
    }

    /// The text, with its values.
    pub(crate) fn rendered(&self) -> Result<String, BindError> {
        self.binds.render(&self.soql)
    }

    /// The same query with this list bound.
    pub(crate) fn part(&self, name: &str, list: String) -> Self {
        let mut binds = self.binds.clone();
        binds.push_literal(name, SoqlLiteral::list(list));
        let (connection, soql) = (self.connection.clone(), self.soql.clone());
        Self { connection, soql, binds, row: PhantomData, ..*self }
    }

    pub(crate) fn with_soql(mut self, soql: String) -> Self {
        self.soql = soql;
        self
    }

    /// Puts a value in the place of `:name`, as a literal of its type. The name is given without the colon.
    ///
    /// What does not fit is an error of the `fetch` methods, before anything is sent: see
    /// [`BindError`](crate::query::soql::bind::BindError).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// let big: Vec<Account> = sf
    ///     .query("SELECT Name FROM Account WHERE Industry IN :industries AND NumberOfEmployees > :many")
    ///     .bind("industries", ["Energy", "Banking"])
    ///     .bind("many", 50)
    ///     .fetch_all()
    ///     .await?;
    /// # Ok(()) });
    /// ```
    pub fn bind(mut self, name: &str, value: impl ToSoql) -> Self {
        self.binds.push(name, &value);
        self
    }

    /// Asks for what the app is made of: the objects of the Tooling API.
    pub(crate) fn tooling(mut self) -> Self {
        self.resource = TOOLING;
        self
    }

    /// Finds deleted and archived rows, too. (A tooling query finds none.)
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// let gone: Vec<Account> =
    ///     sf.query("SELECT Name FROM Account WHERE IsDeleted = TRUE").include_deleted().fetch_all().await?;
    /// # Ok(()) });
    /// ```
    pub fn include_deleted(mut self) -> Self {
        if self.resource != TOOLING {
            self.resource = "queryAll";
        }
        self
    }

    /// How many rows a page should have, 200 to 2,000. Salesforce may choose otherwise.
    pub fn batch_size(mut self, rows: u16) -> Self {
        self.batch_size = Some(rows.clamp(200, 2_000));
        self
    }

    /// The largest page that is read, in bytes after decompression; 32 MiB by default. Two pages are in
    /// memory at a time.
    pub fn max_page_bytes(mut self, bytes: usize) -> Self {
        self.max_page_bytes = bytes;
        self
    }

    fn call(&self) -> Result<ApiRequest> {
        let soql = self.binds.render(&self.soql)?;
        let mut path = ResourcePath::versioned(self.connection.api_version(), self.resource)?;
        path.push_query("q", &soql);
        let options = self.options();
        let mut call = if path.query_bytes() <= long::LONG {
            ApiRequest::get(path)
        } else if soql.chars().count() <= long::MAX_CHARACTERS && self.resource != TOOLING {
            long::call(&self.connection, &path, options.as_deref())?
        } else {
            // Composite takes no tooling queries.
            return Err(self.too_long(&soql));
        };
        call.max_bytes = self.max_page_bytes;
        if let Some(options) = options {
            let value = HeaderValue::try_from(options).map_err(Error::internal)?;
            call.headers.insert(QUERY_OPTIONS, value);
        }
        Ok(call)
    }

    /// The value of [`QUERY_OPTIONS`].
    pub(crate) fn options(&self) -> Option<String> {
        self.batch_size.map(|rows| format!("batchSize={rows}"))
    }

    fn too_long(&self, soql: &str) -> Error {
        let limit = if self.resource == TOOLING { long::LONG } else { long::MAX_CHARACTERS };
        InvalidRequest::QueryTooLong { characters: soql.chars().count(), limit }.into()
    }

    /// The query with its values in place.
    pub(crate) fn into_parts(self) -> Result<(Connection, String, &'static str)> {
        let soql = self.binds.render(&self.soql)?;
        Ok((self.connection, soql, self.resource))
    }

    /// `SELECT COUNT()` announces a number of rows and sends none.
    fn is_count(&self) -> bool {
        let mut words = self.soql.chars().filter(|character| !character.is_whitespace());
        "SELECTCOUNT()"
            .chars()
            .all(|wanted| words.next().is_some_and(|found| found.eq_ignore_ascii_case(&wanted)))
    }

    fn progress(&self) -> Progress {
        Progress { got: 0, is_count: self.is_count(), next: None }
    }
}

impl<T> Query<T> {
    /// How many rows the query finds: the result of `SELECT COUNT()`, or the `totalSize` that Salesforce tells with the
    /// first page of another query.
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
    /// As [`page`](Self::page); [`Error::InvalidResponse`] where Salesforce does not know it (external objects).
    pub async fn count(self) -> Result<u64> {
        let page = page::<serde::de::IgnoredAny>(&self.connection, self.call()?).await?;
        page.total_size
            .ok_or(InvalidResponse::Unexpected("Salesforce does not know how many rows there are").into())
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// The rows, as a stream that needs memory for two pages: the next one is fetched while this one is read.
    ///
    /// Nothing is sent before the stream is polled first, and nothing more once it is dropped. It can outlive the
    /// handler, for example as the body of a response. The first error is the last item.
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
    /// # Errors
    /// Those of [`page`](Self::page), and [`InvalidResponse::Truncated`] when fewer rows came than Salesforce had
    /// announced: a stream never ends early in silence.
    pub fn fetch(self) -> Records<T>
    where
        T: Send + 'static,
    {
        let (first, progress) = (self.call(), self.progress());
        Records::new(self.connection, first, self.max_page_bytes, progress)
    }

    /// All rows, in memory. There is no limit but that: say `LIMIT` in the query, or use [`fetch`](Self::fetch).
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
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_all(self) -> Result<Vec<T>>
    where
        T: Send + 'static,
    {
        self.fetch().try_collect().await
    }

    /// The first row. Others are not looked at: say `LIMIT 2` and use [`fetch_all`](Self::fetch_all) where a second one
    /// would be a mistake.
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
    /// [`Error::RowNotFound`] when there is none; otherwise as [`page`](Self::page).
    pub async fn fetch_one(self) -> Result<T> {
        self.fetch_optional().await?.ok_or(Error::RowNotFound)
    }

    /// The first row, if there is one.
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
    /// As [`page`](Self::page).
    pub async fn fetch_optional(mut self) -> Result<Option<T>> {
        self.batch_size.get_or_insert(200);
        let mut page = page(&self.connection, self.call()?).await?;
        let mut progress = self.progress();
        loop {
            progress.add(&page)?;
            if let Some(row) = page.records.into_iter().next() {
                return Ok(Some(row));
            }
            let Some(cursor) = page.next else { return Ok(None) };
            page = self::page(&self.connection, next_call(cursor, self.max_page_bytes)).await?;
        }
    }

    /// How Salesforce would run the query: plans with their costs, the cheapest first. Costs one call, and reads
    /// nothing. Source: REST API Developer Guide, "Query Performance Feedback".
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
    /// As [`page`](Self::page).
    pub async fn explain(self) -> Result<serde_json::Value> {
        let soql = self.binds.render(&self.soql)?;
        let mut path = ResourcePath::versioned(self.connection.api_version(), "query")?;
        path.push_query("explain", &soql);
        // Composite is not documented for plans.
        if path.query_bytes() > 2 * long::LONG - 1_024 {
            return Err(self.too_long(&soql));
        }
        let plans: serde_json::Value = self.connection.read(path).await?;
        if plans["plans"].is_array() {
            Ok(plans)
        } else {
            Err(InvalidResponse::Unexpected("an answer without the plans of a query").into())
        }
    }

    /// The first page; the others are read with [`Connection::page`].
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
    /// [`Error::Bind`] and [`InvalidRequest::QueryTooLong`] before anything is sent; [`Error::Api`] when Salesforce
    /// refuses the query; [`Error::InvalidResponse`] when a row does not fit `T`.
    pub async fn page(self) -> Result<Page<T>> {
        let page = page(&self.connection, self.call()?).await?;
        self.progress().add(&page)?;
        Ok(page)
    }
}

/// Asks for one page.
pub(crate) async fn page<T: DeserializeOwned>(connection: &Connection, call: ApiRequest) -> Result<Page<T>> {
    // Pages are read with GET; only a long query is not.
    let is_long = call.method == Method::POST;
    let answer = connection.send(call).await?;
    let page: RawPage<T> = long::read(is_long, decode::json_of(&answer)?)?;
    Ok(Page::try_from(page)?)
}

pub(crate) fn next_call(cursor: Cursor, max_bytes: usize) -> ApiRequest {
    ApiRequest { max_bytes, ..ApiRequest::get(cursor.into_path()) }
}

/// Some of the rows of a query.
///
/// Also what a subquery is read into: a member `contacts: Page<Contact>` of a row holds the first page of its children
/// (an empty one where there are none, which Salesforce writes as `null`), and the others are read with
/// [`Connection::page`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The rows.
    pub records: Vec<T>,
    /// How many rows the query has in all its pages, where Salesforce knows it. The result of `SELECT COUNT()`.
    pub total_size: Option<u64>,
    /// Where the next page is; `None` on the last one.
    pub next: Option<Cursor>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Page<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<RawPage<T>>::deserialize(deserializer)? {
            Some(page) => page.try_into().map_err(D::Error::custom),
            None => Ok(Self { records: Vec::new(), total_size: Some(0), next: None }),
        }
    }
}

/// A page as it comes. Source: REST API Developer Guide, "Query".
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct RawPage<T> {
    #[serde(rename = "totalSize")]
    total_size: i64,
    done: bool,
    #[serde(rename = "nextRecordsUrl")]
    next: Option<String>,
    records: Vec<T>,
}

impl<T> TryFrom<RawPage<T>> for Page<T> {
    type Error = InvalidResponse;

    fn try_from(page: RawPage<T>) -> Result<Self, InvalidResponse> {
        let next = match (page.done, page.next) {
            (true, _) => None,
            (false, Some(path)) => Some(path.parse().map_err(|_| InvalidResponse::NextPage)?),
            (false, None) => {
                return Err(InvalidResponse::Unexpected("the query has more rows, but not where they are"));
            }
        };
        // External objects have -1 here.
        Ok(Self { records: page.records, total_size: page.total_size.try_into().ok(), next })
    }
}

/// Counts the rows of a query, so that missing ones are noticed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    got: u64,
    is_count: bool,
    /// Where the page after the latest one is.
    next: Option<Cursor>,
}

impl Progress {
    pub(crate) fn add<T>(&mut self, page: &Page<T>) -> Result<(), InvalidResponse> {
        self.got += page.records.len() as u64;
        // A page that leads to itself would be read for ever.
        if page.next.is_some() && page.next == self.next {
            return Err(InvalidResponse::NextPage);
        }
        self.next.clone_from(&page.next);
        match page.total_size {
            Some(announced) if page.next.is_none() && self.got < announced && !self.is_count => {
                Err(InvalidResponse::Truncated { got: self.got, announced })
            }
            _ => Ok(()),
        }
    }
}
