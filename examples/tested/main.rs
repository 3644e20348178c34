//! A small app and its tests: open invoices, and a button that says one is paid.
//!
//! `cargo run --example tested --features test-util` runs it, `cargo test --example tested --features test-util` tests
//! it. The tests are in [`tests`](tests.rs); `org/` is the Salesforce they happen in: a custom object, people, a
//! permission set and a rule in JSON, rows in CSV.

#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod tests;

use actix_salesforce::{Error, SalesforceConn, SalesforceUser, error::ApiError};
use actix_web::{
    App, HttpResponse, HttpServer, Responder, get, post,
    web::{Json, Path, Redirect, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Invoice {
    #[serde(rename = "Number__c")]
    number: String,
    #[serde(rename = "Total__c")]
    total: f64,
    #[serde(rename = "Account__r")]
    account: Account,
}

#[derive(Serialize, Deserialize)]
struct Account {
    #[serde(rename = "Name")]
    name: String,
}

/// The invoices that are not paid, largest first.
#[get("/invoices")]
async fn invoices(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let open = sf.query::<Invoice>(
        "SELECT Number__c, Total__c, Account__r.Name FROM Invoice__c WHERE Paid__c = false ORDER BY Total__c DESC",
    );
    Ok(Json(open.fetch_all().await?))
}

/// For those who have the permission set `Billing`.
#[post("/invoices/{number}/paid")]
async fn paid(
    number: Path<String>,
    user: SalesforceUser,
    sf: SalesforceConn,
) -> actix_salesforce::Result<impl Responder> {
    let billing = sf
        .query::<serde_json::Value>(
            "SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = :user AND PermissionSet.Name = 'Billing'",
        )
        .bind("user", user.user_id)
        .fetch_optional()
        .await?;
    if billing.is_none() {
        return Ok(HttpResponse::Forbidden().body("this needs the permission set Billing"));
    }
    let invoice = sf
        .query::<serde_json::Value>("SELECT Id FROM Invoice__c WHERE Number__c = :number")
        .bind("number", number.as_str())
        .fetch_optional()
        .await?;
    let Some(id) = invoice.as_ref().and_then(|invoice| invoice["Id"].as_str()) else {
        return Ok(HttpResponse::NotFound().finish());
    };
    match sf.sobject("Invoice__c").update(id, &json!({ "Paid__c": true })).await {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        // What the org's own rules say is for people to read.
        Err(Error::Api { errors, .. }) if is_rule(&errors) => {
            Ok(HttpResponse::Conflict().body(errors[0].message.clone()))
        }
        Err(error) => Err(error),
    }
}

fn is_rule(entries: &[ApiError]) -> bool {
    entries.first().is_some_and(|entry| entry.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION")
}

#[get("/")]
async fn home() -> impl Responder {
    Redirect::to("/invoices")
}

/// The app's handlers: what `main` serves and the tests test.
fn app(config: &mut ServiceConfig) {
    config.service(home).service(invoices).service(paid);
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).configure(app))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
