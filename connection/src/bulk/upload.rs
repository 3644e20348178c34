//! Making jobs and filling them: records are gathered, or CSV is cut, until a job is full.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, pin_mut};
use reqwest::Method;
use serde::Serialize;

use crate::{
    bulk::{
        csv::Chunk,
        csv_split::Cutter,
        ingest::{Bulk, ColumnDelimiter, IngestError},
        ingest_job::IngestJob,
        job::end_of,
    },
    error::{InvalidRequest, Result},
    id::SalesforceId,
    name::{FieldName, ObjectName},
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// Why CSV that is to be loaded could not be read.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

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

impl Bulk {
    pub(crate) async fn load<T: Serialize>(
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

    pub(crate) async fn load_csv<E: Into<Source>>(
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
        if let Some(timeout) = self.timeout.filter(|_| source.is_none()) {
            let until = end_of(timeout);
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

    /// Makes a job and fills it. One that could not be filled is among the jobs, too: it may have its data all the
    /// same, when only an answer was lost.
    async fn send(&self, new: &NewJob<'_>, data: Bytes, jobs: &mut Vec<IngestJob>) -> Result<()> {
        let path = ResourcePath::versioned(self.connection.api_version(), "jobs/ingest")?;
        let call = ApiRequest::new(Method::POST, path).json(decode::body(new)?);
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
