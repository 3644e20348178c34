//! A test of a handler against the fake org, without a browser and without a login page, as ten lines of a `main`.
//!
//! In an app this is a `#[actix_web::test]`; `examples/tested` is a whole app with its tests.
//!
//! `cargo run --example tests_with_fake_org --features test-util`

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use actix_salesforce::{Config, Salesforce, SalesforceConn, testing::log_in_as};
use actix_web::{App, Responder, get, test, web::Json};
use salesforce_fake_org::FakeOrg;

#[get("/accounts")]
async fn accounts(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let soql = "SELECT Name FROM Account LIMIT 2";
    Ok(Json(sf.query::<serde_json::Value>(soql).fetch_all().await?))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let org = FakeOrg::start().await?;
    let salesforce = Salesforce::from_config(Config::from_variables(|name| org.variable(name))).await?;
    let ada =
        log_in_as(&salesforce, &org.issue_tokens(&org.user("ada@example.com"), "api refresh_token")).await?;
    let app = test::init_service(App::new().wrap(salesforce.clone()).service(accounts)).await;

    let without_login = test::TestRequest::get().uri("/accounts").to_request();
    assert_eq!(test::call_service(&app, without_login).await.status(), 401);

    org.expire_access_tokens(); // the next request refreshes the token
    let rows: Vec<serde_json::Value> =
        test::call_and_read_body_json(&app, ada.get("/accounts").to_request()).await;
    assert_eq!((rows.len(), org.token_calls("refresh_token")), (2, 1));
    println!("passed: {} rows, one refresh", rows.len());
    Ok(())
}
