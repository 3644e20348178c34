//! Listens to events for an audit log, and counts them for a monitoring system.
//!
//! With the feature `metrics` the crate counts the same names through the `metrics` facade, and any exporter reads them.
//! This example counts by itself, so that it needs none.
//!
//! `cargo run --example events_and_metrics`, log in, then open `/metrics`.

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use actix_salesforce::{AuthEvent, Config, SalesforceBuilder, SalesforceUser};
use actix_web::{App, HttpServer, Responder, get, web};

type Counters = Arc<Mutex<BTreeMap<&'static str, u64>>>;

#[get("/")]
async fn home(user: SalesforceUser) -> impl Responder {
    format!("{}, see /metrics", user.username.unwrap_or_default())
}

#[get("/metrics")]
async fn metrics(counters: web::Data<Counters>) -> impl Responder {
    let counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    counters.iter().fold(String::new(), |mut text, (name, count)| {
        let _ = writeln!(text, "{name} {count}");
        text
    })
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counters = Counters::default();
    let counted = Arc::clone(&counters);
    // Runs on the crate's thread: return soon, and send long work through a channel.
    let listen = move |event: &AuthEvent| {
        *counted.lock().unwrap_or_else(PoisonError::into_inner).entry(event.counter()).or_default() += 1;
        match event {
            AuthEvent::LoggedIn { user, .. } => tracing::info!(target: "audit", ?user, "logged in"),
            AuthEvent::ReuseSuspected(user) => tracing::error!(target: "audit", ?user, "used token seen"),
            _ => {}
        }
    };
    let setup =
        support::set_up_with(Config::from_env(), |builder: SalesforceBuilder| builder.on_event(listen))
            .await?;
    let support::Setup { salesforce, bind, workers, _org } = setup;
    let counters = web::Data::new(counters);
    HttpServer::new(move || {
        App::new().app_data(counters.clone()).wrap(salesforce.clone()).service(home).service(metrics)
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
