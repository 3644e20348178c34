//! Nothing of one org gets into another: handlers, sessions, users.

use std::time::Duration;

use crate::support::{ADA, Client, LOGIN};
use actix_salesforce::SessionMode;
use futures_util::future::join_all;
use salesforce_fake_org::Fault;
use serde_json::{Value, json};

use super::*;

/// What handlers store in the session for one org is not there in another one.
#[actix_web::test]
async fn each_org_of_a_browser_has_a_session_to_itself() {
    let app = Several::start(3, SessionMode::Embedded).await;
    let browser = Client::new();
    let count = async || browser.open(&app.url("/session")).await.body;
    assert_eq!(count().await, "1", "before any login");
    browser.visit(&app.url("/whoami")).await;
    assert_eq!(count().await, "2");
    app.add(&browser, 1).await;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()), "the added org");
    app.add(&browser, 2).await;
    assert_eq!(count().await, "1");
    let switch = async |org: usize| app.post(&browser, &[("switch", &app.id(org))]).await.status;
    for (org, expected) in [(0, "3"), (1, "3"), (2, "2"), (1, "4"), (0, "4")] {
        assert_eq!((switch(org).await, count().await), (303, expected.to_owned()), "{org}");
    }
    // A response that was begun in one org and ends in another writes the session of the first one.
    switch(1).await;
    let slow = browser.copy();
    switch(0).await;
    let late = slow.open(&app.url("/session")).await;
    assert_eq!(late.body, "5");
    for cookie in late.set_cookies() {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        browser.set_cookie("127.0.0.1", name, value);
    }
    assert_eq!(count().await, "5", "of the current org");
    switch(1).await;
    assert_eq!(count().await, "6");
    // The session of one org moved to another does not open there.
    let session = |tag: bool| {
        let all = browser.cookies("127.0.0.1");
        let is_it = |name: &String| name.contains(".session") && name.contains(".session.") == tag;
        all.into_iter().filter(|(name, _)| is_it(name)).collect::<Vec<_>>()
    };
    let (main, added) = (session(false), session(true));
    assert_eq!((main.len(), added.len()), (1, 2));
    let moved = browser.copy();
    for (name, _) in &added {
        moved.set_cookie("127.0.0.1", name, &main[0].1);
    }
    assert_eq!(moved.open(&app.url("/session")).await.body, "1", "nothing of the other org");

    // An org that is dropped takes its session along, the current one and another one.
    app.post(&browser, &[("drop", &app.id(1))]).await;
    app.post(&browser, &[("drop", &app.id(2))]).await;
    assert_eq!((app.works_in(&browser).await, count().await), (Some(0), "6".to_owned()));
    assert_eq!(session(true).len(), 0);
    app.add(&browser, 1).await;
    assert_eq!(count().await, "1", "a new one");
    app.post(&browser, &[("drop", &app.id(0))]).await;
    assert_eq!((session(false).len(), count().await), (0, "2".to_owned()));
    // Another user who logs in finds nothing of any of them.
    app.orgs[0].sign_in(&app.orgs[0].user(BEN));
    browser.visit(&app.url(LOGIN)).await;
    let host = app.orgs[0].login_url().replace("http://", "");
    browser.visit(&app.url(&format!("{LOGIN}?host={}", host.trim_end_matches('/')))).await;
    assert_eq!((app.works_in(&browser).await, count().await), (Some(0), "1".to_owned()));
    assert_eq!(session(true).len(), 0);
}

/// A handler names the orgs that it works with. One that the browser is not logged in at is a page that says so.
#[actix_web::test]
async fn a_handler_gets_the_orgs_that_it_names_or_an_error_with_a_way_on() {
    let app = Several::start(3, SessionMode::Embedded).await;
    let browser = Client::new();
    let path = format!("/pair/{}/{}", app.id(0), app.id(1));
    assert_eq!(browser.fetch(&app.url(&path)).await.status, 401);
    browser.visit(&app.url("/whoami")).await;
    let page = browser.fetch(&app.url(&path)).await;
    assert_eq!((page.status, &page.json()["error"]), (403, &json!("org_login_required")), "{page:?}");
    assert_eq!(page.json()["organization_id"], json!(app.id(1)));
    let page = browser.open(&app.url(&path)).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("href=\"/auth/salesforce/hosts?add=1&amp;return_to=%2Fpair%2F"), "{page:?}");
    app.add(&browser, 1).await;
    let pair = browser.fetch(&app.url(&path)).await.json();
    assert_eq!(pair, json!([app.id(0) + ADA, app.id(1) + ADA, app.id(1) + ADA]));
    assert_eq!(browser.fetch(&app.url("/current")).await.body, format!("{ADA} {ADA}"));
    let another = Client::new();
    another.visit(&app.url("/whoami")).await;
    assert_eq!(another.fetch(&app.url(&path)).await.status, 403, "another browser of the same user");
    // An org that refuses for good says where to log in again; the current login stays.
    app.orgs[0].revoke_all();
    let page = browser.fetch(&app.url(&path)).await;
    assert_eq!((page.status, &page.json()["error"]), (403, &json!("needs_reconnecting")), "{page:?}");
    assert_eq!(app.works_in(&browser).await, Some(1));
}

