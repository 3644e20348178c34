//! Searches as text: SOSL.
//!
//! Source: REST API Developer Guide, "Search"; SOQL and SOSL Reference, "SOSL Syntax".

use crate::{
    connection::Connection,
    error::{InvalidRequest, Result},
    query::{long::LONG, soql::bind::ToSoql},
    request::{path::ResourcePath, send::ApiRequest},
    search::{Record, bind::SoslBinds},
};

/// A search in SOSL, made by [`Connection::sosl`].
#[derive(Debug)]
#[must_use = "nothing is sent before `fetch` is called"]
pub struct Sosl {
    connection: Connection,
    text: String,
    binds: SoslBinds,
}

impl Connection {
    /// A search in SOSL, with bound values: between the braces a text becomes one term, behind them a value becomes a
    /// literal as in [`query`](Self::query).
    ///
    /// A term is looked for as it is: wildcards in it mean nothing, and none may touch it. [`search`](Self::search)
    /// takes what people type with wildcards.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let typed = "aurora";
    /// let hits = sf
    ///     .sosl("FIND {:term OR northwind} IN NAME FIELDS RETURNING Account(Name WHERE Industry != :not ORDER BY Name)")
    ///     .bind("term", typed)
    ///     .bind("not", "Banking")
    ///     .fetch()
    ///     .await?;
    /// # assert!(!hits.is_empty());
    /// # Ok(()) });
    /// ```
    pub fn sosl(&self, text: impl Into<String>) -> Sosl {
        Sosl { connection: self.clone(), text: text.into(), binds: SoslBinds::default() }
    }
}

impl Sosl {
    /// Puts a value in the place of `:name`. The name is given without the colon.
    pub fn bind(mut self, name: &str, value: impl ToSoql) -> Self {
        self.binds.push(name, &value);
        self
    }

    /// Searches. Salesforce gives 2,000 records at most.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let sosl = "FIND {:term} RETURNING Account(Id, Name), Contact(Id LIMIT 5)";
    /// let hits = sf.sosl(sosl).bind("term", "Aurora").fetch_all().await?;
    /// assert_eq!((hits.len(), &*hits[0].object), (1, "Account"));
    /// assert_eq!(hits[0].fields["Name"], "Aurora Data Systems");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Bind`](crate::error::Error::Bind) and [`InvalidRequest::QueryTooLong`], before anything is sent;
    /// [`Error::Api`](crate::error::Error::Api) with `MALFORMED_SEARCH` when the text is not SOSL, and with `INVALID_SEARCH`
    /// when a term is too short, as in [`Search::fetch`](crate::search::Search::fetch).
    pub async fn fetch_all(self) -> Result<Vec<Record>> {
        let sosl = self.binds.render(&self.text)?;
        let mut path = ResourcePath::versioned(self.connection.api_version(), "search")?;
        path.push_query("q", &sosl);
        if path.query_bytes() > LONG {
            return Err(InvalidRequest::QueryTooLong { characters: sosl.chars().count(), limit: LONG }.into());
        }
        Record::read_all(&self.connection.send(ApiRequest::get(path)).await?)
    }
}
