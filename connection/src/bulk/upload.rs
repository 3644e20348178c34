//! Creates ingest jobs and uploads their data: buffered records, or CSV that is split between records.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, pin_mut};
use reqwest::Method;
use serde::Serialize;

use crate::{
    bulk::{
        csv::{CsvBuffer, Nulls},
        csv_split::{CsvSplitter, from_header},
        ingest::{Bulk, ColumnDelimiter, IngestError, SourceError},
        ingest_job::IngestJob,
        job::deadline_after,
    },
    error::{InvalidRequest, Result},
    id::SalesforceId,
    name::{FieldName, ObjectName},
    request::{decode, path::ResourcePath, send::ApiRequest},
};

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
        let uploaded = async {
            let new_job = self.new_job(operation, field, "LF")?;
            let nulls = if operation == "insert" { Nulls::Empty } else { Nulls::Clear(field) };
            let mut buffer = CsvBuffer::new(self.job_bytes, nulls);
            pin_mut!(records);
            let mut number = 0;
            while let Some(record) = records.next().await {
                number += 1;
                buffer.add(&record).map_err(|error| error.in_record(number))?;
                if buffer.is_full() {
                    let full = std::mem::replace(&mut buffer, CsvBuffer::new(self.job_bytes, nulls));
                    self.create_job(&new_job, full.finish()?, &mut jobs).await?;
                }
            }
            if !buffer.is_empty() {
                self.create_job(&new_job, buffer.finish()?, &mut jobs).await?;
            }
            Ok(())
        };
        let uploaded = uploaded.await;
        self.wait_for_jobs(jobs, uploaded).await
    }

    pub(crate) async fn load_csv<E: Into<SourceError>>(
        self,
        operation: &str,
        field: Option<&str>,
        csv: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        let mut jobs = Vec::new();
        let uploaded = self.upload_csv(operation, field, csv, &mut jobs).await;
        self.wait_for_jobs(jobs, uploaded).await
    }

    async fn upload_csv<E: Into<SourceError>>(
        &self,
        operation: &str,
        field: Option<&str>,
        csv: impl Stream<Item = Result<Bytes, E>>,
        jobs: &mut Vec<IngestJob>,
    ) -> Result<()> {
        let mut new_job = self.new_job(operation, field, "LF")?;
        let mut splitter = CsvSplitter::new(self.delimiter.byte());
        let mut header: Option<Bytes> = None;
        let mut data = BytesMut::new();
        pin_mut!(csv);
        loop {
            let bytes = csv.next().await.transpose().map_err(|error| InvalidRequest::Source(error.into()))?;
            let ended = bytes.is_none();
            splitter.push(&bytes.unwrap_or_default());
            loop {
                let record = splitter.next_record();
                let record = match record.map_err(|_| InvalidRequest::CsvRecord { line: splitter.line() })? {
                    Some(record) => record,
                    None if ended && splitter.is_quoted() => {
                        return Err(InvalidRequest::CsvRecord { line: splitter.line() }.into());
                    }
                    None if ended => splitter.take_rest(),
                    None => break,
                };
                // A blank line is not a record, and a job with blank lines only would be empty.
                if matches!(&*record, b"\n" | b"\r\n") {
                    continue;
                }
                let Some(header) = &header else {
                    // Salesforce would take a byte order mark for a part of the first column's name.
                    let first = record.slice_ref(from_header(&record));
                    if first.is_empty() && !ended {
                        continue;
                    }
                    new_job.line_ending = if first.ends_with(b"\r\n") { "CRLF" } else { "LF" };
                    header = Some(first);
                    if ended {
                        break;
                    }
                    continue;
                };
                if !data.is_empty() && (record.is_empty() || data.len() + record.len() > self.job_bytes) {
                    self.create_job(&new_job, data.split().freeze(), jobs).await?;
                }
                if record.is_empty() {
                    break;
                }
                // Each job needs the header.
                if data.is_empty() {
                    data.extend_from_slice(header);
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

    /// Waits until all jobs have ended, even if one of them fails.
    ///
    /// On an error, logs each job: a caller that drops [`IngestError::jobs`] can find in the log what was loaded.
    async fn wait_for_jobs(
        &self,
        mut jobs: Vec<IngestJob>,
        uploaded: Result<()>,
    ) -> Result<Vec<IngestJob>, IngestError> {
        let mut source = uploaded.err();
        if let Some(timeout) = self.timeout.filter(|_| source.is_none()) {
            let deadline = deadline_after(timeout);
            for job in &mut jobs {
                let ended = job.0.wait_until(deadline).await;
                source = source.or(ended.err());
            }
        }
        let Some(source) = source else { return Ok(jobs) };
        for job in &jobs {
            let info = job.info();
            tracing::warn!(
                job = %info.id,
                state = ?info.state,
                error = %source,
                "bulk load failed; records that this job has loaded stay in Salesforce"
            );
        }
        Err(IngestError { jobs, source })
    }

    /// Creates a job and uploads its data. Aborts it if the upload fails.
    ///
    /// A job whose upload failed is added to `jobs`, too: if only a response was lost, the job may have its data.
    async fn create_job(&self, new_job: &NewJob<'_>, data: Bytes, jobs: &mut Vec<IngestJob>) -> Result<()> {
        let path = ResourcePath::versioned(self.connection.api_version(), "jobs/ingest")?;
        let request = ApiRequest::new(Method::POST, path).json(decode::body(new_job)?);
        let info = decode::response(&self.connection.send(request).await?)?;
        let mut job = IngestJob::new(self.connection.clone(), info);
        let uploaded = job.upload(data).await;
        if uploaded.is_err()
            && let Err(error) = job.0.set_state("Aborted").await
        {
            tracing::warn!(job = %job.info().id, %error, "aborting a job without data failed");
        }
        jobs.push(job);
        uploaded
    }
}
