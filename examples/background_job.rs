//! Starts a job in a request and lets it work after the response was sent, as the same user.
//!
//! A connection can be cloned and moved into a task. It holds no token: the job goes on when the token is refreshed, and
//! fails with `Error::LoginRequired` when the user logs out or the grant is revoked.
//!
//! `cargo run --example background_job`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex, PoisonError};

use actix_salesforce::{Connection, SalesforceConn};
use actix_web::{App, HttpServer, Responder, get, rt, web, web::Redirect};

/// The outcome of the latest job. A real app stores it in its database.
type Outcome = Arc<Mutex<String>>;

async fn count(sf: Connection) -> actix_salesforce::Result<String> {
    let accounts = sf.query::<()>("SELECT COUNT() FROM Account").count().await?;
    Ok(format!("{accounts} accounts"))
}

#[get("/start")]
async fn start(sf: SalesforceConn, outcome: web::Data<Outcome>) -> impl Responder {
    let (sf, outcome) = (sf.into_inner(), outcome.get_ref().clone());
    *outcome.lock().unwrap_or_else(PoisonError::into_inner) = "working".to_owned();
    rt::spawn(async move {
        let text = count(sf).await.unwrap_or_else(|error| format!("failed: {error}"));
        *outcome.lock().unwrap_or_else(PoisonError::into_inner) = text;
    });
    Redirect::to("/").see_other()
}

#[get("/")]
async fn look(outcome: web::Data<Outcome>) -> impl Responder {
    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
    web::Html::new(format!(
        "<p>{outcome}</p><p><a href=\"/start\">Start a job</a> <a href=\"/\">Look again</a>"
    ))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    let outcome = web::Data::new(Outcome::default());
    HttpServer::new(move || {
        App::new().app_data(outcome.clone()).wrap(salesforce.clone()).service(start).service(look)
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
