//! What Salesforce says of a job.

use serde::Deserialize;

/// A job.
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
