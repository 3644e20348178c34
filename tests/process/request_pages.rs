//! The pages that stand in for what a handler or a rule refuses, in headless Chromium: axe-core finds nothing on them.

use crate::support::{
    ADA, Server,
    app::{listen, serve},
    axe,
    browser::Browser,
    reserve, settings_for,
};
use actix_salesforce::{Error, RequireLogin, SalesforceConn, SalesforceOrgs, SameLogin};
use actix_web::{App, HttpResponse, Responder, web};
use salesforce_fake_org::{FakeOrg, Fault};

/// A page with a form for each address that is reached by POST.
async fn forms() -> impl Responder {
    let form = |path: &str| format!("<form method=\"post\" action=\"{path}\"><button>{path}</button></form>");
    let body = ["/read", "/fresh", "/form"].map(form).concat();
    HttpResponse::Ok().content_type("text/html").body(format!("<!doctype html><title>Forms</title>{body}"))
}

async fn read(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let rows = sf.query::<serde_json::Value>("SELECT Id FROM Account LIMIT 1").fetch_all().await?;
    Ok(web::Json(rows))
}

async fn form(_: SameLogin) -> &'static str {
    "sent"
}

async fn source(orgs: SalesforceOrgs) -> Result<&'static str, Error> {
    orgs.connection("00D000000000009EAA".parse()?)?;
    Ok("source")
}

async fn start() -> (FakeOrg, Server) {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 2, move || {
            App::new()
                .route("/", web::get().to(forms))
                .route("/read", web::get().to(read))
                .route("/read", web::post().to(read))
                .route("/form", web::post().to(form))
                .route("/source", web::get().to(source))
                .service(
                    web::resource("/rule")
                        .wrap(RequireLogin::new().allow_if(|_| false))
                        .to(|| async { "rule" }),
                )
                .service(web::resource("/fresh").wrap(RequireLogin::new().fresh(5)).to(|| async { "fresh" }))
                .wrap(salesforce.clone())
        })
    });
    (org, server)
}

/// What a query can get, and a word of the page about it.
const FAULTS: [(u16, &str, &str); 8] = [
    (403, "INSUFFICIENT_ACCESS", "Sharing Settings"),
    (403, "API_DISABLED_FOR_ORG", "no API"),
    (400, "STORAGE_LIMIT_EXCEEDED", "Storage Usage"),
    (400, "MALFORMED_QUERY", "its log says more"),
    (404, "NOT_FOUND", "no such record"),
    (500, "APEX_ERROR", "Apex Classes"),
    (503, "SERVER_UNAVAILABLE", "cannot be reached"),
    // The last one: the connection sends no more requests after it.
    (403, "REQUEST_LIMIT_EXCEEDED", "API Requests"),
];

async fn check(browser: Browser, name: &str) {
    let (org, app) = start().await;
    let mut wrong = Vec::new();
    let mut look = async |browser: &Browser, page: &str, expected: &str| {
        let text = browser.text().await;
        assert!(text.contains(expected), "{page}: {text}");
        wrong.extend(axe::findings(browser).await.into_iter().map(|finding| format!("{page}: {finding}")));
    };
    let url = |path: &str| format!("{}{path}", app.url);
    browser.goto(&url("/")).await;
    browser.click("form[action='/read'] button").await;
    look(&browser, "a form without a login", "send the form again").await;
    org.sign_in(&org.user(ADA));
    browser.goto(&url("/read")).await;
    for (status, code, expected) in FAULTS {
        let (code, message) = (code.to_owned(), String::new());
        let fault = org.faults().query(Fault::ApiError { status, code, message });
        browser.goto(&url("/read")).await;
        look(&browser, expected, expected).await;
        fault.remove();
    }
    browser.goto(&url("/rule")).await;
    look(&browser, "a rule", "not allowed to use this").await;
    browser.screenshot(&format!("rule-{name}")).await;
    browser.goto(&url("/source")).await;
    look(&browser, "an org that is missing", "An organization is missing").await;
    for (path, expected) in [("/form", "out of date"), ("/fresh", "Send it again")] {
        browser.goto(&url("/")).await;
        browser.click(&format!("form[action='{path}'] button")).await;
        look(&browser, path, expected).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    browser.close().await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_light_pages_of_requests() {
    check(Browser::start().await, "light").await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_dark_pages_of_requests() {
    check(Browser::dark().await, "dark").await;
}
