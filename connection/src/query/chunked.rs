//! A query over a list that is too long for one query.

use std::collections::VecDeque;

use futures_util::{Stream, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;

use crate::{
    error::Result,
    query::{
        Query, long,
        records::Records,
        soql::{
            bind::{BindError, ToSoql},
            in_list::{Members, check as check_split},
        },
    },
};

/// A query that is asked in parts, made by [`Query::bind_chunked`].
#[derive(Debug)]
#[must_use = "nothing is sent before one of the `fetch` methods is called"]
pub struct ChunkedQuery<T> {
    /// The parts, or what does not fit.
    parts: Result<VecDeque<Query<T>>>,
}

impl<T> Query<T> {
    /// Puts a list of any length in the place of `:name`: the query is asked several times, each time with as many of
    /// the values as fit, and its rows come one after the other.
    ///
    /// That the rows are those of one query with the whole list is checked: the list stands as `Field IN :name` in the
    /// outermost `WHERE` beside other conditions that must all hold, and nothing is said about the rows as a whole
    /// (`ORDER BY`, `LIMIT`, aggregates). Values that are there twice count once. For lists of up to about 4,000 ids,
    /// [`bind`](Self::bind) is enough, and knows no such rules.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let names: Vec<String> = (0..20_000).map(|n| format!("Customer {n}")).collect();
    /// let known: Vec<serde_json::Value> =
    ///     sf.query("SELECT Id, Name FROM Account WHERE Name IN :names").bind_chunked("names", &names).fetch_all().await?;
    /// # Ok(()) });
    /// ```
    ///
    /// Bind all other values before.
    pub fn bind_chunked<V: ToSoql>(self, name: &str, values: impl IntoIterator<Item = V>) -> ChunkedQuery<T> {
        ChunkedQuery { parts: self.parts(name, values).map_err(Into::into) }
    }

    fn parts<V: ToSoql>(
        self,
        name: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<VecDeque<Self>, BindError> {
        let members =
            Members::new(values).map_err(|source| BindError::Value { name: name.to_owned(), source })?;
        check_split(self.text(), name)?;
        // What the rest of the query takes, its values included.
        let rest = self.part(name, "()".to_owned()).rendered()?.chars().count();
        let room = long::MAX_CHARACTERS.saturating_sub(rest);
        Ok(members.lists(room).into_iter().map(|list| self.part(name, list)).collect())
    }
}

impl<T: DeserializeOwned + Send + 'static> ChunkedQuery<T> {
    /// The rows, as [`Query::fetch`].
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// use futures_util::TryStreamExt;
    ///
    /// # let mut names: Vec<String> = (0..9_000).map(|n| format!("nobody's name {n}")).collect();
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
    /// Those of [`Query::fetch`], and [`BindError::NotInParts`].
    pub fn fetch(self) -> impl Stream<Item = Result<T>> + Send + Unpin + 'static {
        let begin = stream::iter([self.parts.map(|parts| (None, parts))]);
        Box::pin(begin.map_ok(|state| stream::try_unfold(state, row)).try_flatten())
    }

    /// All rows, in memory.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let mut keys: Vec<String> = (0..9_000).map(|n| format!("old system's key number {n}")).collect();
    /// # keys.push("ACC-000007".into());
    /// // The accounts of a list of another system's keys.
    /// let soql = "SELECT Id, Name FROM Account WHERE ExternalKey__c IN :keys";
    /// let accounts = sf.query::<serde_json::Value>(soql).bind_chunked("keys", &keys).fetch_all().await?;
    /// # assert_eq!((accounts.len(), &accounts[0]["Name"]), (1, &"Atlas Bridgeworks".into()));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_all(self) -> Result<Vec<T>> {
        self.fetch().try_collect().await
    }
}

type State<T> = (Option<Records<T>>, VecDeque<Query<T>>);

/// The next row, of this part or of the one after it. An error ends it.
async fn row<T: DeserializeOwned + Send + 'static>(
    (mut now, mut later): State<T>,
) -> Result<Option<(T, State<T>)>> {
    loop {
        if let Some(rows) = &mut now
            && let Some(row) = rows.try_next().await?
        {
            return Ok(Some((row, (now, later))));
        }
        match later.pop_front() {
            Some(part) => now = Some(part.fetch()),
            None => return Ok(None),
        }
    }
}

impl<T> ChunkedQuery<T> {
    /// How many rows there are in all parts.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let mut keys: Vec<String> = (0..9_000).map(|n| format!("old system's key number {n}")).collect();
    /// # keys.push("ACC-000007".into());
    /// let soql = "SELECT COUNT() FROM Account WHERE ExternalKey__c IN :keys AND Active__c = TRUE";
    /// let active = sf.query::<()>(soql).bind_chunked("keys", keys).count().await?;
    /// # assert_eq!(active, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`Query::count`], and [`BindError::NotInParts`].
    pub async fn count(self) -> Result<u64> {
        let mut sum = 0;
        for part in self.parts? {
            sum += part.count().await?;
        }
        Ok(sum)
    }
}
