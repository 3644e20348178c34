//! `/search?q=FIND {term} IN ALL FIELDS RETURNING Account(Id, Name), Contact WITH HIGHLIGHT LIMIT 20`.

use serde_json::{Value, json};

use super::highlight;
use super::response::{Body, Response, Result};
use super::rest_request::RestRequest;
use super::sosl::{self, In, Returning};
use super::sosl_clauses::SoslClauses;
use crate::data::{ApiError, Inner};

/// The most records of one search.
pub(super) const MOST: usize = 2_000;

pub(super) fn search(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let text = request.param("q").unwrap_or_default().trim();
    let no_term = || {
        ApiError::bad("MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces.")
    };
    let malformed = |at: &str| ApiError::bad("MALFORMED_SEARCH", format!("unexpected token: {at}"));
    let rest = strip_word(text, "FIND").ok_or_else(|| malformed(text))?.trim_start();
    let (term, rest) = rest.strip_prefix('{').and_then(split_at_brace).ok_or_else(no_term)?;
    if term.trim().is_empty() {
        return Err(no_term().into());
    }
    let (rest, ending) = split_before_word(rest, &["LIMIT", "UPDATE", "WITH"]);
    let ending = SoslClauses::parse(ending, request.version)?;
    let (head, returning) = split_word(rest, "RETURNING");
    let place = match strip_word(head.trim(), "IN") {
        Some(place) => In::parse(place).filter(|_| ends_in_fields(place)).ok_or_else(|| malformed(place))?,
        None if head.trim().is_empty() => In::All,
        None => return Err(malformed(head.trim()).into()),
    };
    let list = match returning.map(split_top_level) {
        Some(parts) => parts
            .into_iter()
            .map(|part| returning_of(part).ok_or_else(|| malformed(part)))
            .collect::<std::result::Result<_, _>>()?,
        None => everywhere(data),
    };
    let limit = ending.limit.unwrap_or(MOST).min(MOST);
    let term = sosl::term(term)?;
    let mut found = Vec::new();
    for returning in &list {
        let left = limit.saturating_sub(found.len());
        let mut records = sosl::find(request, data, &term, place, returning, left)?;
        if let Some(object) = data.schema.object(&returning.object) {
            ending.check(object)?;
            if ending.highlight {
                highlight::add(&term, object, &mut records);
            }
        }
        found.extend(records);
    }
    let mut response = records(request, found);
    if let Body::Json(Value::Object(body)) = &mut response.body
        && ending.labels
    {
        body.insert("metadata".into(), labels(data, &list));
    }
    Ok(response)
}

/// The labels of the fields shown (`WITH METADATA = 'LABELS'`); the members are those of SOAP API's
/// `SearchResultsMetadata`, the name of the whole is unverified.
fn labels(data: &Inner, list: &[Returning]) -> Value {
    let of = |returning: &Returning| {
        let object = data.schema.object(&returning.object)?;
        let fields = returning.fields.split(',').filter_map(|name| object.field(name.trim()));
        let fields: Vec<Value> =
            fields.map(|field| json!({ "name": field.name, "label": field.label })).collect();
        Some(json!({ "entityName": object.name, "fieldMetadata": fields }))
    };
    json!({ "entityMetadata": list.iter().filter_map(of).collect::<Vec<_>>() })
}

fn ends_in_fields(place: &str) -> bool {
    place.split_whitespace().last().is_some_and(|word| word.eq_ignore_ascii_case("FIELDS"))
}

/// An object since version 37.0, an array before (that boundary is unverified).
pub(super) fn records(request: &RestRequest<'_>, found: Vec<Value>) -> Response {
    Response::json(
        200,
        if request.version < 37 { Value::Array(found) } else { json!({ "searchRecords": found }) },
    )
}

/// All objects that can be searched, showing ids.
pub(super) fn everywhere(data: &Inner) -> Vec<Returning> {
    let searchable = data.schema.objects().iter().filter(|object| !object.read_only);
    searchable.map(|object| plain(object.name, "Id")).collect()
}

pub(super) fn plain(object: &str, fields: &str) -> Returning {
    Returning {
        object: object.to_owned(),
        fields: fields.to_owned(),
        filter: String::new(),
        tail: String::new(),
    }
}

