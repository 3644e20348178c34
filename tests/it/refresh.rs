//! Promises 1 and 2 in one process: one token call per expiry, and no rotated token is ever lost
//! (R-24 to R-26; F-15, F-17 to F-22, F-34 to F-36). Bad responses to a refresh are in `refresh_responses.rs`.

use std::time::Duration;

use crate::support::{ADA, Client, Page, TestApp, raw};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};

/// So many requests at once, over as many connections.
pub(crate) async fn burst(app: &TestApp, browser: &Client, n: usize) -> Vec<Page> {
    let url = app.url("/names");
    join_all((0..n).map(|_| browser.fetch(&url))).await
}

/// F-15: 50 requests on an expired token over 4 workers, and a token endpoint that takes a second.
#[actix_web::test]
async fn fifty_requests_on_an_expired_token_make_one_token_call() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    for round in 1..=2 {
        app.org.expire_access_tokens();
        let pages = burst(&app, &browser, 50).await;
        assert!(
            pages.iter().all(|page| page.status == 200),
            "{:?}",
            pages.iter().find(|page| page.status != 200)
        );
        assert_eq!(app.refreshes(), round, "one token call per expiry");
    }
    assert_eq!(app.org.refresh_reuse_count(), 0);
}

/// F-21: the request that began the refresh is cut off by a reset; no other request notices.
#[actix_web::test]
async fn a_client_that_goes_away_does_not_lose_the_rotated_token() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    let (url, cookies) = (app.server.url.clone(), browser.cookie_line());
    let cut = tokio::task::spawn_blocking(move || {
        raw::get_and_reset(&url, "/names", &cookies, Duration::from_millis(400));
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        app.org
            .requests()
            .iter()
            .filter(|request| request.form.get("grant_type").is_some_and(|g| g == "refresh_token"))
            .count(),
        1,
        "the first request began the refresh"
    );
    let pages = burst(&app, &browser, 50).await;
    cut.await.unwrap();
    assert!(
        pages.iter().all(|page| page.status == 200),
        "{:?}",
        pages.iter().find(|page| page.status != 200)
    );
    assert_eq!(app.refreshes(), 1);

    // Alone: no request waits for the refresh, and its tokens are stored all the same.
    app.org.expire_access_tokens();
    let (url, cookies) = (app.server.url.clone(), browser.cookie_line());
    tokio::task::spawn_blocking(move || {
        raw::get_and_reset(&url, "/names", &cookies, Duration::from_millis(300))
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(app.refreshes(), 2);
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (2, 0));
}

/// F-22: a handler with its own timeout gives up in the middle.
#[actix_web::test]
async fn a_handler_that_gives_up_does_not_lose_the_rotated_token() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().refresh(Fault::Delay(Duration::from_secs(1)));
    assert_eq!(browser.fetch(&app.url("/impatient")).await.body, "gave up");
    let pages = burst(&app, &browser, 10).await;
    assert!(pages.iter().all(|page| page.status == 200), "{pages:?}");
    assert_eq!(browser.fetch(&app.url("/impatient")).await.body, "rows");
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (1, 0));
}

/// the rotated token is kept, and the old one where none is sent.
#[actix_web::test]
async fn refresh_tokens_are_kept_with_and_without_rotation() {
    for rotation in [true, false] {
        let org = FakeOrg::builder().rotation(rotation).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let app = TestApp::around(org, |builder| builder).await;
        let browser = app.logged_in().await;
        for round in 1..=3 {
            app.org.expire_access_tokens();
            assert_eq!(
                browser.fetch(&app.url("/names")).await.status,
                200,
                "rotation {rotation}, round {round}"
            );
            assert_eq!(app.refreshes(), round);
        }
        assert_eq!(app.org.refresh_reuse_count(), 0);
    }
}

/// The identity URL responds with 403 `Bad_OAuth_Token`, not 401.
#[actix_web::test]
async fn an_expired_token_is_noticed_at_the_identity_url_too() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 200);
    assert_eq!(app.refreshes(), 1);
}

