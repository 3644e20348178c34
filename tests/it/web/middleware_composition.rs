//! The middleware beside those that real apps wrap too: whatever the order, the routes work and protection holds.

use crate::support::{ADA, Client, Server, app::listen, reserve, serve, settings_for};
use actix_salesforce::{Salesforce, SalesforceConn, SalesforceUser};
use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    dev::{self, ServiceRequest, ServiceResponse},
    guard,
    http::{StatusCode, header},
    middleware::{
        Compress, Condition, DefaultHeaders, ErrorHandlerResponse, ErrorHandlers, Logger, Next,
        NormalizePath, from_fn,
    },
    web,
};
use salesforce_fake_org::FakeOrg;

/// Runs an app that is given Salesforce, with Ada signed in at the org.
async fn run(
    make: impl FnOnce(std::net::TcpListener, Salesforce) -> dev::Server + Send + 'static,
) -> (FakeOrg, Server) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    (org, serve(listener, move |listener| make(listener, salesforce)))
}

async fn name(sf: SalesforceConn) -> actix_salesforce::Result<String> {
    Ok(sf.identity().await?.username)
}

async fn works(app: &Server) {
    let stranger = Client::new();
    assert_eq!(stranger.fetch(&format!("{}/name", app.url)).await.status, 401);
    let browser = Client::new();
    let page = browser.visit(&format!("{}/name", app.url)).await;
    assert_eq!((page.status, page.body.as_str()), (200, ADA), "{page:?}");
    let me = browser.fetch(&format!("{}/auth/salesforce/me", app.url)).await;
    assert_eq!(me.status, 200, "{me:?}");
    let confirm = browser.open(&format!("{}/auth/salesforce/logout", app.url)).await;
    assert!(confirm.status == 200 && confirm.body.contains("<form"), "{confirm:?}");
    let out = browser.submit(&format!("{}/auth/salesforce/logout", app.url), &app.url, &[]).await;
    assert_eq!(out.status, 303, "{out:?}");
    assert_eq!(browser.fetch(&format!("{}/name", app.url)).await.status, 401);
}

#[actix_web::test]
async fn compression_logging_and_headers_on_either_side() {
    let (_org, app) = run(|listener, salesforce| {
        listen!(listener, 2, move || {
            App::new()
                .route("/name", web::get().to(name))
                .wrap(Compress::default())
                .wrap(DefaultHeaders::new().add(("x-inner", "1")))
                .wrap(salesforce.clone())
                .wrap(Compress::default())
                .wrap(Condition::new(true, DefaultHeaders::new().add(("x-outer", "1"))))
                .wrap(Logger::default())
        })
    })
    .await;
    works(&app).await;
}

#[actix_web::test]
async fn normalized_paths() {
    let (_org, app) = run(|listener, salesforce| {
        listen!(listener, 2, move || {
            App::new()
                .route("/name", web::get().to(name))
                .wrap(salesforce.clone())
                .wrap(NormalizePath::trim())
        })
    })
    .await;
    works(&app).await;
    let page = Client::new().open(&format!("{}//auth/salesforce/login/", app.url)).await;
    assert_eq!(page.status, 303, "a path that routing sees as the login route: {page:?}");
}

/// Error pages of the app's own, inside and outside, see our responses and may replace them.
#[actix_web::test]
async fn error_pages_of_the_app() {
    fn page<B>(response: ServiceResponse<B>) -> actix_web::Result<ErrorHandlerResponse<B>> {
        let (request, response) = response.into_parts();
        let status = response.status();
        let response = HttpResponse::build(status).body("the app's own page");
        Ok(ErrorHandlerResponse::Response(ServiceResponse::new(request, response.map_into_right_body())))
    }
    let (_org, app) = run(|listener, salesforce| {
        listen!(listener, 2, move || {
            App::new().route("/name", web::get().to(name)).wrap(salesforce.clone()).wrap(
                ErrorHandlers::new()
                    .handler(StatusCode::UNAUTHORIZED, page)
                    .handler(StatusCode::NOT_FOUND, page),
            )
        })
    })
    .await;
    works(&app).await;
    let response = Client::new().fetch(&format!("{}/name", app.url)).await;
    assert_eq!((response.status, response.body.as_str()), (401, "the app's own page"));
}

