//! Values as SOQL literals.

use std::{borrow::Cow, fmt::Write};

use crate::{
    id::{OrgId, SalesforceId, UserId},
    name::{FieldName, ObjectName},
    query::soql::{bind::InvalidValue, term::SoslTerm},
};

/// A finished SOQL literal.
///
/// Only the [`ToSoql`] implementations listed in the [module](crate::query::soql) create one, so that no text can get
/// into a query unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoqlLiteral(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Single(String),
    List(String),
}

impl SoqlLiteral {
    /// Wraps a finished literal of one value.
    pub(crate) fn single(literal: String) -> Self {
        Self(Kind::Single(literal))
    }

    /// Wraps a finished list.
    pub(crate) fn list(literal: String) -> Self {
        Self(Kind::List(literal))
    }

    /// Returns the literal of one value.
    ///
    /// # Errors
    /// If it is a list.
    pub(crate) fn into_single(self) -> Result<String, InvalidValue> {
        match self.0 {
            Kind::Single(literal) => Ok(literal),
            Kind::List(_) => Err(InvalidValue::NestedList),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        let (Kind::Single(literal) | Kind::List(literal)) = &self.0;
        literal
    }
}

/// A value that can be bound to a query.
///
/// For other types, implement it through a type that has it:
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
    /// Returns the value as a literal.
    ///
    /// # Errors
    /// If the value has no literal: an empty list, or a number that is not finite.
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue>;

    /// Returns the value as a search term, for [`Connection::sosl`](crate::connection::Connection::sosl).
    ///
    /// Only texts have one.
    ///
    /// # Errors
    /// If the value is not a text, or a text without a word.
    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        Err(InvalidValue::NotText)
    }
}

/// Writes a string literal.
///
/// `write` gets the literal and the function that appends escaped text to it.
pub(crate) fn push_quoted(literal: &mut String, write: impl FnOnce(&mut String, fn(&mut String, &str))) {
    literal.push('\'');
    write(literal, push_escaped);
    literal.push('\'');
}

fn push_escaped(literal: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            // An unescaped backslash would disable the escape after it, or the closing quote.
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
    SoqlLiteral::single(literal)
}

impl ToSoql for str {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(quoted(self))
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        SoslTerm::new(self)
    }
}

impl ToSoql for String {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(quoted(self))
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        SoslTerm::new(self)
    }
}

impl ToSoql for Cow<'_, str> {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        Ok(quoted(self))
    }

    fn to_term(&self) -> Result<SoslTerm, InvalidValue> {
        SoslTerm::new(self)
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
            None => Ok(SoqlLiteral::single("null".to_owned())),
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
            let literal = value.to_soql()?.into_single()?;
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

/// Implements [`ToSoql`] and `Serialize` for types whose text is the same in queries and in JSON.
macro_rules! written_as_text {
    ($($kind:ty)*) => {$(
        impl $crate::query::soql::literal::ToSoql for $kind {
            fn to_soql(
                &self,
            ) -> Result<$crate::query::soql::literal::SoqlLiteral, $crate::query::soql::bind::InvalidValue> {
                Ok($crate::query::soql::literal::SoqlLiteral::single(self.to_string()))
            }
        }

        impl ::serde::Serialize for $kind {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

pub(crate) use written_as_text;

to_soql! { bool i8 i16 i32 i64 isize u8 u16 u32 u64 usize FieldName ObjectName,
value => Ok(SoqlLiteral::single(value.to_string())) }
// `Display` of a float never writes an exponent.
to_soql! { f32 f64,
value => if value.is_finite() { Ok(SoqlLiteral::single(value.to_string())) } else { Err(InvalidValue::NotFinite) } }
to_soql! { SalesforceId OrgId UserId, id => Ok(quoted(id.as_str())) }
