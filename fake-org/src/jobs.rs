//! Bulk API 2.0 jobs: what was asked for and what came of it. Working them off is the web layer's.

use std::time::Duration;

use crate::base::clock::{Millis, millis};
use crate::base::ids;
use crate::soql::RowPlan;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits for its data.
    Open,
    /// Has its data, or needs none.
    UploadComplete,
    Done,
    Failed,
    Aborted,
}

/// What a job does.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Ingest(Ingest),
    Query(Box<Query>),
}

/// Writes rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ingest {
    pub(crate) external_id: Option<String>,
    pub(crate) data: Option<Vec<u8>>,
    /// The uploaded header.
    pub(crate) header: Vec<String>,
    /// Id, whether it was made, the uploaded cells.
    pub(crate) successful: Vec<(String, bool, Vec<String>)>,
    /// Id or nothing, the error, the uploaded cells.
    pub(crate) failed: Vec<(String, String, Vec<String>)>,
    pub(crate) unprocessed: Vec<Vec<String>>,
}

/// Reads rows.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) plan: RowPlan,
    /// The rows of the result, once it is there.
    pub(crate) keys: Vec<i64>,
}

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) version: u32,
    pub(crate) object: String,
    pub(crate) operation: String,
    pub(crate) column_delimiter: String,
    pub(crate) line_ending: String,
    pub(crate) created: Millis,
    pub(crate) state: State,
    /// When the state was taken.
    pub(crate) since: Millis,
    pub(crate) error: Option<String>,
    pub(crate) work: Work,
}

impl Job {
    /// The state's name. Between upload and end there is work in progress.
    pub(crate) fn state_name(&self, now: Millis, delay: Duration) -> &'static str {
        match self.state {
            State::Open => "Open",
            State::UploadComplete if now < self.since + millis(delay) / 2 => "UploadComplete",
            State::UploadComplete => "InProgress",
            State::Done => "JobComplete",
            State::Failed => "Failed",
            State::Aborted => "Aborted",
        }
    }

    pub(crate) fn enter(&mut self, state: State, now: Millis) {
        self.state = state;
        self.since = now;
    }

    pub(crate) fn is_ingest(&self) -> bool {
        matches!(self.work, Work::Ingest(_))
    }
}

/// All jobs of an org, newest last.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    last: u64,
    started_ingest: u64,
    started_query: u64,
    all: Vec<Job>,
}

impl Jobs {
    /// Takes a job in and gives it its id, `750…`.
    pub(crate) fn add(&mut self, mut job: Job) -> Job {
        self.last += 1;
        job.id = ids::make("750", self.last);
        if job.is_ingest() {
            self.started_ingest += 1;
        } else {
            self.started_query += 1;
        }
        self.all.push(job.clone());
        job
    }

    pub(crate) fn find(&mut self, id: &str, ingest: bool) -> Option<&mut Job> {
        let id = ids::normalize(id)?;
        self.all.iter_mut().find(|job| job.id == id && job.is_ingest() == ingest)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.all.retain(|job| job.id != id);
    }

    pub(crate) fn list(&self, ingest: bool) -> Vec<Job> {
        self.all.iter().filter(|job| job.is_ingest() == ingest).cloned().collect()
    }

    /// Takes out the jobs that are due, for working them off.
    pub(crate) fn take_due(&mut self, now: Millis, delay: Duration) -> Vec<Job> {
        let due = |job: &Job| job.state == State::UploadComplete && now >= job.since + millis(delay);
        self.all.iter().filter(|job| due(job)).cloned().collect()
    }

    pub(crate) fn put_back(&mut self, done: Job) {
        if let Some(job) = self.all.iter_mut().find(|job| job.id == done.id) {
            *job = done;
        }
    }

    /// How many ingest and query jobs were ever made.
    pub(crate) fn started(&self) -> (u64, u64) {
        (self.started_ingest, self.started_query)
    }
}
