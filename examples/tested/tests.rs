//! The app with a separate fake org per test: no network, no account, no login page.

use actix_salesforce::{
    Config, Salesforce,
    testing::{TestUser, log_in_as},
};
use actix_web::{
    App, Error,
    dev::{Service, ServiceResponse},
    http::StatusCode,
    test::{TestRequest, call_service, init_service, read_body, read_body_json},
};
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The org of this app, and the app's settings for it.
async fn set_up() -> Outcome<(FakeOrg, Salesforce)> {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tested/org");
    let org = FakeOrg::builder()
        .load(format!("{files}/org.json"))?
        .load(format!("{files}/Invoice__c.csv"))?
        .start()
        .await?;
    let salesforce = Salesforce::from_config(Config::from_variables(|name| org.variable(name))).await?;
    Ok((org, salesforce))
}

async fn person(org: &FakeOrg, salesforce: &Salesforce, username: &str) -> Outcome<TestUser> {
    Ok(log_in_as(salesforce, &org.issue_tokens(&org.user(username), "api refresh_token")).await?)
}

async fn client(
    salesforce: &Salesforce,
) -> impl Service<actix_http::Request, Response = ServiceResponse<impl actix_web::body::MessageBody>, Error = Error>
{
    init_service(App::new().wrap(salesforce.clone()).configure(super::app)).await
}

#[actix_web::test]
async fn open_invoices_are_listed() -> Outcome<()> {
    let (org, salesforce) = set_up().await?;
    let ada = person(&org, &salesforce, "ada@example.com").await?;
    let app = client(&salesforce).await;
    let response = call_service(&app, ada.get("/invoices").to_request()).await;
    let invoices: Value = read_body_json(response).await;
    let numbers: Vec<&Value> =
        invoices.as_array().into_iter().flatten().map(|row| &row["Number__c"]).collect();
    assert_eq!(numbers, ["INV-1", "INV-2", "INV-4"]);
    assert_eq!(invoices[0]["Account__r"]["Name"], "Northwind Logistics");
    Ok(())
}

#[actix_web::test]
async fn strangers_are_sent_to_log_in() -> Outcome<()> {
    let (_org, salesforce) = set_up().await?;
    let app = client(&salesforce).await;
    let request = TestRequest::get().uri("/invoices");
    let page = request.insert_header(("accept", "text/html")).insert_header(("sec-fetch-mode", "navigate"));
    assert_eq!(call_service(&app, page.to_request()).await.status(), StatusCode::SEE_OTHER);
    let call = TestRequest::get().uri("/invoices").to_request();
    assert_eq!(call_service(&app, call).await.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

#[actix_web::test]
async fn only_billing_says_what_is_paid() -> Outcome<()> {
    let (org, salesforce) = set_up().await?;
    let ada = person(&org, &salesforce, "ada@example.com").await?;
    let fay = person(&org, &salesforce, "fay@example.com").await?;
    let app = client(&salesforce).await;
    let post = async |who: &TestUser, path: &str| call_service(&app, who.post(path).to_request()).await;
    assert_eq!(post(&ada, "/invoices/INV-1/paid").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(post(&fay, "/invoices/INV-1/paid").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(post(&fay, "/invoices/INV-9/paid").await.status(), StatusCode::NOT_FOUND);
    // The org's own rule has the last word.
    let refused = post(&fay, "/invoices/INV-4/paid").await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert_eq!(read_body(refused).await, "A credit note is not paid");
    let paid =
        fay.connection().query::<Value>("SELECT Number__c FROM Invoice__c WHERE Paid__c = true").fetch_all();
    assert_eq!(paid.await?.len(), 2);
    Ok(())
}

#[actix_web::test]
async fn an_expired_token_is_refreshed_and_an_outage_logs_no_user_out() -> Outcome<()> {
    let (org, salesforce) = set_up().await?;
    let ada = person(&org, &salesforce, "ada@example.com").await?;
    let app = client(&salesforce).await;
    org.expire_access_tokens();
    assert_eq!(call_service(&app, ada.get("/invoices").to_request()).await.status(), StatusCode::OK);
    assert_eq!(org.token_calls("refresh_token"), 1);

    let outage = org.faults().query(Fault::Maintenance);
    assert_eq!(
        call_service(&app, ada.get("/invoices").to_request()).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    outage.remove();
    assert_eq!(call_service(&app, ada.get("/invoices").to_request()).await.status(), StatusCode::OK);
    Ok(())
}

#[actix_web::test]
async fn what_the_app_asked_can_be_looked_at() -> Outcome<()> {
    let (org, salesforce) = set_up().await?;
    let ada = person(&org, &salesforce, "ada@example.com").await?;
    let app = client(&salesforce).await;
    org.clear_requests();
    call_service(&app, ada.get("/invoices").to_request()).await;
    let asked: Vec<Option<String>> = org.requests().iter().map(|request| request.param("q")).collect();
    assert_eq!(asked.len(), 1, "one call: {asked:?}");
    assert!(asked[0].as_deref().is_some_and(|soql| soql.contains("Paid__c = false")));
    assert_eq!(json!(org.api_calls()), json!(1));
    Ok(())
}
