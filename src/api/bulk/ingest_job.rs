//! A job that loads records, and what became of each.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    BulkRecords, csv,
    job::{JobInfo, JobState},
    poll_wait,
    records::Page,
};
use crate::{
    Connection, Error, Result, SalesforceId,
    api::{decode, path::ResourcePath, send::Call},
};

const CSV: HeaderValue = HeaderValue::from_static("text/csv");

impl Connection {
    /// A job that was made before, in this process or another; [`IngestJob::refresh`] asks how far it is.
    ///
    /// # Errors
    /// A text that is no id.
    pub fn ingest_job(&self, id: impl AsRef<str>) -> Result<IngestJob> {
        let id: SalesforceId = id.as_ref().parse()?;
        Ok(IngestJob { connection: self.clone(), info: JobInfo::unknown(id) })
    }
}

/// A job that loads records.
#[derive(Debug, Clone)]
pub struct IngestJob {
    pub(super) connection: Connection,
    pub(super) info: JobInfo,
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
    /// The record's id, unless it was to be created.
    pub id: Option<SalesforceId>,
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

    /// Waits for the job's end, an hour at most say: asks after half a second, then less and less often.
    ///
    /// # Errors
    /// [`Error::JobFailed`] when Salesforce gave the job up (refused records are no such failure);
    /// [`Error::JobUnfinished`] when patience ends first: the job goes on.
    pub async fn wait(&mut self, patience: Duration) -> Result<&JobInfo> {
        self.wait_since(Instant::now(), patience).await?;
        Ok(&self.info)
    }

    /// The records that were loaded, as a stream that holds a few of them at a time.
    ///
    /// # Errors
    /// The items are errors as those of [`RawRequest::send`](crate::RawRequest::send); [`Error::InvalidAnswer`] when a row
    /// does not fit `T`, or fewer rows come than the job has loaded.
    pub fn successful<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<Loaded<T>> {
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "sf__Id")]
            id: SalesforceId,
            #[serde(rename = "sf__Created")]
            created: bool,
        }
        let loaded = self.info.records_processed.saturating_sub(self.info.records_failed);
        let rows = self.results("/successfulResults", Some(loaded), csv::two::<About, T>);
        BulkRecords::new(rows.map_ok(|(About { id, created }, record)| Loaded { id, created, record }))
    }

    /// The records that were refused, with the reasons, as a stream.
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub fn failed<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<Refused<T>> {
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "sf__Id", default)]
            id: Option<SalesforceId>,
            #[serde(rename = "sf__Error")]
            error: String,
        }
        let failed = self.info.records_failed;
        let rows = self.results("/failedResults", Some(failed), csv::two::<About, T>);
        BulkRecords::new(rows.map_ok(|(About { id, error }, record)| Refused { id, error, record }))
    }

    /// The records that the job did not get to, as a stream.
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub fn unprocessed<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<T> {
        BulkRecords::new(self.results("/unprocessedrecords", None, csv::one::<T>))
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

    pub(super) async fn fill(&mut self, data: Bytes) -> Result<()> {
        // A job takes data once: it is not sent again when the answer is lost.
        let mut call = Call::new(Method::PUT, self.path("/batches")?).never_again();
        call.headers.insert(CONTENT_TYPE, CSV);
        call.body = data;
        self.connection.send(call).await?;
        self.set_state("UploadComplete").await
    }

    pub(super) async fn set_state(&mut self, state: &str) -> Result<()> {
        #[derive(Serialize)]
        struct State<'a> {
            state: &'a str,
        }
        let body = decode::body(&State { state })?;
        let call = Call::new(Method::PATCH, self.path("")?).json(body);
        self.info = decode::json(&self.connection.send(call).await?.body)?;
        Ok(())
    }

    pub(super) async fn wait_since(&mut self, since: Instant, patience: Duration) -> Result<()> {
        let mut asked = 0;
        while !self.info.state.is_final() {
            let wait = poll_wait(asked);
            if since.elapsed().saturating_add(wait) > patience {
                return Err(Error::JobUnfinished { id: self.info.id.clone() });
            }
            tokio::time::sleep(wait).await;
            asked += 1;
            self.refresh().await?;
        }
        if self.info.state == JobState::JobComplete { Ok(()) } else { Err(self.info.failure()) }
    }

    /// `expected` counts only when the job is known to have ended.
    fn results<T: Send + 'static>(
        &self,
        which: &str,
        expected: Option<u64>,
        row: fn(&::csv::StringRecord, &::csv::StringRecord) -> Result<T, ::csv::Error>,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let call = self.path(which).map(Call::get).map(|mut call| {
            call.headers.insert(ACCEPT, CSV);
            call
        });
        let expected = expected.filter(|_| self.info.state.is_final());
        let connection = self.connection.clone();
        // Nothing is asked before the stream is polled.
        stream::once(async move { Ok::<_, Error>(Page::open(&connection, call?)?.rows(expected, row)) })
            .try_flatten()
    }
}
