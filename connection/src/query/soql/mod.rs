//! Values in SOQL queries: placeholders `:name` in the text, and the values bound to them.
//!
//! A bound value becomes a literal of its type and nothing else, so that input of a user never changes the meaning of
//! a query. A placeholder without a value, a value without a placeholder, a name bound twice and an empty list are
//! errors before anything is sent, never a wider query.
//!
//! | bound value | written as |
//! |---|---|
//! | `&str`, `String`, `Cow<str>` | `'O\'Hara'` |
//! | integers, `f32`, `f64` (finite), `bool` | `5`, `2.5`, `true` |
//! | [`SalesforceId`](crate::SalesforceId), [`OrgId`](crate::OrgId), [`UserId`](crate::UserId) | `'001D000000IqhSLIAZ'` |
//! | `Option<T>` | the value, or `null` |
//! | `&[T]`, `[T; N]`, `Vec<T>` | `('a','b')`, for `IN :names` |
//! | [`Like`] | `'%50\% off%'` |
//! | [`SoqlDate`], [`DateLiteral`] | `2026-01-31`, `LAST_N_DAYS:30` |
//! | [`SoqlDateTime`], [`SoqlTime`] | `2026-01-31T23:59:59.000Z`, `23:59:59.000Z` |
//! | [`SoqlDecimal`] | `123456789012345678.9` |
//! | [`Currency`] | `USD5000`, `EUR-500.25` |
//! | [`FieldName`], [`ObjectName`] | the validated name |
//!
//! In a search ([`Connection::sosl`](crate::Connection::sosl)) a text between the braces of `FIND {:term}` becomes one
//! term: a word, or a phrase in quotation marks.
//!
//! Source: SOQL and SOSL Reference, "Quoted String Escape Sequences", "Date Formats and Date Literals".

pub(crate) mod bind;
mod currency;
pub(crate) mod date;
pub(crate) mod decimal;
pub(crate) mod in_list;
mod like;
pub(crate) mod literal;
pub(crate) mod scan;
pub(crate) mod term;
#[cfg(test)]
mod tests;
pub(crate) mod time;

pub use crate::{
    name::{FieldName, InvalidName, ObjectName},
    query::soql::{
        bind::{BindError, InvalidValue},
        currency::Currency,
        date::{DateLiteral, InvalidDate, SoqlDate, SoqlDateTime},
        decimal::{InvalidDecimal, SoqlDecimal},
        like::Like,
        literal::{SoqlLiteral, ToSoql},
        term::SoslTerm,
        time::{InvalidTime, SoqlTime},
    },
};
