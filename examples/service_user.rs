//! A job without a user and without a web server: the service user reads with a connection like that of a handler.
//!
//! Settings: `SALESFORCE_SERVICE_URL` (a My Domain) for client credentials; with `SALESFORCE_SERVICE_USERNAME` and
//! `SALESFORCE_SERVICE_KEY` too, JWT bearer.
//!
//! `cargo run --example service_user`

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, Connection, Result, Salesforce};

/// A handler can call this with a user's connection, too.
async fn largest(sf: &Connection) -> Result<Vec<serde_json::Value>> {
    let soql = "SELECT Name, AnnualRevenue FROM Account WHERE AnnualRevenue > :least ORDER BY AnnualRevenue DESC LIMIT 3";
    sf.query(soql).bind("least", 1_000).fetch_all().await
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    support::start_logging();
    let (config, _org) = support::with_org(Config::from_env()).await?;
    let salesforce = Salesforce::from_config(config).await?;
    let sf = salesforce.service_connection().await?;
    println!("connected as {}", sf.identity().await?.username);
    for account in largest(&sf).await? {
        println!("{}: {}", account["Name"], account["AnnualRevenue"]);
    }
    Ok(())
}
