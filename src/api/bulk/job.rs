//! What Salesforce says of a job.

use std::fmt;

use serde::Deserialize;

use crate::{Error, ErrorEntry, SalesforceId};

/// A job.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobInfo {
    /// Its id.
    pub id: String,
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
    pub(super) fn unknown(id: SalesforceId) -> Self {
        Self {
            id: id.to_string(),
            state: JobState::Other,
            object: None,
            records_processed: 0,
            records_failed: 0,
            error_message: None,
        }
    }

    /// Why the job did not complete.
    pub(super) fn failure(&self) -> Error {
        let message = self.error_message.clone().unwrap_or_default();
        // Written like "InvalidBatch : Field name not found : X".
        let code: String = message
            .chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .take(100)
            .collect();
        let entries = if message.is_empty() {
            Vec::new()
        } else {
            vec![ErrorEntry { code, message, fields: Vec::new(), duplicates: None, reference: None }]
        };
        Error::JobFailed { id: self.id.clone(), state: self.state, entries }
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
