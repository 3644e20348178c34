//! A recent login of one org says nothing about the others (`RequireLogin::fresh`).

use crate::support::{Client, LOGIN, Page};
use actix_salesforce::{SessionMode, store::GrantFilter};
use serde_json::json;

use super::*;

/// Logs in at Salesforce's login page of this org.
async fn log_in_again(app: &Several, browser: &Client, org: usize) -> Page {
    let page = app.url(&format!("{LOGIN}?prompt=login&host=org{org}&return_to=/user"));
    browser.visit(&page).await
}

/// A visitor at an unattended browser adds an own org and logs in there as often as asked. That proves nothing about the
/// user who left.
#[actix_web::test]
async fn below_a_fresh_rule_no_connection_of_an_older_login_is_had() {
    let app = Several::start(2, SessionMode::Embedded).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/whoami")).await.body, ADA);
    app.orgs[1].sign_in(&app.orgs[1].user(BEN));
    assert_eq!(app.add(&browser, 1).await.json()["username"], BEN);
    assert_eq!(browser.open(&app.url("/recent/current")).await.status, 303, "an added login is not fresh");
    assert_eq!(log_in_again(&app, &browser, 1).await.json()["username"], BEN);
    assert_eq!(browser.open(&app.url("/current")).await.body, format!("{BEN} {ADA}"));

    // Ben has proved who he is, and gets his own org.
    assert_eq!(browser.open(&app.url("/recent/current")).await.body, BEN);
    app.orgs[0].clear_requests();
    let pair = format!("{}/{}", app.id(1), app.id(0));
    let mut login = String::new();
    for route in ["recent/pair", "recently"] {
        let path = app.url(&format!("/{route}/{pair}"));
        let refused = browser.fetch(&path).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(
            refused.header("www-authenticate").contains("insufficient_user_authentication"),
            "{refused:?}"
        );
        let body = refused.json();
        assert_eq!(
            (&body["error"], &body["organization_id"]),
            (&"fresh_login_required".into(), &app.id(0).into())
        );
        body["login_url"].as_str().unwrap().clone_into(&mut login);
        let page = browser.open(&path).await;
        assert_eq!(page.status, 401, "a page says where to log in: {page:?}");
        assert!(
            page.body.contains(&format!("your organization {}, too", app.id(0)))
                && page.body.contains(&format!("log in again at {}", host_of(&app, 0)))
                && page.body.contains("prompt=login"),
            "{page:?}"
        );
        assert!(!page.body.contains("Log out, then"), "{page:?}");
    }
    assert_eq!(app.orgs[0].requests().len(), 0, "nothing was sent as Ada");
    app.post(&browser, &[("switch", &app.id(0))]).await;
    assert_eq!(browser.open(&app.url("/recent/current")).await.status, 303, "nor as the current one");
    app.post(&browser, &[("switch", &app.id(1))]).await;

    // Ada comes back and logs in where the link leads. Which org is current stays.
    assert!(login.contains("prompt=login") && login.contains("login_hint=ada"), "{login}");
    browser.visit(&app.url(&format!("{login}&return_to=/user"))).await;
    assert_eq!(app.works_in(&browser).await, Some(1));
    for route in ["recent/pair", "recently"] {
        let page = browser.fetch(&app.url(&format!("/{route}/{pair}"))).await;
        assert_eq!(page.status, 200, "{page:?}");
    }
}

/// Salesforce does not ask Ada to log in again. The same link would lead her back here without end, and htmx would follow
/// it by itself.
#[actix_web::test]
async fn a_login_of_another_org_that_is_not_confirmed_leads_to_no_login() {
    let app = Several::start(2, SessionMode::Embedded).await;
    let browser = app.logged_in().await;
    assert_eq!(log_in_again(&app, &browser, 1).await.status, 200);
    let path = app.url(&format!("/recent/pair/{}/{}", app.id(1), app.id(0)));
    let login = browser.fetch(&path).await.json()["login_url"].as_str().unwrap().to_owned();
    app.orgs[0].set_policy(&json!({ "id_token_auth_age_seconds": 3600 })).unwrap();
    assert_eq!(browser.visit(&app.url(&format!("{login}&return_to=/user"))).await.status, 200);

    let json = browser.fetch(&path).await;
    assert_eq!((json.status, &json.json()["organization_id"]), (401, &app.id(0).into()), "{json:?}");
    assert!(json.json().get("login_url").is_none(), "{json:?}");
    let part = browser.send(reqwest::Method::GET, &path, &[("hx-request", "true")], None).await;
    assert_eq!((part.status, part.header("hx-redirect")), (401, ""), "{part:?}");
    let page = browser.open(&path).await;
    assert_eq!(page.status, 401, "{page:?}");
    assert!(
        !page.body.contains("prompt=login") && page.body.contains("Log out, then log in again."),
        "{page:?}"
    );
    // Salesforce asks again.
    app.orgs[0].set_policy(&json!({ "id_token_auth_age_seconds": 10 })).unwrap();
    browser.visit(&app.url(&format!("{login}&return_to=/user"))).await;
    assert_eq!(browser.fetch(&path).await.status, 200);
}

fn host_of(app: &Several, org: usize) -> String {
    app.orgs[org].login_url().replace("http://", "").trim_end_matches('/').to_owned()
}

/// With the current login ended, the other one still says whose browser it is.
#[actix_web::test]
async fn a_new_user_beside_an_ended_current_login_is_not_fresh() {
    for adds in [true, false] {
        let app = Several::start(3, SessionMode::Embedded).await;
        let browser = Client::new();
        browser.visit(&app.url("/whoami")).await;
        app.add(&browser, 1).await;
        app.salesforce.revoke_grants(GrantFilter::Org(app.id(1).parse().unwrap())).await.unwrap();
        assert_eq!(app.works_in(&browser).await, None);
        app.orgs[2].sign_in(&app.orgs[2].user(BEN));
        if adds {
            let fields = [("add", "1"), ("host", "org2"), ("prompt", "login"), ("return_to", "/user")];
            let start = app.post(&browser, &fields).await.location();
            assert_eq!(browser.visit(start.as_str()).await.json()["username"], BEN);
        } else {
            assert_eq!(log_in_again(&app, &browser, 2).await.json()["username"], BEN);
        }
        assert_eq!(browser.open(&app.url("/recent/current")).await.status, 303, "adds: {adds}");
        // A second one is his own.
        log_in_again(&app, &browser, 2).await;
        assert_eq!(browser.open(&app.url("/recent/current")).await.body, BEN, "adds: {adds}");
    }
}
