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

/// A page with components of Salesforce (Lightning Out 2.0). `LIGHTNING_OUT_APP` is the id of the app in Setup,
/// Lightning Out 2.0 App Manager; `components` are the components that it names. A fake org serves no such script, so
/// this page is unverified.
#[get("/embedded")]
async fn embedded(sf: SalesforceConn) -> Result<impl Responder> {
    let app = std::env::var("LIGHTNING_OUT_APP").unwrap_or_default();
    let app: String = app.chars().filter(char::is_ascii_alphanumeric).collect();
    let instance = sf.instance_url()?;
    Ok(web::Html::new(format!(
        "<script async src='{instance}lightning/lightning.out.latest/index.iife.prod.js'></script>\
         <lightning-out-application app-id='{app}' components='c-hello'></lightning-out-application><c-hello></c-hello>\
         <script>fetch('/frontdoor').then(response => response.json()).then(({{ url }}) =>\
         document.querySelector('lightning-out-application').setAttribute('frontdoor-url', url))</script>"
    )))
}

/// For the script of that page.
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
        App::new()
            .service(accounts)
            .service(open)
            .service(embedded)
            .service(frontdoor)
            .wrap(salesforce.clone())
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
