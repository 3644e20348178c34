//! Protects a scope: every path below `/invoices` is for users of one org who have one custom permission. Others get a page
//! that says why.
//!
//! `cargo run --example protect_scope`, then open the address that it prints. In the fake org Ada has the permission and
//! Ben does not. With a real org set `ORG` to its id.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, RequireLogin, SalesforceBuilder, SalesforceUser};
use actix_web::{App, HttpServer, Responder, get, web, web::Redirect};

#[get("/open")]
async fn open(user: SalesforceUser) -> impl Responder {
    format!("Hello {}, these are the open invoices.", user.username.unwrap_or_default())
}

#[get("/")]
async fn home() -> impl Responder {
    Redirect::to("/invoices/open")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let with_permissions =
        |builder: SalesforceBuilder| builder.scopes("api openid refresh_token custom_permissions");
    let setup = support::set_up_with(Config::from_env(), with_permissions).await?;
    let support::Setup { salesforce, bind, workers, _org } = setup;
    let org =
        std::env::var("ORG").ok().or_else(|| Some(_org.as_ref()?.organization_id())).ok_or("set ORG")?;

    let rule = RequireLogin::new().org(org).permission("Manage_Invoices");
    salesforce.check_rule(&rule)?;
    HttpServer::new(move || {
        let invoices = web::scope("/invoices").service(open).wrap(rule.clone());
        App::new().service(home).service(invoices).wrap(salesforce.clone())
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
