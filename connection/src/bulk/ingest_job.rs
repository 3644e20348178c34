//! Ingest jobs, which load records, and the result of each record.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    bulk::{
        csv::{self, RowReader},
        job::{Job, JobInfo, deadline_after},
        records::{BulkRecords, ExpectedRows, Page, name_object},
    },
    connection::Connection,
    error::{Error, Result},
    id::SalesforceId,
    records::record_id::ToRecordId,
    request::send::ApiRequest,
};

const CSV: HeaderValue = HeaderValue::from_static("text/csv");

impl Connection {
    /// Returns the ingest job with this id, which this or another process created.
    ///
    /// Sends nothing: fetch the job's state with [`IngestJob::refresh`].
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for an invalid id.
    pub fn ingest_job(&self, id: impl ToRecordId) -> Result<IngestJob> {
        Ok(IngestJob::new(self.clone(), JobInfo::unknown(id.to_record_id()?)))
    }
}

/// A job that loads records, returned by the methods of [`Bulk`](crate::bulk::Bulk).
#[derive(Debug, Clone)]
pub struct IngestJob(pub(crate) Job);

/// A record that a job loaded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SuccessfulRecord<T> {
    /// The record's id.
    pub id: SalesforceId,
    /// Whether the record was created.
    pub created: bool,
    /// The record as it was sent.
    pub record: T,
}

/// A record that a job did not load.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FailedRecord<T> {
    /// The record's id, for a record that exists.
    pub id: Option<SalesforceId>,
    /// The reason: a code and a message, which may repeat values of the record.
    pub error: String,
    /// The record as it was sent.
    pub record: T,
}

impl IngestJob {
    pub(crate) fn new(connection: Connection, info: JobInfo) -> Self {
        Self(Job::new(connection, "ingest", info))
    }

    /// Returns the job's info as of the last request.
    pub fn info(&self) -> &JobInfo {
        &self.0.info
    }

    /// Fetches the job's state.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let csv = futures_util::stream::iter([Ok::<_, std::io::Error>("Name\nAcme\n".into())]);
    /// # let id = sf.bulk("Account").insert_csv(csv).await?[0].info().id;
    /// // `id` was stored when the job was created, perhaps by another process.
    /// let mut job = sf.ingest_job(id)?;
    /// let info = job.refresh().await?;
    /// if info.state.is_final() {
    ///     println!("{} records, {} of them failed", info.records_processed, info.records_failed);
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

