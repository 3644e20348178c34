//! Loads records with ingest jobs: the public methods. The module `upload` creates the jobs.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;

use crate::{
    bulk::ingest_job::IngestJob,
    connection::Connection,
    error::{Error, Result},
    id::SalesforceId,
};

/// Maximum size of a job's CSV, in bytes. Salesforce accepts 150 MB after base64 encoding, which is about 100 MB before
/// it. Source: Bulk API 2.0 and Bulk API Developer Guide, "Upload Job Data".
const MAX_JOB_BYTES: usize = 100_000_000;
/// Default of [`Bulk::job_bytes`]. One job's CSV is held in memory, so that this stays far below [`MAX_JOB_BYTES`].
const DEFAULT_JOB_BYTES: usize = 16 * 1024 * 1024;
/// Default of [`Bulk::timeout`]. Most jobs end within minutes; a busy org can queue them for longer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Why the source of CSV could not be read.
pub(crate) type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Loads many records into one object with jobs in Salesforce's background, returned by [`Connection::bulk`].
///
/// A record is a struct, a map or a JSON object, as in [`create_many`](crate::records::SObjectHandle::create_many). The
/// field names are the columns; a nested record is a parent with its external id (`Account.Key__c`). As in
/// [`update_many`](crate::records::SObjectHandle::update_many), `None` empties a field and a field that the record does
/// not have stays unchanged: use `#[serde(skip_serializing_if = "Option::is_none")]`. The text `#N/A` is an error,
/// because Salesforce would empty the field.
///
/// Records are buffered until they fill a job, which is then uploaded, so that one job's CSV is in memory. The methods
/// return when all jobs have ended, or fail at the [`timeout`](Self::timeout). Uploads are not compressed: the Bulk API
/// documents compression for responses only.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `insert`, `update`, `upsert` or `delete` is called"]
pub struct Bulk {
    pub(crate) connection: Connection,
    pub(crate) object: String,
    pub(crate) job_bytes: usize,
    /// `None`: return without waiting for the jobs' end.
    pub(crate) timeout: Option<Duration>,
    pub(crate) delimiter: ColumnDelimiter,
    pub(crate) assignment_rule: Option<SalesforceId>,
}

/// The character between the columns of CSV that the caller supplies.
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

impl ColumnDelimiter {
    /// Returns the delimiter that Salesforce calls so.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name {
            "COMMA" => Some(Self::Comma),
            "SEMICOLON" => Some(Self::Semicolon),
            "TAB" => Some(Self::Tab),
            "PIPE" => Some(Self::Pipe),
            "CARET" => Some(Self::Caret),
            "BACKQUOTE" => Some(Self::Backquote),
            _ => None,
        }
    }

    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
            Self::Caret => b'^',
            Self::Backquote => b'`',
        }
    }
}

/// The error of a bulk load, with the jobs that were created before it.
///
/// Each of the jobs is also logged as a warning, with its id, because the records that it has loaded stay in
/// Salesforce.
#[derive(thiserror::Error)]
#[error("bulk load failed after {} jobs were created", jobs.len())]
#[non_exhaustive]
pub struct IngestError {
    /// The jobs that were created. If the upload of the last one failed, it was aborted, unless that failed, too.
    pub jobs: Vec<IngestJob>,
    /// The error of one of the jobs, or of creating the next one.
    #[source]
    pub source: Error,
}

crate::debug::debug_as_display!(IngestError);

/// Returns [`IngestError::source`] and drops the jobs.
impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        error.source
    }
}

impl Connection {
    /// Returns a handle that loads many records into one object with jobs in Salesforce's background.
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
    ///     while let Some(row) = failed.try_next().await? {
    ///         println!("{}: {}", row.record.name, row.error);
    ///     }
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "csv")]
    #[doc(alias = "import")]
    #[doc(alias = "data loader")]
    pub fn bulk(&self, object: impl Into<String>) -> Bulk {
        Bulk {
            connection: self.clone(),
            object: object.into(),
            job_bytes: DEFAULT_JOB_BYTES,
            timeout: Some(DEFAULT_TIMEOUT),
            delimiter: ColumnDelimiter::default(),
            assignment_rule: None,
        }
    }
}

/// A row of a job that deletes records.
#[derive(Serialize)]
struct IdRow {
    #[serde(rename = "Id")]
    id: SalesforceId,
}

impl Bulk {
    /// Sets the size of a job's CSV, in bytes. Default: 16 MiB; at most 100 MB.
    pub fn job_bytes(mut self, bytes: usize) -> Self {
        self.job_bytes = bytes.clamp(1, MAX_JOB_BYTES);
        self
    }

