//! Queries for the fields that a struct reads.

use serde::de::DeserializeOwned;

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    query::{
        Page, Query,
        projection::{self, SObject},
        records::Records,
        soql::literal::ToSoql,
    },
};

/// A query for exactly the fields, parents and children that `T` reads, made by [`Connection::select`].
///
/// Conditions and orders are `&'static str`, so that input of a user cannot get into them: values are bound to
/// placeholders. For the rare query whose text is built at run time, see [`SObject::soql`].
#[must_use = "nothing is sent before one of the `fetch` methods is called"]
#[derive(Debug)]
pub struct Select<T> {
    /// Has an empty text until [`into_query`](Self::into_query) builds it.
    query: Query<T>,
    filters: Vec<&'static str>,
    order: Vec<&'static str>,
    limit: Option<u32>,
    offset: Option<u32>,
}

impl Connection {
    /// Returns a query for the rows of an object, with the fields that the struct reads.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let typed = "aurora";
    /// use salesforce_connection::{SObject, SalesforceId, soql::Like};
    ///
    /// #[derive(serde::Deserialize, SObject)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { id: SalesforceId, name: String }
    ///
    /// let accounts = sf
    ///     .select::<Account>()
    ///     .filter("Name LIKE :name")
    ///     .bind("name", Like::contains(typed))
    ///     .order_by("Name")
    ///     .limit(10)
    ///     .fetch_all()
    ///     .await?;
    /// # assert!(!accounts.is_empty());
    /// # Ok(()) });
    /// ```
    pub fn select<T: SObject>(&self) -> Select<T> {
        // The derive cannot check structs with type parameters.
        const { projection::check_depth(T::SHAPE) };
        Select {
            query: self.query(String::new()),
            filters: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: None,
        }
    }
}

impl<T: SObject> Select<T> {
    /// Adds a condition for `WHERE`. Several conditions are joined by `AND`.
    pub fn filter(mut self, condition: &'static str) -> Self {
        self.filters.push(condition);
        self
    }

    /// Binds a value to the placeholder `:name`, as [`Query::bind`] does. `name` has no colon.
    #[doc(alias = "parameter")]
    #[doc(alias = "escape")]
    #[doc(alias = "injection")]
    pub fn bind(mut self, name: &str, value: impl ToSoql) -> Self {
        self.query = self.query.bind(name, value);
        self
    }

    /// Adds fields for `ORDER BY`, each with `DESC` or `NULLS LAST` if needed. Default: no order.
    ///
    /// Fields that are added later order the rows in which the earlier fields are equal. For a field that a user
    /// selects, write a placeholder and bind a [`FieldName`](crate::query::soql::FieldName).
    pub fn order_by(mut self, fields: &'static str) -> Self {
        self.order.push(fields);
        self
    }

    /// Sets the maximum number of rows. Default: no maximum.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Sets the number of rows to skip, at most 2,000. Default: none.
    ///
    /// To show a long list in pages, prefer [`page`](Self::page).
    pub fn offset(mut self, rows: u32) -> Self {
        self.offset = Some(rows);
        self
    }

    /// Includes deleted and archived rows. Default: not included.
    pub fn include_deleted(mut self) -> Self {
        self.query = self.query.include_deleted();
        self
    }

    /// Sets the number of rows in a page, as [`Query::batch_size`] does.
    pub fn batch_size(mut self, rows: u16) -> Self {
        self.query = self.query.batch_size(rows);
        self
    }

    /// Returns the [`Query`], for methods that only it has.
    pub fn into_query(self) -> Query<T> {
        let soql = self.with_clauses(T::soql());
        self.query.with_soql(soql)
    }

