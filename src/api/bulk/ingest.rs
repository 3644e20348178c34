//! Loading records.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, pin_mut};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    csv::{self, Chunk},
    job::{JobInfo, JobState},
    poll_wait,
};
use crate::{
    Connection, Error, Result, SalesforceId,
    api::{
        decode,
        name::{FieldName, ObjectName},
        path::ResourcePath,
        send::Call,
    },
};

/// The most that Salesforce takes in one job: 150 MB in base64, which is about 100 MB as they are.
const MAX_JOB_BYTES: usize = 100_000_000;
/// The most that is read of a job's results.
const MAX_RESULT_BYTES: usize = 256 * 1024 * 1024;
const CSV: HeaderValue = HeaderValue::from_static("text/csv");

/// Loads many records into one kind of object, made by [`Connection::bulk`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `insert`, `update`, `upsert` or `delete` is called"]
pub struct Bulk {
    connection: Connection,
    object: String,
    job_bytes: usize,
    patience: Duration,
}

/// What went wrong while records were loaded, and the jobs that were made before that.
#[derive(Debug, thiserror::Error)]
#[error("not all records could be loaded; {} jobs were made before", jobs.len())]
#[non_exhaustive]
pub struct IngestError {
    /// The jobs that were made and filled.
    pub jobs: Vec<IngestJob>,
    /// What went wrong with the next one.
    #[source]
    pub source: Error,
}

impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        error.source
    }
}

impl Connection {
    /// Loads many records into one kind of object, by jobs that run in Salesforce's background.
    ///
    /// ```
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # #[derive(serde::Deserialize, Debug)] struct Named { #[serde(rename = "Name")] name: String }
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let new = vec![Account { name: "Acme".into() }];
    /// for job in sf.bulk("Account").insert(futures_util::stream::iter(new)).await? {
    ///     for refused in job.failed::<Named>().await? {
    ///         println!("{}: {}", refused.record.name, refused.error);
    ///     }
    /// }
    /// # Ok(()) });
    /// ```
    pub fn bulk(&self, object: impl Into<String>) -> Bulk {
        Bulk {
            connection: self.clone(),
            object: object.into(),
            job_bytes: 16 * 1024 * 1024,
            patience: Duration::from_secs(60 * 60),
        }
    }

    /// A job that was made before.
    pub fn ingest_job(&self, id: impl Into<String>) -> Result<IngestJob> {
        let info = JobInfo {
            id: id.into(),
            state: JobState::Other,
            object: None,
            records_processed: 0,
            records_failed: 0,
            error_message: None,
        };
        let job = IngestJob { connection: self.clone(), info };
        job.path("")?;
        Ok(job)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewJob<'a> {
    object: &'a str,
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id_field_name: Option<&'a str>,
    content_type: &'a str,
    line_ending: &'a str,
}

/// Records are any type that serde can write as a flat row: field names are the columns, `None` is an empty cell, which
/// leaves a field as it is (`#N/A` empties it).
///
/// They are gathered until they fill a job, which is then sent; so much memory is needed, and no more. The calls end when
/// all jobs have ended, or patience has.
impl Bulk {
    /// How many bytes of CSV go into one job: 16 MiB unless said otherwise, 100 MB at most.
    pub fn job_bytes(mut self, bytes: usize) -> Self {
        self.job_bytes = bytes.clamp(1, MAX_JOB_BYTES);
        self
    }

    /// How long to wait for the jobs' end, an hour unless said otherwise. After that they go on without being waited for:
    /// their [state](JobInfo::state) tells.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Creates records.
    ///
    /// # Errors
    /// [`IngestError`] with the jobs that were made until then. Records that are refused are no error: see
    /// [`IngestJob::failed`].
    pub async fn insert<T: Serialize>(
        self,
        records: impl Stream<Item = T>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load("insert", None, records).await
    }

    /// Changes records, each with its `Id`.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub async fn update<T: Serialize>(
        self,
        records: impl Stream<Item = T>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load("update", None, records).await
    }

    /// Changes or creates records by an external id field, which is one of their columns.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub async fn upsert<T: Serialize>(
        self,
        field: &str,
        records: impl Stream<Item = T>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load("upsert", Some(field), records).await
    }

    /// Deletes records.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub async fn delete(self, ids: impl Stream<Item = SalesforceId>) -> Result<Vec<IngestJob>, IngestError> {
        #[derive(Serialize)]
        struct Row {
            #[serde(rename = "Id")]
            id: SalesforceId,
        }
        self.load("delete", None, ids.map(|id| Row { id })).await
    }

    async fn load<T: Serialize>(
        self,
        operation: &str,
        field: Option<&str>,
        records: impl Stream<Item = T>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        let mut jobs = Vec::new();
        match self.fill(operation, field, records, &mut jobs).await {
            Ok(()) => Ok(jobs),
            Err(source) => Err(IngestError { jobs, source }),
        }
    }

    async fn fill<T: Serialize>(
        &self,
        operation: &str,
        field: Option<&str>,
        records: impl Stream<Item = T>,
        jobs: &mut Vec<IngestJob>,
    ) -> Result<()> {
        let object = self.object.parse::<ObjectName>()?.to_string();
        field.map(str::parse::<FieldName>).transpose()?;
        let new = NewJob {
            object: &object,
            operation,
            external_id_field_name: field,
            content_type: "CSV",
            line_ending: "LF",
        };
        let mut chunk = Chunk::new(self.job_bytes);
        pin_mut!(records);
        while let Some(record) = records.next().await {
            chunk.add(&record)?;
            if chunk.is_full() {
                let full = std::mem::replace(&mut chunk, Chunk::new(self.job_bytes));
                jobs.push(self.send(&new, full.finish()?).await?);
            }
        }
        if !chunk.is_empty() {
            jobs.push(self.send(&new, chunk.finish()?).await?);
        }
        let until = Instant::now() + self.patience;
        for job in jobs {
            job.wait_until(until).await?;
        }
        Ok(())
    }

    async fn send(&self, new: &NewJob<'_>, data: Bytes) -> Result<IngestJob> {
        let path = ResourcePath::versioned(self.connection.api_version(), "jobs/ingest")?;
        let call = Call::new(Method::POST, path).json(decode::body(new)?);
        let info = decode::json(&self.connection.send(call).await?.body)?;
        let mut job = IngestJob { connection: self.connection.clone(), info };
        if let Err(error) = job.fill(data).await {
            // Nobody will fill it.
            if let Err(error) = job.set_state("Aborted").await {
                tracing::warn!(job = job.info.id, %error, "a job without data could not be stopped");
            }
            return Err(error);
        }
        Ok(job)
    }
}

