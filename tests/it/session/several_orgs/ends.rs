//! What ends the logins of a browser, and what they survive.

use std::{net::TcpListener, time::Duration};

use crate::support::{ADA, CALLBACK, Client, LOGIN, settings_for};
use actix_salesforce::{SalesforceBuilder, SessionMode, store::GrantFilter};
use serde_json::json;

use super::*;

/// The next user of the browser does not find the logins of the one before; the same user does.
#[actix_web::test]
async fn another_user_who_logs_in_ends_all_logins_of_the_browser() {
    let app = Several::start(3, SessionMode::Embedded).await;
    let browser = app.logged_in().await;
    // The same user logs in again, at one of the orgs.
    browser.visit(&app.url(&format!("{LOGIN}?host=org1&return_to=/user"))).await;
    // Any site can link there, so that the current org stays what it was.
    assert_eq!((app.listed(&browser).await, app.works_in(&browser).await), ((3, Some(2)), Some(2)));
    app.wait_for_logins(3).await;
    // Another one.
    app.orgs[1].sign_in(&app.orgs[1].user(BEN));
    let page = browser.visit(&app.url(&format!("{LOGIN}?host=org1&return_to=/user"))).await;
    assert_eq!(page.json()["username"], BEN);
    assert_eq!(app.listed(&browser).await, (1, Some(1)));
    app.wait_for_logins(1).await;
    // A second user of the same org is added; which one is meant has to be said.
    app.orgs[1].sign_in(&app.orgs[1].user(ADA));
    app.add(&browser, 1).await;
    assert_eq!(app.listed(&browser).await, (2, Some(1)));
    assert_eq!(app.post(&browser, &[("switch", &app.id(1))]).await.status, 400);
    for name in [BEN, ADA, BEN] {
        let user = app.orgs[1].user(name).id().to_owned();
        assert_eq!(app.post(&browser, &[("switch", &app.id(1)), ("user_id", &user)]).await.status, 303);
        assert_eq!(browser.fetch(&app.url("/user")).await.json()["username"], name);
        assert!(browser.fetch(&app.url("/current")).await.body.starts_with(name));
    }
}

/// No other org takes the place of the current one, in whose pages the user is.
#[actix_web::test]
async fn an_org_whose_login_has_ended_is_not_replaced_by_another_one() {
    let app = Several::start(2, SessionMode::Embedded).await;
    let browser = app.logged_in().await;
    let revoke = async |org: usize| {
        let id = app.id(org).parse().unwrap();
        assert_eq!(app.salesforce.revoke_grants(GrantFilter::Org(id)).await.unwrap(), 1);
    };
    for (org, other) in [(1, 0), (0, 1)] {
        revoke(org).await;
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
        let page = browser.open(&app.url("/user")).await;
        assert_eq!(page.status, 303);
        for _ in 0..2 {
            assert_eq!(
                (app.works_in(&browser).await, app.listed(&browser).await),
                (None, (1, None)),
                "{org}"
            );
        }
        // The same user logs in again and finds the other org.
        let host = if org == 0 { app.orgs[0].login_url().replace("http://", "") } else { "org1".to_owned() };
        let login = format!("{LOGIN}?host={}&return_to=/user", host.trim_end_matches('/'));
        assert_eq!(browser.visit(&app.url(&login)).await.status, 200);
        assert_eq!(
            (app.works_in(&browser).await, app.listed(&browser).await),
            (Some(org), (2, Some(org))),
            "{org}"
        );
        app.post(&browser, &[("switch", &app.id(other))]).await;
        assert_eq!(app.works_in(&browser).await, Some(other));
    }
    // Or the user goes on in the other one.
    revoke(1).await;
    assert_eq!(app.works_in(&browser).await, None);
    app.post(&browser, &[("switch", &app.id(0))]).await;
    assert_eq!((app.works_in(&browser).await, app.listed(&browser).await), (Some(0), (1, Some(0))));
}

