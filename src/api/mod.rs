//! The Salesforce REST API on behalf of a grant.

mod connection;
mod decode;
mod name;
mod path;
mod refusal;
mod retry;
pub mod soql;
mod usage;
mod version;

pub use self::{
    connection::Connection,
    path::{Cursor, InvalidPath},
    usage::ApiUsage,
    version::{ApiVersion, InvalidApiVersion},
};
pub(crate) use self::{name::InvalidName, soql::BindError};
