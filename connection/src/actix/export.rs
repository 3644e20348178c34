//! [`Records::into_response`]: the rows of a query as an HTTP response.

use actix_web::{HttpResponse, http::header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Records, Result};

const CSV: &str = "text/csv; charset=utf-8";

/// The format of the rows in an HTTP response.
#[doc(alias = "csv")]
#[doc(alias = "download")]
#[doc(alias = "ndjson")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// One JSON object per line: `application/x-ndjson`.
    Ndjson,
    /// One JSON array: `application/json`.
    JsonArray,
    /// CSV with a header line: `text/csv`. For structs of plain values.
    Csv,
    /// CSV without formulas, safe to open in a spreadsheet: see [`Records::into_csv_for_spreadsheets`].
    CsvForSpreadsheets,
}

impl<T: DeserializeOwned + Serialize + Send + 'static> Records<T> {
    /// Returns a response that streams all rows while they are read. Needs memory for two pages at most.
    ///
    /// Awaits the first page, so that a query that Salesforce rejects becomes an error with a fitting status. A later
    /// error aborts the body: the client sees a broken connection and does not take a part for the whole.
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
    /// // In a handler of an app, `sf` is the extractor `SalesforceConn`.
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
    #[doc(alias = "csv")]
    #[doc(alias = "download")]
    #[doc(alias = "ndjson")]
    pub async fn into_response(self, format: ExportFormat) -> Result<HttpResponse> {
        let rows = self.wait_for_first_page().await?;
        let mut response = HttpResponse::Ok();
        Ok(match format {
            ExportFormat::Ndjson => {
                response.content_type("application/x-ndjson").streaming(rows.into_ndjson())
            }
            ExportFormat::JsonArray => {
                response.content_type(header::ContentType::json()).streaming(rows.into_json_array())
            }
            ExportFormat::Csv => response.content_type(CSV).streaming(rows.into_csv()),
            ExportFormat::CsvForSpreadsheets => {
                response.content_type(CSV).streaming(rows.into_csv_for_spreadsheets())
            }
        })
    }
}
