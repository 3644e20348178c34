//! The login flow in a real browser, with clicks: headless Chromium, the app and the org on two sites (promise 6).

use crate::support::{ADA, browser::Browser, example::Example};
use salesforce_fake_org::FakeOrg;

/// The org on 127.0.0.1, the app on localhost.
async fn start() -> (FakeOrg, Example, Browser) {
    let org = FakeOrg::start().await.unwrap();
    let app = Example::at("localhost", "accounts", &org).await;
    let browser = Browser::start().await;
    (org, app, browser)
}

async fn sign_in(browser: &Browser, org: &FakeOrg) {
    let ada = org.user(ADA);
    browser.fill("#username", ADA).await;
    browser.fill("#password", ada.password()).await;
    browser.click("#Login").await;
}

#[actix_web::test]
async fn a_user_signs_in_with_clicks_logs_out_and_is_kept_out() {
    let (org, app, browser) = start().await;
    browser.goto(&app.url("/")).await;
    browser.screenshot("home").await;
    browser.click("#login").await;
    assert!(browser.url().await.as_str().starts_with(&org.login_url()), "at Salesforce now");
    browser.screenshot("login").await;
    sign_in(&browser, &org).await;
    browser.click("#oaapprove").await;
    browser.wait_for_path("/accounts").await;
    let text = browser.text().await;
    assert!(
        text.contains("Computing") && text.contains(ADA),
        "what a handler fetched through SalesforceConn: {text}"
    );
    browser.screenshot("accounts").await;
    browser.click("#accounts a").await;
    browser.screenshot("account").await;
    browser.goto(&app.url("/admin/")).await;
    browser.screenshot("admin").await;

    browser.click("#logout").await;
    browser.wait_for_path("/").await;
    assert!(browser.text().await.contains("Log in with Salesforce"));
    assert_eq!(browser.fetch_status("/whoami").await, 401, "the login is over");
    browser.goto(&format!("{}/secur/logout.jsp", org.login_url())).await;
    browser.goto(&app.url("/accounts")).await;
    assert!(browser.url().await.as_str().starts_with(&org.login_url()), "kept out until a user signs in");
    browser.close().await;
}

/// The page that asks first is one without referrer, whose forms browsers send with `Origin: null`.
#[actix_web::test]
async fn a_user_who_opens_the_logout_address_is_asked_first() {
    let (org, app, browser) = start().await;
    org.sign_in(&org.user(ADA));
    browser.goto(&app.url("/accounts")).await;
    browser.wait_for_path("/accounts").await;
    browser.goto(&app.url("/auth/salesforce/logout")).await;
    browser.screenshot("confirm-logout").await;
    browser.goto(&app.url("/whoami")).await;
    assert!(browser.text().await.contains(ADA), "still logged in");
    browser.page.back().await.unwrap();
    browser.click("main button").await;
    browser.wait_for_path("/").await;
    assert_eq!(browser.fetch_status("/whoami").await, 401, "the login is over");

    // To a protected page: the way leads on to Salesforce, whatever the policy of the page with the form.
    browser.goto(&app.url("/auth/salesforce/logout?return_to=/accounts")).await;
    browser.click("main button").await;
    browser.wait_for_path("/accounts").await;
    browser.close().await;
}

#[actix_web::test]
async fn two_tabs_that_log_in_at_once_each_land_on_their_own_page() {
    let (org, app, browser) = start().await;
    browser.goto(&app.url("/accounts?name=a")).await;
    let (first, second) = browser.new_tab().await;
    browser.goto(&app.url("/whoami")).await;
    browser.page.switch_to_window(first.clone()).await.unwrap();
    sign_in(&browser, &org).await;
    browser.click("#oaapprove").await;
    browser.wait_for_path("/accounts").await;
    assert_eq!(browser.url().await.query(), Some("name=a"));
    browser.page.switch_to_window(second).await.unwrap();
    sign_in(&browser, &org).await;
    browser.wait_for_path("/whoami").await;
    assert!(browser.text().await.contains(ADA));
    browser.page.switch_to_window(first).await.unwrap();
    assert_eq!(browser.fetch_status("/whoami").await, 200, "the first tab's page still works");
    browser.close().await;
}

#[actix_web::test]
async fn a_refusal_is_explained_and_can_be_tried_again() {
    let (org, app, browser) = start().await;
    browser.goto(&app.url("/accounts")).await;
    sign_in(&browser, &org).await;
    browser.screenshot("consent").await;
    browser.click("#oadeny").await;
    browser.wait_for_path("/auth/salesforce/callback").await;
    browser.screenshot("error").await;
    assert!(browser.text().await.contains("access_denied"), "{}", browser.text().await);
    browser.click("main .button").await;
    browser.click("#oaapprove").await;
    browser.wait_for_path("/accounts").await;
    // The back button leads over the callback to pages that are no longer needed.
    for _ in 0..4 {
        browser.page.back().await.unwrap();
    }
    browser.goto(&app.url("/whoami")).await;
    assert!(browser.text().await.contains(ADA));
    browser.close().await;
}

#[actix_web::test]
async fn no_return_target_leaves_the_origin_of_the_app() {
    let (org, app, browser) = start().await;
    org.sign_in(&org.user(ADA));
    let home = app.url("/").parse::<url::Url>().unwrap();
    for target in [
        "//127.0.0.1:1/",
        "///127.0.0.1:1/",
        "/\\127.0.0.1:1/",
        "\\/127.0.0.1:1/",
        "/\t/127.0.0.1:1/",
        "/%09/127.0.0.1:1/",
        "http:127.0.0.1:1",
        "http:\\\\127.0.0.1:1",
        "javascript:document.title='taken'",
        "data:text/html,x",
        "/.//127.0.0.1:1/",
        "/..//127.0.0.1:1/",
        "/%2f%2f127.0.0.1:1/",
        "/@127.0.0.1:1/",
        "\u{a0}//127.0.0.1:1/",
        "/\u{ff0f}127.0.0.1:1/",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        browser.goto(&app.url(&format!("/auth/salesforce/login?return_to={encoded}"))).await;
        assert_eq!(browser.url().await.origin(), home.origin(), "{target:?}");
    }
    browser.goto(&app.url("/whoami")).await;
    assert!(browser.text().await.contains(ADA), "all of them logged in");
    browser.close().await;
}
