//! `WITH HIGHLIGHT`: the words that were found, marked in the fields that are shown (SOQL and SOSL Reference, "WITH
//! HIGHLIGHT", and its sample).

use serde_json::Value;

use super::term::Term;
use crate::data::schema::{Kind, Object};

/// Of each object no more records are marked.
const MOST: usize = 25;

/// Adds `highlight.Name` beside `Name` where a word of the term is in it.
pub(super) fn add(term: &Term, object: &Object, records: &mut [Value]) {
    let mut words = Vec::new();
    collect(term, &mut words);
    for record in records.iter_mut().take(MOST).filter_map(Value::as_object_mut) {
        let mut marked: Vec<(String, String)> = record
            .iter()
            .filter(|(name, _)| {
                object.field(name).is_some_and(|field| {
                    matches!(field.kind, Kind::Email | Kind::Text(_) | Kind::TextArea(_))
                })
            })
            .filter_map(|(name, value)| Some((format!("highlight.{name}"), mark(value.as_str()?, &words)?)))
            .collect();
        marked.sort();
        record.extend(marked.into_iter().map(|(name, text)| (name, text.into())));
    }
}

/// The words that are looked for; those with a wildcard are not marked.
fn collect<'t>(term: &'t Term, words: &mut Vec<&'t str>) {
    match term {
        Term::Phrase(phrase) => {
            words.extend(phrase.iter().map(String::as_str).filter(|word| !word.contains(['*', '?'])));
        }
        Term::And(terms) | Term::Or(terms) => terms.iter().for_each(|term| collect(term, words)),
        Term::Not(_) => {}
    }
}

/// The text with these words in `<mark>`; `None`: none is in it.
fn mark(text: &str, words: &[&str]) -> Option<String> {
    let mut out = String::new();
    let mut any = false;
    let mut rest = text;
    while !rest.is_empty() {
        let inside = rest.starts_with(char::is_alphanumeric);
        let end = rest.find(|c: char| c.is_alphanumeric() != inside).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        let found = inside && words.contains(&piece.to_lowercase().as_str());
        any |= found;
        out.push_str(&if found { format!("<mark>{piece}</mark>") } else { piece.to_owned() });
        rest = after;
    }
    any.then_some(out)
}
