//! Promise 10: two people never see each other's data.

use std::time::Duration;

use crate::support::{
    ADA, Client, TestApp,
    app::{listen, reserve, routes, serve},
    raw::Kept,
    settings_for,
};
use actix_salesforce::{SessionMode, store::GrantFilter};
use actix_session::{SessionMiddleware, storage::CookieSessionStore};
use actix_web::{App, cookie::Key};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

const BEN: &str = "ben@example.com";
const DESCRIBE: &str = "/services/data/v66.0/sobjects/Account/describe";

#[actix_web::test]
async fn people_stay_apart_through_expiry() {
    let app = TestApp::start().await;
    let mut people = Vec::new();
    for user in app.org.users() {
        app.org.sign_in(&user);
        for _ in 0..4 {
            people.push((user.username().to_owned(), app.logged_in().await));
        }
    }
    assert!(people.len() >= 12);
    app.org.faults().refresh(Fault::Delay(Duration::from_millis(80)));
    let (user, whoami) = (app.url("/user"), app.url("/whoami"));
    for round in 0..8 {
        app.org.expire_access_tokens();
        join_all(people.iter().enumerate().map(async |(index, (name, browser))| {
            tokio::time::sleep(Duration::from_millis(((index + round) % 7) as u64 * 15)).await;
            let page = browser.fetch(&whoami).await;
            assert_eq!((page.status, &page.body), (200, name));
            assert_eq!(browser.fetch(&user).await.json()["username"], **name);
        }))
        .await;
    }
    assert_eq!(app.org.refresh_reuse_count(), 0);
}

/// A description is what one user may see of an object: no user gets another's, and each is asked for once.
#[actix_web::test]
async fn descriptions_are_each_persons_own() {
    let app = TestApp::start().await;
    let mut people = Vec::new();
    for user in app.org.users() {
        app.org.sign_in(&user);
        let sf = app.connection().await;
        app.org.faults().path(DESCRIBE, Fault::MergeJson(json!({ "label": user.username() })).once());
        assert_eq!(sf.sobject("Account").describe().await.unwrap().summary.label, user.username());
        // In another browser.
        people
            .extend([(user.username().to_owned(), sf), (user.username().to_owned(), app.connection().await)]);
    }
    assert!(people.len() >= 6);
    app.org.clear_requests();
    for _ in 0..8 {
        app.org.expire_access_tokens();
        join_all(people.iter().map(async |(name, sf)| {
            let account = sf.sobject("Account");
            let (described, identity) = tokio::join!(account.describe(), sf.identity());
            assert_eq!((&described.unwrap().summary.label, &identity.unwrap().username), (name, name));
        }))
        .await;
    }
    assert!(!app.org.requests().iter().any(|request| request.path == DESCRIBE));
}

/// The same user id in two organizations (a sandbox copy keeps record ids) is two people.
#[actix_web::test]
async fn the_same_user_of_two_organizations_is_two_people() {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user(ADA));
    let org = FakeOrg::builder().start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let app =
        TestApp::around(org, |builder| builder.login_host("sandbox", login).allowed_origin(instance)).await;
    let (one, two) = (app.logged_in().await, Client::new());
    two.visit(&app.url("/auth/salesforce/login?host=sandbox&return_to=/user")).await;
    let (one, two) = (one.fetch(&app.url("/user")).await.json(), two.fetch(&app.url("/user")).await.json());
    assert_eq!(one["user_id"], two["user_id"]);
    assert_ne!(one["organization_id"], two["organization_id"]);
    assert_ne!(one["instance_url"], two["instance_url"]);
    assert_eq!(one["user_id"], two["user_id"]);
    for (person, org, label) in [(&one, &app.org, "Original"), (&two, &sandbox, "Copy")] {
        org.faults().path(DESCRIBE, Fault::MergeJson(json!({ "label": label })).once());
        let id = |name: &str| person[name].as_str().unwrap();
        let (organization, user) = (id("organization_id").parse().unwrap(), id("user_id").parse().unwrap());
        let sf =
            app.salesforce.user_connection(actix_salesforce::UserRef::new(organization, user)).await.unwrap();
        assert_eq!(sf.sobject("Account").describe().await.unwrap().summary.label, label);
    }
    let grants = app.salesforce.list_grants(actix_salesforce::store::GrantFilter::All).await.unwrap();
    assert_eq!(grants.len(), 2);
}