/// Keys rotate while a browser has several orgs: all of its logins are sealed again, and which one is current.
#[actix_web::test]
async fn all_logins_of_a_browser_survive_a_rotation_of_keys() {
    const NEW: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";
    let store = crate::support::failing::FailingStore::default();
    let with = |builder: SalesforceBuilder, keys: &str| {
        builder.keys(keys).store(std::sync::Arc::new(store.clone())).single_logout(true)
    };
    let Several { orgs, salesforce, server } =
        Several::with(2, SessionMode::Embedded, |builder| with(builder, KEYS)).await;
    let app = Several { orgs, salesforce, server };
    let mut browser = app.logged_in().await;
    browser.open(&app.url("/session")).await;
    let port = url::Url::parse(&app.server.url).unwrap().port().unwrap();
    let Several { orgs, server, .. } = app;
    drop(server);
    let mut app = None;
    for keys in [format!("{NEW},{KEYS}"), NEW.to_owned()] {
        drop(app.take());
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut builder = settings_for(&orgs[0], &format!("http://127.0.0.1:{port}"));
        builder = builder.login_host("org1", orgs[1].login_url()).allowed_origin(orgs[1].instance_url());
        let salesforce = with(builder, &keys).build().await.unwrap();
        let server = run(listener, salesforce, SessionMode::Embedded);
        browser = browser.copy();
        let user = browser.open(&format!("{}/user", server.url)).await.json();
        assert_eq!(user["organization_id"], json!(orgs[1].organization_id()), "{keys}");
        let list = browser.fetch(&format!("{}{ORGS}", server.url)).await.json();
        assert_eq!(list.as_array().unwrap().len(), 2, "{keys}: {list}");
        let count = browser.open(&format!("{}/session", server.url)).await.body;
        assert_eq!(count, if keys == NEW { "3" } else { "2" }, "the session of the added org");
        // The tokens in the store are sealed again in the background.
        tokio::time::sleep(Duration::from_secs(1)).await;
        app = Some(server);
    }
    // The handle of both for Salesforce's single logout has come along.
    log_out_at_salesforce(&format!("http://127.0.0.1:{port}/auth/salesforce/slo"), &browser).await;
    let page = browser.fetch(&format!("http://127.0.0.1:{port}{ORGS}")).await;
    assert_eq!(page.status, 401, "{page:?}");
}

/// What Salesforce's logout page loads in a frame: the cookies with `SameSite=None` come with it alone.
async fn log_out_at_salesforce(url: &str, browser: &Client) {
    let framed = Client::new();
    let (name, value) = browser.own_cookie(".slo").expect("a handle");
    framed.set_cookie("127.0.0.1", &name, &value);
    let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")];
    let page = framed.send(reqwest::Method::GET, url, &headers, None).await;
    assert_eq!(page.status, 200, "{page:?}");
}

#[actix_web::test]
async fn a_logout_at_salesforce_ends_all_logins_of_the_browser() {
    let app = Several::with(3, SessionMode::Embedded, |builder| builder.single_logout(true)).await;
    let slo = app.url("/auth/salesforce/slo");
    let (browser, other) = (app.logged_in().await, app.logged_in().await);
    assert_eq!(app.logins().await, 6);
    log_out_at_salesforce(&slo, &browser).await;
    assert_eq!((app.listed(&browser).await, app.listed(&other).await), ((0, None), (3, Some(2))));

    // Orgs that are dropped, and a user who logs in again, leave a handle of what is there.
    let stem = other.own_cookie(".slo").unwrap().1.len();
    app.post(&other, &[("drop", &app.id(2))]).await;
    assert!(other.own_cookie(".slo").unwrap().1.len() < stem, "one login less");
    other.visit(&app.url(&format!("{LOGIN}?host=org1"))).await;
    app.wait_for_logins(2).await;
    let before = other.copy();
    app.post(&other, &[("drop", &app.id(1))]).await;
    app.post(&other, &[("drop", &app.id(0))]).await;
    assert!(other.own_cookie(".slo").is_none(), "the last one takes it along");
    let again = app.logged_in().await;
    log_out_at_salesforce(&slo, &before).await;
    assert_eq!(app.listed(&again).await, (3, Some(2)), "another browser's stay");
    log_out_at_salesforce(&slo, &again).await;
    assert_eq!(app.logins().await, 0);
}

/// Each of the two responses writes the handle without the other's login, and the browser has the later one.
#[actix_web::test]
async fn two_logins_that_are_added_at_once_end_by_single_logout_both() {
    let app = Several::with(3, SessionMode::Embedded, |builder| builder.single_logout(true)).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/whoami")).await.status, 200);
    let mut callbacks = Vec::new();
    for host in ["org1", "org2"] {
        let page = app.post(&browser, &[("add", "1"), ("host", host), ("return_to", "/user")]).await;
        let callback = format!("{CALLBACK}/{host}");
        callbacks.push(browser.visit_until(page.location().as_str(), &callback).await);
    }
    let at_once = browser.copy();
    assert_eq!(browser.open(callbacks[0].as_str()).await.status, 303);
    let page = at_once.open(callbacks[1].as_str()).await;
    assert_eq!(page.status, 303, "{page:?}");
    for cookie in page.set_cookies() {
        let (name, rest) = cookie.split_once('=').unwrap();
        browser.set_cookie("127.0.0.1", name, rest.split(';').next().unwrap());
    }
    assert_eq!(app.listed(&browser).await.0, 3);
    // What the callback redirects to.
    assert_eq!(browser.open(&app.url("/user")).await.status, 200);
    log_out_at_salesforce(&app.url("/auth/salesforce/slo"), &browser).await;
    app.wait_for_logins(0).await;
    // A complete handle is not written again.
    let browser = app.logged_in().await;
    assert!(
        !browser.open(&app.url("/user")).await.set_cookies().iter().any(|cookie| cookie.contains(".slo="))
    );
}