/// F-19, R-26: a revoked grant ends the login for everyone at once: JSON 401, navigations are sent to log in.
#[actix_web::test]
async fn a_revoked_grant_ends_the_login_with_one_token_call() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let other = app.logged_in().await;
    app.org.revoke_all();
    let pages = burst(&app, &browser, 50).await;
    assert!(
        pages.iter().all(|page| page.status == 401),
        "{:?}",
        pages.iter().find(|page| page.status != 401)
    );
    assert_eq!(pages[0].json()["error"], "login_required");
    assert_eq!(app.refreshes(), 1);
    let page = other.open(&app.url("/names?x=1")).await;
    assert_eq!(page.status, 303, "all logins of the grant are over: {page:?}");
    assert!(page.header("location").ends_with("/login?return_to=%2Fnames%3Fx%3D1"), "{page:?}");
    assert_eq!(app.refreshes(), 1, "nothing is tried again");
    assert_eq!(browser.visit(&app.url("/names")).await.status, 200, "logging in again works");
}

/// F-35: a sixth approval elsewhere pushes ours out: as if revoked.
#[actix_web::test]
async fn a_grant_that_was_pushed_out_asks_to_log_in_again() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for _ in 0..5 {
        let _ = app.org.issue_tokens(&app.org.user(ADA), "api refresh_token");
    }
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 401);
    assert_eq!(browser.visit(&app.url("/names")).await.status, 200);
}

/// Each further browser of one user replaces the grant and gives the replaced approval back.
#[actix_web::test]
async fn many_browsers_of_one_user_use_one_approval() {
    let app = TestApp::start().await;
    let mut browsers = Vec::new();
    for _ in 0..8 {
        browsers.push(app.logged_in().await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for round in 1..=2 {
        app.org.expire_access_tokens();
        for browser in &browsers {
            assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "no login is pushed out");
        }
        assert_eq!(app.refreshes(), round, "and all share one refresh");
    }
}

/// F-17: late 401s of the old token do not cause a second refresh.
#[actix_web::test]
async fn late_refusals_of_the_old_token_use_the_new_one() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    app.org.faults().query(
        salesforce_fake_org::Rule::from(Fault::Slow).delay_status(401, Duration::from_secs(2)).times(10),
    );
    let pages = burst(&app, &browser, 20).await;
    assert!(
        pages.iter().all(|page| page.status == 200),
        "{:?}",
        pages.iter().find(|page| page.status != 200)
    );
    assert_eq!(app.refreshes(), 1);
}

/// F-18: a 401 that a refresh cannot help is an error, not a loop.
#[actix_web::test]
async fn a_refusal_of_a_fresh_token_is_no_loop() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let refused = |message: &str| Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".to_owned(),
        message: message.to_owned(),
    };
    let fault = app.org.faults().query(refused("Session expired or invalid"));
    let page = browser.fetch(&app.url("/names")).await;
    assert!(page.status >= 400 && page.status != 401, "{page:?}");
    assert_eq!((app.refreshes(), fault.hits()), (1, 2), "one refresh and one replay per request");
    fault.remove();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "the login is kept");

    let before = app.refreshes();
    let fault = app.org.faults().query(refused("This session is not valid for use with the REST API"));
    let page = browser.fetch(&app.url("/names")).await;
    assert!(page.status == 403 || page.status == 502, "{page:?}");
    assert_eq!((app.refreshes(), fault.hits()), (before, 1), "no refresh helps here, none is made");
}

/// The instance may move with a refresh: the replay goes to the new one.
#[actix_web::test]
async fn a_request_is_replayed_on_the_current_instance() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let moved = org.moved_instance_url();
    let app = TestApp::around(org, |builder| builder.allowed_origin(moved)).await;
    let browser = app.logged_in().await;
    app.org.move_instance();
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!(app.refreshes(), 1);
}

