//! Bulk API 2.0 (feature `bulk`): jobs that load or read millions of records in Salesforce's background.
//!
//! Source: Bulk API 2.0 and Bulk API Developer Guide.

mod cell;
pub(crate) mod csv;
pub(crate) mod csv_split;
pub(crate) mod ingest;
pub(crate) mod ingest_job;
pub(crate) mod job;
pub(crate) mod query_job;
pub(crate) mod query_text;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod row;
pub(crate) mod row_error;
pub(crate) mod upload;

pub use self::{
    ingest::{Bulk, ColumnDelimiter, IngestError},
    ingest_job::{FailedRecord, IngestJob, SuccessfulRecord},
    job::{JobInfo, JobState},
    query_job::QueryJob,
    records::BulkRecords,
};
