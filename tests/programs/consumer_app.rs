//! A program for tests: a consumer that writes to a file what it does. Each line is `begin NAME` or `end NAME`, with the
//! number of the process in front.
#![allow(clippy::unwrap_used, reason = "a program for tests")]

use std::{fs::OpenOptions, io::Write as _, time::Duration};

use actix_salesforce::{
    Config, Connection, Salesforce, SalesforceBuilder,
    consumer::Consumer,
    events::{Change, Delivery, Patch, StartFrom},
};
use actix_web::{App, HttpResponse, HttpServer, web};

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Account {
    name: Patch<String>,
}

/// One write of one line: lines of several processes do not mix.
fn note(what: &str, name: &str) {
    let line = format!("{} {what} {name}\n", std::process::id());
    let path = std::env::var_os("CONSUMER_LOG").unwrap();
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
}

async fn account_changed(delivery: Delivery<Change<Account>>, _: Connection) -> actix_salesforce::Result<()> {
    let Change::Created(Account { name: Patch::Set(name) }) = delivery.event else { return Ok(()) };
    note("begin", &name);
    let millis = std::env::var("CONSUMER_MILLIS").unwrap().parse().unwrap();
    tokio::time::sleep(Duration::from_millis(millis)).await;
    note("end", &name);
    Ok(())
}

async fn ready(salesforce: Salesforce) -> HttpResponse {
    HttpResponse::Ok().json(salesforce.health().await)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let consumer = Consumer::new("crm-sync", "/data/AccountChangeEvent", StartFrom::Earliest)
        .on("Account", account_changed);
    let salesforce = SalesforceBuilder::from(Config::from_env()).consumer(consumer).build().await?;
    let wrapped = salesforce.clone();
    HttpServer::new(move || App::new().wrap(wrapped.clone()).route("/ready", web::get().to(ready)))
        .workers(1)
        .shutdown_timeout(1)
        .bind(std::env::var("BIND")?)?
        .run()
        .await?;
    salesforce.shutdown().await;
    Ok(())
}
