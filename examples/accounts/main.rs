//! The app that a team would really write: server-rendered pages over their own org, no build step.
//!
//! `cargo run --example accounts`, then open the address that it prints.

mod admin;
mod export;
mod form;
mod html;
mod pages;
#[path = "../support/mod.rs"]
mod support;

use actix_salesforce::RequireLogin;
use actix_web::{
    App, HttpServer,
    middleware::{Condition, DefaultHeaders, Logger},
    web,
};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    // In a fleet: which of the instances this is.
    let instance = std::env::var("INSTANCE").unwrap_or_default();
    HttpServer::new(move || {
        App::new()
            .service(web::resource("/").get(pages::home).head(pages::home))
            .service(web::resource("/whoami").get(pages::whoami))
            .service(web::resource("/slow").get(pages::slow))
            .service(web::resource("/accounts").get(pages::list).post(pages::create))
            .service(web::resource("/accounts/export.csv").get(export::csv))
            .service(web::resource("/accounts/{id}").get(pages::show).post(pages::change))
            .service(web::resource("/accounts/{id}/delete").post(pages::delete))
            .service(web::scope("/admin").wrap(RequireLogin::new()).configure(admin::configure))
            .default_service(web::to(pages::nothing))
            .wrap(salesforce.clone())
            .wrap(Condition::new(
                !instance.is_empty(),
                DefaultHeaders::new().add(("x-instance", instance.clone())),
            ))
            .wrap(Logger::new("%r %s %Dms").log_target("accounts"))
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
