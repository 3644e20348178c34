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
use salesforce_connection::{bulk::JobState, test_errors};
use salesforce_fake_org::{FakeOrg, Fault};

/// A page with a form for each address that is reached by POST.
async fn forms() -> impl Responder {
    let form = |path: &str| format!("<form method=\"post\" action=\"{path}\"><button>{path}</button></form>");
    let body = ["/read", "/fresh", "/form", "/lost"].map(form).concat();
    HttpResponse::Ok().content_type("text/html").body(format!("<!doctype html><title>Forms</title>{body}"))
}

async fn read(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let rows = sf.query::<serde_json::Value>("SELECT Id FROM Account LIMIT 1").fetch_all().await?;
    Ok(web::Json(rows))
}

/// Errors that stand for the kinds which no fault of the fake org leads to.
fn errors() -> Vec<Error> {
    let id = "750000000000001AAA".parse().unwrap();
    let mut errors = test_errors::all();
    // It redirects.
    errors.retain(|error| !matches!(error, Error::LoginRequired));
    errors.extend([
        Error::PreconditionFailed,
        Error::NoServiceUser,
        test_errors::job_failed(id, JobState::Failed, None),
        test_errors::job_timed_out(id),
        test_errors::api_entry(400, "UNABLE_TO_LOCK_ROW", "canary"),
    ]);
    errors
}

async fn error(index: web::Path<usize>) -> actix_salesforce::Result<&'static str> {
    Err(errors().swap_remove(*index))
}

/// A write that a gateway got no response to.
async fn lost() -> actix_salesforce::Result<&'static str> {
    Err(test_errors::api(504))
}

/// The login lacks the scope `web`.
async fn open(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    sf.frontdoor_url("/").await
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
        listen!(listener, 4, move || {
            App::new()
                .route("/", web::get().to(forms))
                .route("/read", web::get().to(read))
                .route("/read", web::post().to(read))
                .route("/form", web::post().to(form))
                .route("/source", web::get().to(source))
                .route("/open", web::get().to(open))
                .route("/lost", web::post().to(lost))
                .route("/error/{index}", web::get().to(error))
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
const FAULTS: [(u16, &str, &str); 11] = [
    (403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "password has expired"),
    (403, "MFA_REQUIRED", "second factor"),
    (403, "TERMS_NOT_ACCEPTED", "accept its terms"),
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
        browser.wait_for_text(expected).await;
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
    browser.goto(&url("/open")).await;
    look(&browser, "no scope for pages", "lacks the scope").await;
    let mut titles = std::collections::BTreeSet::new();
    for index in 0..errors().len() {
        browser.goto(&url(&format!("/error/{index}"))).await;
        look(&browser, &format!("error {index}"), "").await;
        titles.insert(browser.page.title().await.unwrap());
    }
    let expected = [
        "An organization is missing",
        "Not available right now",
        "Not found",
        "Salesforce does not allow this",
        "That did not work",
        "This connection to Salesforce has ended",
        "Your organization may not use this app",
    ];
    assert!(expected.iter().all(|title| titles.contains(*title)), "{titles:?}");
    browser.goto(&url("/source")).await;
    look(&browser, "an org that is missing", "An organization is missing").await;
    for (path, expected) in
        [("/form", "out of date"), ("/fresh", "Send it again"), ("/lost", "may have been saved")]
    {
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

/// Tab and Enter only: a form that needs a new login, and out of what a rule refuses.
#[actix_web::test]
async fn a_keyboard_is_enough_for_a_new_login_and_for_a_refusal_of_a_rule() {
    const ENTER: &str = "\u{e007}";
    let (org, app) = start().await;
    org.sign_in(&org.user(ADA));
    let browser = Browser::start().await;
    let url = |path: &str| format!("{}{path}", app.url);
    browser.goto(&url("/auth/salesforce/login?return_to=/")).await;
    let press_on = async |css: &str| {
        browser.tab_to(css).await;
        browser.press(ENTER).await;
    };
    press_on("form[action='/fresh'] button").await;
    browser.wait_for_path("/fresh").await;
    press_on(".button").await;
    browser.wait_for_path("/").await;
    press_on("form[action='/fresh'] button").await;
    browser.wait_for_path("/fresh").await;
    assert_eq!(browser.text().await, "fresh");

    browser.goto(&url("/rule")).await;
    press_on("main form button").await;
    browser.wait_for_path("/").await;
    assert_eq!(browser.fetch_status("/read").await, 401, "logged out");
    browser.close().await;
}
