//! The Salesforce REST API on behalf of a grant.

mod base64_field;
mod body;
mod breaker;
#[cfg(feature = "bulk")]
pub mod bulk;
mod call_options;
mod collections;
mod columns;
pub mod composite;
mod composite_body;
mod compress;
mod connection;
mod decode;
pub mod describe;
mod duplicates;
mod info;
mod long_soql;
mod name;
mod org;
mod path;
mod query;
mod raw;
mod records;
mod refusal;
mod retry;
mod saved;
mod search;
mod select;
mod send;
mod shared;
mod sobject;
pub mod soql;
mod sosl;
mod split;
#[cfg(test)]
mod tests;
mod usage;
mod version;

pub use self::{
    base64_field::Base64,
    call_options::{CallOptions, InvalidCallOption},
    collections::{RecordError, SaveResult},
    columns::{SObject, children},
    connection::Connection,
    duplicates::{DuplicateRecord, Duplicates},
    info::{Deleted, DeletedRecord, Limit, Updated, VersionInfo},
    path::{Cursor, InvalidPath},
    query::{Page, Query},
    raw::{RawRequest, RawResponse},
    records::Records,
    retry::Retry,
    saved::SavedRecord,
    search::{Hit, Search, SearchIn},
    select::Select,
    sobject::{
        AssignmentRule, Blob, BlobUpload, DuplicateRules, InvalidRevision, Revision, SObjectHandle,
        ToRecordId,
    },
    sosl::Sosl,
    split::SplitQuery,
    usage::ApiUsage,
    version::{ApiVersion, InvalidApiVersion},
};
/// What the derive of [`SObject`] is written with.
pub(crate) mod derive {
    pub use super::columns::{Column, Columns, Shape, check};
}

pub(crate) use self::{
    name::InvalidName,
    shared::{ApiManners, ApiShared},
    soql::BindError,
};
