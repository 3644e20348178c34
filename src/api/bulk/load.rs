//! Loading records.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, pin_mut};
use reqwest::Method;
use serde::Serialize;

use super::{IngestJob, csv::Chunk, cut::Cutter, job::end_of};
use crate::{
    Connection, Error, InvalidRequest, Result, SalesforceId,
    api::{
        decode,
        name::{FieldName, ObjectName},
        path::ResourcePath,
        send::Call,
    },
};

/// The most that Salesforce takes in one job: 150 MB in base64, which is about 100 MB as they are.
const MAX_JOB_BYTES: usize = 100_000_000;

/// Loads many records into one kind of object, made by [`Connection::bulk`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `insert`, `update`, `upsert` or `delete` is called"]
pub struct Bulk {
    connection: Connection,
    object: String,
    job_bytes: usize,
    /// `None`: do not wait.
    patience: Option<Duration>,
    delimiter: ColumnDelimiter,
    assignment_rule: Option<SalesforceId>,
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
            patience: Some(Duration::from_secs(60 * 60)),
            delimiter: ColumnDelimiter::default(),
            assignment_rule: None,
        }
    }
}

/// Why CSV that is to be loaded could not be read.
type Source = Box<dyn std::error::Error + Send + Sync>;

#[derive(Serialize)]
struct Row {
    #[serde(rename = "Id")]
    id: SalesforceId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewJob<'a> {
    object: &'a str,
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id_field_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment_rule_id: Option<SalesforceId>,
    content_type: &'a str,
    line_ending: &'a str,
    column_delimiter: ColumnDelimiter,
}

/// Records are any type that serde can write as a flat row: field names are the columns, `None` is an empty cell, which
/// leaves a field as it is (`#N/A` empties it).
///
/// They are gathered until they fill a job, which is then sent; so much memory is needed, and no more. The calls end when
/// all jobs have ended, or patience has. Data goes out as it is: the Bulk API documents compression for answers only.
impl Bulk {
    /// How many bytes of CSV go into one job: 16 MiB by default, 100 MB at most.
    pub fn job_bytes(mut self, bytes: usize) -> Self {
        self.job_bytes = bytes.clamp(1, MAX_JOB_BYTES);
        self
    }

    /// How long to wait for the jobs' end, an hour by default. After that the call fails with
    /// [`Error::JobUnfinished`], and the jobs go on.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Gives the jobs back as soon as they are filled. [`IngestJob::wait`] waits for one later, in another process perhaps:
    /// see [`Connection::ingest_job`].
    pub fn without_waiting(mut self) -> Self {
        self.patience = None;
        self
    }

    /// What stands between the columns of CSV that is loaded as it is ([`insert_csv`](Self::insert_csv) and others); a comma
    /// by default. Structs are written with commas.
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
    /// ([`Error::JobFailed`], [`Error::JobUnfinished`]). Records that are refused are no error: see [`IngestJob::failed`].
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
    /// use actix_salesforce::SalesforceId;
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
    /// use actix_salesforce::{SObject, SalesforceId};
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

    /// Creates the records of CSV as it comes, a file's for example: names of fields in the first line, in UTF-8. It is cut
    /// between records into as many jobs as it needs, and held one job at a time.
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
    /// As [`insert`](Self::insert), and [`InvalidRequest::Source`](crate::InvalidRequest::Source) when `csv` gives an error.
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
    /// use actix_salesforce::bulk::ColumnDelimiter;
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

    async fn load<T: Serialize>(
        mut self,
        operation: &str,
        field: Option<&str>,
        records: impl Stream<Item = T>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        self.delimiter = ColumnDelimiter::Comma;
        let mut jobs = Vec::new();
        let filled = async {
            let new = self.new_job(operation, field, "LF")?;
            let mut chunk = Chunk::new(self.job_bytes);
            pin_mut!(records);
            while let Some(record) = records.next().await {
                chunk.add(&record)?;
                if chunk.is_full() {
                    let full = std::mem::replace(&mut chunk, Chunk::new(self.job_bytes));
                    self.send(&new, full.finish()?, &mut jobs).await?;
                }
            }
            if !chunk.is_empty() {
                self.send(&new, chunk.finish()?, &mut jobs).await?;
            }
            Ok(())
        };
        let filled = filled.await;
        self.finish(jobs, filled).await
    }

