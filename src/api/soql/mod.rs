//! Values in SOQL queries: `:name` in the text, the value bound beside it.
//!
//! A bound value becomes a literal of its type and cannot become anything else, so that what a user types never
//! changes what a query asks. A name without a value, a value without a name, a name bound twice and an empty list
//! are errors before anything is sent, never a wider query.
//!
//! | bound | written as |
//! |---|---|
//! | `&str`, `String`, `Cow<str>` | `'O\'Hara'` |
//! | integers, `f32`, `f64` (finite), `bool` | `5`, `2.5`, `true` |
//! | [`SalesforceId`](crate::SalesforceId), [`OrgId`](crate::OrgId), [`UserId`](crate::UserId) | `'001D000000IqhSLIAZ'` |
//! | `Option<T>` | the value, or `null` |
//! | `&[T]`, `[T; N]`, `Vec<T>` | `('a','b')`, for `IN :names` |
//! | [`Like`] | `'%50\% off%'` |
//! | [`SoqlDate`], [`DateLiteral`] | `2026-01-31`, `LAST_N_DAYS:30` |
//! | [`SoqlDateTime`], [`SoqlTime`] | `2026-01-31T23:59:59.000Z`, `23:59:59.000Z` |
//! | [`FieldName`], [`ObjectName`] | the name, checked |
//!
//! In a search ([`Connection::sosl`](crate::Connection::sosl)) a text between the braces of `FIND {:term}` becomes one
//! term: a word, or a phrase in quotation marks.
//!
//! Source: SOQL and SOSL Reference, "Quoted String Escape Sequences", "Date Formats and Date Literals".

mod bind;
mod date;
mod like;
mod scan;
mod sosl;
mod split;
mod term;
mod time;

pub use self::{
    bind::{BindError, InvalidValue, SoqlLiteral, ToSoql},
    date::{DateLiteral, InvalidDate, SoqlDate, SoqlDateTime},
    like::Like,
    term::SoslTerm,
    time::{InvalidTime, SoqlTime},
};
pub use super::name::{FieldName, InvalidName, ObjectName};

pub(crate) use self::{
    bind::Binds,
    sosl::SoslBinds,
    split::{Members, check as check_split},
};
