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
//! | [`SalesforceId`](crate::id::SalesforceId), [`OrgId`](crate::id::OrgId), [`UserId`](crate::id::UserId) | `'001D000000IqhSLIAZ'` |
//! | `Option<T>` | the value, or `null` |
//! | `&[T]`, `[T; N]`, `Vec<T>` | `('a','b')`, for `IN :names` |
//! | [`Like`] | `'%50\% off%'` |
//! | [`SoqlDate`], [`DateLiteral`] | `2026-01-31`, `LAST_N_DAYS:30` |
//! | [`SoqlDateTime`], [`SoqlTime`] | `2026-01-31T23:59:59.000Z`, `23:59:59.000Z` |
//! | [`FieldName`], [`ObjectName`] | the name, checked |
//!
//! In a search ([`Connection::sosl`](crate::connection::Connection::sosl)) a text between the braces of `FIND {:term}` becomes one
//! term: a word, or a phrase in quotation marks.
//!
//! Source: SOQL and SOSL Reference, "Quoted String Escape Sequences", "Date Formats and Date Literals".

pub(crate) mod bind;
pub(crate) mod date;
pub(crate) mod in_list;
pub(crate) mod like;
pub(crate) mod scan;
pub(crate) mod time;

pub use crate::{
    name::{FieldName, InvalidName, ObjectName},
    query::soql::{
        bind::{BindError, InvalidValue, SoqlLiteral, ToSoql},
        date::{DateLiteral, InvalidDate, SoqlDate, SoqlDateTime},
        like::Like,
        time::{InvalidTime, SoqlTime},
    },
    search::term::SoslTerm,
};
