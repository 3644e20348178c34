//! Finds the `:name` placeholders of a query outside its string literals.

use crate::query::soql::bind::BindError;

/// A part of a query's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that is copied unchanged.
    Text(&'a str),
    /// A placeholder's name, without the colon.
    Placeholder(&'a str),
}

/// Splits a query at its placeholders.
///
/// A colon followed by digits belongs to a date literal or a time (`LAST_N_DAYS:30`, `23:59:59`). Any other colon
/// outside a string begins a placeholder, which must stand alone: text that touches it would become part of the value.
pub(crate) fn scan(soql: &str) -> Result<Vec<Piece<'_>>, BindError> {
    split(soql, b'\'', touches)
}

/// Splits the text between the braces of a search at its placeholders.
///
/// Phrases are in double quotes, and a backslash escapes the next character. A wildcard that touched a value would
/// become part of its word.
pub(crate) fn scan_terms(terms: &str) -> Result<Vec<Piece<'_>>, BindError> {
    split(terms, b'"', |neighbour| touches(neighbour) || neighbour.is_some_and(|byte| b"*?".contains(&byte)))
}

fn split(soql: &str, quote: u8, touches: impl Fn(Option<u8>) -> bool) -> Result<Vec<Piece<'_>>, BindError> {
    let mut pieces = Vec::new();
    let bytes = soql.as_bytes();
    let (mut start, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            byte if byte == quote => {
                at = end_of_string(bytes, at + 1, quote).ok_or(BindError::UnclosedString)?
            }
            b'\\' if quote == b'"' => at += 2,
            b':' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && touches(before(bytes, at)) => {
                at += 1
            }
            b':' => {
                let length = bytes[at + 1..].iter().take_while(|byte| is_word(**byte)).count();
                let end = at + 1 + length;
                let name = &soql[at + 1..end];
                if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                    || touches(before(bytes, at))
                    || touches(bytes.get(end).copied())
                {
                    return Err(BindError::Placeholder);
                }
                pieces.extend([Piece::Text(&soql[start..at]), Piece::Placeholder(name)]);
                (start, at) = (end, end);
            }
            _ => at += 1,
        }
    }
    pieces.push(Piece::Text(&soql[start..]));
    Ok(pieces)
}

fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|at| bytes.get(at)).copied()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns true if a neighbouring byte would become part of the value. All bytes outside ASCII count as word characters.
fn touches(neighbour: Option<u8>) -> bool {
    neighbour.is_some_and(|byte| is_word(byte) || !byte.is_ascii() || b"'\"\\.:".contains(&byte))
}

/// Returns the position after the closing quote of the string whose text begins at `at`.
fn end_of_string(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            byte if *byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_only_outside_strings() {
        let soql = r"SELECT Id FROM A WHERE X=:a AND Y = ':b \' :c' AND (Z IN :_d9) AND D > LAST_N_DAYS:30
            AND T < 2026-01-31T23:59:59Z LIMIT :e";
        let names: Vec<_> = scan(soql)
            .unwrap()
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Placeholder(name) => Some(name),
                Piece::Text(_) => None,
            })
            .collect();
        assert_eq!(names, ["a", "_d9", "e"]);
    }

    #[test]
    fn an_ambiguous_colon_is_an_error() {
        for soql in [
            "D > LAST_N_DAYS:n",
            "A = : a",
            "A = :",
            "A = :1",
            "A = :a.b",
            "A = :a:b",
            "A = :a'x'",
            "A = 'x':a",
            "A = x:a",
            "A = ::a",
            "A = ä:a",
            "A = :aä",
            r"A = \:a",
            "A = :a\"x\"",
        ] {
            assert_eq!(scan(soql), Err(BindError::Placeholder), "{soql}");
        }
        for soql in ["A = 'x", r"A = 'x\'", "A = '\\", "'"] {
            assert_eq!(scan(soql), Err(BindError::UnclosedString), "{soql}");
        }
    }
}
