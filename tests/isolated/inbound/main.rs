//! Requests that Salesforce sends to an app: who is taken for a sender, what a handler may do, what is logged.
//!
//! A process to itself, since what is logged is that of the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "../../support/mod.rs"]
mod support;

mod applink;
mod bad_calls;
mod bad_envelopes;
mod calls;
mod client_certificates;
mod data_cloud;
#[cfg(feature = "redis")]
mod outages;
mod outbound;

use actix_salesforce::{
    Salesforce, SalesforceBuilder,
    inbound::{
        Ack, AppLinkContext, CallError, Caller, DataCloud, DataCloudEvents, NotAcknowledged, OutboundMessage,
        OutboundMessages, SalesforceCall,
    },
};
use actix_web::{App, HttpResponse, dev, web};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;
use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::sync::Semaphore;

use support::{
    Client, Page,
    app::{Server, listen, reserve, routes, serve},
    settings_for,
};

/// The `Accept` of a callout, as captured in public logs: it names HTML.
const ACCEPT: &str = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
const AUDIENCE: &str = "https://orders.example.com/from-salesforce";

/// A fake org and an app of four workers that Salesforce calls.
struct Inbound {
    org: FakeOrg,
    server: Server,
    seen: Arc<Seen>,
}

/// What the handlers did, and what they are to do.
#[derive(Debug)]
struct Seen {
    /// How often a handler ran.
    handled: AtomicU32,
    /// The new ids of outbound messages whose handlers succeeded.
    records: Mutex<Vec<String>>,
    /// How many handlers are to fail.
    failures: AtomicU32,
    /// A handler begins only with a permit.
    gate: Semaphore,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            handled: AtomicU32::default(),
            records: Mutex::default(),
            failures: AtomicU32::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

impl Inbound {
    async fn start() -> Self {
        Self::with(|org, builder| builder.caller(caller(org))).await
    }

    async fn with(settings: impl FnOnce(&FakeOrg, SalesforceBuilder) -> SalesforceBuilder) -> Self {
        Self::around(FakeOrg::start().await.unwrap(), settings).await
    }

    async fn around(
        org: FakeOrg,
        settings: impl FnOnce(&FakeOrg, SalesforceBuilder) -> SalesforceBuilder,
    ) -> Self {
        support::logs::capture();
        let (listener, url) = reserve();
        let salesforce = settings(&org, settings_for(&org, &url)).build().await.unwrap();
        let seen = Arc::new(Seen::default());
        let data = web::Data::from(Arc::clone(&seen));
        let server = serve(listener, move |listener| server(listener, salesforce, data));
        Self { org, server, seen }
    }

    fn handled(&self) -> u32 {
        self.seen.handled.load(Ordering::SeqCst)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// A callout with this token.
    async fn call(&self, path: &str, token: &str) -> Page {
        self.post(path, &[("authorization", &format!("Bearer {token}"))], "{}").await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let usual = [("accept", ACCEPT), ("user-agent", "SFDC-Callout/66.0"), ("sfdc_stack_depth", "1")];
        let headers: Vec<_> = usual.iter().chain(headers).copied().collect();
        Client::new().send(Method::POST, &self.url(path), &headers, Some(body)).await
    }
}

fn server(listener: TcpListener, salesforce: Salesforce, seen: web::Data<Seen>) -> dev::Server {
    listen!(listener, 4, move || {
        App::new()
            .app_data(seen.clone())
            .route("/call", web::post().to(call))
            .route("/call/as-user", web::post().to(as_user))
            .route("/call/fails", web::post().to(fails))
            .route("/outbound/{secret}", web::post().to(outbound))
            .route("/outbound/{secret}/claims", web::post().to(claims))
            .route("/data-360", web::post().to(data_360))
            .route("/applink", web::post().to(applink))
            .route("/outbound-without-secret", web::post().to(outbound))
            .configure(routes)
            .wrap(salesforce.clone())
    })
}

/// The settings of a caller with the certificate `orders_2026` of this org.
fn caller(org: &FakeOrg) -> Caller {
    Caller::organization(org.organization_id())
        .audience(AUDIENCE)
        .issuer(org.instance_url())
        .certificate("orders_2026", org.call_certificate("orders_2026"))
}

async fn call(call: SalesforceCall, seen: web::Data<Seen>) -> HttpResponse {
    seen.handled.fetch_add(1, Ordering::SeqCst);
    HttpResponse::Ok().json(serde_json::json!({
        "user": call.user_id().as_str(), "org": call.organization_id().as_str(), "certificate": call.certificate(),
        "order": call.claim("order"),
    }))
}

/// Reads as the calling user.
async fn as_user(call: SalesforceCall, seen: web::Data<Seen>) -> Result<String, CallError> {
    let salesforce = call.connection().await?;
    seen.handled.fetch_add(1, Ordering::SeqCst);
    Ok(salesforce.identity().await?.username)
}

/// A handler that fails as one for browsers would.
async fn fails(_: SalesforceCall) -> actix_salesforce::Result<&'static str> {
    Err(actix_salesforce::Error::LoginRequired)
}

const SECRET: &str = "5f0b2c0e7d1a4c3b9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b";

/// The settings of outbound messages of this org.
fn messages(org: &FakeOrg) -> OutboundMessages {
    OutboundMessages::organization(org.organization_id()).secret(SECRET)
}

#[derive(serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
    phone: Option<String>,
    annual_revenue: Option<f64>,
}

/// Notes the new ids, unless it is to fail.
async fn outbound(message: OutboundMessage<Account>, seen: web::Data<Seen>) -> Result<Ack, NotAcknowledged> {
    seen.handled.fetch_add(1, Ordering::SeqCst);
    let permit = seen.gate.acquire().await?;
    if seen.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok() {
        return Err(std::io::Error::other("the handler is to fail").into());
    }
    seen.records.lock().unwrap().extend(message.new_ids().map(|id| id.to_string()));
    drop(permit);
    Ok(Ack)
}

/// What is claimed, beside what the service user reads.
async fn claims(message: OutboundMessage<Account>, seen: web::Data<Seen>) -> Result<Ack, NotAcknowledged> {
    let salesforce = message.connection().await?;
    for claimed in message.claimed()? {
        let read: Account = salesforce.sobject("Account").retrieve(claimed.id).await?;
        let (claimed, read) = (serde_json::to_string(&claimed.values)?, serde_json::to_string(&read)?);
        seen.records.lock().unwrap().push(format!("{} {claimed} {read}", message.object()));
    }
    Ok(Ack)
}

/// Notes the new events, unless it is to fail.
async fn data_360(events: DataCloudEvents, seen: web::Data<Seen>) -> Result<HttpResponse, CallError> {
    seen.handled.fetch_add(1, Ordering::SeqCst);
    if seen.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok() {
        let error = std::io::Error::other("the handler is to fail");
        return Err(actix_salesforce::Error::unavailable(std::time::Duration::from_secs(1), error).into());
    }
    seen.records.lock().unwrap().extend(events.new_events().map(|event| event.event_uuid.clone()));
    Ok(HttpResponse::Ok().finish())
}

/// Reads as the user of the context.
async fn applink(context: AppLinkContext, seen: web::Data<Seen>) -> Result<String, CallError> {
    seen.handled.fetch_add(1, Ordering::SeqCst);
    Ok(context.connection().identity().await?.username)
}