/// four workers, two browsers with two orgs each, tokens that expire, and a current org that changes all the time:
/// each response has the data of the orgs and users that it is about.
async fn orgs_stay_apart(mode: SessionMode) {
    let app = Several::start(2, mode).await;
    let mut browsers = Vec::new();
    for name in [ADA, BEN] {
        for org in &app.orgs {
            org.sign_in(&org.user(name));
        }
        browsers.push((name, app.logged_in().await));
    }
    for org in &app.orgs {
        org.faults().refresh(Fault::Delay(Duration::from_millis(40)));
    }
    let ids = [app.id(0), app.id(1)];
    for round in 0..6 {
        let (source, target) = (round % 2, (round + 1) % 2);
        for org in &app.orgs {
            org.expire_access_tokens();
        }
        join_all(browsers.iter().map(async |(name, browser)| {
            assert_eq!(app.post(browser, &[("switch", &ids[source])]).await.status, 303);
            let path = format!("/pair/{}/{}", ids[0], ids[1]);
            let requests = (0..8).map(async |n| {
                let url = app.url(if n % 2 == 0 { &path } else { "/user" });
                let page = browser.fetch(&url).await;
                assert_eq!(page.status, 200, "{page:?}");
                let body = page.json();
                if n % 2 == 0 {
                    let expected = [&ids[0], &ids[1], &ids[source]].map(|id| format!("{id}{name}"));
                    assert_eq!(body, json!(expected), "{round}");
                } else {
                    assert_eq!(
                        (&body["username"], &body["organization_id"]),
                        (&json!(name), &json!(ids[source]))
                    );
                }
            });
            join_all(requests).await;
        }))
        .await;
        // A browser that has an older state of its cookies works in the org of that state, never in a mixture.
        let (name, browser) = &browsers[round % 2];
        let older = browser.copy();
        app.post(browser, &[("switch", &ids[target])]).await;
        let (old, new): (Value, Value) =
            (older.fetch(&app.url("/user")).await.json(), browser.fetch(&app.url("/user")).await.json());
        assert_eq!(
            (&old["organization_id"], &new["organization_id"]),
            (&json!(ids[source]), &json!(ids[target]))
        );
        assert_eq!((&old["username"], &new["username"]), (&json!(name), &json!(name)));
    }
    for org in &app.orgs {
        assert_eq!(org.refresh_reuse_count(), 0);
        assert!(org.token_calls("refresh_token") <= 12, "one refresh per user and expiry");
    }
}

#[actix_web::test]
async fn the_orgs_of_two_browsers_never_mix_in_the_embedded_session() {
    orgs_stay_apart(SessionMode::Embedded).await;
}

#[actix_web::test]
async fn the_orgs_of_two_browsers_never_mix_in_the_session_of_the_app() {
    orgs_stay_apart(SessionMode::App).await;
}

/// The app's own session is one for all orgs: the app is told when another user comes to it, by a login or a switch.
#[actix_web::test]
async fn the_app_removes_what_another_org_must_not_see_from_its_own_session() {
    let app =
        Several::with(2, SessionMode::App, |builder| builder.on_user_change(|session| session.clear())).await;
    let browser = Client::new();
    browser.visit(&app.url("/whoami")).await;
    let count = async || browser.open(&app.url("/session")).await.body;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
    app.add(&browser, 1).await;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
    for org in [0, 1] {
        app.post(&browser, &[("switch", &app.id(org))]).await;
        assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()), "{org}");
    }
    app.post(&browser, &[("drop", &app.id(1))]).await;
    assert_eq!((app.works_in(&browser).await, count().await), (Some(0), "1".to_owned()));
}
