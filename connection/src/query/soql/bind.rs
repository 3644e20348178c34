//! Values as SOQL literals, and their places in a query.

use std::{borrow::Cow, fmt::Write};

use crate::{
    id::{OrgId, SalesforceId, UserId},
    name::{FieldName, ObjectName},
    query::soql::scan::{Piece, scan},
    search::term::SoslTerm,
};

/// A query and the values bound to it that do not fit. Names are the program's; values are never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The query has a placeholder that nothing was bound to.
    #[error("nothing is bound to `:{0}`")]
    Unbound(String),
    /// Two values were bound to one name.
    #[error("`:{0}` is bound twice")]
    Twice(String),
    /// A value was bound to a name that the query does not have. Placeholders inside quotes do not count.
    #[error("the query has no placeholder `:{0}` outside quotes; bind a `Like` instead of writing '%:{0}%'")]
    Unused(String),
    /// A value that has no literal.
    #[error("the value of `:{name}` cannot be bound")]
    #[non_exhaustive]
    Value {
        /// The placeholder's name.
        name: String,
        /// What is wrong with the value.
        source: InvalidValue,
    },
    /// A colon that is no placeholder, or a placeholder that text touches.
    #[error(
        "a placeholder is a colon and a name, with nothing touching it; for LAST_N_DAYS:n bind a `DateLiteral`"
    )]
    Placeholder,
    /// A query over a list that is asked in parts would not have the same rows.
    #[error("this query cannot be asked in parts: {0}")]
    NotInParts(&'static str),
    /// A string in the query's text has no end.
    #[error("a quoted string in the query has no end")]
    UnclosedString,
    /// A search that does not begin as one.
    #[error("a search begins with FIND {{…}}, and what is looked for stands between the braces")]
    NotSosl,
}

/// A value that cannot be written as a SOQL literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// A list without a member. SOQL has no empty list, and a condition must not silently vanish: decide in the
    /// program what an empty list means, most often that there is nothing to ask.
    #[error("the list is empty")]
    EmptyList,
    /// A list in a list.
    #[error("a list cannot hold lists")]
    NestedList,
    /// An infinite number, or none at all.
    #[error("the number is not finite")]
    NotFinite,
    /// Something else than text, in the place of a search's term.
    #[error("only text can be searched for")]
    NotText,
    /// A text without a word, in the place of a search's term: what that means is the program's to decide.
    #[error("there is nothing to search for")]
    EmptyTerm,
}

/// A finished SOQL literal. Made by the [`ToSoql`] of the types listed in the [module](super) only, so that no text can
/// get into a query unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoqlLiteral(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    One(String),
    List(String),
}

impl SoqlLiteral {
    pub(crate) fn one(literal: String) -> Self {
        Self(Kind::One(literal))
    }

    /// A finished list.
    pub(crate) fn list(literal: String) -> Self {
        Self(Kind::List(literal))
    }

    pub(crate) fn into_one(self) -> Result<String, InvalidValue> {
        match self.0 {
            Kind::One(literal) => Ok(literal),
            Kind::List(_) => Err(InvalidValue::NestedList),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        let (Kind::One(literal) | Kind::List(literal)) = &self.0;
        literal
    }
}

/// A value that can be bound to a query.
///
/// Implement it for your own types by handing on to a type that has it:
///
/// ```
/// use salesforce_connection::soql::{InvalidValue, SoqlLiteral, ToSoql};
///
/// enum Rating { Hot, Cold }
///
/// impl ToSoql for Rating {
///     fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
///         match self { Self::Hot => "Hot", Self::Cold => "Cold" }.to_soql()
///     }
/// }
/// ```
pub trait ToSoql {
    /// The value as a literal.
    ///
    /// # Errors
    /// When the value has no literal: an empty list, a number that is not finite.
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue>;

