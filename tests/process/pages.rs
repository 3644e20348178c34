//! The pages of the middleware in headless Chromium: axe-core finds nothing, light and dark, and a keyboard is enough.

use crate::support::{ADA, app, axe, browser::Browser, client::encoded, reserve, settings_for};
use actix_salesforce::owner::{ConnectDecision, InvalidOwner, Owner};
use fantoccini::Locator;
use salesforce_fake_org::{FakeOrg, PermittedUsers};
use serde_json::json;

/// What Salesforce says to a browser in a login: code and description.
const REFUSALS: [(&str, &str); 22] = [
    ("access_denied", "end-user denied authorization"),
    ("OAUTH_APP_BLOCKED", "this app is blocked by admin"),
    ("OAUTH_APP_ACCESS_DENIED", ""),
    ("invalid_app_access", "user is not admin approved to access this app"),
    ("invalid_client", "app must be installed into org"),
    ("OAUTH_EC_APP_NOT_FOUND", ""),
    ("OAUTH_APPROVAL_ERROR_GENERIC", ""),
    ("oauth_flow_disabled", ""),
    ("invalid_session_level", ""),
    ("inactive_user", "user is inactive"),
    ("inactive_org", "organization is locked, closed, or suspended"),
    ("invalid_grant", "ip restricted or invalid login hours"),
    ("invalid_grant", "ip restricted"),
    ("invalid_grant", ""),
    ("rate_limit_exceeded", "number of logins exceeded"),
    ("immediate_unsuccessful", ""),
    ("invalid_scope", ""),
    ("invalid_request", "missing required code challenge"),
    ("invalid_client_id", "client identifier invalid"),
    ("redirect_uri_mismatch", "redirect_uri must match configuration"),
    ("server_error", ""),
    ("service_unavailable", ""),
];

async fn start() -> (FakeOrg, app::Server) {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url)
        .connect_owner(|_| async { Ok::<_, InvalidOwner>(ConnectDecision::owner(Owner::new("7")?)) })
        .build()
        .await
        .unwrap();
    let server = app::standard(listener, 4, salesforce);
    (org, server)
}

async fn check(browser: Browser, name: &str) {
    let (_org, app) = start().await;
    let refusals = REFUSALS.map(|(code, description)| {
        let description = encoded(description);
        format!("/auth/salesforce/callback?error={code}&error_description={description}&state=x")
    });
    let others = [
        "/auth/salesforce/callback?state=unknown&code=x",
        "/auth/salesforce/callback?state=x&state=y",
        "/auth/salesforce/login?host=nowhere",
        "/auth/salesforce/logout",
        "/auth/salesforce/canvas",
        "/auth/salesforce/connect?name=prod",
        "/auth/salesforce/connect?name=a+b",
    ];
    let mut wrong = Vec::new();
    for path in refusals.iter().map(String::as_str).chain(others) {
        browser.goto(&format!("{}{path}", app.url)).await;
        wrong.extend(axe::findings(&browser).await.into_iter().map(|finding| format!("{path}: {finding}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (index, path) in
        [&refusals[4], &refusals[13], &others[3].to_owned(), &others[5].to_owned()].iter().enumerate()
    {
        browser.goto(&format!("{}{path}", app.url)).await;
        browser.screenshot(&format!("page-{name}-{index}")).await;
    }
    let ground = "return getComputedStyle(document.body).backgroundColor";
    let ground = browser.page.execute(ground, Vec::new()).await.unwrap().to_string();
    assert_eq!(ground.contains("17, 20, 26"), name == "dark", "{ground}");
    browser.close().await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_light_pages() {
    check(Browser::start().await, "light").await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_dark_pages() {
    check(Browser::dark().await, "dark").await;
}

/// The pages that no link leads to: a login loop, a machine whose clock is wrong, and in a frame a signed request that is not
/// Salesforce's.
async fn check_rare(browser: Browser, name: &str) {
    let (org, app) = start().await;
    let mut wrong = Vec::new();
    let mut check = async |what: &str, text: &str| {
        let shown = browser.text().await;
        assert!(shown.contains(text), "{what}: {shown}");
        wrong.extend(axe::findings(&browser).await.into_iter().map(|finding| format!("{what}: {finding}")));
        browser.screenshot(&format!("page-{name}-{what}")).await;
    };
    org.sign_in(&org.user(ADA));
    for _ in 0..9 {
        browser.goto(&format!("{}/auth/salesforce/login?return_to=/maybe", app.url)).await;
    }
    check("login-loop", "it did not last").await;
    org.set_time(std::time::SystemTime::now() + std::time::Duration::from_secs(300));
    browser.goto(&format!("{}/auth/salesforce/login?return_to=/maybe", app.url)).await;
    check("wrong-clock", "The clock of this app's server is wrong").await;
    org.set_time(std::time::SystemTime::now());

    let (listener, url) = reserve();
    let other_secret = settings_for(&org, &url).client_secret("another-secret-0123456789");
    let _other = app::standard(listener, 4, other_secret.build().await.unwrap());
    org.set_policy(&json!({ "canvas_url": format!("{url}/auth/salesforce/canvas") })).unwrap();
    org.set_permitted_users(PermittedUsers::AdminApproved(vec![ADA.into()]));
    browser.goto(&format!("{}/canvas?username={ADA}", org.instance_url().trim_end_matches('/'))).await;
    browser.wait_for_element("iframe").await;
    let frame = browser.page.find(Locator::Css("iframe")).await.unwrap();
    frame.enter_frame().await.unwrap();
    browser.wait_for_element("main h1").await;
    check("invalid-signed-request", "cannot be verified").await;
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    browser.close().await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_pages_that_no_link_leads_to() {
    check_rare(Browser::start().await, "light").await;
    check_rare(Browser::dark().await, "dark").await;
}

/// From a refusal to the login, and out again: Tab and Enter only.
#[actix_web::test]
async fn a_keyboard_is_enough_for_a_refused_login_and_a_logout() {
    let (org, app) = start().await;
    let browser = Browser::start().await;
    browser.goto(&format!("{}/auth/salesforce/callback?error=inactive_user&state=x", app.url)).await;
    let text = browser.text().await;
    for part in ["not active", "An administrator", "Users > Users", "inactive_user", "Reference"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    org.sign_in(&org.user(ADA));
    browser.tab_to(".button").await;
    browser.press("\u{e007}").await;
    browser.wait_for_path("/").await;
    browser.goto(&format!("{}/auth/salesforce/logout", app.url)).await;
    browser.tab_to("button").await;
    browser.press("\u{e007}").await;
    browser.wait_for_path("/").await;
    assert_eq!(browser.fetch_status("/user").await, 401, "the login is over");
    browser.close().await;
}

#[actix_web::test]
async fn a_keyboard_is_enough_to_connect_salesforce() {
    let (org, app) = start().await;
    org.sign_in(&org.user(ADA));
    let browser = Browser::start().await;
    browser.goto(&format!("{}/auth/salesforce/connect?name=prod&return_to=/maybe", app.url)).await;
    browser.tab_to("main form button").await;
    browser.press("\u{e007}").await;
    browser.wait_for_path("/maybe").await;
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)).len(), 1, "connected");
    browser.close().await;
}
