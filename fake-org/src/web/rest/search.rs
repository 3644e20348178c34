//! `/search?q=FIND {term} IN ALL FIELDS RETURNING Account(Id, Name), Contact LIMIT 20`.

use serde_json::{Value, json};

use super::answer::{Answer, Result};
use super::ask::Ask;
use super::sosl::{self, In, Returning};
use crate::data::{Inner, Refusal};

/// The most records of one search.
pub(super) const MOST: usize = 2_000;

pub(super) fn search(ask: &Ask<'_>, data: &mut Inner) -> Result {
    let text = ask.param("q").unwrap_or_default().trim();
    let no_term = || {
        Refusal::bad("MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces.")
    };
    let malformed = |at: &str| Refusal::bad("MALFORMED_SEARCH", format!("unexpected token: {at}"));
    let rest = strip_word(text, "FIND").ok_or_else(|| malformed(text))?.trim_start();
    let (term, rest) = rest.strip_prefix('{').and_then(split_at_brace).ok_or_else(no_term)?;
    if term.trim().is_empty() {
        return Err(no_term().into());
    }
    let (head, returning) = split_word(rest, "RETURNING");
    // Without RETURNING what ends the search follows IN.
    let (head, early) = match returning {
        Some(_) => (head, ""),
        None => split_before_word(head, &["LIMIT", "UPDATE", "WITH"]),
    };
    let place = match strip_word(head.trim(), "IN") {
        Some(place) => In::parse(place).filter(|_| ends_in_fields(place)).ok_or_else(|| malformed(place))?,
        None if head.trim().is_empty() => In::All,
        None => return Err(malformed(head.trim()).into()),
    };
    let mut limit = limit_of(early)?;
    let mut list = Vec::new();
    let parts = returning.map(split_top_level).unwrap_or_default();
    for (i, part) in parts.iter().enumerate() {
        let (object, tail) = split_after_object(part);
        if i + 1 < parts.len() && !tail.trim().is_empty() {
            return Err(malformed(tail.trim()).into());
        }
        limit = limit_of(tail)?;
        list.push(returning_of(object).ok_or_else(|| malformed(part))?);
    }
    if returning.is_none() {
        list = everywhere(data);
    }
    let limit = limit.unwrap_or(MOST);
    let term = sosl::term(term)?;
    let mut found = Vec::new();
    for returning in &list {
        let left = limit.min(MOST).saturating_sub(found.len());
        found.extend(sosl::find(ask, data, &term, place, returning, left)?);
    }
    Ok(records(ask, found))
}

/// What stands after the last object: `LIMIT 20`, `UPDATE VIEWSTAT`.
fn limit_of(text: &str) -> std::result::Result<Option<usize>, Refusal> {
    let malformed = |at: &str| Refusal::bad("MALFORMED_SEARCH", format!("unexpected token: {at}"));
    let mut limit = None;
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match word.to_ascii_uppercase().as_str() {
            "LIMIT" if limit.is_none() => limit = Some(value.parse().map_err(|_| malformed(value))?),
            "UPDATE" if ["TRACKING", "VIEWSTAT"].contains(&value.to_ascii_uppercase().as_str()) => {}
            "WITH" => return Err(Refusal::not_emulated("MALFORMED_SEARCH", "WITH")),
            _ => return Err(malformed(word)),
        }
    }
    Ok(limit)
}

fn ends_in_fields(place: &str) -> bool {
    place.split_whitespace().last().is_some_and(|word| word.eq_ignore_ascii_case("FIELDS"))
}

/// An object since version 37.0, an array before (that boundary is unverified).
pub(super) fn records(ask: &Ask<'_>, found: Vec<Value>) -> Answer {
    Answer::json(200, if ask.version < 37 { Value::Array(found) } else { json!({ "searchRecords": found }) })
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
        Some((object, inner)) => (object.trim(), Some(inner.strip_suffix(')')?)),
        None => (text, None),
    };
    if object.is_empty() || object.contains(char::is_whitespace) {
        return None;
    }
    let Some(inner) = inner else { return Some(plain(object, "Id")) };
    let (before_order, order) = split_word(inner, "ORDER");
    let (before_limit, limit) = split_word(before_order, "LIMIT");
    let (fields, filter) = split_word(before_limit, "WHERE");
    let mut tail = String::new();
    if let Some(order) = order {
        tail.push_str(&format!("ORDER {order} "));
    }
    if let Some(limit) = limit {
        tail.push_str(&format!("LIMIT {limit}"));
    }
    let fields = if fields.trim().is_empty() { "Id" } else { fields.trim() };
    Some(Returning {
        object: object.to_owned(),
        fields: fields.to_owned(),
        filter: filter.unwrap_or_default().trim().to_owned(),
        tail,
    })
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
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let parts = text.split(|c: char| {
        match c {
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            '\'' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        c == ',' && depth == 0 && !quoted
    });
    parts.map(str::trim).collect()
}

/// `Account(Id) LIMIT 5` is `Account(Id)` and ` LIMIT 5`.
fn split_after_object(text: &str) -> (&str, &str) {
    if !text.contains('(') {
        return text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let end = text.char_indices().find(|&(_, c)| {
        match c {
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            '\'' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        c == ')' && depth == 0 && !quoted
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at + 1))
}

/// The text before the first of these words, and from it on.
fn split_before_word<'a>(text: &'a str, words: &[&str]) -> (&'a str, &'a str) {
    let ends = words.iter().map(|word| split_word(text, word).0.len());
    text.split_at(ends.min().unwrap_or(text.len()))
}