/// Guards, nested scopes, resources with middleware, a default service, HEAD and OPTIONS.
#[actix_web::test]
async fn every_way_to_mount_a_handler() {
    let (_org, app) =
        run(|listener, salesforce| {
            listen!(listener, 2, move || {
                App::new()
                    .service(web::scope("/outer").service(
                        web::scope("/inner").guard(guard::Header("x-inner", "yes")).service(
                            web::resource("/name").wrap(Compress::default()).route(web::get().to(name)),
                        ),
                    ))
                    .route("/name", web::get().to(name))
                    .route("/name", web::head().to(name))
                    .default_service(web::to(|| async { HttpResponse::NotFound().body("nothing here") }))
                    .wrap(salesforce.clone())
            })
        })
        .await;
    works(&app).await;
    let browser = Client::new();
    browser.visit(&format!("{}/name", app.url)).await;
    let send = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        browser.send(method.parse().unwrap(), &format!("{}{path}", app.url), headers, None).await
    };
    let nested = send("GET", "/outer/inner/name", &[("x-inner", "yes")]).await;
    assert_eq!((nested.status, nested.body.as_str()), (200, ADA));
    assert_eq!(send("GET", "/outer/inner/name", &[]).await.status, 404);
    let head = send("HEAD", "/name", &[]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(send("OPTIONS", "/nowhere", &[]).await.body, "nothing here");
    let login = send("HEAD", "/auth/salesforce/login", &[]).await;
    assert!(login.status == 405 && login.set_cookies().is_empty(), "a HEAD starts no login: {login:?}");
}

/// A middleware of the app's own that asks for an extractor protects as a handler does: its error is a redirect for a
/// navigation, and 401 for everything else.
#[actix_web::test]
async fn a_middleware_that_asks_who_is_there() {
    async fn only_people(
        _: SalesforceUser,
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
        next.call(request).await
    }
    let (_org, app) = run(|listener, salesforce| {
        listen!(listener, 2, move || {
            App::new()
                .service(
                    web::scope("/inner")
                        .route("/plain", web::get().to(|| async { "plain" }))
                        .wrap(from_fn(only_people)),
                )
                .route("/name", web::get().to(name))
                .wrap(salesforce.clone())
        })
    })
    .await;
    let url = format!("{}/inner/plain?a=1", app.url);
    // More often than there are workers: the first request of each takes another way.
    for _ in 0..6 {
        let stranger = Client::new();
        let page = stranger.open(&url).await;
        assert_eq!(
            (page.status, page.header("location")),
            (303, "/auth/salesforce/login?return_to=%2Finner%2Fplain%3Fa%3D1")
        );
        let page = stranger.fetch(&url).await;
        assert_eq!((page.status, &page.json()["login_url"]), (401, &"/auth/salesforce/login".into()));
    }
    let page = Client::new().visit(&url).await;
    assert_eq!((page.status, page.body.as_str(), page.url.as_str()), (200, "plain", url.as_str()));
    works(&app).await;
}

