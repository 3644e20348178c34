//! Errors with the place they are about, in Salesforce's layout: the query around the place, a caret, row and
//! column, and the sentence.

use crate::data::ApiError;

/// Lays out an error about `text` at a byte offset.
pub(super) fn at(text: &str, offset: usize, code: &'static str, sentence: &str) -> ApiError {
    let offset = (0..=offset.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let (before, after) = text.split_at(offset);
    let row = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let lead: String = before.get(line_start..).unwrap_or("").to_owned();
    let column = lead.chars().count() + 1;
    // Salesforce shows some 20 characters on either side.
    let shown_lead: Vec<char> = lead.chars().rev().take(20).collect();
    let shown: String = shown_lead
        .iter()
        .rev()
        .chain(&after.lines().next().unwrap_or("").chars().take(25).collect::<Vec<_>>())
        .collect();
    let caret = " ".repeat(shown_lead.len());
    ApiError::bad(code, format!("\n{shown}\n{caret}^\nERROR at Row:{row}:Column:{column}\n{sentence}"))
}

pub(super) fn unexpected(text: &str, offset: usize, token: &str) -> ApiError {
    at(text, offset, "MALFORMED_QUERY", &format!("unexpected token: '{token}'"))
}
