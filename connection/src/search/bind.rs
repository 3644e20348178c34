//! Values in the text of a search: terms between the braces, literals behind them.

use crate::{
    query::soql::{
        bind::{BindError, InvalidValue, SoqlLiteral, ToSoql, fill},
        scan::{scan, scan_terms},
    },
    search::term::SoslTerm,
};

/// The values bound to a search so far, each as what it is in either place.
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

    /// The search with its values in place.
    pub(crate) fn render(&self, sosl: &str) -> Result<String, BindError> {
        let (find, terms, rest) = cut(sosl).ok_or(BindError::NotSosl)?;
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

/// `FIND {`, what is between the braces, and the rest, which begins with the closing one.
fn cut(sosl: &str) -> Option<(&str, &str, &str)> {
    let open = sosl.find('{')? + 1;
    let (find, rest) = sosl.split_at(open);
    if !find.trim_end_matches('{').trim().eq_ignore_ascii_case("FIND") {
        return None;
    }
    let mut is_escaped = false;
    let close = rest.bytes().position(|byte| {
        let closes = byte == b'}' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })?;
    let (terms, rest) = rest.split_at(close);
    Some((find, terms, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{query::soql::like::Like, tests::text::any_text};

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

    /// Reads what is between the braces as Salesforce does, up to the closing one, and gives what follows.
    fn read(sosl: &str) -> Option<(Vec<Token>, &str)> {
        let mut tokens = Vec::new();
        let mut characters = sosl.strip_prefix("FIND {")?.chars().peekable();
        let ends = |c: char| c.is_whitespace() || c.is_control() || r#"?&|!{}[]()^~*:"'+-"#.contains(c);
        loop {
            match characters.next()? {
                '}' => break,
                '"' => {
                    let mut phrase = String::new();
                    loop {
                        match characters.next()? {
                            '"' => break,
                            '\\' => phrase.push(characters.next()?),
                            c if ends(c) && c != ' ' => return None,
                            c => phrase.push(c),
                        }
                    }
                    tokens.push(Token::Term(phrase));
                }
                ' ' => {}
                c if ends(c) => tokens.push(Token::Mark(c)),
                first => {
                    let mut word = String::new();
                    let mut next = Some(first);
                    let mut has_escapes = false;
                    while let Some(c) = next {
                        has_escapes |= c == '\\';
                        word.push(if c == '\\' { characters.next()? } else { c });
                        next = characters.next_if(|c| !ends(*c));
                    }
                    let is_operator = !has_escapes && ["AND", "OR", "NOT"].contains(&word.as_str());
                    tokens.push(if is_operator { Token::Operator(word) } else { Token::Term(word) });
                }
            }
        }
        let rest: String = characters.collect();
        Some((tokens, &sosl[sosl.len() - rest.len()..]))
    }

    /// What a term of this text says: gaps are all the same to a search.
    fn said(text: &str) -> String {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }

    proptest! {
        #[test]
        fn any_text_stays_one_term_and_the_search_keeps_its_shape(text in any_text(), fixed in "[a-z]{2,5}") {
            let sosl = format!("FIND {{:v OR ({fixed} AND NOT :v)}} IN NAME FIELDS RETURNING Account(Id WHERE Name = :v)");
            let said = said(&text);
            let rendered = render(&sosl, &text);
            if said.is_empty() {
                let source = InvalidValue::EmptyTerm;
                prop_assert_eq!(rendered, Err(BindError::Value { name: "v".into(), source }));
                return Ok(());
            }
            let rendered = rendered.unwrap();
            let (tokens, rest) = read(&rendered).unwrap();
            let operator = |word: &str| Token::Operator(word.into());
            prop_assert_eq!(tokens, [
                Token::Term(said.clone()), operator("OR"), Token::Mark('('), Token::Term(fixed), operator("AND"),
                operator("NOT"), Token::Term(said), Token::Mark(')'),
            ]);
            let mut binds = crate::query::soql::bind::Binds::default();
            binds.push("v", &text);
            prop_assert_eq!(rest, binds.render(" IN NAME FIELDS RETURNING Account(Id WHERE Name = :v)").unwrap());
        }
    }

    #[test]
    fn words_stay_bare_and_the_rest_becomes_a_phrase() {
        for (typed, term) in [
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
            assert_eq!(render("FIND {:v}", typed), Ok(format!("FIND {{{term}}}")));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_never_another_search() {
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
        for touched in ["FIND {:v*}", "FIND {?:v}", "FIND {x:v}", "FIND {\":v\"x:v}", "FIND {: v}"] {
            assert_eq!(render(touched, "x"), Err(BindError::Placeholder), "{touched}");
        }
        for none in ["", "FIND", "FIND :v", "FIND {:v", r"FIND {:v\}", "SELECT {:v}", "{:v}"] {
            assert_eq!(render(none, "x"), Err(BindError::NotSosl), "{none}");
        }
        assert_eq!(render("FIND {\"a}", "x"), Err(BindError::UnclosedString));
        // What is escaped in the program's own text is text.
        assert_eq!(render(r"find { 9\:30 OR \} :v}", "x").as_deref(), Ok(r"find { 9\:30 OR \} x}"));
    }
}
