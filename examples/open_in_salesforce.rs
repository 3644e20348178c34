//! Links that open a record in Salesforce without another login, and a page for Lightning Out 2.0.
//!
//! The app in Salesforce needs the scope "Manage user data via Web browsers (web)".
//!
//! `cargo run --example open_in_salesforce`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, Result, SalesforceConn, SalesforceId};
use actix_web::{App, HttpResponse, HttpServer, Responder, get, web};

/// The accounts, each with a link.
#[get("/")]
async fn accounts(sf: SalesforceConn) -> Result<impl Responder> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Account {
        id: SalesforceId,
    }
    let accounts: Vec<Account> = sf.query("SELECT Id FROM Account ORDER BY Name LIMIT 5").fetch_all().await?;
    let links = accounts.iter().map(|account| format!("<p><a href=\"/open/{0}\">{0}</a>", account.id));
    Ok(HttpResponse::Ok().content_type("text/html").body(links.collect::<String>()))
}

/// The URL is fetched when the browser asks for it, because it expires within a minute.
#[get("/open/{id}")]
async fn open(sf: SalesforceConn, id: web::Path<String>) -> Result<impl Responder> {
    let id: SalesforceId = id.parse()?;
    sf.frontdoor_url(&format!("/{id}")).await
}

/// For a script of the app's own page, which sets the attribute `frontdoor-url` of `<lightning-out-application>`.
#[get("/frontdoor")]
async fn frontdoor(sf: SalesforceConn) -> Result<impl Responder> {
    let url = sf.frontdoor_url("/").await?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(serde_json::json!({ "url": url.expose() })))
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let scopes = "api openid refresh_token web";
    let setup = support::set_up_with(Config::from_env(), |builder| builder.scopes(scopes)).await?;
    let support::Setup { salesforce, bind, workers, _org } = setup;
    HttpServer::new(move || {
        App::new().service(accounts).service(open).service(frontdoor).wrap(salesforce.clone())
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
