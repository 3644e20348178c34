//! SOSL: what is looked for, where, and what is shown of it. The common forms.
//!
//! A word matches anywhere in a field's text, `*` and `?` are wildcards. Salesforce matches tokens of an index;
//! results of unusual terms differ.

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;
use serde_json::Value;

use super::answer::Result;
use super::ask::Ask;
use crate::data::schema::{Field, Kind, Object};
use crate::data::{Inner, Refusal};
use crate::soql::{self, Plan, Scope};

/// Which fields are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    All,
    Name,
    Email,
    Phone,
}

impl In {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().trim_end_matches("FIELDS").trim() {
            "ALL" | "" => Some(Self::All),
            "NAME" | "SIDEBAR" => Some(Self::Name),
            "EMAIL" => Some(Self::Email),
            "PHONE" => Some(Self::Phone),
            _ => None,
        }
    }

    fn covers(self, object: &Object, field: &Field) -> bool {
        match self {
            Self::All => field.kind.is_text(),
            Self::Name => {
                field.name == object.name_field || (field.kind.is_text() && field.name.contains("Name"))
            }
            Self::Email => field.kind == Kind::Email,
            Self::Phone => field.kind == Kind::Phone,
        }
    }
}

/// One object of RETURNING.
#[derive(Clone, Debug)]
pub(super) struct Returning {
    pub(super) object: String,
    pub(super) fields: String,
    /// `WHERE`'s condition, without the word.
    pub(super) filter: String,
    /// `ORDER BY`, `LIMIT`, `OFFSET`, with the words.
    pub(super) tail: String,
}

/// A term as it is between the braces → patterns of LIKE that must all match, one of each list.
pub(super) fn patterns(term: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut or = false;
    for word in words(term) {
        match word.as_str() {
            "AND" => continue,
            "OR" => {
                or = true;
                continue;
            }
            _ => {}
        }
        match all.last_mut().filter(|_| or) {
            Some(list) => list.push(word),
            None => all.push(vec![word]),
        }
        or = false;
    }
    all
}

/// Words and quoted phrases, unescaped, as patterns.
fn words(term: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut chars = term.chars();
    let literal = |c: char, word: &mut String| {
        if matches!(c, '%' | '_' | '\\') {
            word.push('\\');
        }
        word.push(c);
    };
    while let Some(c) = chars.next() {
        match c {
            '\\' => chars.next().into_iter().for_each(|c| literal(c, &mut word)),
            '"' => quoted = !quoted,
            '*' if !quoted => word.push('%'),
            '?' if !quoted => word.push('_'),
            c if c.is_whitespace() && !quoted => out.push(std::mem::take(&mut word)),
            c => literal(c, &mut word),
        }
    }
    out.push(word);
    out.retain(|word| !word.is_empty());
    out
}

/// The records of one object that match.
pub(super) fn find(
    ask: &Ask<'_>,
    data: &Inner,
    patterns: &[Vec<String>],
    place: In,
    returning: &Returning,
    limit: usize,
) -> Result<Vec<Value>> {
    let Some(object) = data.schema.object(&returning.object) else {
        let text = format!("sObject type '{}' is not supported.", returning.object);
        return Err(Refusal::bad("INVALID_TYPE", text).into());
    };
    let ids = matching(data, object, patterns, place)?;
    // The query is compiled even when there is nothing to find: its mistakes are told either way.
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let ids = if quoted.is_empty() { "null".to_owned() } else { quoted.join(",") };
    let filter =
        if returning.filter.is_empty() { String::new() } else { format!(" AND ({})", returning.filter) };
    let text = format!(
        "SELECT {} FROM {} WHERE Id IN ({ids}){filter} {}",
        returning.fields, object.name, returning.tail
    );
    let Plan::Rows(plan) = soql::compile(&text, ask.asker(Scope::Live), &data.schema)? else {
        return Err(Refusal::bad("MALFORMED_SEARCH", "RETURNING shows fields").into());
    };
    let keys = plan.keys(data)?;
    let link = |object: &str, id: &str| ask.record_path(object, id);
    plan.records(data, keys.get(..limit.min(keys.len())).unwrap_or_default(), &link)
}

fn matching(data: &Inner, object: &Object, patterns: &[Vec<String>], place: In) -> Result<Vec<String>> {
    let fields: Vec<&Field> = object.fields.iter().filter(|field| place.covers(object, field)).collect();
    if fields.is_empty() || patterns.is_empty() {
        return Ok(Vec::new());
    }
    let mut params: Vec<Sql> = Vec::new();
    let mut all = Vec::new();
    for list in patterns {
        let mut any = Vec::new();
        for pattern in list {
            params.push(Sql::Text(format!("%{pattern}%")));
            let mark = params.len();
            any.extend(fields.iter().map(|field| format!("\"{}\" LIKE ?{mark} ESCAPE '\\'", field.name)));
        }
        all.push(format!("({})", any.join(" OR ")));
    }
    let sql = format!(
        "SELECT Id FROM \"{}\" WHERE IsDeleted = 0 AND {} ORDER BY rowid LIMIT 2000",
        object.name,
        all.join(" AND ")
    );
    let mut statement = data.sqlite.prepare_cached(&sql)?;
    let ids = statement.query_map(params_from_iter(params), |row| row.get(0))?;
    Ok(ids.collect::<std::result::Result<_, _>>()?)
}
