//! Texts as terms of a search, for the braces of SOSL's `FIND {…}`.

use crate::query::soql::bind::InvalidValue;

/// Characters with a special meaning in a search. Source: SOQL and SOSL Reference, "FIND {SearchQuery}", Reserved
/// Characters.
const RESERVED: &str = r#"?&|!{}[]()^~*:\"'+-"#;
/// Words that are operators unless they are in a phrase.
const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];

/// A finished search term, made by [`ToSoql::to_term`](crate::query::soql::ToSoql::to_term) of texts only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoslTerm(String);

impl SoslTerm {
    /// Returns one term: one word as a word, several as a phrase. All special characters are escaped.
    pub(crate) fn new(text: &str) -> Result<Self, InvalidValue> {
        let is_gap = |character: char| character.is_whitespace() || character.is_control();
        let mut words = text.split(is_gap).filter(|word| !word.is_empty());
        let first = words.next().ok_or(InvalidValue::EmptyTerm)?;
        let mut term = String::with_capacity(text.len() + 8);
        push_escaped(&mut term, first);
        let mut is_phrase = OPERATORS.iter().any(|operator| first.eq_ignore_ascii_case(operator))
            // Salesforce could read other characters as a gap between two words.
            || !first.chars().all(|character| character.is_alphanumeric() || character.is_ascii_graphic());
        for word in words {
            is_phrase = true;
            term.push(' ');
            push_escaped(&mut term, word);
        }
        Ok(Self(if is_phrase { format!("\"{term}\"") } else { term }))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_escaped(term: &mut String, word: &str) {
    for character in word.chars() {
        if RESERVED.contains(character) {
            term.push('\\');
        }
        term.push(character);
    }
}
