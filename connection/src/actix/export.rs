//! A query's rows as the answer to a request.

use actix_web::{HttpResponse, http::header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Records, Result};

const CSV: &str = "text/csv; charset=utf-8";

/// How rows are written into an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// One JSON object a line: `application/x-ndjson`.
    Ndjson,
    /// One JSON array: `application/json`.
    JsonArray,
    /// CSV below a line of names: `text/csv`. For structs of plain values.
    Csv,
    /// CSV for people, without formulas: see [`Records::into_csv_for_spreadsheets`].
    CsvForSpreadsheets,
}

impl<T: DeserializeOwned + Serialize + Send + 'static> Records<T> {
    /// An answer with all rows, sent while they are read: memory is needed for two pages, however many rows there are.
    ///
    /// The first page is waited for, so that a query that Salesforce refuses is an error with its own status. A later
    /// error ends the body without its proper end: the client sees the connection break, and takes nothing for the
    /// whole.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::{Connection, Result, actix::ExportFormat};
    /// use actix_web::HttpResponse;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Account { #[serde(rename = "Name")] name: String }
    ///
    /// // As a handler asks it, whose `SalesforceConn` is a `Connection`.
    /// async fn export(sf: &Connection) -> Result<HttpResponse> {
    ///     sf.query::<Account>("SELECT Name FROM Account").fetch().into_response(ExportFormat::Csv).await
    /// }
    /// # let body = actix_web::body::to_bytes(export(sf).await?.into_body()).await.unwrap();
    /// # assert!(body.starts_with(b"Name\r\n") && body.iter().filter(|byte| **byte == b'\n').count() == 41);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// Those of the first page: see [`Query::page`](crate::Query::page).
    pub async fn into_response(self, format: ExportFormat) -> Result<HttpResponse> {
        let rows = self.wait_for_first_page().await?;
        let mut answer = HttpResponse::Ok();
        Ok(match format {
            ExportFormat::Ndjson => answer.content_type("application/x-ndjson").streaming(rows.into_ndjson()),
            ExportFormat::JsonArray => {
                answer.content_type(header::ContentType::json()).streaming(rows.into_json_array())
            }
            ExportFormat::Csv => answer.content_type(CSV).streaming(rows.into_csv()),
            ExportFormat::CsvForSpreadsheets => {
                answer.content_type(CSV).streaming(rows.into_csv_for_spreadsheets())
            }
        })
    }
}