    /// Waits until the job has completed, at most for `timeout`.
    ///
    /// Fetches the job's state after half a second, then at intervals that rise to ten seconds.
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
    /// // … do other work …
    /// for mut job in jobs {
    ///     let ended = job.wait(Duration::from_secs(60)).await?;
    ///     assert_eq!((ended.records_processed, ended.records_failed), (2, 0));
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::JobFailed`] if the job failed or was aborted (failed records do not make a job fail);
    /// [`Error::JobTimedOut`] after `timeout`: the job runs on.
    pub async fn wait(&mut self, timeout: Duration) -> Result<&JobInfo> {
        self.0.wait_until(deadline_after(timeout)).await
    }

    /// Returns the loaded records as a stream, with a few of them in memory at a time.
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
    /// The last item can be an error of [`RawRequest::send`](crate::request::raw::RawRequest::send), or
    /// [`Error::InvalidResponse`] if a row does not fit `T` or rows are missing.
    pub fn successful<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<SuccessfulRecord<T>> {
        #[derive(Deserialize)]
        struct Outcome {
            #[serde(rename = "sf__Id")]
            id: SalesforceId,
            #[serde(rename = "sf__Created", default)]
            created: Option<String>,
        }
        let loaded = self.info().records_processed.saturating_sub(self.info().records_failed);
        let is_insert = self.info().operation.as_deref() == Some("insert");
        let rows = self.results("/successfulResults", Some(loaded), csv::read_row_twice::<Outcome, T>);
        BulkRecords::new(rows.map_ok(move |(Outcome { id, created }, record)| SuccessfulRecord {
            id,
            // An odd cell must not end the results.
            created: created.map_or(is_insert, |created| created.eq_ignore_ascii_case("true")),
            record,
        }))
    }

    /// Returns the failed records with the reasons, as a stream.
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
    /// let failed: Vec<_> = jobs[0].failed::<Named>().try_collect().await?;
    /// assert_eq!(failed.len() as u64, jobs[0].info().records_failed);
    /// for row in &failed {
    ///     println!("{:?}: {}", row.record.name, row.error);
    /// }
    /// # assert!(failed[0].error.contains("REQUIRED_FIELD_MISSING"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub fn failed<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<FailedRecord<T>> {
        #[derive(Deserialize)]
        struct Outcome {
            #[serde(rename = "sf__Id", default)]
            id: String,
            #[serde(rename = "sf__Error")]
            error: String,
        }
        let failed = self.info().records_failed;
        let rows = self.results("/failedResults", Some(failed), csv::read_row_twice::<Outcome, T>);
        BulkRecords::new(rows.map_ok(|(Outcome { id, error }, record)| FailedRecord {
            id: id.parse().ok(),
            error,
            record,
        }))
    }

    /// Returns the records that the job did not process, as a stream.
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
    /// // If a job was aborted or failed, the rest can be loaded again.
    /// let unprocessed: Vec<Named> = jobs[0].unprocessed().try_collect().await?;
    /// assert!(unprocessed.is_empty());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`successful`](Self::successful).
    pub fn unprocessed<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<T> {
        BulkRecords::new(self.results("/unprocessedrecords", None, csv::read_row::<T>))
    }

    /// Aborts the job. Records that it has loaded stay.
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
    ///     // The job has already ended.
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

    /// Deletes the job and its results in Salesforce. Records that it has loaded stay.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Serialize)] struct Account { #[serde(rename = "Name")] name: String }
    /// # let new = vec![Account { name: "Acme".into() }];
    /// for job in sf.bulk("Account").insert(futures_util::stream::iter(new)).await? {
    ///     let id = job.info().id;
    ///     job.delete().await?;
    ///     let deleted = sf.ingest_job(id)?.refresh().await.map(drop);
    ///     assert_eq!(deleted.unwrap_err().status(), Some(404));
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn delete(self) -> Result<()> {
        self.0.delete().await
    }

    /// Uploads the job's CSV and starts the job.
    pub(crate) async fn upload(&mut self, data: Bytes) -> Result<()> {
        // Salesforce accepts a job's data once, so that the request is not repeated if its response is lost.
        let mut request = ApiRequest::new(Method::PUT, self.0.path("/batches")?).no_retry();
        request.headers.insert(CONTENT_TYPE, CSV);
        request.body = data;
        self.0.connection.send(request).await?;
        self.0.set_state("UploadComplete").await
    }

    /// Returns the rows of a result. `expected` is their number, which is used only if the job is known to have ended.
    fn results<T: Send + 'static>(
        &self,
        resource: &str,
        expected: Option<u64>,
        read_row: RowReader<T>,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let request = self.0.path(resource).map(ApiRequest::get).map(|mut request| {
            request.headers.insert(ACCEPT, CSV);
            request
        });
        let expected = expected.filter(|_| self.info().state.is_final()).unwrap_or(0);
        let expected = ExpectedRows::AtLeast(expected);
        let connection = self.0.connection.clone();
        let (delimiter, object) = (self.info().delimiter(), self.info().object.clone().unwrap_or_default());
        // Sends nothing before the stream is polled.
        stream::once(async move {
            let page = Page::open(&connection, request?)?;
            Ok::<_, Error>(page.rows(expected, delimiter, read_row, Arc::default()))
        })
        .try_flatten()
        .map_err(move |error| name_object(error, &object))
    }
}
