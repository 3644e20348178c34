//! A login that is refused at the callback: its tokens are revoked where it began, nothing is stored, and the browser's
//! other login stays as it is.

use std::time::{Duration, Instant};

use crate::support::{ADA, Client, LOGIN, Page, TestApp};
use actix_salesforce::{InvalidFacts, LoginDecision, SalesforceBuilder, store::GrantFilter};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Host};
use serde_json::json;

const BEN: &str = "ben@example.com";
const ORGS: &str = "/auth/salesforce/orgs";

/// What refuses the users of an org, by the org's id.
fn refuse(builder: SalesforceBuilder, what: &str, org: String) -> SalesforceBuilder {
    match what {
        "list" => builder.denied_orgs([org]),
        "sandbox" => builder.allow_sandboxes(false),
        "function" => builder.allow_org_if(move |asked| {
            let is_other = asked.to_string() != org;
            async move { Ok::<_, std::io::Error>(is_other) }
        }),
        _ => builder.on_login(move |login| {
            let is_refused = login.organization_id.to_string() == org;
            async move {
                Ok::<_, InvalidFacts>(match is_refused {
                    true => LoginDecision::refuse("Your contract has ended."),
                    false => LoginDecision::allow(),
                })
            }
        }),
    }
}

async fn asserts_revoked_at_login_host(org: &FakeOrg, name: &str) {
    let started = Instant::now();
    while !org.live_refresh_tokens(&org.user(name)).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "the tokens are revoked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let requests = org.requests();
    let revoked: Vec<_> =
        requests.iter().filter(|request| request.path.ends_with("/oauth2/revoke")).collect();
    assert_eq!(revoked.iter().map(|request| request.host).collect::<Vec<_>>(), [Host::Login]);
}

/// Logs in at the other host: alone, or added to the login that the browser has.
async fn log_in_at_other(app: &TestApp, browser: &Client, adds: bool) -> Page {
    if !adds {
        return browser.visit(&app.url(&format!("{LOGIN}?host=other&return_to=/user"))).await;
    }
    let fields = [("add", "1"), ("host", "other"), ("return_to", "/user")];
    let start = browser.submit(&app.url(ORGS), &app.server.url, &fields).await;
    assert_eq!(start.status, 303, "{start:?}");
    browser.visit(start.location().as_str()).await
}

#[actix_web::test]
async fn a_refused_login_ends_at_its_own_host_and_leaves_the_others_alone() {
    let cases = ["list", "sandbox", "function", "on_login"]
        .into_iter()
        .flat_map(|what| [(what, false), (what, true)]);
    for (what, adds) in cases {
        let other = FakeOrg::start().await.unwrap();
        other.set_policy(&json!({ "is_sandbox": what == "sandbox" })).unwrap();
        other.sign_in(&other.user(BEN));
        let org =
            FakeOrg::builder().client(&other.client_id(), &other.client_secret()).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let (login, instance, id) = (other.login_url(), other.instance_url(), other.organization_id());
        let app = TestApp::around(org, |builder| {
            refuse(builder.login_host("other", login).allowed_origin(instance), what, id)
        })
        .await;
        let browser = app.logged_in().await;
        let before = browser.fetch(&app.url(ORGS)).await.json();
        let page = log_in_at_other(&app, &browser, adds).await;
        assert_eq!((page.status, page.sets_login()), (403, false), "{what} {adds}: {page:?}");
        assert_eq!(page.body.contains("Your contract has ended."), what == "on_login", "{what}: {page:?}");
        assert!(page.body.contains("host=other"), "another user can log in there: {page:?}");
        asserts_revoked_at_login_host(&other, BEN).await;
        let at_own = app.org.requests();
        assert!(!at_own.iter().any(|request| request.path.ends_with("/oauth2/revoke")), "{what} {adds}");
        assert_eq!(browser.fetch(&app.url(ORGS)).await.json(), before, "{what} {adds}");
        assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA, "{what} {adds}");
        assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 1, "{what} {adds}");
        assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1, "{what} {adds}");
    }
}

/// A table that hangs is no refusal, and no login either.
#[actix_web::test]
async fn a_function_that_does_not_return_is_a_page_after_five_seconds() {
    let hang = async |what: &str| {
        let app = TestApp::with(|builder| match what {
            "on_login" => builder.on_login(|_| async {
                std::future::pending::<()>().await;
                Ok::<_, InvalidFacts>(LoginDecision::allow())
            }),
            _ => builder.allow_org_if(|_| async {
                std::future::pending::<()>().await;
                Ok::<_, std::io::Error>(true)
            }),
        })
        .await;
        let (browser, started) = (Client::new(), Instant::now());
        let page = browser.visit(&app.url("/whoami")).await;
        let waited = started.elapsed().as_secs();
        assert!((5..9).contains(&waited), "{what}: {waited} s");
        assert_eq!((page.status, page.header("retry-after").is_empty()), (503, false), "{what}: {page:?}");
        assert!(page.body.contains("could not find out whether you may use it"), "{what}: {page:?}");
        assert!(!page.sets_login() && !app.is_logged_in(&browser).await, "{what}: {page:?}");
        asserts_revoked_at_login_host(&app.org, ADA).await;
        assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 0, "{what}");
    };
    join_all(["on_login", "allow_org_if"].map(hang)).await;
}
