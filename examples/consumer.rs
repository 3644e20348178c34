//! A durable consumer: prints the changes of accounts, each at least once, also those made while the program was down.
//!
//! Start it twice with one store (`SALESFORCE_STORE=sqlite:consumer.db`, `SALESFORCE_KEYS`): one process runs the consumer,
//! and the other one takes over when it ends. `/ready` says which one does.
//!
//! `cargo run --example consumer --features events`, then change an account.
#![allow(clippy::print_stdout, reason = "this example prints")]

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{
    Config, Connection, Result, Salesforce,
    consumer::Consumer,
    events::{Change, Delivery, Patch, StartFrom},
};
use actix_web::{App, HttpServer, Responder, get, web};

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Account {
    name: Patch<String>,
    phone: Patch<String>,
}

/// Called for one event after the other. An error: it is called again, and later events wait.
async fn account_changed(delivery: Delivery<Change<Account>>, _sf: Connection) -> Result<()> {
    println!("{:?}", delivery.event);
    Ok(())
}

#[get("/ready")]
async fn ready(salesforce: Salesforce) -> impl Responder {
    web::Json(salesforce.health().await)
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let consumer = Consumer::new("print-accounts", "/data/AccountChangeEvent", StartFrom::Earliest)
        .on("Account", account_changed);
    let set_up = support::set_up_with(Config::from_env(), |builder| builder.consumer(consumer)).await?;
    let (salesforce, wrapped) = (set_up.salesforce.clone(), set_up.salesforce.clone());
    HttpServer::new(move || App::new().wrap(wrapped.clone()).service(ready))
        .workers(set_up.workers)
        .bind(&set_up.bind)?
        .run()
        .await?;
    // The position is stored, and another process takes over.
    salesforce.shutdown().await;
    Ok(())
}
