//! Full-text search.
//!
//! Source: REST API Developer Guide, "Parameterized Search", "Search"; SOQL and SOSL Reference, "FIND {SearchQuery}".

pub(crate) mod bind;
pub(crate) mod sosl;
pub(crate) mod term;

pub use self::sosl::Sosl;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    http::response::Response,
    id::SalesforceId,
    name::{FieldName, InvalidName, ObjectName},
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum SearchScope {
    /// All fields that can be searched.
    #[default]
    All,
    /// Names.
    Name,
    /// E-mail addresses.
    Email,
    /// Phone numbers.
    Phone,
    /// The fields in the side bar.
    Sidebar,
}

/// A search for words, made by [`Connection::search`].
#[derive(Debug)]
#[must_use = "nothing is sent before `fetch` is called"]
pub struct Search {
    connection: Connection,
    words: String,
    place: SearchScope,
    objects: Vec<Object>,
    limit: Option<u16>,
    mistake: Option<InvalidName>,
}

#[derive(Debug, Serialize)]
struct Object {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
}

/// A record that was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The kind of object.
    pub object: String,
    /// The record, when its id is among the fields.
    pub id: Option<SalesforceId>,
    /// The fields that were asked for.
    pub fields: Map<String, Value>,
}

impl Connection {
    /// Searches for words, as a person types them: `*` and `?` stand for other characters, `AND`, `OR` and quotation
    /// marks mean nothing. For conditions, an order or a search of several parts see [`sosl`](Self::sosl).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let typed = "aurora";
    /// let search = sf.search(typed).returning("Account", &["Id", "Name"]).returning("Contact", &["Id", "Email"]);
    /// let hits = search.fetch_all().await?;
    /// # assert!(!hits.is_empty());
    /// # Ok(()) });
    /// ```
    pub fn search(&self, words: impl Into<String>) -> Search {
        Search {
            connection: self.clone(),
            words: words.into(),
            place: SearchScope::All,
            objects: Vec::new(),
            limit: None,
            mistake: None,
        }
    }
}

impl Search {
    /// Looks only there.
    pub fn in_fields(mut self, place: SearchScope) -> Self {
        self.place = place;
        self
    }

    /// Looks for this kind of object, and gives these of its fields. May be said several times; without it, all kinds
    /// are looked for, and only ids given.
    pub fn returning(mut self, object: &str, fields: &[&str]) -> Self {
        let checked = object.parse::<ObjectName>().map(drop);
        let checked =
            fields.iter().fold(checked, |so_far, field| so_far.and(field.parse::<FieldName>().map(drop)));
        if let Err(mistake) = checked {
            self.mistake = self.mistake.or(Some(mistake));
        }
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.objects.push(Object { name: object.to_owned(), fields });
        self
    }

    /// How many records to give at most, up to 2,000.
    pub fn limit(mut self, records: u16) -> Self {
        self.limit = Some(records.min(2_000));
        self
    }

    /// Searches.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::search::SearchScope;
    ///
    /// let hits = sf.search("aur*").in_fields(SearchScope::Name).returning("Account", &["Id", "Name"]).limit(20).fetch_all().await?;
    /// for hit in &hits {
    ///     println!("{} {:?}: {}", hit.object, hit.id, hit.fields["Name"]);
    /// }
    /// assert_eq!(hits[0].fields["Name"], "Aurora Data Systems");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// An invalid name, before anything is sent; [`Error::Api`](crate::error::Error::Api) with `INVALID_SEARCH` when there is
    /// nothing to look for: Salesforce wants two characters at least. (That REST has this code, as Apex has, is
    /// unverified.)
    pub async fn fetch_all(self) -> Result<Vec<Record>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wanted<'a> {
            q: String,
            r#in: SearchScope,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            sobjects: &'a [Object],
            #[serde(skip_serializing_if = "Option::is_none")]
            overall_limit: Option<u16>,
        }
        if let Some(mistake) = self.mistake {
            return Err(mistake.into());
        }
        let wanted = Wanted {
            q: escape(&self.words),
            r#in: self.place,
            sobjects: &self.objects,
            overall_limit: self.limit,
        };
        let path = ResourcePath::versioned(self.connection.api_version(), "parameterizedSearch")?;
        // A POST that reads.
        let call = ApiRequest::new(Method::POST, path).json(decode::body(&wanted)?).idempotent();
        Record::read_all(&self.connection.send(call).await?)
    }
}

impl Record {
    pub(crate) fn read_all(answer: &Response) -> Result<Vec<Self>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "searchRecords")]
            records: Vec<Map<String, Value>>,
        }
        let found: Found = decode::answer(answer)?;
        found.records.into_iter().map(Self::read).collect()
    }

    fn read(mut fields: Map<String, Value>) -> Result<Self> {
        let object = fields
            .remove("attributes")
            .as_ref()
            .and_then(|attributes| attributes.get("type")?.as_str().map(str::to_owned));
        let object = object.ok_or(InvalidResponse::Unexpected("a record without its type"))?;
        let id = fields.get("Id").and_then(Value::as_str).map(str::parse).transpose();
        let id = id.map_err(|_| InvalidResponse::Unexpected("a record whose id is none"))?;
        Ok(Self { object, id, fields })
    }
}

/// Takes their meaning from all characters that have one in a search, but the wildcards.
fn escape(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len() + 8);
    for word in words.split_whitespace() {
        if !escaped.is_empty() {
            escaped.push(' ');
        }
        // A lower-case word is the same to a search, and no operator.
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
    fn words_stay_words() {
        for (typed, sent) in [
            ("acme", "acme"),
            ("  a   b ", "a b"),
            ("AND acme OR x", "and acme or x"),
            ("a* b?", "a* b?"),
            ("} RETURNING User(Id)", "\\} RETURNING User\\(Id\\)"),
            ("it's \"x\"", "it\\'s \\\"x\\\""),
            ("a-b+c", "a\\-b\\+c"),
        ] {
            assert_eq!(escape(typed), sent);
        }
    }

    proptest! {
        #[test]
        fn nothing_typed_is_an_operator(typed in any::<String>()) {
            let escaped = escape(&typed);
            let mut characters = escaped.chars();
            while let Some(character) = characters.next() {
                if character == '\\' {
                    prop_assert!(characters.next().is_some());
                } else {
                    let means_something = r#"&|!{}[]()^~:"'+-"#.contains(character);
                    prop_assert!(!means_something, "{}", escaped);
                }
            }
        }
    }
}
