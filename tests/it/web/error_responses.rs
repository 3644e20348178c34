//! What a user or a program is told when something did not work, and that it is true.

use std::time::Duration;

use crate::support::{
    ADA, Client, Page, Server,
    app::listen,
    failing::{FailingStore, Mode},
    reserve, serve, settings_for,
};
use actix_salesforce::{Result, SalesforceBuilder, SalesforceConn};
use actix_web::{App, Responder, web};
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::json;

async fn make(sf: SalesforceConn) -> Result<impl Responder> {
    Ok(sf.sobject("Account").create(&json!({ "Name": "Twice" })).await?.to_string())
}

/// A fake org, an app that makes records in it, and a browser in which Ada is logged in.
async fn start(settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> (FakeOrg, Server, Client) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings(settings_for(&org, &url)).build().await.unwrap();
    let app = serve(listener, move |listener| {
        listen!(listener, 2, move || {
            App::new()
                .configure(crate::support::app::routes)
                .route("/make", web::to(make))
                .wrap(salesforce.clone())
        })
    });
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{}/whoami", app.url)).await.status, 200);
    (org, app, browser)
}

/// A form, and what a script sends.
async fn make_both(app: &Server, browser: &Client) -> [Page; 2] {
    let url = format!("{}/make", app.url);
    let form = browser.submit(&url, &app.url, &[]).await;
    let headers = [("accept", "application/json"), ("sec-fetch-mode", "cors")];
    [form, browser.send(Method::POST, &url, &headers, Some("")).await]
}

#[actix_web::test]
async fn a_write_whose_response_was_lost_is_not_said_to_be_safe_to_repeat() {
    let (org, app, browser) = start(|builder| builder).await;
    let made = || org.requests().iter().filter(|request| request.path.ends_with("/sobjects/Account")).count();
    for (fault, count) in [(Fault::LoseResponse, 2), (Fault::Status(504), 4)] {
        let fault = org.faults().path("/services/data/v66.0/sobjects/Account", fault);
        for page in make_both(&app, &browser).await {
            assert_eq!(page.status, 504, "{page:?}");
            assert!(page.header("retry-after").is_empty(), "{page:?}");
            assert!(page.body.contains("It may have been saved; check before you try again."), "{page:?}");
            assert!(!page.body.contains("nothing was lost") && !page.body.contains("Try again soon"));
        }
        assert_eq!(made(), count, "each is sent once");
        drop(fault);
        org.faults().clear();
    }
    let [form, script] = make_both(&app, &browser).await;
    assert_eq!((form.status, script.status), (200, 200));

    // What only reads may be asked for again.
    org.faults().query(Fault::LoseResponse);
    for page in [
        browser.open(&format!("{}/names", app.url)).await,
        browser.fetch(&format!("{}/names", app.url)).await,
    ] {
        assert_eq!(page.status, 503, "{page:?}");
        assert!(!page.header("retry-after").is_empty() && page.body.contains("Try again soon"), "{page:?}");
    }
    // And so may what was certainly not sent.
    drop(org);
    for page in make_both(&app, &browser).await {
        assert_eq!(page.status, 503, "{page:?}");
        assert!(!page.header("retry-after").is_empty() && page.body.contains("Try again soon"), "{page:?}");
    }
}

#[actix_web::test]
async fn a_form_after_the_end_of_the_login_gets_a_page_that_leads_on() {
    let (_org, app, browser) = start(|builder| builder).await;
    browser.submit(&format!("{}/auth/salesforce/logout", app.url), &app.url, &[]).await;
    let url = format!("{}/make", app.url);
    let referer = format!("{}/new?kind=a", app.url);
    for (referer, href) in [
        (referer.as_str(), "href=\"/auth/salesforce/login?return_to=%2Fnew%3Fkind%3Da\""),
        ("https://evil.example/x", "href=\"/auth/salesforce/login\""),
    ] {
        let headers = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("referer", referer)];
        let page = browser.send(Method::POST, &url, &headers, Some("")).await;
        assert_eq!((page.status, page.header("content-type")), (401, "text/html; charset=utf-8"), "{page:?}");
        assert!(page.body.contains(href) && page.body.contains(">Log in<"), "{page:?}");
        assert_eq!(page.header("cache-control"), "no-store");
    }
    for headers in
        [vec![("accept", "application/json")], vec![("accept", "text/html"), ("sec-fetch-mode", "cors")]]
    {
        let page = browser.send(Method::POST, &url, &headers, Some("")).await;
        assert_eq!(
            (page.status, &page.json()["login_url"]),
            (401, &"/auth/salesforce/login".into()),
            "{page:?}"
        );
    }
}

#[actix_web::test]
async fn only_an_outage_of_salesforce_is_called_one() {
    const OUTAGE: &str = "Salesforce cannot be reached";
    let keys = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
    let store = FailingStore::default();
    let (org, app, browser) = start(|builder| {
        builder
            .keys(keys)
            .store(std::sync::Arc::new(store.clone()))
            .max_concurrent_requests(1)
            .acquire_timeout(Duration::from_millis(100))
    })
    .await;
    let names = format!("{}/names", app.url);
    let check = async |says: &str| {
        for page in [browser.open(&names).await, browser.fetch(&names).await] {
            assert_eq!(page.status, 503, "{says}: {page:?}");
            assert!(page.body.contains(says), "{says}: {page:?}");
            assert_eq!(page.body.contains(OUTAGE), says == OUTAGE, "{page:?}");
            let is_page = page.header("content-type").starts_with("text/html");
            assert_eq!(page.body.contains("You were not logged out."), is_page, "{page:?}");
        }
    };
    store.set(Mode::Fails);
    check("This cannot be done right now. Try again soon.").await;
    store.set(Mode::Works);

    org.faults().at(Route::Api, Fault::Maintenance);
    check(OUTAGE).await;
    org.faults().clear();

    org.faults().at(Route::Api, Fault::Delay(Duration::from_secs(2)).once());
    let (_, ()) = tokio::join!(browser.fetch(&names), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        check("Too many requests are waiting for Salesforce").await;
    });

    org.set_api_limit(1);
    check("limit of Salesforce API calls").await;
}
