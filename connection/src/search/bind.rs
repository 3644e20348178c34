//! Puts bound values into the text of a search: terms between the braces, literals after them.

use crate::query::soql::{
    bind::{BindError, InvalidValue, fill},
    literal::{SoqlLiteral, ToSoql},
    scan::{scan, scan_terms},
    term::SoslTerm,
};

/// The values bound to a search, each as a term and as a literal.
#[derive(Debug, Default)]
pub(crate) struct SoslBinds(Vec<(String, Value)>);

#[derive(Debug)]
struct Value {
    term: Result<SoslTerm, InvalidValue>,
    literal: Result<SoqlLiteral, InvalidValue>,
}

impl SoslBinds {
    pub(crate) fn push(&mut self, name: &str, value: &(impl ToSoql + ?Sized)) {
        self.0.push((name.to_owned(), Value { term: value.to_term(), literal: value.to_soql() }));
    }

    /// Returns the search with its values in place.
    pub(crate) fn render(&self, sosl: &str) -> Result<String, BindError> {
        let (find, terms, rest) = split(sosl).ok_or(BindError::NotSosl)?;
        let mut used = vec![false; self.0.len()];
        let names = || self.0.iter().map(|(name, _)| name.as_str());
        let mut search = String::with_capacity(sosl.len() + 32 * self.0.len());
        search.push_str(find);
        fill(&mut search, &scan_terms(terms)?, names(), &mut used, |index| {
            self.0[index].1.term.as_ref().map(SoslTerm::as_str)
        })?;
        fill(&mut search, &scan(rest)?, names(), &mut used, |index| {
            self.0[index].1.literal.as_ref().map(SoqlLiteral::as_str)
        })?;
        match used.iter().position(|used| !used) {
            Some(index) => Err(BindError::Unused(self.0[index].0.clone())),
            None => Ok(search),
        }
    }
}

