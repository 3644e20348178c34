//! AppLink's context: only where it is switched on, and only what Salesforce confirms.

use super::*;
use crate::support::ADA;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use salesforce_fake_org::{Fault, Route};
use serde_json::{Value, json};

async fn start() -> Inbound {
    Inbound::with(|org, builder| builder.applink(org.organization_id())).await
}

async fn post(app: &Inbound, context: &str) -> Page {
    app.post("/applink", &[("x-client-context", context)], "{}").await
}

#[actix_web::test]
async fn a_request_of_the_side_car_works_as_its_user() {
    let app = start().await;
    let page = post(&app, &app.org.applink_context(&app.org.user(ADA))).await;
    assert_eq!((page.status, page.body.as_str()), (200, ADA), "{page:?}");
    assert!(page.set_cookies().is_empty(), "{page:?}");
    app.org.faults().at(Route::Userinfo, Fault::Status(503).times(8));
    let page = post(&app, &app.org.applink_context(&app.org.user(ADA))).await;
    assert_eq!(page.status, 503, "{page:?}");
}

#[actix_web::test]
async fn a_context_that_salesforce_does_not_confirm_is_refused() {
    let app = start().await;
    let good = app.org.applink_context(&app.org.user(ADA));
    let decoded: Value = serde_json::from_slice(&STANDARD.decode(&good).unwrap()).unwrap();
    let token = decoded["accessToken"].as_str().unwrap().to_owned();
    let changed = |pointer: &str, value: Value| {
        let mut context = decoded.clone();
        *context.pointer_mut(pointer).unwrap() = value;
        STANDARD.encode(context.to_string())
    };
    let thief = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    thief.set_nonblocking(true).unwrap();
    let first = app.post("/applink", &[], "{}").await;
    assert_eq!((first.status, first.json()["code"].as_str()), (401, Some("invalid_call")), "{first:?}");
    let seen = support::logs::text().len();
    for (place, context) in [
        String::new(),
        "canary".to_owned(),
        STANDARD.encode("canary"),
        STANDARD.encode("{}"),
        STANDARD.encode(json!({ "canary": "x".repeat(20_000) }).to_string()),
        changed("/userContext/userId", json!(app.org.user("ben@example.com").id())),
        changed("/userContext/userId", json!("canary")),
        changed("/userContext", Value::Null),
        changed("/orgId", json!("00D000000000009EAA")),
        changed("/accessToken", json!("canary")),
        changed("/accessToken", json!("a\r\nb")),
        changed("/orgDomainUrl", json!(format!("http://{}", thief.local_addr().unwrap()))),
        changed("/orgDomainUrl", json!("https://evil.example")),
        changed("/orgDomainUrl", json!("canary")),
    ]
    .iter()
    .enumerate()
    {
        let page = post(&app, context).await;
        assert_eq!((page.status, &page.body), (401, &first.body), "{place}: {page:?}");
    }
    assert!(thief.accept().is_err(), "the token went to a host of the sender's choice");
    app.org.expire_access_tokens();
    assert_eq!(post(&app, &good).await.status, 401, "its token has ended");
    assert_eq!(app.handled(), 0);
    let log = support::logs::text().split_off(seen);
    for secret in ["canary", &token, &good] {
        assert!(!log.contains(secret), "{secret} is logged");
    }
    let off = Inbound::with(|_, builder| builder).await;
    let page = post(&off, &off.org.applink_context(&off.org.user(ADA))).await;
    assert_eq!(page.status, 401, "it is not switched on: {page:?}");
    assert!(off.org.requests().iter().all(|request| !request.path.contains("userinfo")));
}

/// An app that others reach is no app behind a side-car.
#[actix_web::test]
async fn a_context_counts_from_a_loopback_address_only() {
    use actix_web::test::{TestRequest, call_service, init_service};
    let app = start().await;
    let salesforce = settings_for(&app.org, "http://127.0.0.1:1").applink(app.org.organization_id());
    let salesforce = salesforce.build().await.unwrap();
    let seen = web::Data::new(Seen::default());
    let service = App::new().app_data(seen).route("/applink", web::post().to(applink)).wrap(salesforce);
    let service = init_service(service).await;
    let context = app.org.applink_context(&app.org.user(ADA));
    for (peer, status) in [
        (Some("127.0.0.1:4000"), 200),
        (Some("[::1]:4000"), 200),
        (Some("[::ffff:127.0.0.1]:4000"), 200),
        (Some("10.0.0.1:4000"), 401),
        (None, 401),
    ] {
        let mut request = TestRequest::post().uri("/applink").insert_header(("x-client-context", &*context));
        if let Some(peer) = peer {
            request = request.peer_addr(peer.parse().unwrap());
        }
        // What a client says of itself is no address.
        let request = request.insert_header(("x-forwarded-for", "127.0.0.1")).to_request();
        assert_eq!(call_service(&service, request).await.status().as_u16(), status, "{peer:?}");
    }
}
