//! The example `tenants` at several hosts, over HTTP and in headless Chromium, which finds names below `localhost` here.

use crate::support::{ADA, Client, axe, browser::Browser, client::encoded, example::Example, free_port};
use salesforce_fake_org::FakeOrg;

const CONNECT: &str = "/auth/salesforce/connect";

async fn start() -> (FakeOrg, Example, u16) {
    let org = FakeOrg::builder().rows(7).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let port = free_port();
    let public_url = format!("http://connect.app.localhost:{port}");
    let more = [("SALESFORCE_PUBLIC_URL", &*public_url)];
    let example = Example::with("127.0.0.1", port, "tenants", &org, &more).await;
    (org, example, port)
}

/// Two tenants and the connect host: one session of the app, and a connection for each tenant.
#[actix_web::test]
async fn a_tenant_connects_at_the_connect_host_and_comes_back_to_its_own() {
    let (org, _example, port) = start().await;
    let at = |tenant: &str| format!("http://{tenant}.app.localhost:{port}/");
    let browser = Browser::start().await;
    browser.goto(&at("acme")).await;
    browser.click("#log-in").await;
    browser.wait_for_text("not connected").await;
    browser.click("#connect").await;
    browser.wait_for_path(CONNECT).await;
    assert_eq!(browser.url().await.host_str(), Some("connect.app.localhost"));
    assert_eq!(axe::findings(&browser).await, [""; 0], "the page with the button");
    browser.click("main form button").await;
    browser.wait_for_text("7 accounts").await;
    assert_eq!(browser.url().await.as_str(), at("acme"), "back at the tenant's own host");

    // The same user at the other tenant: logged in to the app, and not connected.
    browser.goto(&at("globex")).await;
    browser.wait_for_text("not connected").await;
    org.sign_in(&org.user("ben@example.com"));
    browser.click("#connect").await;
    browser.wait_for_path(CONNECT).await;
    browser.click("main form button").await;
    browser.wait_for_text("7 accounts").await;
    assert_eq!(browser.url().await.as_str(), at("globex"));
    assert_eq!(org.token_calls("authorization_code"), 2);
    browser.close().await;
}

/// A link can name any tenant. It connects and leads to none that the user does not belong to.
#[actix_web::test]
async fn a_link_reaches_no_tenant_of_others_and_no_other_site() {
    let (org, example, _) = start().await;
    let origin = "http://connect.app.localhost";
    let browser = Client::new();
    assert_eq!(browser.open(&example.url("/back?tenant=globex")).await.status, 404, "without a user");
    assert_eq!(browser.open(&example.url(&format!("{CONNECT}?name=globex"))).await.status, 401);
    let session = browser.submit(&example.url("/user/8"), origin, &[]).await;
    assert!(session.set_cookies()[0].contains("Domain=app.localhost"), "{session:?}");
    let page = browser.open(&example.url("/back?tenant=globex")).await;
    assert_eq!((page.status, page.location().host_str()), (303, Some("globex.app.localhost")), "{page:?}");
    for tenant in [
        "acme",
        "evil.example",
        "evil.example/",
        "globex.evil.example#",
        "globex@evil.example",
        "//evil.example",
        "",
        "..",
        "GLOBEX",
        "globex\r\nx: y",
    ] {
        let page = browser.open(&example.url(&format!("/back?tenant={}", encoded(tenant)))).await;
        assert_eq!((page.status, page.header("location")), (404, ""), "{tenant}: {page:?}");
    }
    let page = browser.open(&example.url(&format!("{CONNECT}?name=acme"))).await;
    assert!(page.status == 403 && page.body.contains("You belong to no such tenant."), "{page:?}");
    assert_eq!(org.token_calls("authorization_code"), 0);
    // A return target leaves the connect host by the app's handler only.
    let link =
        format!("{CONNECT}?name=globex&return_to={}", encoded("http://evil.example/back?tenant=globex"));
    let page = browser.open(&example.url(&link)).await;
    assert!(page.status == 200 && !page.body.contains("evil.example"), "{page:?}");
}