/// What a middleware further in adds to a response stays, and a page that it makes of our error is the one that is seen.
#[actix_web::test]
async fn what_a_middleware_further_in_did_to_an_error_stays() {
    fn page<B>(response: ServiceResponse<B>) -> actix_web::Result<ErrorHandlerResponse<B>> {
        let (request, response) = response.into_parts();
        let mut response = response.set_body("the app's own page").map_into_boxed_body();
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
        let response = response.map_into_right_body();
        Ok(ErrorHandlerResponse::Response(ServiceResponse::new(request, response)))
    }
    async fn unknown(sf: SalesforceConn) -> actix_salesforce::Result<String> {
        sf.sobject("Account").retrieve::<serde_json::Value>("001000000000001AAA").await?;
        Ok(String::new())
    }
    let (_org, app) = run(|listener, salesforce| {
        listen!(listener, 2, move || {
            App::new()
                .route("/name", web::get().to(name))
                .route("/unknown", web::get().to(unknown))
                .service(
                    web::scope("/own").route("/unknown", web::get().to(unknown)).wrap(
                        ErrorHandlers::new()
                            .handler(StatusCode::NOT_FOUND, page)
                            .handler(StatusCode::UNAUTHORIZED, page),
                    ),
                )
                .wrap(Compress::default())
                .wrap(DefaultHeaders::new().add(("x-request-id", "7")))
                .wrap(salesforce.clone())
        })
    })
    .await;
    works(&app).await;
    for _ in 0..4 {
        let page = Client::new().open(&format!("{}/name", app.url)).await;
        assert_eq!((page.status, page.header("x-request-id")), (303, "7"), "{page:?}");
        let page = Client::new().open(&format!("{}/own/unknown", app.url)).await;
        assert_eq!(page.status, 303, "login stays possible: {page:?}");
    }
    let browser = Client::new();
    let page = browser.visit(&format!("{}/unknown", app.url)).await;
    assert!(page.status == 404 && page.header("content-type").starts_with("text/html"), "{page:?}");
    assert_eq!((page.header("x-request-id"), page.header("vary")), ("7", "accept-encoding"));
    let page = browser.visit(&format!("{}/own/unknown", app.url)).await;
    assert_eq!((page.status, page.body.as_str()), (404, "the app's own page"), "{page:?}");
}

/// An upgraded connection is passed through, in both directions and for as long as it lasts.
#[actix_web::test]
async fn an_upgraded_connection_is_protected_and_passed_through() {
    use std::io::{Read as _, Write as _};
    async fn echo(_: SalesforceUser, body: web::Payload) -> HttpResponse {
        HttpResponse::SwitchingProtocols().upgrade("websocket").streaming(body)
    }
    let (_org, app) = run(|listener, salesforce| {
        listen!(listener, 2, move || {
            App::new()
                .route("/name", web::get().to(name))
                .route("/echo", web::get().to(echo))
                .wrap(salesforce.clone())
        })
    })
    .await;
    works(&app).await;
    let browser = Client::new();
    browser.visit(&format!("{}/name", app.url)).await;
    let (url, cookies) = (app.url.clone(), browser.cookie_line());
    tokio::task::spawn_blocking(move || {
        let connect = |cookie: &str| {
            let mut stream = std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            let head = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n";
            stream.write_all(format!("{head}Cookie: {cookie}\r\n\r\n").as_bytes()).unwrap();
            let mut response = Vec::new();
            let mut byte = [0];
            while !response.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                response.push(byte[0]);
            }
            (String::from_utf8(response).unwrap(), stream)
        };
        assert!(connect("a=b").0.starts_with("HTTP/1.1 401"), "a stranger");
        let (response, mut stream) = connect(&cookies);
        assert!(response.starts_with("HTTP/1.1 101"), "{response}");
        for message in ["one", "two!!", "three"] {
            stream.write_all(message.as_bytes()).unwrap();
            let mut echoed = vec![0; message.len()];
            stream.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, message.as_bytes());
        }
    })
    .await
    .unwrap();
}

/// Apps are tested without a network, too.
#[actix_web::test]
async fn it_works_in_a_service_that_a_test_makes() {
    use actix_web::test::{TestRequest, call_service, init_service};
    let org = FakeOrg::start().await.unwrap();
    let salesforce = settings_for(&org, "http://127.0.0.1:8080").build().await.unwrap();
    let app = init_service(App::new().route("/name", web::get().to(name)).wrap(salesforce)).await;
    let page = TestRequest::get().uri("/name").insert_header(("accept", "text/html")).to_request();
    let response = call_service(&app, page).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let login = TestRequest::get().uri("/auth/salesforce/login").to_request();
    let response = call_service(&app, login).await;
    assert!(response.headers().get("location").unwrap().to_str().unwrap().starts_with(&org.login_url()));
}
