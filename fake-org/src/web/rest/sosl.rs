//! SOSL: what is looked for, where, and what is shown of it. The common forms.
//!
//! What is between the braces is read in `term`.

use serde_json::Value;

use super::response::Result;
use super::rest_request::RestRequest;
use super::search::MOST;
use super::term::{Term, Words};
use crate::data::schema::{Field, Kind, Object};
use crate::data::{ApiError, Inner};
use crate::soql::{self, Plan, Scope};

/// Characters of an expression. (Salesforce finds nothing for longer ones; refusing them is this emulator's way.)
const LONGEST: usize = 10_000;

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

/// The records of one object that match.
pub(super) fn find(
    request: &RestRequest<'_>,
    data: &Inner,
    term: &Term,
    place: In,
    returning: &Returning,
    limit: usize,
) -> Result<Vec<Value>> {
    let Some(object) = data.schema.object(&returning.object) else {
        let text = format!("sObject type '{}' is not supported.", returning.object);
        return Err(ApiError::bad("INVALID_TYPE", text).into());
    };
    let ids = matching(data, object, term, place)?;
    // The query is compiled even when there is nothing to find: its errors are reported either way.
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let ids = if quoted.is_empty() { "null".to_owned() } else { quoted.join(",") };
    let filter =
        if returning.filter.is_empty() { String::new() } else { format!(" AND ({})", returning.filter) };
    let text = format!(
        "SELECT {} FROM {} WHERE Id IN ({ids}){filter} {}",
        returning.fields, object.name, returning.tail
    );
    let Plan::Rows(plan) = soql::compile(&text, request.requester(Scope::Live), &data.schema)? else {
        return Err(ApiError::bad("MALFORMED_SEARCH", "RETURNING shows fields").into());
    };
    let keys = plan.keys(data)?;
    let link = |object: &str, id: &str| request.record_path(object, id);
    plan.records(data, keys.get(..limit.min(keys.len())).unwrap_or_default(), &link)
}

fn matching(data: &Inner, object: &Object, term: &Term, place: In) -> Result<Vec<String>> {
    let fields: Vec<String> = object
        .fields
        .iter()
        .filter(|field| place.covers(object, field))
        .map(|field| format!("\"{}\"", field.name))
        .collect();
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT Id, {} FROM \"{}\" WHERE IsDeleted = 0 ORDER BY rowid",
        fields.join(", "),
        object.name
    );
    let mut statement = data.sqlite.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()?
        && ids.len() < MOST
    {
        let mut texts = Vec::new();
        for n in 1..=fields.len() {
            texts.extend(row.get::<_, Option<String>>(n)?.map(|text| Words::of(&text)));
        }
        if term.is_met_by(&texts) {
            ids.push(row.get(0)?);
        }
    }
    Ok(ids)
}

/// The expression between the braces, or `q` of a parameterized search.
pub(super) fn term(text: &str) -> Result<Term> {
    let refused = |message: String| ApiError::bad("MALFORMED_SEARCH", message);
    let mut letters = text.chars().filter(|c| c.is_alphanumeric());
    // A script without spaces says enough in one letter.
    if letters.next().is_none_or(|first| first < '\u{2e80}' && letters.next().is_none()) {
        // The words as Apex and the lookups of the UI API give them; that REST has the same code is unverified.
        let message = format!("search term must be longer than one character: {text}");
        return Err(ApiError::bad("INVALID_SEARCH", message).into());
    }
    if text.chars().count() > LONGEST {
        return Err(refused(format!("search term may have at most {LONGEST} characters")).into());
    }
    Ok(Term::parse(text).ok_or_else(|| refused(format!("unexpected token: {text}")))?)
}
