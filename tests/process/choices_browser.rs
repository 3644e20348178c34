//! The chooser of login hosts and the page of orgs in a real browser, by keyboard alone: headless Chromium, the app and the
//! orgs on two sites.

use crate::support::{ADA, axe, browser::Browser, example::Example, free_port};
use salesforce_fake_org::FakeOrg;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const DOWN: &str = "\u{e015}";

/// Presses a key where the focus is.
async fn press(browser: &Browser, key: &str) {
    browser.page.active_element().await.unwrap().send_keys(key).await.unwrap();
}

/// The text of what has the focus, or the value of a field.
async fn focused(browser: &Browser) -> String {
    let element = browser.page.active_element().await.unwrap();
    match element.prop("value").await.unwrap().filter(|value| !value.is_empty()) {
        Some(value) => value,
        None => element.text().await.unwrap(),
    }
}

/// Goes on until this has the focus.
async fn tab_to(browser: &Browser, wanted: &str) {
    for _ in 0..12 {
        press(browser, TAB).await;
        if focused(browser).await == wanted {
            return;
        }
    }
    panic!("{wanted} gets no focus: {}", browser.text().await);
}

/// Two orgs at which Ada is signed in, and an app that has both as login hosts.
async fn start() -> (FakeOrg, FakeOrg, Example) {
    let source = FakeOrg::start().await.unwrap();
    let (id, secret) = (source.client_id(), source.client_secret());
    let target = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    for org in [&source, &target] {
        org.sign_in(&org.user(ADA));
    }
    let hosts = format!("source={} target={}", source.login_url(), target.login_url());
    let origins = format!("{} {}", source.instance_url(), target.instance_url());
    let more = [
        ("SALESFORCE_LOGIN_HOSTS", &*hosts),
        ("SALESFORCE_ALLOWED_ORIGINS", &*origins),
        ("SALESFORCE_ALLOW_MY_DOMAIN", "true"),
    ];
    let app = Example::with("localhost", free_port(), "copy_between_orgs", &source, &more).await;
    (source, target, app)
}

#[actix_web::test]
async fn a_login_host_and_an_org_are_chosen_by_keyboard() {
    let (source, target, app) = start().await;
    let browser = Browser::start().await;

    browser.goto(&app.url("/auth/salesforce/hosts?return_to=/")).await;
    browser.screenshot("choose-host").await;
    assert_eq!(axe::findings(&browser).await, [""; 0], "the chooser");
    press(&browser, TAB).await;
    assert_eq!(focused(&browser).await, "source", "the group of hosts, and its first one");
    press(&browser, DOWN).await;
    assert_eq!(focused(&browser).await, "target");
    tab_to(&browser, "Log in").await;
    press(&browser, ENTER).await;
    browser.wait_for_path("/").await;
    assert!(browser.text().await.contains(&target.organization_id()), "{}", browser.text().await);

    // The host of the last login is selected, and a mistyped My Domain leads back here.
    browser.goto(&app.url("/auth/salesforce/hosts?return_to=/")).await;
    press(&browser, TAB).await;
    assert_eq!(focused(&browser).await, "target");
    browser.fill("#my-domain", "evil.example").await;
    press(&browser, ENTER).await;
    browser.wait_for_path("/auth/salesforce/login").await;
    browser.screenshot("wrong-host").await;
    assert_eq!(axe::findings(&browser).await, [""; 0], "a host that does not exist");
    tab_to(&browser, "Choose where to log in").await;
    press(&browser, ENTER).await;
    browser.wait_for_path("/auth/salesforce/hosts").await;

    browser.goto(&app.url("/auth/salesforce/login?add=1")).await;
    assert_eq!(axe::findings(&browser).await, [""; 0], "the page that adds an org");
    browser.goto(&app.url("/auth/salesforce/orgs?return_to=/")).await;
    assert_eq!(axe::findings(&browser).await, [""; 0], "one org");
    tab_to(&browser, "Add an organization").await;
    press(&browser, ENTER).await;
    browser.wait_for_path("/auth/salesforce/hosts").await;
    press(&browser, TAB).await;
    press(&browser, "\u{e013}").await;
    assert_eq!(focused(&browser).await, "source");
    press(&browser, ENTER).await;
    browser.wait_for_path("/").await;
    let text = browser.text().await;
    assert!(text.contains(&source.organization_id()) && text.contains(&target.organization_id()), "{text}");

    browser.goto(&app.url("/auth/salesforce/orgs?return_to=/")).await;
    browser.screenshot("choose-org").await;
    assert_eq!(axe::findings(&browser).await, [""; 0], "two orgs");
    tab_to(&browser, "Switch to it").await;
    let about = browser.page.active_element().await.unwrap().attr("aria-describedby").await.unwrap().unwrap();
    let about = browser.page.find(fantoccini::Locator::Id(&about)).await.unwrap().text().await.unwrap();
    assert!(about.contains(&target.organization_id()), "the button says what it is about: {about}");
    press(&browser, ENTER).await;
    browser.wait_for_path("/").await;
    browser.goto(&app.url("/auth/salesforce/me")).await;
    assert!(browser.text().await.contains(&target.organization_id()));
    browser.close().await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_dark_choosers() {
    let (_source, _target, app) = start().await;
    let browser = Browser::dark().await;
    let log_in = async |host: &str| {
        browser.click(&format!("input[value='{host}']")).await;
        browser.click("main form button").await;
        browser.wait_for_path("/").await;
    };
    let look = async |path: &str| {
        browser.goto(&app.url(path)).await;
        assert_eq!(axe::findings(&browser).await, [""; 0], "{path}");
    };
    look("/auth/salesforce/login?host=evil.example").await;
    look("/auth/salesforce/hosts?return_to=/").await;
    log_in("source").await;
    look("/auth/salesforce/login?add=1").await;
    look("/auth/salesforce/orgs?return_to=/").await;
    look("/auth/salesforce/hosts?add=1&return_to=/").await;
    log_in("target").await;
    look("/auth/salesforce/orgs?return_to=/").await;
    browser.screenshot("choose-org-dark").await;
    browser.close().await;
}
