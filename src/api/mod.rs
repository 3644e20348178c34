//! The Salesforce REST API on behalf of a grant.

mod body;
#[cfg(feature = "bulk")]
mod bulk;
mod collections;
mod composite;
mod connection;
mod decode;
mod describe;
mod info;
mod name;
mod path;
mod query;
mod raw;
mod records;
mod refusal;
mod retry;
mod search;
mod send;
mod shared;
mod sobject;
pub mod soql;
#[cfg(test)]
mod tests;
mod usage;
mod version;

#[cfg(feature = "bulk")]
pub use self::bulk::{Bulk, BulkRecords, IngestError, IngestJob, JobInfo, JobState, Loaded, Refused};
pub use self::{
    collections::{RecordError, SaveResult, SavedRecord},
    composite::{Composite, CompositeAnswers, Reference},
    connection::Connection,
    describe::{ChildRelationship, FieldDescription, ObjectDescription, ObjectSummary, PicklistValue},
    info::{Deleted, DeletedRecord, Limit, Updated, VersionInfo},
    path::{Cursor, InvalidPath},
    query::{Page, Query},
    raw::{RawRequest, RawResponse},
    records::Records,
    search::{Hit, Search, SearchIn},
    sobject::{AssignmentRule, SObjectHandle, ToRecordId, Upserted},
    usage::ApiUsage,
    version::{ApiVersion, InvalidApiVersion},
};
pub(crate) use self::{name::InvalidName, shared::ApiShared, soql::BindError};
