//! Protects a whole scope: every path below `/admin` needs a login, one path stays open, and a rule decides who may
//! pass. Requests that fail the rule get 403.
//!
//! `cargo run --example protect_scope`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{RequireLogin, SalesforceUser};
use actix_web::{App, HttpServer, Responder, get, web, web::Redirect};

#[get("/report")]
async fn report(user: SalesforceUser) -> impl Responder {
    format!("Hello {}, this is for users with the scope `api`.", user.username.unwrap_or_default())
}

#[get("/health")]
async fn health() -> impl Responder {
    "ok"
}

#[get("/")]
async fn home() -> impl Responder {
    Redirect::to("/admin/report")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    HttpServer::new(move || {
        let rule = RequireLogin::new().except("/health").allow_if(|user| user.scopes.contains("api"));
        let admin = web::scope("/admin").wrap(rule).service(report).service(health);
        App::new().wrap(salesforce.clone()).service(home).service(admin)
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
