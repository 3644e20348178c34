//! Full-text search.
//!
//! Source: REST API Developer Guide, "Parameterized Search", "Search"; SOQL and SOSL Reference, "FIND {SearchQuery}".

pub(crate) mod bind;
mod sosl;

pub use self::sosl::Sosl;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    http::response::Response,
    id::SalesforceId,
    json::names::other_case_text,
    name::{FieldName, InvalidName, ObjectName},
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// The kind of fields that a search covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum SearchScope {
    /// All searchable fields.
    #[default]
    All,
    /// Names.
    Name,
    /// E-mail addresses.
    Email,
    /// Phone numbers.
    Phone,
    /// The fields of the sidebar search.
    Sidebar,
}

/// A search for words, made by [`Connection::search`].
#[derive(Debug)]
#[must_use = "nothing is sent before `fetch_all` is called"]
pub struct Search {
    connection: Connection,
    words: String,
    scope: SearchScope,
    objects: Vec<Object>,
    limit: Option<u16>,
    error: Option<InvalidName>,
}

#[derive(Debug, Serialize)]
struct Object {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
}

/// A record that a search found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The object's API name, for example `Account`.
    pub object: String,
    /// The record's id, if it is among the requested fields.
    pub id: Option<SalesforceId>,
    /// The requested fields.
    pub fields: Map<String, Value>,
}

impl Connection {
    /// Returns a search for words, as a user types them.
    ///
    /// `*` and `?` are wildcards. `AND`, `OR` and quotation marks have no special meaning. For conditions, an order or
    /// several terms see [`sosl`](Self::sosl).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let typed = "aurora";
    /// let search = sf.search(typed).returning("Account", &["Id", "Name"]).returning("Contact", &["Id", "Email"]);
    /// let records = search.fetch_all().await?;
    /// # assert!(!records.is_empty());
    /// # Ok(()) });
    /// ```
    pub fn search(&self, words: impl Into<String>) -> Search {
        Search {
            connection: self.clone(),
            words: words.into(),
            scope: SearchScope::All,
            objects: Vec::new(),
            limit: None,
            error: None,
        }
    }
}

impl Search {
    /// Sets the kind of fields to search. Default: [`SearchScope::All`].
    pub fn in_fields(mut self, scope: SearchScope) -> Self {
        self.scope = scope;
        self
    }

    /// Adds an object to search, and the fields to return of it. Default: all objects, and only ids.
    ///
    /// Call it once for each object. An invalid name is an error of [`fetch_all`](Self::fetch_all), and so is a name in
    /// another case than Salesforce's: the record would not have a field of this name.
    pub fn returning(mut self, object: &str, fields: &[&str]) -> Self {
        let checked = object.parse::<ObjectName>().map(drop);
        let checked =
            fields.iter().fold(checked, |checked, field| checked.and(field.parse::<FieldName>().map(drop)));
        if let Err(error) = checked {
            self.error = self.error.or(Some(error));
        }
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.objects.push(Object { name: object.to_owned(), fields });
        self
    }

    /// Sets the maximum number of records, up to 2,000. Default: Salesforce's, 2,000.
    pub fn limit(mut self, records: u16) -> Self {
        self.limit = Some(records.min(2_000));
        self
    }