    /// Sets how long to wait for the jobs' end, from the last upload on. Default: one hour.
    ///
    /// After that, the methods fail with [`Error::JobTimedOut`]. The jobs run on.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Makes the methods return when all jobs have their data, without waiting for the jobs' end.
    ///
    /// Wait for a job with [`IngestJob::wait`], also in another process: see [`Connection::ingest_job`].
    pub fn detached(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Sets the column delimiter of the caller's CSV ([`insert_csv`](Self::insert_csv) and others). Default: comma.
    ///
    /// Has no effect on records that serde writes.
    pub fn delimiter(mut self, delimiter: ColumnDelimiter) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Sets the rule that assigns owners to cases and leads. Default: none.
    pub fn assignment_rule(mut self, rule: SalesforceId) -> Self {
        self.assignment_rule = Some(rule);
        self
    }

    /// Creates records and returns the jobs.
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
    /// // Created while they are uploaded, without a list in memory.
    /// let new = (0..1_000).map(|n| Account { name: format!("Customer {n}"), phone: None });
    /// let jobs = sf.bulk("Account").insert(stream::iter(new)).await?;
    /// assert_eq!(jobs.iter().map(|job| job.info().records_processed).sum::<u64>(), 1_000);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`IngestError`] with the jobs so far, if a job could not be created or did not get its data, failed
    /// ([`Error::JobFailed`]) or timed out ([`Error::JobTimedOut`]). Rejected records do not make the method fail: read
    /// them with [`IngestJob::failed`].
    pub async fn insert<T: Serialize>(
        self,
        records: impl Stream<Item = T>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load("insert", None, records).await
    }

    /// Updates records, each with its `Id`, and returns the jobs.
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
    /// struct Account { id: SalesforceId, phone: &'static str }
    ///
    /// let accounts = stream::iter([Account { id, phone: "+49 30 1" }]);
    /// let jobs = sf.bulk("Account").update(accounts).await?;
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

    /// Updates or creates records by an external id field, which is one of their columns. Returns the jobs.
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
    ///         println!("{} was {}", row.record.name, if row.created { "created" } else { "updated" });
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

    /// Deletes records and returns the jobs. The records go to the recycle bin.
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
    /// let accounts = sf.select::<Account>().filter("Industry = 'Media'").fetch_all().await?;
    /// let jobs = sf.bulk("Account").delete(stream::iter(accounts.into_iter().map(|account| account.id))).await?;
    /// # assert!(jobs[0].info().records_processed > 0 && jobs[0].info().records_failed == 0);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub async fn delete(self, ids: impl Stream<Item = SalesforceId>) -> Result<Vec<IngestJob>, IngestError> {
        self.load("delete", None, ids.map(|id| IdRow { id })).await
    }

    /// Deletes records without the recycle bin and returns the jobs.
    ///
    /// The user needs the permission "Bulk API Hard Delete".
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
        self.load("hardDelete", None, ids.map(|id| IdRow { id })).await
    }

    /// Creates the records of a stream of CSV, for example a file, and returns the jobs.
    ///
    /// The CSV is UTF-8 and has the field names in its first line. It is split between records into as many jobs as
    /// needed, of which one is in memory.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use futures_util::stream;
    ///
    /// // Any stream of bytes: a file, or the body of a request to a web framework.
    /// let pieces = ["Name,Phone\nAcme,+49 3", "0 1\n\"Smith\nand Sons\",\n"];
    /// let upload = stream::iter(pieces.map(|piece| Ok::<_, std::io::Error>(piece.into())));
    /// let jobs = sf.bulk("Account").insert_csv(upload).await?;
    /// assert_eq!((jobs[0].info().records_processed, jobs[0].info().records_failed), (2, 0));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), and [`InvalidRequest::Source`](crate::error::InvalidRequest::Source) if the stream
    /// `csv` returns an error.
    pub async fn insert_csv<E: Into<SourceError>>(
        self,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load_csv("insert", None, csv).await
    }

    /// Updates the records of a stream of CSV with a column `Id`. See [`insert_csv`](Self::insert_csv).
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
    pub async fn update_csv<E: Into<SourceError>>(
        self,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load_csv("update", None, csv).await
    }

    /// Updates or creates the records of a stream of CSV with a column for the external id `field`.
    ///
    /// See [`insert_csv`](Self::insert_csv).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::bulk::ColumnDelimiter;
    /// use futures_util::stream;
    ///
    /// // As a spreadsheet with German settings writes it.
    /// let file = stream::iter([Ok::<_, std::io::Error>("ExternalKey__c;Name\r\nA-1;Acme\r\n".into())]);
    /// let bulk = sf.bulk("Account").delimiter(ColumnDelimiter::Semicolon);
    /// let jobs = bulk.upsert_csv("ExternalKey__c", file).await?;
    /// assert_eq!(jobs[0].info().records_processed, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`insert_csv`](Self::insert_csv).
    pub async fn upsert_csv<E: Into<SourceError>>(
        self,
        field: &str,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.load_csv("upsert", Some(field), csv).await
    }
}
