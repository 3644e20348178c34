//! Requests that Salesforce sends to an app: who is taken for a sender, what a handler may do, what is logged.
//!
//! A process to itself, since what is logged is that of the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "../../support/mod.rs"]
mod support;

mod bad_calls;
mod calls;

use actix_salesforce::{
    Salesforce, SalesforceBuilder,
    inbound::{CallError, Caller, SalesforceCall},
};
use actix_web::{App, HttpResponse, dev, web};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;
use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

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
    /// How often a handler ran.
    handled: Arc<AtomicU32>,
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
        let handled = Arc::new(AtomicU32::new(0));
        let counter = web::Data::from(Arc::clone(&handled));
        let server = serve(listener, move |listener| server(listener, salesforce, counter));
        Self { org, server, handled }
    }

    fn handled(&self) -> u32 {
        self.handled.load(Ordering::SeqCst)
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

fn server(listener: TcpListener, salesforce: Salesforce, handled: web::Data<AtomicU32>) -> dev::Server {
    listen!(listener, 4, move || {
        App::new()
            .app_data(handled.clone())
            .route("/call", web::post().to(call))
            .route("/call/as-user", web::post().to(as_user))
            .route("/call/fails", web::post().to(fails))
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

async fn call(call: SalesforceCall, handled: web::Data<AtomicU32>) -> HttpResponse {
    handled.fetch_add(1, Ordering::SeqCst);
    HttpResponse::Ok().json(serde_json::json!({
        "user": call.user_id().as_str(), "org": call.organization_id().as_str(), "certificate": call.certificate(),
        "order": call.claim("order"),
    }))
}

/// Reads as the calling user.
async fn as_user(call: SalesforceCall, handled: web::Data<AtomicU32>) -> Result<String, CallError> {
    let salesforce = call.connection().await?;
    handled.fetch_add(1, Ordering::SeqCst);
    Ok(salesforce.identity().await?.username)
}

/// A handler that fails as one for browsers would.
async fn fails(_: SalesforceCall) -> actix_salesforce::Result<&'static str> {
    Err(actix_salesforce::Error::LoginRequired)
}