    async fn load_csv<E: Into<Source>>(
        self,
        operation: &str,
        field: Option<&str>,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        let mut jobs = Vec::new();
        let filled = self.fill_from_csv(operation, field, csv, &mut jobs).await;
        self.finish(jobs, filled).await
    }

    async fn fill_from_csv<E: Into<Source>>(
        &self,
        operation: &str,
        field: Option<&str>,
        csv: impl Stream<Item = Result<Bytes, E>>,
        jobs: &mut Vec<IngestJob>,
    ) -> Result<()> {
        let mut new = self.new_job(operation, field, "LF")?;
        let mut cutter = Cutter::default();
        let mut head: Option<Bytes> = None;
        let mut data = BytesMut::new();
        pin_mut!(csv);
        loop {
            let bytes = csv.next().await.transpose().map_err(|error| InvalidRequest::Source(error.into()))?;
            let ended = bytes.is_none();
            cutter.push(&bytes.unwrap_or_default());
            loop {
                let record = cutter.record().map_err(|_| InvalidRequest::Csv)?;
                let record = match record {
                    Some(record) => record,
                    None if ended => cutter.rest(),
                    None => break,
                };
                let Some(head) = &head else {
                    // A byte order mark would become part of the first name.
                    let first = record
                        .strip_prefix(b"\xef\xbb\xbf")
                        .map_or(record.clone(), |rest| record.slice_ref(rest));
                    new.line_ending = if first.ends_with(b"\r\n") { "CRLF" } else { "LF" };
                    head = Some(first);
                    if ended {
                        break;
                    }
                    continue;
                };
                if !data.is_empty() && (record.is_empty() || data.len() + record.len() > self.job_bytes) {
                    self.send(&new, data.split().freeze(), jobs).await?;
                }
                if record.is_empty() {
                    break;
                }
                if data.is_empty() {
                    data.extend_from_slice(head);
                }
                data.extend_from_slice(&record);
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn new_job<'a>(
        &'a self,
        operation: &'a str,
        field: Option<&'a str>,
        line_ending: &'a str,
    ) -> Result<NewJob<'a>> {
        self.object.parse::<ObjectName>()?;
        field.map(str::parse::<FieldName>).transpose()?;
        Ok(NewJob {
            object: &self.object,
            operation,
            external_id_field_name: field,
            assignment_rule_id: self.assignment_rule,
            content_type: "CSV",
            line_ending,
            column_delimiter: self.delimiter,
        })
    }

    /// Waits for all jobs, also when one of them fails.
    async fn finish(
        &self,
        mut jobs: Vec<IngestJob>,
        filled: Result<()>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        let mut source = filled.err();
        if let Some(patience) = self.patience.filter(|_| source.is_none()) {
            let until = end_of(patience);
            for job in &mut jobs {
                let ended = job.0.wait_until(until).await;
                source = source.or(ended.err());
            }
        }
        match source {
            None => Ok(jobs),
            Some(source) => Err(IngestError { jobs, source }),
        }
    }

    /// Makes a job and fills it. One that could not be filled is among the jobs, too: it may have its data all the same, when
    /// only an answer was lost.
    async fn send(&self, new: &NewJob<'_>, data: Bytes, jobs: &mut Vec<IngestJob>) -> Result<()> {
        let path = ResourcePath::versioned(self.connection.api_version(), "jobs/ingest")?;
        let call = Call::new(Method::POST, path).json(decode::body(new)?);
        let info = decode::answer(&self.connection.send(call).await?)?;
        let mut job = IngestJob::new(self.connection.clone(), info);
        let filled = job.fill(data).await;
        if filled.is_err()
            && let Err(error) = job.0.set_state("Aborted").await
        {
            tracing::warn!(job = %job.info().id, %error, "a job without data could not be stopped");
        }
        jobs.push(job);
        filled
    }
}
