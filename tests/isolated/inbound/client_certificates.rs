//! Pinned client certificates, as a proxy that ends TLS passes them on.

use super::*;
use crate::support::ADA;
use actix_salesforce::inbound::{ClientCertificate, ClientCertificateHeader};
use base64::{Engine as _, engine::general_purpose::STANDARD};

fn pin(org: &FakeOrg, name: &str) -> String {
    let certificate = ClientCertificate::from_der(&org.call_certificate_der(name));
    certificate.fingerprint().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[actix_web::test]
async fn only_a_pinned_certificate_from_a_trusted_proxy_counts() {
    let header = || ClientCertificateHeader::new("X-Client-Cert").proxy("127.0.0.0/8");
    let app = Inbound::with(|org, builder| {
        builder
            .caller(caller(org).client_certificate(pin(org, "client")).client_certificate(pin(org, "next")))
            .outbound_messages(messages(org).client_certificate(pin(org, "client")))
            .client_certificate_header(header())
    })
    .await;
    let shown = |name: &str| format!(":{}:", STANDARD.encode(app.org.call_certificate_der(name)));
    let token = app.org.call(&app.org.user(ADA)).certificate("orders_2026").audience(AUDIENCE).token();
    let token = format!("Bearer {token}");
    let envelope = super::bad_envelopes::envelope(&app.org.organization_id(), "001Fk0000000001");
    let outbound = format!("/outbound/{SECRET}");
    for (certificate, call, message) in [
        (Some(shown("client")), 200, 200),
        (Some(shown("next")), 200, 401),
        (Some(shown("another")), 401, 401),
        (Some("quail-of-a-header".to_owned()), 401, 401),
        (None, 401, 401),
    ] {
        let mut headers = vec![("authorization", &*token)];
        headers.extend(certificate.as_deref().map(|certificate| ("x-client-cert", certificate)));
        let page = app.post("/call", &headers, "{}").await;
        assert_eq!(page.status, call, "{certificate:?}: {page:?}");
        let page = app.post(&outbound, &headers, &envelope).await;
        assert_eq!(page.status, message, "{certificate:?}: {page:?}");
    }
    assert!(!support::logs::text().contains("quail"));
    // The same from a client that is no proxy, and without the header's setting.
    for header in [Some(ClientCertificateHeader::new("X-Client-Cert").proxy("10.0.0.7")), None] {
        let app = Inbound::with(|org, builder| {
            let builder = builder.caller(caller(org).client_certificate(pin(org, "client")));
            match header {
                Some(header) => builder.client_certificate_header(header),
                None => builder,
            }
        })
        .await;
        let token = app.org.call(&app.org.user(ADA)).certificate("orders_2026").audience(AUDIENCE).token();
        let shown = format!(":{}:", STANDARD.encode(app.org.call_certificate_der("client")));
        let headers = [("authorization", &*format!("Bearer {token}")), ("x-client-cert", &*shown)];
        assert_eq!(app.post("/call", &headers, "{}").await.status, 401);
        assert_eq!(app.handled(), 0);
    }
}

/// An app that ends TLS itself stores what it saw with the connection.
#[actix_web::test]
async fn a_certificate_of_the_connection_counts_without_a_proxy() {
    support::logs::capture();
    let org = FakeOrg::start().await.unwrap();
    for (name, status) in [("client", 200), ("another", 401)] {
        let (listener, url) = reserve();
        let builder = settings_for(&org, &url).caller(caller(&org).client_certificate(pin(&org, "client")));
        let salesforce = builder.build().await.unwrap();
        let shown = ClientCertificate::from_der(&org.call_certificate_der(name));
        let seen = web::Data::new(Seen::default());
        let _server = serve(listener, move |listener| {
            actix_web::HttpServer::new(move || {
                App::new()
                    .app_data(seen.clone())
                    .route("/call", web::post().to(call))
                    .wrap(salesforce.clone())
            })
            .on_connect(move |_, data| shown.store(data))
            .workers(2)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run()
        });
        let token = org.call(&org.user(ADA)).certificate("orders_2026").audience(AUDIENCE).token();
        let headers = [("authorization", &*format!("Bearer {token}"))];
        let page = Client::new().send(Method::POST, &format!("{url}/call"), &headers, Some("{}")).await;
        assert_eq!(page.status, status, "{page:?}");
    }
}

#[actix_web::test]
async fn pins_and_proxies_that_mean_nothing_do_not_start() {
    let org = FakeOrg::start().await.unwrap();
    let header = |header: ClientCertificateHeader| {
        settings_for(&org, "http://127.0.0.1:1").client_certificate_header(header)
    };
    let new = || ClientCertificateHeader::new("X-Client-Cert");
    let pins = "client_certificates";
    for (builder, expected) in [
        (header(new()), "inbound.client_certificate_header"),
        (header(new().proxy("canary")), "inbound.client_certificate_header"),
        (header(new().proxy("0.0.0.0/0")), "inbound.client_certificate_header"),
        (header(ClientCertificateHeader::new("a b").proxy("10.0.0.7")), "inbound.client_certificate_header"),
        (settings_for(&org, "http://127.0.0.1:1").caller(caller(&org).client_certificate("canary")), pins),
        (
            settings_for(&org, "http://127.0.0.1:1")
                .outbound_messages(messages(&org).client_certificate("canary")),
            pins,
        ),
    ] {
        let error = builder.build().await.unwrap_err();
        assert_eq!(error.problems().iter().map(|problem| problem.setting).collect::<Vec<_>>(), [expected]);
        assert!(!format!("{error:?}").contains("canary"), "{error}");
    }
}
