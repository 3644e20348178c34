//! Bulk API 2.0 (feature `bulk`): jobs that load or read millions of records.
//!
//! Source: Bulk API 2.0 and Bulk API Developer Guide.

pub(crate) mod csv;
pub(crate) mod csv_split;
pub(crate) mod ingest;
pub(crate) mod ingest_job;
pub(crate) mod job;
pub(crate) mod query_job;
pub(crate) mod records;
pub(crate) mod upload;

pub use crate::bulk::{
    ingest::{Bulk, ColumnDelimiter, IngestError},
    ingest_job::{FailedRecord, IngestJob, SuccessfulRecord},
    job::{JobInfo, JobState},
    query_job::QueryJob,
    records::BulkRecords,
};

use std::time::Duration;

/// How long to wait before asking again whether a job has ended: 0.5 s at first, then longer, up to 10 s.
fn poll_wait(asked: u32) -> Duration {
    let wait = Duration::from_millis(500).mul_f64(1.5_f64.powi(asked.min(20).cast_signed()));
    wait.min(Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_asked_for_less_and_less_often() {
        let waits: Vec<_> = (0..30).map(poll_wait).collect();
        assert_eq!(waits[0], Duration::from_millis(500));
        assert!(waits.is_sorted());
        assert_eq!(waits[29], Duration::from_secs(10));
    }
}