/// Splits a search into `FIND {`, the terms, and the rest, which begins with the closing brace.
fn split(sosl: &str) -> Option<(&str, &str, &str)> {
    let open = sosl.find('{')? + 1;
    let (find, rest) = sosl.split_at(open);
    if !find.trim_end_matches('{').trim().eq_ignore_ascii_case("FIND") {
        return None;
    }
    let mut is_escaped = false;
    let close = rest.bytes().position(|byte| {
        let is_closing = byte == b'}' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_closing
    })?;
    let (terms, rest) = rest.split_at(close);
    Some((find, terms, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{query::soql::Like, tests::text::any_text};

    fn render<T: ToSoql + ?Sized>(sosl: &str, value: &T) -> Result<String, BindError> {
        let mut binds = SoslBinds::default();
        binds.push("v", value);
        binds.render(sosl)
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Token {
        Term(String),
        Mark(char),
        Operator(String),
    }

    /// Reads the terms as Salesforce does, up to the closing brace. Returns their tokens and the rest.
    fn read(sosl: &str) -> Option<(Vec<Token>, &str)> {
        let mut tokens = Vec::new();
        let mut characters = sosl.strip_prefix("FIND {")?.chars().peekable();
        let is_special = |c: char| c.is_whitespace() || c.is_control() || r#"?&|!{}[]()^~*:"'+-"#.contains(c);
        loop {
            match characters.next()? {
                '}' => break,
                '"' => {
                    let mut phrase = String::new();
                    loop {
                        match characters.next()? {
                            '"' => break,
                            '\\' => phrase.push(characters.next()?),
                            c if is_special(c) && c != ' ' => return None,
                            c => phrase.push(c),
                        }
                    }
                    tokens.push(Token::Term(phrase));
                }
                ' ' => {}
                c if is_special(c) => tokens.push(Token::Mark(c)),
                first => {
                    let mut word = String::new();
                    let mut next = Some(first);
                    let mut has_escapes = false;
                    while let Some(c) = next {
                        has_escapes |= c == '\\';
                        word.push(if c == '\\' { characters.next()? } else { c });
                        next = characters.next_if(|c| !is_special(*c));
                    }
                    let is_operator = !has_escapes && ["AND", "OR", "NOT"].contains(&word.as_str());
                    tokens.push(if is_operator { Token::Operator(word) } else { Token::Term(word) });
                }
            }
        }
        let rest: String = characters.collect();
        Some((tokens, &sosl[sosl.len() - rest.len()..]))
    }

    /// Returns the words of a term: a search treats all gaps alike.
    fn term_words(text: &str) -> String {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }

    proptest! {
        #[test]
        fn any_text_stays_one_term_and_the_search_keeps_its_shape(text in any_text(), fixed in "[a-z]{2,5}") {
            let sosl = format!("FIND {{:v OR ({fixed} AND NOT :v)}} IN NAME FIELDS RETURNING Account(Id WHERE Name = :v)");
            let term = term_words(&text);
            let rendered = render(&sosl, &text);
            if term.is_empty() {
                let source = InvalidValue::EmptyTerm;
                prop_assert_eq!(rendered, Err(BindError::Value { name: "v".into(), source }));
                return Ok(());
            }
            let rendered = rendered.unwrap();
            let (tokens, rest) = read(&rendered).unwrap();
            let operator = |word: &str| Token::Operator(word.into());
            prop_assert_eq!(tokens, [
                Token::Term(term.clone()), operator("OR"), Token::Mark('('), Token::Term(fixed), operator("AND"),
                operator("NOT"), Token::Term(term), Token::Mark(')'),
            ]);
            let mut binds = crate::query::soql::bind::Binds::default();
            binds.push("v", &text);
            prop_assert_eq!(rest, binds.render(" IN NAME FIELDS RETURNING Account(Id WHERE Name = :v)").unwrap());
        }
    }

    #[test]
    fn a_single_word_stays_bare_and_other_text_becomes_a_phrase() {
        for (input, term) in [
            ("acme", "acme"),
            ("  joe   smith\n", "\"joe smith\""),
            ("AND", "\"AND\""),
            ("or", "\"or\""),
            ("a AND NOT b", "\"a AND NOT b\""),
            ("} RETURNING User(Id)", "\"\\} RETURNING User\\(Id\\)\""),
            ("ada@example.com", "ada@example.com"),
            ("a\u{200b}b", "\"a\u{200b}b\""),
            (r#"?&|!{}[]()^~*:\"'+-"#, r#"\?\&\|\!\{\}\[\]\(\)\^\~\*\:\\\"\'\+\-"#),
        ] {
            assert_eq!(render("FIND {:v}", input), Ok(format!("FIND {{{term}}}")));
        }
    }

    #[test]
    fn values_that_do_not_fit_are_errors_and_never_another_search() {
        let value = |source| Err(BindError::Value { name: "v".into(), source });
        assert_eq!(render("FIND {:v}", " \n"), value(InvalidValue::EmptyTerm));
        assert_eq!(render("FIND {:v}", &None::<&str>), value(InvalidValue::EmptyTerm));
        assert_eq!(render("FIND {:v}", &Like::contains("x")), value(InvalidValue::NotText));
        assert_eq!(render("FIND {:v}", &["a", "b"]), value(InvalidValue::NotText));
        assert_eq!(
            render("FIND {:w} RETURNING A(Id WHERE B = :v)", "x"),
            Err(BindError::Unbound("w".into()))
        );
        assert_eq!(render("FIND {\"a :v\"}", "x"), Err(BindError::Unused("v".into())));
        assert_eq!(
            render("FIND {a} RETURNING A(Id WHERE B = ':v')", "x"),
            Err(BindError::Unused("v".into()))
        );
        for sosl in ["FIND {:v*}", "FIND {?:v}", "FIND {x:v}", "FIND {\":v\"x:v}", "FIND {: v}"] {
            assert_eq!(render(sosl, "x"), Err(BindError::Placeholder), "{sosl}");
        }
        for sosl in ["", "FIND", "FIND :v", "FIND {:v", r"FIND {:v\}", "SELECT {:v}", "{:v}"] {
            assert_eq!(render(sosl, "x"), Err(BindError::NotSosl), "{sosl}");
        }
        assert_eq!(render("FIND {\"a}", "x"), Err(BindError::UnclosedString));
        // An escaped character in the program's text is text.
        assert_eq!(render(r"find { 9\:30 OR \} :v}", "x").as_deref(), Ok(r"find { 9\:30 OR \} x}"));
    }
}
