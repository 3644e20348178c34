//! The middleware beside those that real apps wrap too: whatever the order, the routes answer and protection holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use actix_salesforce::{Salesforce, SalesforceConn};
use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{self, ServiceResponse},
    guard,
    http::StatusCode,
    middleware::{
        Compress, Condition, DefaultHeaders, ErrorHandlerResponse, ErrorHandlers, Logger, NormalizePath,
    },
    web,
};
use salesforce_fake_org::FakeOrg;
use support::{ADA, Client, Server, reserve, serve, settings_for};

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
        HttpServer::new(move || {
            App::new()
                .route("/name", web::get().to(name))
                .wrap(Compress::default())
                .wrap(DefaultHeaders::new().add(("x-inner", "1")))
                .wrap(salesforce.clone())
                .wrap(Compress::default())
                .wrap(Condition::new(true, DefaultHeaders::new().add(("x-outer", "1"))))
                .wrap(Logger::default())
        })
        .workers(2)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run()
    })
    .await;
    works(&app).await;
}

#[actix_web::test]
async fn normalized_paths() {
    let (_org, app) = run(|listener, salesforce| {
        HttpServer::new(move || {
            App::new()
                .route("/name", web::get().to(name))
                .wrap(salesforce.clone())
                .wrap(NormalizePath::trim())
        })
        .workers(2)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run()
    })
    .await;
    works(&app).await;
    let page = Client::new().open(&format!("{}//auth/salesforce/login/", app.url)).await;
    assert_eq!(page.status, 303, "a path that routing sees as the login route: {page:?}");
}

/// Error pages of the app's own, inside and outside, see our answers and may replace them.
#[actix_web::test]
async fn error_pages_of_the_app() {
    fn page<B>(response: ServiceResponse<B>) -> actix_web::Result<ErrorHandlerResponse<B>> {
        let (request, response) = response.into_parts();
        let status = response.status();
        let response = HttpResponse::build(status).body("the app's own page");
        Ok(ErrorHandlerResponse::Response(ServiceResponse::new(request, response.map_into_right_body())))
    }
    let (_org, app) = run(|listener, salesforce| {
        HttpServer::new(move || {
            App::new().route("/name", web::get().to(name)).wrap(salesforce.clone()).wrap(
                ErrorHandlers::new()
                    .handler(StatusCode::UNAUTHORIZED, page)
                    .handler(StatusCode::NOT_FOUND, page),
            )
        })
        .workers(2)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run()
    })
    .await;
    works(&app).await;
    let answer = Client::new().fetch(&format!("{}/name", app.url)).await;
    assert_eq!((answer.status, answer.body.as_str()), (401, "the app's own page"));
}

/// Guards, nested scopes, resources with middleware, a default service, HEAD and OPTIONS.
#[actix_web::test]
async fn every_way_to_mount_a_handler() {
    let (_org, app) =
        run(|listener, salesforce| {
            HttpServer::new(move || {
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
            .workers(2)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run()
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