/// A job that loads records.
#[derive(Debug, Clone)]
pub struct IngestJob {
    connection: Connection,
    info: JobInfo,
}

/// A record that was loaded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded<T> {
    /// The record's id.
    pub id: SalesforceId,
    /// Whether it is new.
    pub created: bool,
    /// The record as it was sent.
    pub record: T,
}

/// A record that was not loaded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refused<T> {
    /// Why: a code and a text for people, which may repeat what was sent.
    pub error: String,
    /// The record as it was sent.
    pub record: T,
}

impl IngestJob {
    /// What Salesforce said of the job when it was last asked.
    pub fn info(&self) -> &JobInfo {
        &self.info
    }

    /// Asks how far the job is.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::RawRequest::send).
    pub async fn refresh(&mut self) -> Result<&JobInfo> {
        self.info = self.connection.read(self.path("")?).await?;
        Ok(&self.info)
    }

    /// The records that were loaded.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::RawRequest::send); [`Error::InvalidAnswer`] when a row does not fit `T`.
    pub async fn successful<T: DeserializeOwned>(&self) -> Result<Vec<Loaded<T>>> {
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "sf__Id")]
            id: SalesforceId,
            #[serde(rename = "sf__Created")]
            created: bool,
        }
        let rows = csv::double_rows(&self.results("/successfulResults").await?)?;
        Ok(rows.into_iter().map(|(About { id, created }, record)| Loaded { id, created, record }).collect())
    }

    /// The records that were refused, with the reasons.
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub async fn failed<T: DeserializeOwned>(&self) -> Result<Vec<Refused<T>>> {
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "sf__Error")]
            error: String,
        }
        let rows = csv::double_rows(&self.results("/failedResults").await?)?;
        Ok(rows.into_iter().map(|(About { error }, record)| Refused { error, record }).collect())
    }

    /// The records that the job did not get to.
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub async fn unprocessed<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        Ok(csv::rows(&self.results("/unprocessedrecords").await?)?)
    }

    /// Stops the job. What it has loaded stays.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::RawRequest::send).
    pub async fn abort(&mut self) -> Result<()> {
        self.set_state("Aborted").await
    }

    /// Forgets the job and its results.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::RawRequest::send).
    pub async fn delete(self) -> Result<()> {
        self.connection.send(Call::new(Method::DELETE, self.path("")?)).await.map(drop)
    }

    fn path(&self, rest: &str) -> Result<ResourcePath> {
        let id: SalesforceId = self.info.id.parse()?;
        let resource = format!("jobs/ingest/{id}{rest}");
        Ok(ResourcePath::versioned(self.connection.api_version(), &resource)?)
    }

    async fn fill(&mut self, data: Bytes) -> Result<()> {
        // A job takes data once: it is not sent again when the answer is lost.
        let mut call = Call::new(Method::PUT, self.path("/batches")?).harmful();
        call.headers.insert(CONTENT_TYPE, CSV);
        call.body = data;
        self.connection.send(call).await?;
        self.set_state("UploadComplete").await
    }

    async fn set_state(&mut self, state: &str) -> Result<()> {
        #[derive(Serialize)]
        struct State<'a> {
            state: &'a str,
        }
        let body = decode::body(&State { state })?;
        let call = Call::new(Method::PATCH, self.path("")?).json(body);
        self.info = decode::json(&self.connection.send(call).await?.body)?;
        Ok(())
    }

    async fn wait_until(&mut self, until: Instant) -> Result<()> {
        let mut asked = 0;
        while !self.info.state.is_final() {
            let wait = poll_wait(asked);
            if Instant::now() + wait > until {
                return Ok(());
            }
            tokio::time::sleep(wait).await;
            asked += 1;
            self.refresh().await?;
        }
        Ok(())
    }

    async fn results(&self, which: &str) -> Result<Bytes> {
        let mut call = Call::get(self.path(which)?);
        call.headers.insert(ACCEPT, CSV);
        call.max_bytes = MAX_RESULT_BYTES;
        Ok(self.connection.send(call).await?.body)
    }
}
