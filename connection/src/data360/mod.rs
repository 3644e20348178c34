//! Queries of Data 360 (Data Cloud) in SQL: on the org's host, or by the exchanged token on the host of its data.
//!
//! Source: Data 360 Query Guide; what is sent and returned is listed in the repository (`docs/protocol/data-360.md`).

mod direct;
mod parameters;
mod query;
mod rows;

pub use self::{
    direct::{Data360Direct, Data360DirectQuery},
    parameters::SqlValue,
    query::Data360Query,
    rows::Data360Rows,
};
