//! A job that loads records, and what became of each.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    bulk::{
        csv,
        job::{Job, JobInfo, end_of},
        records::{BulkRecords, Expected, Page},
    },
    connection::Connection,
    error::{Error, Result},
    id::SalesforceId,
    records::record_id::ToRecordId,
    request::send::ApiRequest,
};

const CSV: HeaderValue = HeaderValue::from_static("text/csv");

impl Connection {
    /// A job that was made before, in this process or another; [`IngestJob::refresh`] asks how far it is.
    ///
    /// # Errors
    /// A text that is no id.
    pub fn ingest_job(&self, id: impl ToRecordId) -> Result<IngestJob> {
        Ok(IngestJob::new(self.clone(), JobInfo::unknown(id.to_record_id()?)))
    }
}

/// A job that loads records.
#[derive(Debug, Clone)]
pub struct IngestJob(pub(crate) Job);

/// A record that was loaded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SuccessfulRecord<T> {
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
pub struct FailedRecord<T> {
    /// The record's id, unless it was to be created.
    pub id: Option<SalesforceId>,
    /// Why: a code and a text for people, which may repeat what was sent.
    pub error: String,
    /// The record as it was sent.
    pub record: T,
}

impl IngestJob {
    pub(crate) fn new(connection: Connection, info: JobInfo) -> Self {
        Self(Job::new(connection, "ingest", info))
    }

    /// What Salesforce said of the job when it was last asked.
    pub fn info(&self) -> &JobInfo {
        &self.0.info
    }