    /// Sends the search and returns the records that it finds.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::search::SearchScope;
    ///
    /// let search = sf.search("aur*").in_fields(SearchScope::Name).returning("Account", &["Id", "Name"]).limit(20);
    /// let records = search.fetch_all().await?;
    /// for record in &records {
    ///     println!("{} {:?}: {}", record.object, record.id, record.fields["Name"]);
    /// }
    /// assert_eq!(records[0].fields["Name"], "Aurora Data Systems");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidRequest`](crate::Error::InvalidRequest) for an invalid name, before anything is sent;
    /// [`Error::Api`](crate::Error::Api) with `INVALID_SEARCH` if a term has fewer than two characters. (Apex has this
    /// code. That REST has it, too, is unverified.)
    pub async fn fetch_all(self) -> Result<Vec<Record>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            q: String,
            r#in: SearchScope,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            sobjects: &'a [Object],
            #[serde(skip_serializing_if = "Option::is_none")]
            overall_limit: Option<u16>,
        }
        if let Some(error) = self.error {
            return Err(error.into());
        }
        let body = Body {
            q: escape(&self.words),
            r#in: self.scope,
            sobjects: &self.objects,
            overall_limit: self.limit,
        };
        let path = ResourcePath::versioned(self.connection.api_version(), "parameterizedSearch")?;
        // A POST that only reads, so it may be sent again.
        let request = ApiRequest::new(Method::POST, path).json(decode::body(&body)?).idempotent();
        let records = Record::read_all(&self.connection.send(request).await?)?;
        for record in &records {
            self.objects.iter().try_for_each(|object| record.check_names(object))?;
        }
        Ok(records)
    }
}

impl Record {
    /// Reads the records in a search's response.
    fn read_all(response: &Response) -> Result<Vec<Self>> {
        #[derive(Deserialize)]
        struct SearchResult {
            #[serde(rename = "searchRecords")]
            records: Vec<Map<String, Value>>,
        }
        let result: SearchResult = decode::response(response)?;
        result.records.into_iter().map(Self::read).collect()
    }

    /// Fails if a requested field came under its name in another case: a program would not find it in the map.
    fn check_names(&self, object: &Object) -> Result<(), InvalidResponse> {
        if self.object != object.name {
            return Ok(());
        }
        let missing = object.fields.iter().filter(|field| !self.fields.contains_key(*field));
        for field in missing {
            if let Some(name) = self.fields.keys().find(|name| name.eq_ignore_ascii_case(field)) {
                return Err(InvalidResponse::Json(other_case_text(field, name)));
            }
        }
        Ok(())
    }

    fn read(mut fields: Map<String, Value>) -> Result<Self> {
        let object = fields
            .remove("attributes")
            .as_ref()
            .and_then(|attributes| attributes.get("type")?.as_str().map(str::to_owned));
        let object = object.ok_or(InvalidResponse::Unexpected("a record without its type"))?;
        let id = fields.get("Id").and_then(Value::as_str).map(str::parse).transpose();
        let id = id.map_err(|_| InvalidResponse::Unexpected("a record with an invalid id"))?;
        Ok(Self { object, id, fields })
    }
}

/// Escapes all characters with a special meaning in a search, except the wildcards.
fn escape(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len() + 8);
    for word in words.split_whitespace() {
        if !escaped.is_empty() {
            escaped.push(' ');
        }
        // Operators are upper case, and a search ignores case: the lower-case word is searched for.
        let is_operator = ["AND", "OR"].contains(&word) || word == "NOT";
        let word = if is_operator { word.to_lowercase() } else { word.to_owned() };
        for character in word.chars().filter(|character| !character.is_control()) {
            if r#"&|!{}[]()^~:\"'+-"#.contains(character) {
                escaped.push('\\');
            }
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn operators_and_special_characters_are_escaped() {
        for (input, escaped) in [
            ("acme", "acme"),
            ("  a   b ", "a b"),
            ("AND acme OR x", "and acme or x"),
            ("a* b?", "a* b?"),
            ("} RETURNING User(Id)", "\\} RETURNING User\\(Id\\)"),
            ("it's \"x\"", "it\\'s \\\"x\\\""),
            ("a-b+c", "a\\-b\\+c"),
        ] {
            assert_eq!(escape(input), escaped);
        }
    }

    proptest! {
        #[test]
        fn escaped_input_has_no_operator(input in any::<String>()) {
            let escaped = escape(&input);
            let mut characters = escaped.chars();
            while let Some(character) = characters.next() {
                if character == '\\' {
                    prop_assert!(characters.next().is_some());
                } else {
                    let is_operator = r#"&|!{}[]()^~:"'+-"#.contains(character);
                    prop_assert!(!is_operator, "{}", escaped);
                }
            }
        }
    }
}
