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
    let (head, tail) = match returning {
        Some(returning) => (head, returning),
        None => (head, ""),
    };
    // Without RETURNING the limit follows IN.
    let (head, early_limit) = split_word(head, "LIMIT");
    let place = match strip_word(head.trim(), "IN") {
        Some(place) => In::parse(place).ok_or_else(|| malformed(place))?,
        None if head.trim().is_empty() => In::All,
        None => return Err(malformed(head.trim()).into()),
    };
    let mut list = Vec::new();
    let mut limit = early_limit.and_then(|n| n.trim().parse().ok()).unwrap_or(MOST);
    for part in split_top_level(tail) {
        let (part, own_limit) =
            if part.contains('(') { split_after_parens(part) } else { split_word(part, "LIMIT") };
        if let Some(n) =
            own_limit.and_then(|text| text.trim().trim_start_matches("LIMIT").trim().parse().ok())
        {
            limit = n;
        }
        list.push(returning_of(part).ok_or_else(|| malformed(part))?);
    }
    if list.is_empty() {
        list = everywhere(data);
    }
    let term = sosl::term(term)?;
    let mut found = Vec::new();
    for returning in &list {
        let left = limit.min(MOST).saturating_sub(found.len());
        found.extend(sosl::find(ask, data, &term, place, returning, left)?);
    }
    Ok(records(ask, found))
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
    let Some((object, inner)) = text.split_once('(') else {
        return (!text.is_empty()).then(|| plain(text, "Id"));
    };
    let inner = inner.strip_suffix(')')?;
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
        object: object.trim().to_owned(),
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
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn split_after_parens(text: &str) -> (&str, Option<&str>) {
    match text.rfind(')') {
        Some(at) => {
            let (head, tail) = text.split_at(at + 1);
            (head, Some(tail).filter(|tail| !tail.trim().is_empty()))
        }
        None => (text, None),
    }
}
