//! Jobs: their state, and how to wait for their end.

use std::{fmt, time::Duration};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    bulk::{csv_split::StatedDelimiter, ingest::ColumnDelimiter},
    connection::Connection,
    error::{ApiError, Error, InvalidResponse, Result},
    id::SalesforceId,
    request::{decode, path::ResourcePath, send::ApiRequest},
    serde_helpers::{null_as_default, text_or_none},
};

/// Maximum timeout: ten years. Bounds a caller's timeout, because adding a longer one to the current time could
/// overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A job and its connection: the common part of ingest and query jobs.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) connection: Connection,
    pub(crate) info: JobInfo,
    /// `ingest` or `query`.
    kind: &'static str,
}

impl Job {
    pub(crate) fn new(connection: Connection, kind: &'static str, info: JobInfo) -> Self {
        Self { connection, info, kind }
    }

    pub(crate) fn path(&self, rest: &str) -> Result<ResourcePath> {
        let resource = format!("jobs/{}/{}{rest}", self.kind, self.info.id);
        Ok(ResourcePath::versioned(self.connection.api_version(), &resource)?)
    }

    pub(crate) async fn refresh(&mut self) -> Result<&JobInfo> {
        let info = self.connection.read(self.path("")?).await?;
        self.set_info(info)
    }

    pub(crate) async fn set_state(&mut self, state: &str) -> Result<()> {
        #[derive(Serialize)]
        struct State<'a> {
            state: &'a str,
        }
        let body = decode::body(&State { state })?;
        let request = ApiRequest::new(Method::PATCH, self.path("")?).json(body);
        let info = decode::response(&self.connection.send(request).await?)?;
        self.set_info(info).map(drop)
    }

    pub(crate) async fn delete(self) -> Result<()> {
        self.connection.send(ApiRequest::new(Method::DELETE, self.path("")?)).await.map(drop)
    }

    /// Waits until the job has completed, at most until `deadline`.
    pub(crate) async fn wait_until(&mut self, deadline: Instant) -> Result<&JobInfo> {
        let mut polls = 0;
        while !self.info.state.is_final() {
            let interval = poll_interval(polls);
            if Instant::now() + interval > deadline {
                return Err(Error::JobTimedOut { id: self.info.id });
            }
            tokio::time::sleep(interval).await;
            polls += 1;
            match self.refresh().await {
                // The job runs on in Salesforce: one failed request must not lose a wait of perhaps hours. A request for a
                // job's state has no text that the edge could decline for good.
                Err(error) if error.is_passing() => {
                    tracing::debug!(job = %self.info.id, %error, "request for the job's state failed; retrying");
                    let retry_at = Instant::now() + error.retry_after().unwrap_or_default();
                    tokio::time::sleep_until(retry_at.min(deadline)).await;
                }
                refreshed => drop(refreshed?),
            }
        }
        self.completed()
    }

    /// Returns the job's info if it has completed, otherwise an error.
    pub(crate) fn completed(&self) -> Result<&JobInfo> {
        match self.info.state {
            JobState::JobComplete => Ok(&self.info),
            state if state.is_final() => Err(self.info.failure()),
            _ => Err(Error::JobTimedOut { id: self.info.id }),
        }
    }

    fn set_info(&mut self, info: JobInfo) -> Result<&JobInfo> {
        if info.id != self.info.id {
            return Err(InvalidResponse::Unexpected("the state of another job").into());
        }
        self.info = info;
        Ok(&self.info)
    }
}

/// Returns the time at which a timeout that starts now ends.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(MAX_TIMEOUT)
}

/// Returns how long to wait before the next request for a job's state: 0.5 s at first, rising to 10 s.
///
/// Each poll counts against the API limit, so that long jobs are polled less often.
fn poll_interval(polls: u32) -> Duration {
    let interval = Duration::from_millis(500).mul_f64(1.5_f64.powi(polls.min(20).cast_signed()));
    interval.min(Duration::from_secs(10))
}

/// What Salesforce reports about a job.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobInfo {
    /// The job's id.
    pub id: SalesforceId,
    /// The job's state.
    pub state: JobState,
    /// The API name of the object.
    #[serde(default)]
    pub object: Option<String>,
    /// The number of records that were processed, including the failed ones. 0 if Salesforce does not say it.
    #[serde(default, deserialize_with = "null_as_default", rename = "numberRecordsProcessed")]
    pub records_processed: u64,
    /// The number of records that failed.
    #[serde(default, deserialize_with = "null_as_default", rename = "numberRecordsFailed")]
    pub records_failed: u64,
    /// Why the job failed.
    #[serde(default)]
    pub error_message: Option<String>,
    /// What the job does: `insert`, `query` and others.
    #[serde(default, deserialize_with = "text_or_none")]
    pub(crate) operation: Option<String>,
    #[serde(default, deserialize_with = "text_or_none")]
    column_delimiter: Option<String>,
}

impl JobInfo {
    /// Returns the info of a job whose state has not been fetched.
    pub(crate) fn unknown(id: SalesforceId) -> Self {
        Self {
            id,
            state: JobState::Other,
            object: None,
            records_processed: 0,
            records_failed: 0,
            error_message: None,
            operation: None,
            column_delimiter: None,
        }
    }

    /// Returns the delimiter of the columns in the job's CSV.
    pub(crate) fn delimiter(&self) -> StatedDelimiter {
        let name = self.column_delimiter.as_deref();
        StatedDelimiter(name.and_then(ColumnDelimiter::by_name).map(ColumnDelimiter::byte))
    }

    /// Returns the error of a job that ended without completing.
    pub(crate) fn failure(&self) -> Error {
        let message = self.error_message.clone().unwrap_or_default();
        // The message has the form "InvalidBatch : Field name not found : X".
        let code: String = message
            .chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .take(100)
            .collect();
        let errors = if message.is_empty() {
            Vec::new()
        } else {
            vec![ApiError { code, message, fields: Vec::new(), duplicates: None, reference: None }]
        };
        Error::JobFailed { id: self.id, state: self.state, errors }
    }
}

/// Leaves out the message, which may repeat values of records.
impl fmt::Debug for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobInfo")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("object", &self.object)
            .field("records_processed", &self.records_processed)
            .field("records_failed", &self.records_failed)
            .finish_non_exhaustive()
    }
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub enum JobState {
    /// The job was created and waits for its data.
    Open,
    /// The job has its data and is queued.
    UploadComplete,
    /// The job is running.
    InProgress,
    /// The job has completed. Some records may have failed.
    JobComplete,
    /// The job failed as a whole.
    Failed,
    /// The job was aborted.
    Aborted,
    /// Another state, or one that has not been fetched.
    #[serde(other)]
    Other,
}

impl JobState {
    /// Returns true if the state cannot change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_poll_interval_rises_to_ten_seconds() {
        let intervals: Vec<_> = (0..30).map(poll_interval).collect();
        assert_eq!(intervals[0], Duration::from_millis(500));
        assert!(intervals.is_sorted());
        assert_eq!(intervals[29], Duration::from_secs(10));
    }
}
