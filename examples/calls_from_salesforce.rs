//! Salesforce calls the app: a callout of Apex with a Named Credential, and an outbound message that is repeated until it
//! is acknowledged. Both come from the fake org of this program.
//!
//! `cargo run --example calls_from_salesforce --features inbound`

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use actix_salesforce::{
    Salesforce,
    inbound::{Ack, CallError, Caller, NotAcknowledged, OutboundMessage, OutboundMessages, SalesforceCall},
    token::ServiceUser,
};
use actix_web::{App, HttpServer, post, web};
use salesforce_fake_org::FakeOrg;

const URL: &str = "http://127.0.0.1:8080";
const SECRET: &str = "5f0b2c0e7d1a4c3b9e8f7a6b5c4d3e2f";

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
}

/// As the user whose transaction in Salesforce sent the request.
#[post("/from-salesforce")]
async fn callout(call: SalesforceCall) -> Result<String, CallError> {
    let salesforce = call.connection().await?;
    Ok(format!("called by {}", salesforce.identity().await?.username))
}

/// The ids are taken from the message, the values from Salesforce.
#[post("/outbound/{secret}")]
async fn accounts(message: OutboundMessage<Account>) -> Result<Ack, NotAcknowledged> {
    let salesforce = message.connection().await?;
    for id in message.new_ids() {
        let account: Account = salesforce.sobject("Account").retrieve(id).await?;
        println!("account {} changed", account.name);
    }
    Ok(Ack)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let org = FakeOrg::builder().execution_user("ada@example.com").start().await?;
    let (id, my_domain) = (org.organization_id(), org.instance_url());
    let caller = Caller::organization(&id).audience(URL).issuer(&my_domain);
    let caller = caller.certificate("orders_2026", org.call_certificate("orders_2026"));
    let salesforce = Salesforce::builder()
        .client_id(org.client_id())
        .client_secret(org.client_secret())
        .login_url(org.login_url())
        .allowed_origin(&my_domain)
        .service_user(ServiceUser::client_credentials(my_domain.parse()?))
        .caller(caller)
        .outbound_messages(OutboundMessages::organization(&id).secret(SECRET))
        .build()
        .await?;
    let sf = salesforce.service_connection().await?;
    let token = org.call(&org.user("ada@example.com")).certificate("orders_2026").audience(URL).token();
    println!("curl -X POST -H 'Authorization: Bearer {token}' {URL}/from-salesforce");
    println!("The response is 403 until Ada has logged in once: open {URL}/auth/salesforce/login");

    let app = salesforce.clone();
    let server = HttpServer::new(move || App::new().service(callout).service(accounts).wrap(app.clone()));
    let server = server.bind(("127.0.0.1", 8080))?.run();
    let rows: Vec<serde_json::Value> = sf.query("SELECT Id FROM Account LIMIT 3").fetch_all().await?;
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["Id"].as_str()).collect();
    org.queue_outbound_message(&format!("{URL}/outbound/{SECRET}"), "Account", &["Name"], &ids);
    // The fake org stays: it is Salesforce here.
    let deliver = web::block(move || {
        let attempts = org.deliver_outbound_messages();
        println!("acknowledged: {}", attempts.iter().all(|attempt| attempt.acknowledged));
        org
    });
    let (server, _org) = futures_util::join!(server, deliver);
    server?;
    salesforce.shutdown().await;
    Ok(())
}
