//! Tests of bound values.

use proptest::prelude::*;

use crate::{
    id::SalesforceId,
    query::soql::{
        BindError, DateLiteral, FieldName, InvalidValue, Like, ObjectName, SoqlDate, SoqlDateTime, SoqlTime,
        ToSoql, bind::Binds,
    },
    tests::text::any_text,
};

fn render<T: ToSoql + ?Sized>(soql: &str, value: &T) -> Result<String, BindError> {
    let mut binds = Binds::default();
    binds.push("v", value);
    binds.render(soql)
}

/// Reads a string literal as Salesforce does. Returns its text and the rest, or `None` for an invalid escape.
fn read(literal: &str, like: bool) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = literal.strip_prefix('\'')?.chars();
    loop {
        match characters.next()? {
            '\'' => return Some((text, characters.as_str())),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                itself @ ('"' | '\'' | '\\') => text.push(itself),
                itself @ ('_' | '%') if like => text.push(itself),
                _ => return None,
            },
            '%' | '_' if like => return None,
            other => text.push(other),
        }
    }
}

/// Returns the kinds of a query's tokens, which are its shape.
fn shape(soql: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = soql.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' {
            tokens.push("string".to_owned());
            rest.len() - read(rest, false)?.1.len()
        } else {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..word.max(first.len_utf8())].to_owned());
            word.max(first.len_utf8())
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

const QUERY: &str =
    "SELECT Id FROM Account WHERE (Name = :v OR Site=:v) AND Type = 'it''s :v' AND Phone NOT IN (:v, :v)
    AND Owner.Name LIKE :v LIMIT 10";

// A-30 of the threat model.
#[test]
fn an_injection_stays_a_string() {
    for text in [
        "' OR Name != '",
        r"\' OR Name != \'",
        "x\\",
        r"\u0027",
        "a\nb\rc\td\u{8}e\u{c}f\0",
        "%",
        "_",
        "😀",
        "2024-01-01 OR Id != null",
        "x' --",
        ":v",
        "",
        "\u{7f}\u{85}\u{2028}",
    ] {
        let query = render("A = :v", text).unwrap();
        assert_eq!(read(&query["A = ".len()..], false), Some((text.to_owned(), "")), "{query}");
    }
    let long = "'\\".repeat(10_000);
    assert_eq!(read(&render(":v", &long).unwrap(), false), Some((long, "")));
}

proptest! {
    #[test]
    fn a_bound_text_does_not_change_the_shape_of_a_query(text in any_text()) {
        prop_assert_eq!(shape(&render(QUERY, &text).unwrap()), shape(&render(QUERY, "x").unwrap()));
        let literal = render(":v", &text).unwrap();
        prop_assert!(!literal.contains(char::is_control), "nothing in it can break a line or a request");
        prop_assert_eq!(read(&literal, false), Some((text, "")));
    }

    #[test]
    fn wildcards_of_a_text_in_a_pattern_are_escaped(text in any_text()) {
        let literal = render(":v", &Like::ends_with(&text)).unwrap();
        let literal = literal.replacen("'%", "'", 1);
        prop_assert_eq!(read(&literal, true), Some((text.clone(), "")));
        let contains = render(":v", &Like::contains(&text)).unwrap();
        prop_assert_eq!(contains, format!("'%{}%'", &literal[1..literal.len() - 1]));
        let starts = render(":v", &Like::starts_with(&text)).unwrap();
        prop_assert_eq!(starts, format!("{}%'", &literal[..literal.len() - 1]));
    }

    #[test]
    fn a_list_has_as_many_literals_as_values(texts in prop::collection::vec(any_text(), 1..5)) {
        let xs = vec!["x"; texts.len()];
        prop_assert_eq!(
            shape(&render("A IN :v", &texts).unwrap()),
            shape(&render("A IN :v", &xs).unwrap())
        );
    }

    /// A bound value is not scanned again: a placeholder in it is text.
    #[test]
    fn two_values_do_not_mix(one in any_text(), other in any_text()) {
        let mut binds = Binds::default();
        binds.push("v", &one);
        binds.push("w", &other);
        let query = binds.render("A = :v AND B = :w AND C = :v").unwrap();
        let (read_one, rest) = read(&query["A = ".len()..], false).unwrap();
        let (read_other, rest) = read(rest.strip_prefix(" AND B = ").unwrap(), false).unwrap();
        let (read_again, rest) = read(rest.strip_prefix(" AND C = ").unwrap(), false).unwrap();
        prop_assert_eq!((&read_one, read_other, &read_again, rest), (&one, other, &one, ""));
    }

    /// A name that is not one word is rejected.
    #[test]
    fn a_name_is_a_word(text in prop_oneof![any_text(), "[A-Za-z_.0-9]{1,12}", "[A-Z][ -~]{0,2}[a-z]{0,2}(__[a-z]{1,2}|\\.[A-Z][ -~]a)?"]) {
        if let Ok(field) = text.parse::<FieldName>() {
            prop_assert_eq!(field.as_str(), &text);
            let query = render("SELECT Id FROM A ORDER BY :v LIMIT 1", &field).unwrap();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte)));
            let more = text.matches('.').count() * 2;
            prop_assert_eq!(shape(&query).unwrap().len(), shape("SELECT Id FROM A ORDER BY x LIMIT 1").unwrap().len() + more);
        }
        if let Ok(object) = text.parse::<ObjectName>() {
            let query = render("SELECT Id FROM :v LIMIT 1", &object).unwrap();
            prop_assert_eq!(shape(&query).unwrap().len(), 6);
        }
    }

    #[test]
    fn numbers_are_plain_numbers(number in any::<f64>()) {
        match render(":v", &number) {
            Ok(literal) => {
                prop_assert!(literal.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)));
                prop_assert_eq!(literal.parse::<f64>().unwrap().to_bits(), number.to_bits());
            }
            Err(_) => prop_assert!(!number.is_finite()),
        }
    }
}

