//! Queries over a list that is too long for one query.

use std::collections::VecDeque;

use futures_util::{Stream, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;

use crate::{
    error::Result,
    query::{
        Query,
        records::Records,
        soql::{
            bind::BindError,
            in_list::{InList, check_splittable},
            literal::ToSoql,
        },
    },
    request::long_query,
};

/// A query that is sent in several parts, made by [`Query::bind_chunked`].
#[derive(Debug)]
#[must_use = "nothing is sent before one of the `fetch` methods is called"]
pub struct ChunkedQuery<T> {
    /// The parts, or why the query cannot be split.
    parts: Result<VecDeque<Query<T>>>,
}

impl<T> Query<T> {
    /// Binds a list of any length to `:name`, and sends the query in as many parts as needed.
    ///
    /// Each part has as many values as fit into one query. The rows of the parts follow each other. Duplicate values
    /// count once. Bind all other values before.
    ///
    /// The parts must find the same rows as one query with the whole list. That is checked: the list must stand as
    /// `Field IN :name` in the outermost `WHERE`, joined by `AND` to other conditions, and the query must have no
    /// `ORDER BY`, `LIMIT` or aggregate. For lists of up to about 4,000 ids, [`bind`](Self::bind) is enough and has no
    /// such rules.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let names: Vec<String> = (0..20_000).map(|n| format!("Customer {n}")).collect();
    /// let accounts: Vec<serde_json::Value> =
    ///     sf.query("SELECT Id, Name FROM Account WHERE Name IN :names").bind_chunked("names", &names).fetch_all().await?;
    /// # Ok(()) });
    /// ```
    #[doc(alias = "in")]
    pub fn bind_chunked<V: ToSoql>(self, name: &str, values: impl IntoIterator<Item = V>) -> ChunkedQuery<T> {
        ChunkedQuery { parts: self.parts(name, values).map_err(Into::into) }
    }

    fn parts<V: ToSoql>(
        self,
        name: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<VecDeque<Self>, BindError> {
        let values =
            InList::new(values).map_err(|source| BindError::Value { name: name.to_owned(), source })?;
        check_splittable(self.soql(), name)?;
        // The length of the query without the list, its values included.
        let rest = self.with_list(name, "()".to_owned()).render()?.chars().count();
        let room = long_query::MAX_SOQL_CHARACTERS.saturating_sub(rest);
        Ok(values.chunks(room).into_iter().map(|list| self.with_list(name, list)).collect())
    }
}

impl<T: DeserializeOwned + Send + 'static> ChunkedQuery<T> {
    /// Returns the rows of all parts as a stream, as [`Query::fetch`] does.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// use futures_util::TryStreamExt;
    ///
    /// # let mut names: Vec<String> = (0..9_000).map(|n| format!("Unknown customer {n}")).collect();
    /// # names.extend(["Aurora Data Systems".into(), "Lumen Optics".into()]);
    /// let query = sf.query::<Account>("SELECT Name FROM Account WHERE Name IN :names").bind_chunked("names", &names);
    /// let mut rows = query.fetch();
    /// let mut found = 0;
    /// while let Some(account) = rows.try_next().await? {
    ///     assert!(names.contains(&account.name));
    ///     found += 1;
    /// }
    /// assert_eq!(found, 2);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::fetch`], and [`BindError::NotInParts`] if the query cannot be split.
    pub fn fetch(self) -> impl Stream<Item = Result<T>> + Send + Unpin + 'static {
        let start = stream::iter([self.parts.map(|parts| (None, parts))]);
        Box::pin(start.map_ok(|state| stream::try_unfold(state, next_row)).try_flatten())
    }

    /// Fetches the rows of all parts into memory.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let mut keys: Vec<String> = (0..9_000).map(|n| format!("legacy key number {n}")).collect();
    /// # keys.push("ACC-000007".into());
    /// // The accounts for a list of another system's keys.
    /// let soql = "SELECT Id, Name FROM Account WHERE ExternalKey__c IN :keys";
    /// let accounts = sf.query::<serde_json::Value>(soql).bind_chunked("keys", &keys).fetch_all().await?;
    /// # assert_eq!((accounts.len(), &accounts[0]["Name"]), (1, &"Atlas Bridgeworks".into()));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`fetch`](Self::fetch).
    pub async fn fetch_all(self) -> Result<Vec<T>> {
        self.fetch().try_collect().await
    }
}

/// The rows of the current part, and the remaining parts.
type State<T> = (Option<Records<T>>, VecDeque<Query<T>>);

/// Returns the next row, of the current part or of a later one. An error ends the stream.
async fn next_row<T: DeserializeOwned + Send + 'static>(
    (mut current, mut remaining): State<T>,
) -> Result<Option<(T, State<T>)>> {
    loop {
        if let Some(rows) = &mut current
            && let Some(row) = rows.try_next().await?
        {
            return Ok(Some((row, (current, remaining))));
        }
        match remaining.pop_front() {
            Some(part) => current = Some(part.fetch()),
            None => return Ok(None),
        }
    }
}

impl<T> ChunkedQuery<T> {
    /// Returns the number of rows in all parts.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let mut keys: Vec<String> = (0..9_000).map(|n| format!("legacy key number {n}")).collect();
    /// # keys.push("ACC-000007".into());
    /// let soql = "SELECT COUNT() FROM Account WHERE ExternalKey__c IN :keys AND Active__c = TRUE";
    /// let active = sf.query::<()>(soql).bind_chunked("keys", keys).count().await?;
    /// # assert_eq!(active, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of [`Query::count`], and [`BindError::NotInParts`] if the query cannot be split.
    pub async fn count(self) -> Result<u64> {
        let mut sum = 0;
        for part in self.parts? {
            sum += part.count().await?;
        }
        Ok(sum)
    }
}