    /// The value as a term of a search, for [`Connection::sosl`](crate::connection::Connection::sosl). Texts have one.
    ///
    /// # Errors
    /// When the value is no text, or one without a word.
    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        Err(InvalidValue::NotText)
    }
}

/// Writes a string literal: `write` gets the literal and the function that adds escaped text to it.
pub(crate) fn push_quoted(literal: &mut String, write: impl FnOnce(&mut String, fn(&mut String, &str))) {
    literal.push('\'');
    write(literal, push_escaped);
    literal.push('\'');
}

fn push_escaped(literal: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            // First the backslash: one that stayed would swallow the escape after it, or the closing quote.
            '\\' => literal.push_str(r"\\"),
            '\'' => literal.push_str(r"\'"),
            '\n' => literal.push_str(r"\n"),
            '\r' => literal.push_str(r"\r"),
            '\t' => literal.push_str(r"\t"),
            '\u{8}' => literal.push_str(r"\b"),
            '\u{c}' => literal.push_str(r"\f"),
            control if control.is_control() => {
                // Writing to a `String` cannot fail.
                let _ = write!(literal, "\\u{:04X}", u32::from(control));
            }
            other => literal.push(other),
        }
    }
}

fn quoted(text: &str) -> SoqlLiteral {
    let mut literal = String::with_capacity(text.len() + 2);
    push_quoted(&mut literal, |literal, push| push(literal, text));
    SoqlLiteral::one(literal)
}

impl ToSoql for str {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(quoted(self))
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        SoslTerm::of(self)
    }
}

impl ToSoql for String {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(quoted(self))
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        SoslTerm::of(self)
    }
}

impl ToSoql for Cow<'_, str> {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(quoted(self))
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        SoslTerm::of(self)
    }
}

impl<T: ToSoql + ?Sized> ToSoql for &T {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        T::to_soql(self)
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        T::to_term(self)
    }
}

impl<T: ToSoql> ToSoql for Option<T> {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        match self {
            Some(value) => value.to_soql(),
            None => Ok(SoqlLiteral::one("null".to_owned())),
        }
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        self.as_ref().map_or(Err(InvalidValue::EmptyTerm), T::to_term)
    }
}

impl<T: ToSoql> ToSoql for [T] {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        if self.is_empty() {
            return Err(InvalidValue::EmptyList);
        }
        let mut list = String::from("(");
        for (index, value) in self.iter().enumerate() {
            let literal = value.to_soql()?.into_one()?;
            if index > 0 {
                list.push(',');
            }
            list.push_str(&literal);
        }
        list.push(')');
        Ok(SoqlLiteral(Kind::List(list)))
    }
}

impl<T: ToSoql> ToSoql for Vec<T> {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_slice().to_soql()
    }
}

impl<T: ToSoql, const N: usize> ToSoql for [T; N] {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_slice().to_soql()
    }
}

macro_rules! to_soql {
    ($($kind:ty)*, $value:ident => $literal:expr) => {$(
        impl ToSoql for $kind {
            fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
                let $value = self;
                $literal
            }
        }
    )*};
}

to_soql! { bool i8 i16 i32 i64 isize u8 u16 u32 u64 usize FieldName ObjectName,
value => Ok(SoqlLiteral::one(value.to_string())) }
// `Display` of a float never uses an exponent.
to_soql! { f32 f64,
value => if value.is_finite() { Ok(SoqlLiteral::one(value.to_string())) } else { Err(InvalidValue::NotFinite) } }
to_soql! { SalesforceId OrgId UserId, id => Ok(quoted(id.as_str())) }

/// The values bound to a query so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Binds(Vec<(String, Result<SoqlLiteral, InvalidValue>)>);

impl Binds {
    pub(crate) fn push(&mut self, name: &str, value: &(impl ToSoql + ?Sized)) {
        self.0.push((name.to_owned(), value.to_soql()));
    }

    /// Binds a literal that is finished.
    pub(crate) fn push_literal(&mut self, name: &str, literal: SoqlLiteral) {
        self.0.push((name.to_owned(), Ok(literal)));
    }