/// What the former user of a browser left in the session is not shown to the next one. The same user finds it again.
#[actix_web::test]
async fn session_data_of_another_user_ends_with_the_next_login() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let count = async || browser.open(&app.url("/session")).await.body;
    let log_in = async |name: &str| {
        // The former login ends without a logout, which would empty the session.
        app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
        app.org.sign_in(&app.org.user(name));
        assert_eq!(browser.visit(&app.url("/whoami")).await.body, name);
    };
    assert_eq!(count().await, "1", "before any login");
    log_in(ADA).await;
    assert_eq!(count().await, "2", "the visitor's own data stay");
    log_in(ADA).await;
    assert_eq!(count().await, "3", "the same user");
    log_in("ben@example.com").await;
    assert_eq!(count().await, "1", "another user");
}

/// S-16: the session that the app brings keeps what is in it, and the app is told.
#[actix_web::test]
async fn the_app_hears_of_another_user_in_its_own_session() {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).session(SessionMode::App);
    let salesforce =
        salesforce.on_user_change(|session| drop(session.remove("count"))).build().await.unwrap();
    let server = serve(listener, {
        let salesforce = salesforce.clone();
        move |listener| {
            listen!(listener, 4, move || {
                let session = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]));
                let session = session.cookie_secure(false).build();
                App::new().configure(routes).wrap(salesforce.clone()).wrap(session)
            })
        }
    });
    let browser = Client::new();
    let count = async || browser.open(&format!("{}/session", server.url)).await.body;
    let log_in = async |name: &str| {
        salesforce.revoke_grants(GrantFilter::All).await.unwrap();
        org.sign_in(&org.user(name));
        assert_eq!(browser.visit(&format!("{}/whoami", server.url)).await.body, name);
    };
    assert_eq!(count().await, "1", "before any login");
    log_in(ADA).await;
    assert_eq!(count().await, "2", "the visitor's own data stay");
    log_in(ADA).await;
    assert_eq!(count().await, "3", "the same user");
    log_in("ben@example.com").await;
    assert_eq!(count().await, "1", "another user");
}

/// The store fails right after it took the login of the next user: the session is separated all the same.
#[actix_web::test]
async fn session_data_of_another_user_end_even_if_the_store_fails_after_the_login() {
    use crate::support::failing::{FailingStore, Mode};

    let store = FailingStore::default();
    let app = TestApp::with(|builder| {
        builder.store(std::sync::Arc::new(store.clone())).keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
    })
    .await;
    let browser = app.logged_in().await;
    let count = async || browser.open(&app.url("/session")).await.body;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
    app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    app.org.sign_in(&app.org.user("ben@example.com"));
    let callback = app.callback_of(&browser).await;
    store.set(Mode::FailsToLoad);
    let page = browser.open(callback.as_str()).await;
    assert_eq!(page.status, 303, "{page:?}");
    assert!(page.sets_login(), "{page:?}");
    store.set(Mode::Works);
    assert_eq!(browser.fetch(&app.url("/user")).await.json()["username"], "ben@example.com");
    assert_eq!(count().await, "1", "another user");
}

/// Behind a proxy the requests of many users arrive over one connection, on one worker, which remembers opened cookies.
#[actix_web::test]
async fn two_users_alternating_on_one_connection_stay_apart() {
    let app = TestApp::start().await;
    let ada = app.logged_in().await;
    app.org.sign_in(&app.org.user(BEN));
    let ben = app.logged_in().await;
    let (url, cookies) = (app.url("/"), [ada.cookie_line(), ben.cookie_line()]);
    let ask = async |connection: Kept, cookie: &str| {
        let (mut connection, cookie) = (connection, cookie.to_owned());
        tokio::task::spawn_blocking(move || {
            let (status, body) = connection.get("/user", &cookie);
            (connection, status, body)
        })
        .await
        .unwrap()
    };
    // One byte of the login's cookie differs.
    let changed = cookies[0].replacen('=', "=x", 1);
    let mut connection = Kept::open(&url);
    let (mut status, mut body);
    for round in 0..12 {
        for (cookie, name) in [(&cookies[0], ADA), (&cookies[1], BEN)] {
            (connection, status, body) = ask(connection, cookie).await;
            assert!(status == 200 && body.contains(name), "round {round}: {status} {body}");
            for other in ["", "a=b", &changed] {
                (connection, status, body) = ask(connection, other).await;
                assert_eq!(status, 401, "round {round}, {other:?}: {body}");
            }
        }
    }
    // A logout over another connection.
    ben.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    for _ in 0..3 {
        (connection, status, body) = ask(connection, &cookies[1]).await;
        assert_eq!(status, 401, "{body}");
        (connection, status, body) = ask(connection, &cookies[0]).await;
        assert!(status == 200 && body.contains(ADA), "{status} {body}");
    }
}
