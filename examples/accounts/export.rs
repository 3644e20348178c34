//! Every account as CSV, streamed: one page of records in memory at a time.

use actix_salesforce::{Result, SalesforceConn, export::ExportFormat};
use actix_web::{
    HttpResponse,
    http::header::{CONTENT_DISPOSITION, HeaderValue},
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: String,
    name: String,
    phone: Option<String>,
    industry: Option<String>,
}

pub(crate) async fn csv(sf: SalesforceConn) -> Result<HttpResponse> {
    let rows = sf.query::<Row>("SELECT Id, Name, Phone, Industry FROM Account ORDER BY Name").fetch();
    let mut response = rows.into_response(ExportFormat::CsvForSpreadsheets).await?;
    let name = HeaderValue::from_static("attachment; filename=\"accounts.csv\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}
