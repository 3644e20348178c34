//! Creates ten thousand records with the Bulk API 2.0. They are made while they are sent: no list of them is needed.
//!
//! `cargo run --example bulk_load --features bulk`

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use actix_salesforce::{Config, Salesforce};
use futures_util::{TryStreamExt as _, stream};

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
    phone: Option<String>,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    support::start_logging();
    let (config, _org) = support::with_org(Config::from_env()).await?;
    let sf = Salesforce::from_config(config).await?.service_connection().await?;
    // One record has no name, so Salesforce rejects it.
    let new = (0..10_000)
        .map(|n| Account { name: if n == 7 { String::new() } else { format!("Customer {n}") }, phone: None });
    let jobs = sf.bulk("Account").timeout(Duration::from_secs(600)).insert(stream::iter(new)).await?;
    for job in jobs {
        let info = job.info();
        println!("job {}: {} processed, {} failed", info.id, info.records_processed, info.records_failed);
        let mut failed = job.failed::<Account>();
        while let Some(record) = failed.try_next().await? {
            println!("rejected: {}", record.error);
        }
    }
    Ok(())
}
