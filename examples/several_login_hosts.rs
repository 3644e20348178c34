//! Users choose where they log in: production, a sandbox, or their own My Domain.
//!
//! The page links to the login route with `?host=NAME`, and to the chooser, which shows the hosts of the settings and takes
//! a My Domain.
//!
//! `cargo run --example several_login_hosts`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, SalesforceUser};
use actix_web::{App, HttpServer, Responder, get, web::Html};

#[get("/")]
async fn home() -> impl Responder {
    Html::new(
        "<p><a href=\"/auth/salesforce/login?return_to=/me\">Log in</a>\
         <p><a href=\"/auth/salesforce/login?return_to=/me&amp;host=sandbox\">Log in to a sandbox</a>\
         <p><a href=\"/auth/salesforce/hosts?return_to=/me\">Choose where to log in</a>",
    )
}

#[get("/me")]
async fn me(user: SalesforceUser) -> impl Responder {
    format!("{} at {}", user.username.unwrap_or_default(), user.instance_url)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let more = |builder: actix_salesforce::SalesforceBuilder| {
        builder.login_host("sandbox", "https://test.salesforce.com").allow_my_domain(true)
    };
    let setup = support::set_up_with(Config::from_env(), more).await?;
    let support::Setup { salesforce, bind, workers, _org } = setup;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(home).service(me))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