#[test]
fn each_type_has_its_literal() {
    let id: SalesforceId = "001D000000IqhSL".parse().unwrap();
    let moment: SoqlDateTime = "2015-08-20T13:50:05+02:00".parse().unwrap();
    for (literal, expected) in [
        (render(":v", &-5), "-5"),
        (render(":v", &u64::MAX), "18446744073709551615"),
        (render(":v", &true), "true"),
        (render(":v", &None::<&str>), "null"),
        (render(":v", &Some("x")), "'x'"),
        (render(":v", &id), "'001D000000IqhSLIAZ'"),
        (render(":v", &["a", "b'"]), r"('a','b\'')"),
        (render(":v", &vec![Some(1), None]), "(1,null)"),
        (render(":v", &Like::starts_with("50%_")), r"'50\%\_%'"),
        (render(":v", &Like::raw("a%'")), r"'a%\''"),
        (render(":v", &"Owner.Name".parse::<FieldName>().unwrap()), "Owner.Name"),
        (render(":v", &SoqlDate::new(2024, 2, 29).unwrap()), "2024-02-29"),
        (render(":v", &moment), "2015-08-20T11:50:05.000Z"),
        (render(":v", &SoqlTime::new(9, 30, 0, 5).unwrap()), "09:30:00.005Z"),
        (render(":v", &DateLiteral::LastNDays(30)), "LAST_N_DAYS:30"),
        (render(":v", &[DateLiteral::Today, DateLiteral::Tomorrow]), "(TODAY,TOMORROW)"),
        (render(":v", &Some(moment)), "2015-08-20T11:50:05.000Z"),
    ] {
        assert_eq!(literal.as_deref(), Ok(expected));
    }
}

#[test]
fn values_that_do_not_fit_are_errors_and_never_a_wider_query() {
    let value = |source| Err(BindError::Value { name: "v".into(), source });
    assert_eq!(render("A IN :v", &Vec::<String>::new()), value(InvalidValue::EmptyList));
    assert_eq!(render("A IN :v", &[["a"]]), value(InvalidValue::NestedList));
    assert_eq!(render("A = :v", &f64::NAN), value(InvalidValue::NotFinite));
    assert_eq!(render("A = :v AND B = :w", "x"), Err(BindError::Unbound("w".into())));
    assert_eq!(render("A LIKE '%:v%'", "x"), Err(BindError::Unused("v".into())));
    let mut binds = Binds::default();
    binds.push("v", "x");
    binds.push("v", "x");
    assert_eq!(binds.render("A = :v"), Err(BindError::Twice("v".into())));
}
