//! Creates an account and a contact of it in one request: the contact uses the id of the account that is not there yet.
//! With `all_or_none`, Salesforce saves both or neither.
//!
//! `cargo run --example composite`

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, Salesforce};
use serde_json::{Value, json};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    support::start_logging();
    let (config, _org) = support::with_org(Config::from_env()).await?;
    let sf = Salesforce::from_config(config).await?.service_connection().await?;

    let mut requests = sf.composite().all_or_none(true);
    let account = requests.create("Account", &json!({ "Name": "Acme" }))?;
    let contact = requests.create("Contact", &json!({ "LastName": "Smith", "AccountId": account.id() }))?;
    let read = requests.retrieve::<Value>("Contact", contact.id(), &["LastName", "AccountId"])?;
    let responses = requests.send().await?;

    println!("account {}", responses.get(&account)?);
    println!("contact {}: {}", responses.get(&contact)?, responses.get(&read)?);
    Ok(())
}
