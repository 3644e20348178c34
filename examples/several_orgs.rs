//! One app, two orgs: each scope has a separate `Salesforce`, with separate logins. A browser can be logged in to both.
//!
//! `cargo run --example several_orgs`, then open `/sales/accounts` and `/support/accounts`. Each login has a separate
//! callback URL: `PUBLIC_URL/sales/auth/salesforce/callback` and `PUBLIC_URL/support/auth/salesforce/callback`.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, Result, SalesforceConn};
use actix_web::{App, HttpServer, Responder, get, web, web::Json};

/// Both scopes use this handler. It gets the connection of the scope that it is in.
#[get("/accounts")]
async fn accounts(sf: SalesforceConn) -> Result<impl Responder> {
    let first = sf.query::<serde_json::Value>("SELECT Name FROM Account LIMIT 3").fetch_all().await?;
    Ok(Json((sf.organization_id().to_string(), first)))
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    // A real app has a `Config` with a separate client id and login URL for each org.
    let sales = support::set_up_with(Config::from_env(), |builder| builder.mount("/sales")).await?;
    let desk = support::set_up_with(Config::from_env(), |builder| builder.mount("/support")).await?;
    let (sales_org, support_org) = (sales.salesforce, desk.salesforce);
    HttpServer::new(move || {
        App::new()
            .service(web::scope("/sales").wrap(sales_org.clone()).service(accounts))
            .service(web::scope("/support").wrap(support_org.clone()).service(accounts))
    })
    .workers(sales.workers)
    .bind(sales.bind)?
    .run()
    .await?;
    Ok(())
}
