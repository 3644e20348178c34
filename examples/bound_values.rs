//! A search form whose input is bound into the query: a value stays a value, whatever a user types.
//!
//! The struct says which fields are read, and `:name` in the condition is bound. An unbound name is an error.
//!
//! `cargo run --example bound_values`, then open `/accounts?name=o'neil`.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Result, SObject, SalesforceConn, soql::Like};
use actix_web::{App, HttpServer, Responder, get, web, web::Redirect};

/// `SELECT Id, Name, Owner.Name FROM Account`
#[derive(SObject, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: String,
    name: String,
    owner: Option<Owner>,
}

#[derive(SObject, serde::Serialize, serde::Deserialize)]
#[sobject(name = "User")]
#[serde(rename_all = "PascalCase")]
struct Owner {
    name: String,
}

#[derive(serde::Deserialize)]
struct Search {
    #[serde(default)]
    name: String,
}

#[get("/accounts")]
async fn accounts(sf: SalesforceConn, search: web::Query<Search>) -> Result<impl Responder> {
    let found = sf.select::<Account>().filter("Name LIKE :name").bind("name", Like::contains(&search.name));
    Ok(web::Json(found.order_by("Name").limit(20).fetch_all().await?))
}

#[get("/")]
async fn home() -> impl Responder {
    Redirect::to("/accounts?name=a")
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(home).service(accounts))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
