//! Loading records: what an app asks for. How jobs are made and filled is in `fill`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;

use crate::{
    bulk::{ingest_job::IngestJob, upload::Source},
    connection::Connection,
    error::{Error, Result},
    id::SalesforceId,
};

/// The most that Salesforce takes in one job: 150 MB in base64, which is about 100 MB as they are.
const MAX_JOB_BYTES: usize = 100_000_000;

/// Loads many records into one kind of object, made by [`Connection::bulk`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `insert`, `update`, `upsert` or `delete` is called"]
pub struct Bulk {
    pub(crate) connection: Connection,
    pub(crate) object: String,
    pub(crate) job_bytes: usize,
    /// `None`: do not wait.
    pub(crate) timeout: Option<Duration>,
    pub(crate) delimiter: ColumnDelimiter,
    pub(crate) assignment_rule: Option<SalesforceId>,
}

/// What stands between the columns of CSV that an app brings itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ColumnDelimiter {
    /// `,`
    #[default]
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
    /// `|`
    Pipe,
    /// `^`
    Caret,
    /// A backquote.
    Backquote,
}

/// What went wrong while records were loaded, and the jobs that were made before that.
#[derive(Debug, thiserror::Error)]
#[error("not all records could be loaded; {} jobs were made", jobs.len())]
#[non_exhaustive]
pub struct IngestError {
    /// The jobs that were made. The last of them may not have got its data: it was then stopped, if Salesforce could be
    /// reached.
    pub jobs: Vec<IngestJob>,
    /// What went wrong, with one of them or the one after them.
    #[source]
    pub source: Error,
}

/// Keeps what went wrong only. The jobs' ids are logged: what they have loaded stays.
impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        for job in &error.jobs {
            let info = job.info();
            tracing::warn!(job = %info.id, state = ?info.state, "not all records could be loaded; this job was made");
        }
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
    /// use futures_util::TryStreamExt;
    ///
    /// for job in sf.bulk("Account").insert(futures_util::stream::iter(new)).await? {
    ///     let mut failed = job.failed::<Named>();
    ///     while let Some(refused) = failed.try_next().await? {
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
            timeout: Some(Duration::from_secs(60 * 60)),
            delimiter: ColumnDelimiter::default(),
            assignment_rule: None,
        }
    }
}

#[derive(Serialize)]
struct Row {
    #[serde(rename = "Id")]
    id: SalesforceId,
}

/// Records are any type that serde can write as a flat row: field names are the columns, `None` is an empty cell, which
/// leaves a field as it is (`#N/A` empties it).
///
/// They are gathered until they fill a job, which is then sent; so much memory is needed, and no more. The calls end
/// when all jobs have ended, or timeout has. Data goes out as it is: the Bulk API documents compression for answers
/// only.
impl Bulk {
    /// How many bytes of CSV go into one job: 16 MiB by default, 100 MB at most.
    pub fn job_bytes(mut self, bytes: usize) -> Self {
        self.job_bytes = bytes.clamp(1, MAX_JOB_BYTES);
        self
    }

