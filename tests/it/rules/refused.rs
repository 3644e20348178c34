//! What a user gets whom a rule refuses, and the rule as the type of an extractor.

use super::guarded_app::{BEN, GuardedApp, PAGE};
use crate::support::{ADA, Client, app::listen, reserve, serve, settings_for};
use actix_salesforce::{AccessRule, Allowed, MayUse, RequireLogin};
use actix_web::{App, Responder, web};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

/// The value of an attribute of the first element after a text.
fn attribute<'a>(html: &'a str, after: &str, name: &str) -> &'a str {
    let rest = &html[html.find(after).unwrap_or_else(|| panic!("{after}: {html}"))..];
    let start = rest.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name}: {rest}")) + name.len() + 2;
    &rest[start..start + rest[start..].find('"').unwrap()]
}

#[actix_web::test]
async fn a_refused_user_reads_why_and_as_whom_and_finds_ways_out() {
    let app = GuardedApp::start(RequireLogin::new().any_org().permission("Export")).await;
    app.org.set_user_access(&app.org.user(ADA), &json!({ "custom_permissions": ["Export"] })).unwrap();
    let browser = app.logged_in(BEN).await;
    let page = browser.open(&app.url("/in/page?a=1")).await;
    assert_eq!((page.status, page.header("cache-control")), (403, "no-store"), "{page:?}");
    for text in
        ["custom permission &quot;Export&quot;", "You are logged in as ben@example.com.", "administrator"]
    {
        assert!(page.body.contains(text), "{text}: {page:?}");
    }

    // As another user: Salesforce is asked for its login page, and the browser comes back to this page.
    let other = attribute(&page.body, "<a ", "href").replace("&amp;", "&");
    assert_eq!(other, "/auth/salesforce/login?prompt=login&return_to=%2Fin%2Fpage%3Fa%3D1");
    let copy = browser.copy();
    app.org.sign_in(&app.org.user(ADA));
    let page_of_ada = copy.visit(&app.url(&other)).await;
    assert_eq!((&*page_of_ada.body, page_of_ada.url.query()), ("inside", Some("a=1")));

    // Or out.
    let logout = attribute(&page.body, "<form", "action").to_owned();
    let left = browser.submit(&app.url(&logout), &app.server.url, &[]).await;
    assert_eq!(left.status, 303, "{left:?}");
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);

    let program = app.logged_in(BEN).await;
    let refusal = app.refusal(&program).await;
    assert_eq!(refusal["username"], BEN);
    assert_eq!(refusal["logout_url"], "/auth/salesforce/logout");
    assert_eq!(refusal["login_url"], "/auth/salesforce/login?prompt=login");
    for method in [reqwest::Method::POST, reqwest::Method::DELETE, reqwest::Method::HEAD] {
        let page = program.send(method.clone(), &app.url(PAGE), &[], Some("")).await;
        assert_eq!(page.status, 403, "{method}");
    }
    let htmx = program.send(reqwest::Method::GET, &app.url(PAGE), &[("hx-request", "true")], None).await;
    assert_eq!((htmx.status, htmx.header("hx-redirect")), (403, ""), "no login loop: {htmx:?}");
}

struct Export;

impl AccessRule for Export {
    fn rule() -> RequireLogin {
        RequireLogin::new().any_org().permission("Export")
    }
}

/// Lacks a service user.
struct Billing;

impl AccessRule for Billing {
    fn rule() -> RequireLogin {
        RequireLogin::new().any_org().permission_set("Billing")
    }
}

#[actix_web::test]
async fn a_rule_is_the_type_of_an_extractor() {
    async fn export(user: Allowed<Export>) -> impl Responder {
        user.into_user().username.unwrap_or_default()
    }
    async fn menu(export: MayUse<Export>) -> impl Responder {
        if export.allowed() { "Home, Export" } else { "Home" }
    }
    async fn bill(_: Allowed<Billing>) -> impl Responder {
        "billed"
    }
    let org = FakeOrg::start().await.unwrap();
    org.set_user_access(&org.user(ADA), &json!({ "custom_permissions": ["Export"] })).unwrap();
    let (listener, url) = reserve();
    let salesforce =
        settings_for(&org, &url).scopes("api openid refresh_token custom_permissions").build().await.unwrap();
    let error = salesforce.check_rule(&Billing::rule()).unwrap_err();
    assert_eq!(error.problems()[0].setting, "SALESFORCE_SERVICE_URL");
    salesforce.check_rule(&Export::rule()).unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            App::new()
                .route("/export", web::get().to(export))
                .route("/export", web::post().to(export))
                .route("/menu", web::get().to(menu))
                .route("/bill", web::get().to(bill))
                .wrap(salesforce.clone())
        })
    });
    let at = |path: &str| format!("{}{path}", server.url);
    let stranger = Client::new();
    assert_eq!(stranger.open(&at("/export")).await.status, 303);
    assert_eq!(stranger.fetch(&at("/export")).await.status, 401);
    assert_eq!(stranger.open(&at("/menu")).await.body, "Home");

    org.sign_in(&org.user(BEN));
    let ben = Client::new();
    assert_eq!(ben.visit(&at("/export")).await.status, 403);
    let refusal = ben.fetch(&at("/export")).await;
    assert_eq!((refusal.status, &refusal.json()["reason"]), (403, &"permission".into()));
    assert_eq!(ben.submit(&at("/export"), &server.url, &[]).await.status, 403);
    assert_eq!(ben.open(&at("/menu")).await.body, "Home");

    org.sign_in(&org.user(ADA));
    let ada = Client::new();
    assert_eq!(ada.visit(&at("/export")).await.body, ADA);
    assert_eq!(ada.open(&at("/menu")).await.body, "Home, Export");
    // What the start could not see is a mistake of the app, not of the user.
    assert_eq!(ada.fetch(&at("/bill")).await.status, 500);
}

/// The settings lack what a rule needs: the server does not start.
#[actix_web::test]
async fn a_server_does_not_start_with_a_rule_that_cannot_be_read() {
    let org = FakeOrg::start().await.unwrap();
    let rule = || RequireLogin::new().org("00D000000000001EAA");
    for (rule, starts) in [
        (rule().permission("Export"), false),
        (rule().permission_set("Billing"), false),
        (rule().scope("wave_api"), false),
        (RequireLogin::new().org("Acme"), false),
        (rule().profile("Sales").user_type("STANDARD").fresh(5), true),
    ] {
        let text = format!("{rule:?}");
        let (listener, url) = reserve();
        let salesforce = settings_for(&org, &url).build().await.unwrap();
        let server = listen!(listener, 4, move || {
            let inner = web::scope("/inner").wrap(rule.clone());
            App::new().service(web::scope("/in").service(inner)).wrap(salesforce.clone())
        });
        let handle = server.handle();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), async {
            let stop = async {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                handle.stop(false).await;
            };
            tokio::join!(server, stop).0
        });
        assert_eq!(ended.await.expect("it ends").is_ok(), starts, "{text}");
    }
}
