//! A query's records as the response to a request.

use actix_web::{HttpResponse, http::header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Records, Result};

const CSV: &str = "text/csv; charset=utf-8";

/// How records are written into a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// One JSON object per line: `application/x-ndjson`.
    Ndjson,
    /// One JSON array: `application/json`.
    JsonArray,
    /// CSV below a line of names: `text/csv`. For structs of plain values.
    Csv,
    /// CSV for people, without formulas: see [`Records::into_csv_for_spreadsheets`].
    CsvForSpreadsheets,
}

/// Responses made of a query's [`Records`].
pub trait RecordsExt {
    /// Returns a response that streams all records while they are read. It holds two pages in memory at most.
    ///
    /// Waits for the first page, so that a query that Salesforce refuses is an error with its own status. A later error
    /// ends the body without its proper end: the client sees the connection break and does not mistake a part for the
    /// whole.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use actix_salesforce::{Connection, ExportFormat, RecordsExt as _, Result};
    /// use actix_web::HttpResponse;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Account { #[serde(rename = "Name")] name: String }
    ///
    /// // As a handler calls it, whose `SalesforceConn` is a `Connection`.
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
    fn into_response(self, format: ExportFormat) -> impl Future<Output = Result<HttpResponse>>;
}

impl<T: DeserializeOwned + Serialize + Send + 'static> RecordsExt for Records<T> {
    async fn into_response(self, format: ExportFormat) -> Result<HttpResponse> {
        let records = self.ready().await?;
        let mut response = HttpResponse::Ok();
        Ok(match format {
            ExportFormat::Ndjson => {
                response.content_type("application/x-ndjson").streaming(records.into_ndjson())
            }
            ExportFormat::JsonArray => {
                response.content_type(header::ContentType::json()).streaming(records.into_json_array())
            }
            ExportFormat::Csv => response.content_type(CSV).streaming(records.into_csv()),
            ExportFormat::CsvForSpreadsheets => {
                response.content_type(CSV).streaming(records.into_csv_for_spreadsheets())
            }
        })
    }
}
