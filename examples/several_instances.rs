//! Two instances of an app, as behind a load balancer: a login of one is valid in the other, because they share the
//! store, the keys and the public URL.
//!
//! Here both run in one program and the store is shared memory. Real instances share `SALESFORCE_STORE`
//! (`redis://…` or `postgres://…`), `SALESFORCE_KEYS` and `SALESFORCE_PUBLIC_URL`, and no code changes.
//! `examples/fleet` runs three processes on one Redis behind a balancer.
//!
//! `cargo run --example several_instances`, log in at the address that it prints, then open the same page on port 8090.

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;

use actix_salesforce::{Config, SalesforceBuilder, SalesforceUser, store::MemoryStore};
use actix_web::{App, HttpServer, Responder, get, web};

#[get("/")]
async fn home(user: SalesforceUser, instance: web::Data<&'static str>) -> impl Responder {
    format!("{} at instance {}", user.username.unwrap_or_default(), instance.get_ref())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(MemoryStore::new());
    let keys = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk="; // openssl rand -base64 32
    let (config, _org) = support::with_org(Config::from_env()).await?;
    let with_store = |builder: SalesforceBuilder| builder.store(store.clone()).keys(keys);
    let first = support::set_up_with(config.clone(), with_store).await?;
    let second = support::set_up_with(config, with_store).await?;
    let serve = |name: &'static str, salesforce: actix_salesforce::Salesforce| {
        HttpServer::new(move || {
            App::new().app_data(web::Data::new(name)).wrap(salesforce.clone()).service(home)
        })
        .workers(1)
    };
    let first = serve("A", first.salesforce).bind(first.bind)?.run();
    let second = serve("B", second.salesforce).bind("127.0.0.1:8090")?.run();
    tokio::try_join!(first, second)?;
    Ok(())
}