    /// The query with its values in place.
    pub(crate) fn render(&self, soql: &str) -> Result<String, BindError> {
        let mut used = vec![false; self.0.len()];
        let mut query = String::with_capacity(soql.len() + 32 * self.0.len());
        let names = self.0.iter().map(|(name, _)| name.as_str());
        fill(&mut query, &scan(soql)?, names, &mut used, |index| {
            self.0[index].1.as_ref().map(SoqlLiteral::as_str)
        })?;
        match used.iter().position(|used| !used) {
            Some(index) => Err(BindError::Unused(self.0[index].0.clone())),
            None => Ok(query),
        }
    }
}

/// Writes the pieces, each placeholder as the value bound to its name, and notes which values were used.
pub(crate) fn fill<'a>(
    text: &mut String,
    pieces: &[Piece<'_>],
    names: impl Iterator<Item = &'a str> + Clone,
    used: &mut [bool],
    value: impl Fn(usize) -> Result<&'a str, &'a InvalidValue>,
) -> Result<(), BindError> {
    for (index, name) in names.clone().enumerate() {
        if names.clone().take(index).any(|other| other == name) {
            return Err(BindError::Twice(name.to_owned()));
        }
    }
    for piece in pieces {
        match *piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Placeholder(wanted) => {
                let index = names.clone().position(|name| name == wanted);
                let index = index.ok_or_else(|| BindError::Unbound(wanted.to_owned()))?;
                used[index] = true;
                let value = value(index);
                text.push_str(
                    value.map_err(|source| BindError::Value { name: wanted.to_owned(), source: *source })?,
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        query::soql::{
            date::{DateLiteral, SoqlDate, SoqlDateTime},
            like::Like,
            time::SoqlTime,
        },
        tests::text::any_text,
    };

    fn render<T: ToSoql + ?Sized>(soql: &str, value: &T) -> Result<String, BindError> {
        let mut binds = Binds::default();
        binds.push("v", value);
        binds.render(soql)
    }

    /// Reads a string literal as Salesforce does: its text, and what follows it. A wrong escape is `None`.
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

    /// The kinds of a query's tokens, which make up its shape.
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

    // A-30 of the threat catalogue.
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
        fn no_text_changes_the_shape_of_a_query(text in any_text()) {
            prop_assert_eq!(shape(&render(QUERY, &text).unwrap()), shape(&render(QUERY, "x").unwrap()));
            let literal = render(":v", &text).unwrap();
            prop_assert!(!literal.contains(char::is_control), "nothing in it can break a line or a request");
            prop_assert_eq!(read(&literal, false), Some((text, "")));
        }

        #[test]
        fn text_in_a_pattern_means_itself(text in any_text()) {
            let literal = render(":v", &Like::ends_with(&text)).unwrap();
            let literal = literal.replacen("'%", "'", 1);
            prop_assert_eq!(read(&literal, true), Some((text.clone(), "")));
            let contains = render(":v", &Like::contains(&text)).unwrap();
            prop_assert_eq!(contains, format!("'%{}%'", &literal[1..literal.len() - 1]));
            let starts = render(":v", &Like::starts_with(&text)).unwrap();
            prop_assert_eq!(starts, format!("{}%'", &literal[..literal.len() - 1]));
        }

        #[test]
        fn a_list_has_as_many_members_as_values(texts in prop::collection::vec(any_text(), 1..5)) {
            let xs = vec!["x"; texts.len()];
            prop_assert_eq!(
                shape(&render("A IN :v", &texts).unwrap()),
                shape(&render("A IN :v", &xs).unwrap())
            );
        }

        /// A bound value is never looked at again: what looks like a placeholder in it is text.
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

        /// A name is one word, or it is refused.
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
    fn what_does_not_fit_is_an_error_and_never_a_wider_query() {
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
}