    /// Asks how far the job is.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let csv = futures_util::stream::iter([Ok::<_, std::io::Error>("Name\nAcme\n".into())]);
    /// # let id = sf.bulk("Account").insert_csv(csv).await?[0].info().id;
    /// // By the id that was kept when the job was made: in a database perhaps, while another process asks.
    /// let mut job = sf.ingest_job(id)?;
    /// let info = job.refresh().await?;
    /// if info.state.is_final() {
    ///     println!("{} records, {} of them refused", info.records_processed, info.records_failed);
    /// }
    /// # assert_eq!((info.state, info.records_processed), (salesforce_connection::bulk::JobState::JobComplete, 1));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn refresh(&mut self) -> Result<&JobInfo> {
        self.0.refresh().await
    }

    /// Waits for the job's end, an hour at most say: asks after half a second, then less and less often.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # let new = vec![Account { name: "Acme".into() }, Account { name: "Other".into() }];
    /// use futures_util::stream;
    /// use std::time::Duration;
    ///
    /// let jobs = sf.bulk("Account").detached().insert(stream::iter(new)).await?;
    /// // … what else there is to do …
    /// for mut job in jobs {
    ///     let ended = job.wait(Duration::from_secs(60)).await?;
    ///     assert_eq!((ended.records_processed, ended.records_failed), (2, 0));
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::JobFailed`] when Salesforce gave the job up (refused records are no such failure);
    /// [`Error::JobTimedOut`] when patience ends first: the job goes on.
    pub async fn wait(&mut self, patience: Duration) -> Result<&JobInfo> {
        self.0.wait_until(end_of(patience)).await
    }

    /// The records that were loaded, as a stream that holds a few of them at a time.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # #[derive(serde::Deserialize)] struct Named { #[serde(rename = "Name")] name: String }
    /// # let new = vec![Account { name: "Acme".into() }];
    /// # let jobs = sf.bulk("Account").insert(futures_util::stream::iter(new)).await?;
    /// use futures_util::TryStreamExt;
    ///
    /// let mut loaded = jobs[0].successful::<Named>();
    /// while let Some(row) = loaded.try_next().await? {
    ///     println!("{} is {}", row.record.name, row.id);
    /// #   assert!(row.created && row.record.name == "Acme");
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// The items are errors as those of [`RawRequest::send`](crate::request::raw::RawRequest::send); [`Error::InvalidResponse`] when a
    /// row does not fit `T`, or fewer rows come than the job has loaded.
    pub fn successful<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<SuccessfulRecord<T>> {
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "sf__Id")]
            id: SalesforceId,
            #[serde(rename = "sf__Created")]
            created: bool,
        }
        let loaded = self.info().records_processed.saturating_sub(self.info().records_failed);
        let rows = self.results("/successfulResults", Some(loaded), csv::two::<About, T>);
        BulkRecords::new(rows.map_ok(|(About { id, created }, record)| SuccessfulRecord {
            id,
            created,
            record,
        }))
    }

    /// The records that were refused, with the reasons, as a stream.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # #[derive(serde::Deserialize)] struct Named { #[serde(rename = "Name")] name: String }
    /// # let new = vec![Account { name: "Acme".into() }, Account { name: "".into() }];
    /// # let jobs = sf.bulk("Account").insert(futures_util::stream::iter(new)).await?;
    /// use futures_util::TryStreamExt;
    ///
    /// let refused: Vec<_> = jobs[0].failed::<Named>().try_collect().await?;
    /// assert_eq!(refused.len() as u64, jobs[0].info().records_failed);
    /// for row in &refused {
    ///     println!("{:?}: {}", row.record.name, row.error);
    /// }
    /// # assert!(refused[0].error.contains("REQUIRED_FIELD_MISSING"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub fn failed<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<FailedRecord<T>> {
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "sf__Id", default)]
            id: Option<SalesforceId>,
            #[serde(rename = "sf__Error")]
            error: String,
        }
        let failed = self.info().records_failed;
        let rows = self.results("/failedResults", Some(failed), csv::two::<About, T>);
        BulkRecords::new(rows.map_ok(|(About { id, error }, record)| FailedRecord { id, error, record }))
    }

    /// The records that the job did not get to, as a stream.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # #[derive(serde::Deserialize)] struct Named { #[serde(rename = "Name")] name: String }
    /// # let new = vec![Account { name: "Acme".into() }];
    /// # let jobs = sf.bulk("Account").insert(futures_util::stream::iter(new)).await?;
    /// use futures_util::TryStreamExt;
    ///
    /// // Those of a job that was stopped or failed in the middle: they can be loaded again.
    /// let left: Vec<Named> = jobs[0].unprocessed().try_collect().await?;
    /// assert!(left.is_empty());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub fn unprocessed<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<T> {
        BulkRecords::new(self.results("/unprocessedrecords", None, csv::one::<T>))
    }

    /// Stops the job. What it has loaded stays.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # let new = vec![Account { name: "Acme".into() }];
    /// use salesforce_connection::bulk::JobState;
    ///
    /// let jobs = sf.bulk("Account").detached().insert(futures_util::stream::iter(new)).await?;
    /// let mut job = sf.ingest_job(jobs[0].info().id)?;
    /// match job.abort().await {
    ///     Ok(()) => assert_eq!(job.info().state, JobState::Aborted),
    ///     // It was faster.
    ///     Err(error) => assert_eq!(error.api_errors()[0].code, "INVALIDJOBSTATE"),
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn abort(&mut self) -> Result<()> {
        self.0.set_state("Aborted").await
    }

    /// Forgets the job and its results.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # let new = vec![Account { name: "Acme".into() }];
    /// for job in sf.bulk("Account").insert(futures_util::stream::iter(new)).await? {
    ///     let id = job.info().id;
    ///     job.delete().await?;
    ///     let gone = sf.ingest_job(id)?.refresh().await.map(drop);
    ///     assert_eq!(gone.unwrap_err().status(), Some(404));
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn delete(self) -> Result<()> {
        self.0.delete().await
    }

    pub(crate) async fn fill(&mut self, data: Bytes) -> Result<()> {
        // A job takes data once: it is not sent again when the answer is lost.
        let mut call = ApiRequest::new(Method::PUT, self.0.path("/batches")?).no_retry();
        call.headers.insert(CONTENT_TYPE, CSV);
        call.body = data;
        self.0.connection.send(call).await?;
        self.0.set_state("UploadComplete").await
    }

    /// `expected` counts only when the job is known to have ended.
    fn results<T: Send + 'static>(
        &self,
        which: &str,
        expected: Option<u64>,
        row: fn(&::csv::StringRecord, &::csv::StringRecord) -> Result<T, ::csv::Error>,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let call = self.0.path(which).map(ApiRequest::get).map(|mut call| {
            call.headers.insert(ACCEPT, CSV);
            call
        });
        let expected = Expected::AtLeast(expected.filter(|_| self.info().state.is_final()).unwrap_or(0));
        let connection = self.0.connection.clone();
        // Nothing is asked before the stream is polled.
        stream::once(async move { Ok::<_, Error>(Page::open(&connection, call?)?.rows(expected, row)) })
            .try_flatten()
    }
}
