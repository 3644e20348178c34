//! The Salesforce REST API on behalf of a grant.

mod connection;
mod decode;
mod name;
mod path;
mod query;
mod raw;
mod records;
mod refusal;
mod retry;
mod send;
mod sobject;
pub mod soql;
#[cfg(test)]
mod tests;
mod usage;
mod version;

pub use self::{
    connection::Connection,
    path::{Cursor, InvalidPath},
    query::{Page, Query},
    raw::{RawRequest, RawResponse},
    records::Records,
    sobject::{SObject, ToRecordId, Upserted},
    usage::ApiUsage,
    version::{ApiVersion, InvalidApiVersion},
};
pub(crate) use self::{name::InvalidName, soql::BindError};