    fn with_clauses(&self, mut soql: String) -> String {
        let is_single = self.filters.len() == 1;
        for (index, filter) in self.filters.iter().enumerate() {
            soql.push_str(if index == 0 { " WHERE " } else { " AND " });
            // Without parentheses, an OR in one condition would change the meaning of the others.
            let (open, close) = if is_single { ("", "") } else { ("(", ")") };
            soql.extend([open, filter, close]);
        }
        for (index, fields) in self.order.iter().enumerate() {
            soql.extend([if index == 0 { " ORDER BY " } else { ", " }, fields]);
        }
        // With any `OFFSET`, Salesforce may return no more than 2,000 rows. (Unverified.)
        let offset = self.offset.filter(|rows| *rows > 0);
        for (word, number) in [(" LIMIT ", self.limit), (" OFFSET ", offset)] {
            if let Some(number) = number {
                soql.push_str(word);
                soql.push_str(&number.to_string());
            }
        }
        soql
    }

    /// Returns the number of rows, without fetching them.
    ///
    /// Sends one request. [`limit`](Self::limit) is the maximum of the count; the order has no effect.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// let energy = sf.select::<Account>().filter("Industry = 'Energy'").count().await?;
    /// assert!(energy > 0 && energy < sf.select::<Account>().count().await?);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::page`].
    pub async fn count(mut self) -> Result<u64>
    where
        T: DeserializeOwned,
    {
        self.order.clear();
        let soql = self.with_clauses(format!("SELECT COUNT() FROM {}", T::NAME));
        let page = self.query.with_soql(soql).page().await?;
        page.total_size.ok_or_else(|| InvalidResponse::Unexpected("the number of rows is unknown").into())
    }
}

/// The same methods as [`Query`] has.
impl<T: SObject + DeserializeOwned> Select<T> {
    /// Returns the rows as a stream, as [`Query::fetch`] does.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// use futures_util::TryStreamExt;
    ///
    /// let mut accounts = sf.select::<Account>().order_by("Name DESC").fetch();
    /// let last = accounts.try_next().await?;
    /// # assert!(last.is_some());
    /// while let Some(account) = accounts.try_next().await? {
    ///     assert!(Some(&account.name) <= last.as_ref().map(|last| &last.name));
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::fetch`].
    pub fn fetch(self) -> Records<T>
    where
        T: Send + 'static,
    {
        self.into_query().fetch()
    }

    /// Fetches all rows into memory.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// let energy = sf.select::<Account>().filter("Industry = :industry").bind("industry", "Energy");
    /// let accounts = energy.limit(3).fetch_all().await?;
    /// assert_eq!(accounts.len(), 3);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::fetch_all`].
    pub async fn fetch_all(self) -> Result<Vec<T>>
    where
        T: Send + 'static,
    {
        self.into_query().fetch_all().await
    }

    /// Fetches the first row.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// use salesforce_connection::Error;
    ///
    /// let account = sf.select::<Account>().filter("Id = :id").bind("id", id).fetch_one().await?;
    /// assert_eq!(account.name, "Acme");
    /// let missing = sf.select::<Account>().filter("Name = 'No such account'").fetch_one().await;
    /// assert!(matches!(missing, Err(Error::RowNotFound)));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::fetch_one`].
    pub async fn fetch_one(self) -> Result<T> {
        self.into_query().fetch_one().await
    }

    /// Fetches the first row, or returns `None` if the query finds no row.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// let typed = "O'Brien & Sons Shipyard";
    /// let found = sf.select::<Account>().filter("Name = :name").bind("name", typed).fetch_optional().await?;
    /// assert!(found.is_some_and(|account| account.name == typed));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::fetch_optional`].
    pub async fn fetch_optional(self) -> Result<Option<T>> {
        self.into_query().fetch_optional().await
    }

    /// Fetches the first page.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// // For a table with a "next" link: one page for each request of the browser.
    /// let page = sf.select::<Account>().order_by("Name").batch_size(200).page().await?;
    /// assert_eq!(page.total_size, Some(40));
    /// assert!(page.next.is_none(), "40 are one page");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::page`].
    pub async fn page(self) -> Result<Page<T>> {
        self.into_query().page().await
    }
}

impl<T: SObject> From<Select<T>> for Query<T> {
    fn from(select: Select<T>) -> Self {
        select.into_query()
    }
}