/// `Account(Id, Name WHERE Name != null ORDER BY Name LIMIT 5)`.
fn returning_of(text: &str) -> Option<Returning> {
    let text = text.trim();
    let (object, inner) = match text.split_once('(') {
        // The parenthesis that ends the text is the one that was opened first.
        Some((object, inner)) => {
            (object.trim(), Some(inner.strip_suffix(')').filter(|inner| is_balanced(inner))?))
        }
        None => (text, None),
    };
    if object.is_empty() || object.contains(char::is_whitespace) {
        return None;
    }
    let Some(inner) = inner else { return Some(plain(object, "Id")) };
    let (before_order, order) = split_word(inner, "ORDER");
    let (before_limit, limit) = split_word(before_order, "LIMIT");
    let (before_offset, offset) = split_word(before_limit, "OFFSET");
    let (fields, filter) = split_word(before_offset, "WHERE");
    let mut tail = String::new();
    if let Some(order) = order {
        tail.push_str(&format!("ORDER {order} "));
    }
    if let Some(limit) = limit {
        tail.push_str(&format!("LIMIT {limit}"));
    }
    if let Some(offset) = offset {
        tail.push_str(&format!("OFFSET {offset}"));
    }
    let fields = if fields.trim().is_empty() { "Id" } else { fields.trim() };
    Some(Returning {
        object: object.to_owned(),
        fields: fields.to_owned(),
        filter: filter.unwrap_or_default().trim().to_owned(),
        tail,
    })
}

/// Where in a text one is: how deep in parentheses, and whether in quotes.
#[derive(Debug, Default)]
struct Place {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Place {
    /// Goes on by one character; `false`: it closes what was not opened.
    fn pass(&mut self, c: char) -> bool {
        let closes_nothing = c == ')' && self.is_outside();
        match c {
            '(' if !self.quoted => self.depth += 1,
            ')' if !self.quoted => self.depth = self.depth.saturating_sub(1),
            '\'' if !self.escaped => self.quoted = !self.quoted,
            _ => {}
        }
        self.escaped = c == '\\' && !self.escaped;
        !closes_nothing
    }

    fn is_outside(&self) -> bool {
        self.depth == 0 && !self.quoted
    }
}

/// Whether no parenthesis closes before it was opened, outside of quotes.
fn is_balanced(text: &str) -> bool {
    let mut place = Place::default();
    text.chars().all(|c| place.pass(c))
}

/// The text before the closing brace, and after it; `\}` does not close.
fn split_at_brace(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '}' => return Some((text.get(..i)?, text.get(i + 1..)?)),
            _ => {}
        }
    }
    None
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    let ends = rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '{');
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Splits at a word that stands outside of quotes.
fn split_word<'a>(text: &'a str, word: &str) -> (&'a str, Option<&'a str>) {
    let mut quoted = false;
    let mut escaped = false;
    let mut before_is_space = true;
    for (i, c) in text.char_indices() {
        if !quoted
            && before_is_space
            && let Some(rest) = text.get(i..).and_then(|rest| strip_word(rest, word))
        {
            return (text.get(..i).unwrap_or_default(), Some(rest));
        }
        quoted ^= c == '\'' && !escaped;
        escaped = c == '\\' && !escaped;
        before_is_space = c.is_whitespace();
    }
    (text, None)
}

/// Splits at commas outside of parentheses and quotes.
fn split_top_level(text: &str) -> Vec<&str> {
    let mut place = Place::default();
    let parts = text.split(|c: char| {
        place.pass(c);
        c == ',' && place.is_outside()
    });
    parts.map(str::trim).collect()
}

/// The text before the first of these words outside of parentheses and quotes, and from it on.
fn split_before_word<'a>(text: &'a str, words: &[&str]) -> (&'a str, &'a str) {
    let mut place = Place::default();
    let mut word_may_begin = true;
    for (i, c) in text.char_indices() {
        let rest = text.get(i..).unwrap_or_default();
        if word_may_begin && place.is_outside() && words.iter().any(|word| strip_word(rest, word).is_some()) {
            return text.split_at(i);
        }
        place.pass(c);
        word_may_begin = c.is_whitespace() || c == ')';
    }
    (text, "")
}