/// F-34: 60 people at once, bounded concurrency at the token endpoint.
#[actix_web::test]
async fn many_people_refresh_at_once_within_bounds() {
    let app = TestApp::start().await;
    let mut browsers = Vec::new();
    for n in 0..60 {
        app.org.sign_in(&app.org.user(&format!("person{n}@example.com")));
        browsers.push(app.logged_in().await);
    }
    app.org.faults().refresh(Fault::Delay(Duration::from_millis(300)));
    app.org.expire_access_tokens();
    let url = app.url("/names");
    let pages = join_all(browsers.iter().map(|browser| browser.fetch(&url))).await;
    assert!(pages.iter().all(|page| page.status == 200), "{pages:?}");
    assert_eq!(app.refreshes(), browsers.len() as u64, "one each");
    let at_once = app.org.tokens_in_flight_max();
    assert!((2..=16).contains(&at_once), "{at_once} at a time");
}

/// F-36: any worker serves any login.
#[actix_web::test]
async fn any_worker_serves_any_login() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for _ in 0..40 {
        // A new connection each time, so that workers take turns.
        assert_eq!(browser.copy().fetch(&app.url("/user")).await.status, 200);
    }
}

/// A connection outlives its request in a background task, with the same rules.
#[actix_web::test]
async fn a_connection_for_background_work_follows_the_same_rules() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let me = browser.fetch(&app.url("/auth/salesforce/me")).await.json();
    let (org, user) = (me["organization_id"].as_str().unwrap(), me["user_id"].as_str().unwrap());
    let connection = app
        .salesforce
        .user_connection(actix_salesforce::UserRef::new(org.parse().unwrap(), user.parse().unwrap()))
        .await
        .unwrap();
    app.org.expire_access_tokens();
    let url = app.url("/names");
    let (here, there) = futures_util::join!(
        async { connection.query::<serde_json::Value>("SELECT Id FROM Account").fetch_all().await },
        browser.fetch(&url),
    );
    assert!(here.is_ok() && there.status == 200);
    assert_eq!(app.refreshes(), 1);
}

/// S-04: refreshes at a login host that hangs take no turns of another host's.
#[actix_web::test]
async fn a_login_host_that_hangs_leaves_the_refreshes_of_others_alone() {
    let hanging = FakeOrg::start().await.unwrap();
    let (login, instance) = (hanging.login_url(), hanging.instance_url());
    let org = FakeOrg::start().await.unwrap();
    let app =
        TestApp::around(org, |builder| builder.login_host("other", login).allowed_origin(instance)).await;
    let import = async |org: &FakeOrg, name: &str| {
        let host = org.login_url().parse().unwrap();
        let issued = org.issue_tokens(&org.user(name), "api refresh_token");
        let refresh_token = issued.refresh_token.unwrap().into();
        let tokens = app.salesforce.oauth().refresh(&host, &refresh_token).await.unwrap();
        app.salesforce.import_tokens(&host, tokens).await.unwrap()
    };
    let own = import(&app.org, ADA).await;
    // More than have a turn.
    let names: Vec<_> = (0..20).map(|n| format!("user{n}@example.com")).collect();
    let waiting = join_all(names.iter().map(|name| import(&hanging, name))).await;
    for org in [&app.org, &hanging] {
        org.expire_access_tokens();
    }
    let asked = hanging.token_calls("refresh_token");
    hanging.faults().refresh(Fault::Delay(Duration::from_secs(30)));
    for connection in waiting {
        actix_web::rt::spawn(async move { connection.identity().await.map(drop) });
    }
    while hanging.token_calls("refresh_token") - asked < 16 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let identity = tokio::time::timeout(Duration::from_secs(5), own.identity()).await;
    assert_eq!(identity.expect("it waits for the other host").unwrap().username, ADA);
    assert_eq!(hanging.token_calls("refresh_token") - asked, 16, "16 at a time at one host");
    drop(hanging);
}