    /// How long to wait for the jobs' end, an hour by default. After that the call fails with
    /// [`Error::JobTimedOut`], and the jobs go on.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Gives the jobs back as soon as they are filled. [`IngestJob::wait`] waits for one later, in another process
    /// perhaps: see [`Connection::ingest_job`].
    pub fn detached(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// What stands between the columns of CSV that is loaded as it is ([`insert_csv`](Self::insert_csv) and others); a
    /// comma by default. Structs are written with commas.
    pub fn delimiter(mut self, delimiter: ColumnDelimiter) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// The rule that assigns owners to cases and leads.
    pub fn assignment_rule(mut self, rule: SalesforceId) -> Self {
        self.assignment_rule = Some(rule);
        self
    }

    /// Creates records.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use futures_util::stream;
    ///
    /// #[derive(serde::Serialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { name: String, phone: Option<String> }
    ///
    /// // Made while they are sent: no list of them is needed.
    /// let new = (0..1_000).map(|n| Account { name: format!("Customer {n}"), phone: None });
    /// let jobs = sf.bulk("Account").insert(stream::iter(new)).await?;
    /// assert_eq!(jobs.iter().map(|job| job.info().records_processed).sum::<u64>(), 1_000);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`IngestError`] with the jobs that were made until then: when a job could not be made, filled or finished
    /// ([`Error::JobFailed`], [`Error::JobTimedOut`]). Records that are refused are no error: see
    /// [`IngestJob::failed`].
    pub async fn insert<T: Serialize>(
        self,
        records: impl Stream<Item = T>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load("insert", None, records).await
    }

    /// Changes records, each with its `Id`.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// use salesforce_connection::SalesforceId;
    /// use futures_util::stream;
    ///
    /// #[derive(serde::Serialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Change { id: SalesforceId, phone: &'static str }
    ///
    /// let changes = stream::iter([Change { id, phone: "+49 30 1" }]);
    /// let jobs = sf.bulk("Account").update(changes).await?;
    /// assert_eq!(jobs[0].info().records_failed, 0);
    /// # Ok(()) });
    /// ```
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
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] struct Named { #[serde(rename = "Name")] name: String }
    /// use futures_util::{TryStreamExt, stream};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Account {
    ///     #[serde(rename = "ExternalKey__c")]
    ///     key: &'static str,
    ///     #[serde(rename = "Name")]
    ///     name: &'static str,
    /// }
    ///
    /// let accounts = [Account { key: "A-1", name: "Acme" }, Account { key: "A-2", name: "Other" }];
    /// for job in sf.bulk("Account").upsert("ExternalKey__c", stream::iter(accounts)).await? {
    ///     let mut saved = job.successful::<Named>();
    ///     while let Some(row) = saved.try_next().await? {
    ///         println!("{} was {}", row.record.name, if row.created { "created" } else { "changed" });
    /// #       assert!(row.created);
    ///     }
    /// }
    /// # Ok(()) });
    /// ```
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
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::{SObject, SalesforceId};
    /// use futures_util::stream;
    ///
    /// #[derive(serde::Deserialize, SObject)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { id: SalesforceId }
    ///
    /// let gone = sf.select::<Account>().filter("Industry = 'Media'").fetch_all().await?;
    /// let jobs = sf.bulk("Account").delete(stream::iter(gone.into_iter().map(|row| row.id))).await?;
    /// # assert!(jobs[0].info().records_processed > 0 && jobs[0].info().records_failed == 0);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub async fn delete(self, ids: impl Stream<Item = SalesforceId>) -> Result<Vec<IngestJob>, IngestError> {
        self.load("delete", None, ids.map(|id| Row { id })).await
    }

    /// Deletes records past the recycle bin. The user needs the permission "Bulk API Hard Delete".
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// let jobs = sf.bulk("Account").hard_delete(futures_util::stream::iter([id])).await?;
    /// assert_eq!((jobs[0].info().records_processed, jobs[0].info().records_failed), (1, 0));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub async fn hard_delete(
        self,
        ids: impl Stream<Item = SalesforceId>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load("hardDelete", None, ids.map(|id| Row { id })).await
    }

    /// Creates the records of CSV as it comes, a file's for example: names of fields in the first line, in UTF-8. It is
    /// cut between records into as many jobs as it needs, and held one job at a time.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let pieces = ["Name,Phone\nAcme,+49 3", "0 1\n\"Smith\nand Sons\",\n"];
    /// # let upload = futures_util::stream::iter(pieces.map(|piece| Ok::<_, actix_web::error::PayloadError>(piece.into())));
    /// // `upload` is a handler's `web::Payload`: straight from a browser, however large.
    /// let jobs = sf.bulk("Account").insert_csv(upload).await?;
    /// assert_eq!((jobs[0].info().records_processed, jobs[0].info().records_failed), (2, 0));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), and [`InvalidRequest::Source`](crate::error::InvalidRequest::Source) when `csv` gives an
    /// error.
    pub async fn insert_csv<E: Into<Source>>(
        self,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load_csv("insert", None, csv).await
    }

    /// Changes records by CSV, one of whose columns is `Id`: see [`insert_csv`](Self::insert_csv).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// # let csv = format!("Id,Phone\n{id},+49 30 1\n");
    /// use futures_util::stream;
    ///
    /// let file = stream::iter([Ok::<_, std::io::Error>(csv.into())]);
    /// let jobs = sf.bulk("Account").update_csv(file).await?;
    /// assert_eq!(jobs[0].info().records_failed, 0);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert_csv`](Self::insert_csv).
    pub async fn update_csv<E: Into<Source>>(
        self,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load_csv("update", None, csv).await
    }

    /// Changes or creates records by CSV, one of whose columns is this external id field: see
    /// [`insert_csv`](Self::insert_csv).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::bulk::ColumnDelimiter;
    /// use futures_util::stream;
    ///
    /// // As a German spreadsheet writes it.
    /// let file = stream::iter([Ok::<_, std::io::Error>("ExternalKey__c;Name\r\nA-1;Acme\r\n".into())]);
    /// let bulk = sf.bulk("Account").delimiter(ColumnDelimiter::Semicolon);
    /// let jobs = bulk.upsert_csv("ExternalKey__c", file).await?;
    /// assert_eq!(jobs[0].info().records_processed, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert_csv`](Self::insert_csv).
    pub async fn upsert_csv<E: Into<Source>>(
        self,
        field: &str,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load_csv("upsert", Some(field), csv).await
    }
}
