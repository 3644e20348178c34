//! Every account as CSV, streamed: one page of records in memory at a time.

use actix_salesforce::SalesforceConn;
use actix_web::{HttpResponse, Responder, get, web::Bytes};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: String,
    name: String,
    phone: Option<String>,
    industry: Option<String>,
}

#[get("/accounts/export.csv")]
pub(crate) async fn csv(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let rows = sf.query::<Row>("SELECT Id, Name, Phone, Industry FROM Account ORDER BY Name").fetch();
    let head = futures_util::stream::iter([Ok(Bytes::from_static(b"Id,Name,Phone,Industry\r\n"))]);
    let lines = rows.map_ok(|row| {
        let phone = row.phone.unwrap_or_default();
        let industry = row.industry.unwrap_or_default();
        let fields = [row.id.as_str(), &row.name, &phone, &industry].map(field);
        Bytes::from(format!("{}\r\n", fields.join(",")))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", "attachment; filename=\"accounts.csv\""))
        .streaming(futures_util::StreamExt::chain(head, lines)))
}

/// One field (RFC 4180). What a spreadsheet would take for a formula is made text.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
