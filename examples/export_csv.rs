//! Sends all accounts as a CSV file while they are read: memory is needed for two pages of the result, not for all.
//!
//! `CsvForSpreadsheets` also makes sure that no cell is read as a formula.
//!
//! `cargo run --example export_csv`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Result, SalesforceConn, export::ExportFormat};
use actix_web::{App, HttpServer, Responder, get, web::Redirect};

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: String,
    name: String,
    phone: Option<String>,
}

#[get("/accounts.csv")]
async fn export(sf: SalesforceConn) -> Result<impl Responder> {
    let accounts = sf.query::<Account>("SELECT Id, Name, Phone FROM Account ORDER BY Name").fetch();
    let response = accounts.into_response(ExportFormat::CsvForSpreadsheets).await?;
    Ok(response.customize().insert_header(("content-disposition", "attachment; filename=\"accounts.csv\"")))
}

#[get("/")]
async fn home() -> impl Responder {
    Redirect::to("/accounts.csv")
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(home).service(export))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
