//! The smallest app: one protected route that reads from the user's own org.
//!
//! `cargo run --example quickstart`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::SalesforceConn;
use actix_web::{App, HttpServer, Responder, get, web::Json, web::Redirect};

#[derive(serde::Deserialize, serde::Serialize)]
struct Account {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
}

#[get("/accounts")]
async fn accounts(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    Ok(Json(sf.query::<Account>("SELECT Id, Name FROM Account LIMIT 10").fetch_all().await?))
}

#[get("/")]
async fn home() -> impl Responder {
    Redirect::to("/accounts")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In your app: `let salesforce = Salesforce::from_env().await?;`
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(home).service(accounts))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
