//! What events cost a durable consumer, of a steady stream and of a full topic, and how long they take to the pages of a
//! thousand browsers. What reading one costs is measured in connection/benches.
//!
//! `cargo bench --bench events --all-features`. The consumer is in a process to itself, so that its processor time and its
//! memory are its own; the fake org and what publishes share the other processor. `SECONDS=60` is the length of the stream.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a separate program"
)]

mod browsers;
mod consumer;
#[path = "../query/figures.rs"]
mod figures;
mod order;

use std::env;

const PER_SECOND: u32 = 10_000;

fn main() {
    if let Ok(org) = env::var("EVENTS_BENCH_ORG") {
        let events = env::var("EVENTS_BENCH_COUNT").unwrap().parse().unwrap();
        return consumer::run(&org, events);
    }
    if let Ok(app) = env::var("EVENTS_BENCH_APP") {
        return browsers::serve(&app);
    }
    let seconds = env::var("SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    actix_web::rt::System::new().block_on(measure(seconds));
}

async fn measure(seconds: u32) {
    let org = consumer::org().await;
    let salesforce = consumer::salesforce(&consumer::address(&org)).build().await.unwrap();
    let sf = salesforce.service_connection().await.unwrap();
    consumer::publish(&sf, 1, None).await;
    println!("| a durable consumer | events per second | µs of CPU for each | latest, ms | grows by MiB |");
    println!("|---|---|---|---|---|");
    let events = seconds * PER_SECOND;
    let steady = consumer::start(&org, events + 1);
    consumer::publish(&sf, events, Some(PER_SECOND)).await;
    steady.print(&format!("a steady stream for {seconds} s"));
    // All of it is there already: as much as the fake org retains, and less.
    let retained = events.min(90_000);
    consumer::start(&org, retained).print(&format!("a full topic of {retained}"));
    browsers::report(&org, &sf).await;
}
