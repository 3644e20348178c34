//! Searches written in SOSL.
//!
//! Source: REST API Developer Guide, "Search"; SOQL and SOSL Reference, "SOSL Syntax".

use crate::{
    connection::Connection,
    error::{InvalidRequest, Result},
    query::soql::literal::ToSoql,
    request::{long_query::MAX_UNSPLIT_QUERY_BYTES, path::ResourcePath, send::ApiRequest},
    search::{Record, bind::SoslBinds},
};

/// A search in SOSL, made by [`Connection::sosl`].
#[derive(Debug)]
#[must_use = "nothing is sent before `fetch_all` is called"]
pub struct Sosl {
    connection: Connection,
    text: String,
    binds: SoslBinds,
}

impl Connection {
    /// Returns a search in SOSL, with bound values.
    ///
    /// Between the braces a bound text becomes one term. After them a value becomes a literal, as in
    /// [`query`](Self::query). Wildcards in a term are escaped, and none may touch it. For input of a user with
    /// wildcards see [`search`](Self::search).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let typed = "aurora";
    /// let records = sf
    ///     .sosl("FIND {:term OR northwind} IN NAME FIELDS RETURNING Account(Name WHERE Industry != :industry)")
    ///     .bind("term", typed)
    ///     .bind("industry", "Banking")
    ///     .fetch_all()
    ///     .await?;
    /// # assert!(!records.is_empty());
    /// # Ok(()) });
    /// ```
    #[doc(alias = "find")]
    pub fn sosl(&self, text: impl Into<String>) -> Sosl {
        Sosl { connection: self.clone(), text: text.into(), binds: SoslBinds::default() }
    }
}

impl Sosl {
    /// Binds a value to the placeholder `:name`. `name` has no colon.
    #[doc(alias = "parameter")]
    #[doc(alias = "escape")]
    #[doc(alias = "injection")]
    pub fn bind(mut self, name: &str, value: impl ToSoql) -> Self {
        self.binds.push(name, &value);
        self
    }

    /// Sends the search and returns the records that it finds, at most 2,000.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let sosl = "FIND {:term} RETURNING Account(Id, Name), Contact(Id LIMIT 5)";
    /// let records = sf.sosl(sosl).bind("term", "Aurora").fetch_all().await?;
    /// assert_eq!((records.len(), &*records[0].object), (1, "Account"));
    /// assert_eq!(records[0].fields["Name"], "Aurora Data Systems");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Bind`](crate::Error::Bind) and [`InvalidRequest::QueryTooLong`], before anything is sent;
    /// [`Error::Api`](crate::Error::Api) with `MALFORMED_SEARCH` if the text is invalid SOSL, and with `INVALID_SEARCH`
    /// if a term is too short, as in [`Search::fetch_all`](crate::search::Search::fetch_all).
    pub async fn fetch_all(self) -> Result<Vec<Record>> {
        let sosl = self.binds.render(&self.text)?;
        let mut path = ResourcePath::versioned(self.connection.api_version(), "search")?;
        path.push_query("q", &sosl);
        if path.query_bytes() > MAX_UNSPLIT_QUERY_BYTES {
            return Err(InvalidRequest::QueryTooLong {
                characters: sosl.chars().count(),
                limit: MAX_UNSPLIT_QUERY_BYTES,
            }
            .into());
        }
        Record::read_all(&self.connection.send(ApiRequest::get(path)).await?)
    }
}
