//! Canvas: a signed request of Salesforce logs in, once, in a frame, and changes no ordinary login.

mod frame;
mod processes;
mod signed_request;

use crate::support::{
    Client, Page, Server, TestApp,
    app::{listen, routes, serve},
    reserve, settings_for,
};
use actix_salesforce::{LoginFacts, RequireLogin, Salesforce, SalesforceBuilder, SalesforceUser};
use actix_web::{App, HttpResponse, Responder, web};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;

const CANVAS: &str = "/auth/salesforce/canvas";
const LOGOUT: &str = "/auth/salesforce/logout";
const BEN: &str = "ben@example.com";

/// What a browser says of a page in a frame of another site.
const FRAME: [(&str, &str); 3] =
    [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];

async fn save(user: SalesforceUser) -> impl Responder {
    user.username.unwrap_or_default()
}

/// A page whose app does not want to be framed.
async fn unframed(_: SalesforceUser) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("x-frame-options", "SAMEORIGIN"))
        .insert_header(("content-security-policy", "default-src 'self'; frame-ancestors 'self'"))
        .body("page")
}

async fn fails(_: SalesforceUser) -> actix_salesforce::Result<&'static str> {
    Err(actix_salesforce::Error::RowNotFound)
}

async fn facts(facts: LoginFacts<serde_json::Value>) -> impl Responder {
    facts.to_string()
}

async fn around(org: FakeOrg, settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> TestApp {
    let (salesforce, server) = run(&org, settings).await;
    TestApp { org, salesforce, server }
}

/// Runs one process of the app.
async fn run(
    org: &FakeOrg,
    settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
) -> (Salesforce, Server) {
    let (listener, url) = reserve();
    let salesforce = settings(settings_for(org, &url)).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            App::new()
                .route("/save", web::post().to(save))
                .route("/save", web::delete().to(save))
                .route("/hook", web::post().to(|| async { "public" }))
                .route("/unframed", web::get().to(unframed))
                .route("/facts", web::get().to(facts))
                .route("/fails", web::get().to(fails))
                .service(
                    web::resource("/recent").wrap(RequireLogin::new().fresh(1)).to(|| async { "recent" }),
                )
                .service(
                    web::resource("/forbidden")
                        .wrap(RequireLogin::new().allow_if(|_| false))
                        .to(|| async { "forbidden" }),
                )
                .configure(routes)
                .wrap(wrapped.clone())
        })
    });
    (salesforce, server)
}

async fn start() -> TestApp {
    with(|builder| builder).await
}

async fn with(settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> TestApp {
    around(FakeOrg::start().await.unwrap(), settings).await
}

fn signed(app: &TestApp, user: &str) -> String {
    app.org.canvas_signed_request(&app.org.user(user))
}

/// What the frame of Salesforce's page sends.
async fn post(app: &TestApp, browser: &Client, path: &str, signed: &str, headers: &[(&str, &str)]) -> Page {
    let form =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("signed_request", signed).finish();
    post_form(app, browser, path, &form, headers).await
}

async fn post_form(
    app: &TestApp,
    browser: &Client,
    path: &str,
    form: &str,
    headers: &[(&str, &str)],
) -> Page {
    post_form_to(&app.org, &app.url(path), browser, form, headers).await
}

async fn post_form_to(
    org: &FakeOrg,
    url: &str,
    browser: &Client,
    form: &str,
    headers: &[(&str, &str)],
) -> Page {
    let origin = org.instance_url();
    let origin = origin.trim_end_matches('/');
    let given = |name: &str| headers.iter().any(|(given, _)| *given == name);
    let usual = [
        ("accept", "text/html"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", origin),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
    ];
    let mut all: Vec<_> = usual.into_iter().filter(|(name, _)| !given(name)).collect();
    all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    browser.send(Method::POST, url, &all, Some(form)).await
}

/// A frame in which this user is logged in.
async fn frame(app: &TestApp, user: &str) -> Client {
    let browser = Client::new();
    let page = post(app, &browser, CANVAS, &signed(app, user), &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    browser
}

async fn in_frame(app: &TestApp, browser: &Client, path: &str) -> Page {
    browser.send(Method::GET, &app.url(path), &FRAME, None).await
}

async fn user_of(app: &TestApp, browser: &Client) -> Option<String> {
    let page = in_frame(app, browser, "/user").await;
    // Without a login it is the page that opens a window.
    let is_user = page.status == 200 && page.header("content-type").contains("json");
    is_user.then(|| page.json()["username"].as_str().unwrap().to_owned())
}

/// The bearer of the last request for an identity.
fn last_bearer(app: &TestApp) -> String {
    let requests = app.org.requests();
    let request = requests.iter().rev().find(|request| request.path.starts_with("/id/")).unwrap();
    request.header("authorization").unwrap().to_owned()
}

fn requests_at_instance(app: &TestApp) -> usize {
    let is_there =
        |request: &&salesforce_fake_org::Request| request.host == salesforce_fake_org::Host::Instance;
    app.org.requests().iter().filter(is_there).count()
}
