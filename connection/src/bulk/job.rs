//! What Salesforce says of a job.

use std::{fmt, time::Duration};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    bulk::poll_wait,
    connection::Connection,
    error::{ApiError, Error, InvalidResponse, Result},
    id::SalesforceId,
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// Longer than anybody waits, and not so long that there is no such time.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A job on its connection, whatever it does.
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
        self.learn(info)
    }

    pub(crate) async fn set_state(&mut self, state: &str) -> Result<()> {
        #[derive(Serialize)]
        struct State<'a> {
            state: &'a str,
        }
        let body = decode::body(&State { state })?;
        let call = ApiRequest::new(Method::PATCH, self.path("")?).json(body);
        let info = decode::answer(&self.connection.send(call).await?)?;
        self.learn(info).map(drop)
    }

    pub(crate) async fn delete(self) -> Result<()> {
        self.connection.send(ApiRequest::new(Method::DELETE, self.path("")?)).await.map(drop)
    }

    /// Waits until it has completed.
    pub(crate) async fn wait_until(&mut self, until: Instant) -> Result<&JobInfo> {
        let mut asked = 0;
        while !self.info.state.is_final() {
            let wait = poll_wait(asked);
            if Instant::now() + wait > until {
                return Err(Error::JobTimedOut { id: self.info.id });
            }
            tokio::time::sleep(wait).await;
            asked += 1;
            match self.refresh().await {
                // The job goes on meanwhile: what was waited for so long is not given up for one answer.
                Err(error) if error.is_transient() => {
                    tracing::debug!(job = %self.info.id, %error, "a job could not be asked for; trying on");
                    let pause = Instant::now() + error.retry_after().unwrap_or_default();
                    tokio::time::sleep_until(pause.min(until)).await;
                }
                refreshed => drop(refreshed?),
            }
        }
        self.completed()
    }

    /// What is known of it, if it has completed.
    pub(crate) fn completed(&self) -> Result<&JobInfo> {
        match self.info.state {
            JobState::JobComplete => Ok(&self.info),
            state if state.is_final() => Err(self.info.failure()),
            _ => Err(Error::JobTimedOut { id: self.info.id }),
        }
    }

    fn learn(&mut self, info: JobInfo) -> Result<&JobInfo> {
        if info.id != self.info.id {
            return Err(InvalidResponse::Unexpected("another job than the one that was asked for").into());
        }
        self.info = info;
        Ok(&self.info)
    }
}

/// When this patience ends.
pub(crate) fn end_of(patience: Duration) -> Instant {
    Instant::now() + patience.min(FOR_EVER)
}

/// A job.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobInfo {
    /// Its id.
    pub id: SalesforceId,
    /// How far it is.
    pub state: JobState,
    /// The object that it is about.
    #[serde(default)]
    pub object: Option<String>,
    /// How many records it has looked at.
    #[serde(default, rename = "numberRecordsProcessed")]
    pub records_processed: u64,
    /// How many of them it could not save.
    #[serde(default, rename = "numberRecordsFailed")]
    pub records_failed: u64,
    /// Why it failed.
    #[serde(default)]
    pub error_message: Option<String>,
}

impl JobInfo {
    /// Of a job that was not asked for yet.
    pub(crate) fn unknown(id: SalesforceId) -> Self {
        Self {
            id,
            state: JobState::Other,
            object: None,
            records_processed: 0,
            records_failed: 0,
            error_message: None,
        }
    }

    /// Why the job did not complete.
    pub(crate) fn failure(&self) -> Error {
        let message = self.error_message.clone().unwrap_or_default();
        // Written like "InvalidBatch : Field name not found : X".
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

/// Without the message, which may repeat what was sent.
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

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub enum JobState {
    /// It waits for its data.
    Open,
    /// It waits for its turn.
    UploadComplete,
    /// It is being worked on.
    InProgress,
    /// It is done. Some records may have been refused all the same.
    JobComplete,
    /// It could not be done.
    Failed,
    /// Someone stopped it.
    Aborted,
    /// Something else.
    #[serde(other)]
    Other,
}

impl JobState {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}
