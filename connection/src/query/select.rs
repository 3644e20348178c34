//! Queries that ask for what a struct reads.

use serde::de::DeserializeOwned;

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    query::{
        Page, Query,
        projection::{self, SObject},
        records::Records,
        soql::bind::ToSoql,
    },
};

/// A query for what `T` reads, made by [`Connection::select`]: its fields, its parents' and its children's, no more and
/// no less.
///
/// The texts are the program's own and cannot be made at run time, so that nothing a user typed gets into them; values
/// are bound to placeholders. [`SObject::soql`] is for the rare query that must be.
#[must_use = "nothing is sent before one of the `fetch` methods is called"]
#[derive(Debug)]
pub struct Select<T> {
    /// Without its text, which is made at the end.
    query: Query<T>,
    filters: Vec<&'static str>,
    order: Vec<&'static str>,
    limit: Option<u32>,
    offset: Option<u32>,
}

impl Connection {
    /// Asks for the rows of an object, with what the struct reads.
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
        // For structs with type parameters, which the derive cannot check.
        const { projection::check(T::SHAPE) };
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
    /// A condition: what follows `WHERE`. Several must all hold.
    pub fn filter(mut self, condition: &'static str) -> Self {
        self.filters.push(condition);
        self
    }

    /// Puts a value in the place of `:name`, as [`Query::bind`].
    pub fn bind(mut self, name: &str, value: impl ToSoql) -> Self {
        self.query = self.query.bind(name, value);
        self
    }

    /// The order: a field, or several, with `DESC` and `NULLS LAST` behind them if need be. A further call adds what
    /// decides among equals. A placeholder takes a field that the user chose: see
    /// [`FieldName`](crate::name::FieldName).
    pub fn order_by(mut self, fields: &'static str) -> Self {
        self.order.push(fields);
        self
    }

    /// At most this many rows.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Skips this many rows, 2,000 at most. Pages of a long list are better read with [`page`](Self::page).
    pub fn offset(mut self, rows: u32) -> Self {
        self.offset = Some(rows);
        self
    }

    /// Finds deleted and archived rows, too.
    pub fn include_deleted(mut self) -> Self {
        self.query = self.query.include_deleted();
        self
    }

    /// How many rows a page should have, as [`Query::batch_size`].
    pub fn batch_size(mut self, rows: u16) -> Self {
        self.query = self.query.batch_size(rows);
        self
    }

    /// The query, for what only [`Query`] has.
    pub fn into_query(self) -> Query<T> {
        let soql = self.with_clauses(T::soql());
        self.query.with_soql(soql)
    }

    fn with_clauses(&self, mut soql: String) -> String {
        let alone = self.filters.len() == 1;
        for (index, filter) in self.filters.iter().enumerate() {
            soql.push_str(if index == 0 { " WHERE " } else { " AND " });
            // One that has an OR must not take the others' meaning.
            let (open, close) = if alone { ("", "") } else { ("(", ")") };
            soql.extend([open, filter, close]);
        }
        for (index, fields) in self.order.iter().enumerate() {
            soql.extend([if index == 0 { " ORDER BY " } else { ", " }, fields]);
        }
        for (word, number) in [(" LIMIT ", self.limit), (" OFFSET ", self.offset)] {
            if let Some(number) = number {
                soql.push_str(word);
                soql.push_str(&number.to_string());
            }
        }
        soql
    }

    /// How many rows there are. Costs one call, and reads none; [`limit`](Self::limit) counts no further, the order
    /// does not matter.
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
    /// As [`Query::page`].
    pub async fn count(mut self) -> Result<u64>
    where
        T: DeserializeOwned,
    {
        self.order.clear();
        let soql = self.with_clauses(format!("SELECT COUNT() FROM {}", T::NAME));
        let page = self.query.with_soql(soql).page().await?;
        page.total_size.ok_or_else(|| InvalidResponse::Unexpected("a count without a number").into())
    }
}

/// As those of [`Query`].
impl<T: SObject + DeserializeOwned> Select<T> {
    /// The rows as a stream: see [`Query::fetch`].
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
    /// As [`Query::fetch`].
    pub fn fetch(self) -> Records<T>
    where
        T: Send + 'static,
    {
        self.into_query().fetch()
    }

    /// All rows, in memory.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// let accounts = sf.select::<Account>().filter("Industry = :it").bind("it", "Energy").limit(3).fetch_all().await?;
    /// assert_eq!(accounts.len(), 3);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`Query::fetch_all`].
    pub async fn fetch_all(self) -> Result<Vec<T>>
    where
        T: Send + 'static,
    {
        self.into_query().fetch_all().await
    }

    /// The first row.
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
    /// let nobody = sf.select::<Account>().filter("Name = 'Nobody'").fetch_one().await;
    /// assert!(matches!(nobody, Err(Error::RowNotFound)));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`Query::fetch_one`].
    pub async fn fetch_one(self) -> Result<T> {
        self.into_query().fetch_one().await
    }

    /// The first row, if there is one.
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
    /// As [`Query::fetch_optional`].
    pub async fn fetch_optional(self) -> Result<Option<T>> {
        self.into_query().fetch_optional().await
    }

    /// The first page.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::{SObject, SalesforceId};
    /// # #[derive(serde::Deserialize, SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { id: SalesforceId, name: String }
    /// // One page for each request of a table with a "next" link.
    /// let page = sf.select::<Account>().order_by("Name").batch_size(200).page().await?;
    /// assert_eq!(page.total_size, Some(40));
    /// assert!(page.next.is_none(), "40 are one page");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`Query::page`].
    pub async fn page(self) -> Result<Page<T>> {
        self.into_query().page().await
    }
}

impl<T: SObject> From<Select<T>> for Query<T> {
    fn from(select: Select<T>) -> Self {
        select.into_query()
    }
}
