//! Rejects a POST that a page of another site sent: the browser would add this app's cookies to it.
//!
//! `cargo run --example cross_site_post`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Result, Salesforce, SalesforceConn};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, get, post, web};
use serde_json::json;

#[get("/")]
async fn form() -> impl Responder {
    web::Html::new(
        "<form method=post action=/accounts><input name=name value=Acme><button>Create</button></form>",
    )
}

#[derive(serde::Deserialize)]
struct NewAccount {
    name: String,
}

#[post("/accounts")]
async fn create(
    request: HttpRequest,
    salesforce: Salesforce,
    sf: SalesforceConn,
    new: web::Form<NewAccount>,
) -> Result<HttpResponse> {
    if salesforce.is_cross_origin(&request) {
        return Ok(HttpResponse::Forbidden().body("this request came from another site"));
    }
    let id = sf.sobject("Account").create(&json!({ "Name": new.name })).await?;
    Ok(HttpResponse::Created().body(id.to_string()))
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(form).service(create))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
