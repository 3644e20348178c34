//! Promise 7: a store outage costs protected pages a 503 within 2 s, and nothing else (R-64, R-65; F-02, F-06, F-07,
//! F-14, and F-16 as far as one process can show it).

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::support::{
    ADA, Client, TestApp,
    app::listen,
    failing::{FailingStore, Mode},
    reserve, serve, settings_for,
};
use actix_salesforce::{
    AuthEvent, SalesforceUser,
    store::{GrantFilter, Store as _},
};
use actix_web::{App, FromRequest as _, HttpRequest, ResponseError as _, web};
use salesforce_fake_org::FakeOrg;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

async fn app(store: &FailingStore) -> TestApp {
    let store = store.clone();
    TestApp::with(|builder| builder.keys(KEYS).store(std::sync::Arc::new(store))).await
}

#[actix_web::test]
async fn a_store_that_is_down_costs_protected_pages_a_503_and_nothing_else() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let browser = app.logged_in().await;
    let cookies = browser.cookies("127.0.0.1");
    for mode in [Mode::Fails, Mode::Hangs] {
        store.set(mode);
        for path in ["/whoami", "/user", "/maybe", "/admin/secret", "/auth/salesforce/me"] {
            let started = Instant::now();
            for page in [browser.open(&app.url(path)).await, browser.fetch(&app.url(path)).await] {
                assert_eq!(page.status, 503, "{mode:?} {path}: {page:?}");
                assert!(!page.header("retry-after").is_empty(), "{mode:?} {path}");
                assert!(page.set_cookies().is_empty(), "{mode:?} {path}: {page:?}");
            }
            assert!(started.elapsed() < Duration::from_secs(4), "{mode:?} {path}: 2 s each");
        }
        let started = Instant::now();
        assert_eq!(browser.fetch(&app.url("/")).await.body, "public");
        assert_eq!(Client::new().fetch(&app.url("/maybe")).await.body, "anonymous");
        assert!(started.elapsed() < Duration::from_millis(500), "public pages are untouched");
        assert_eq!(
            Client::new().open(&app.url("/whoami")).await.status,
            303,
            "a stranger is still a stranger"
        );
        assert_eq!(browser.cookies("127.0.0.1"), cookies);
        store.set(Mode::Works);
        assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 200, "recovery needs no restart");
    }
    assert_eq!(app.exchanges(), 1);
}

/// However many extractors a request asks for.
#[actix_web::test]
async fn a_request_asks_the_store_once_whatever_comes_of_it() {
    let store = FailingStore::default();
    let (listener, url) = reserve();
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let settings = settings_for(&org, &url).keys(KEYS).store(std::sync::Arc::new(store.clone()));
    let salesforce = settings.build().await.unwrap();
    let app = serve(listener, {
        let salesforce = salesforce.clone();
        move |listener| {
            listen!(listener, 1, move || App::new()
                .configure(crate::support::app::routes)
                .route("/thrice", web::get().to(thrice))
                .wrap(salesforce.clone()))
        }
    });
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{}/user", app.url)).await.status, 200);
    let thrice = format!("{}/thrice", app.url);
    store.set(Mode::Hangs);
    let started = Instant::now();
    assert_eq!(browser.fetch(&thrice).await.body, "[503, 503, 503]");
    assert!(started.elapsed() < Duration::from_secs(2), "one wait: {:?}", started.elapsed());
    store.set(Mode::Works);
    assert_eq!(browser.fetch(&thrice).await.body, "[200, 200, 200]");
    salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    // Slow enough to show how often it is asked.
    store.set(Mode::Slow(Duration::from_millis(400)));
    let started = Instant::now();
    assert_eq!(browser.fetch(&thrice).await.body, "[401, 401, 401]");
    assert!(started.elapsed() < Duration::from_millis(800), "one question: {:?}", started.elapsed());
}

/// Asks for three extractors, one after the other.
async fn thrice(request: HttpRequest) -> String {
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let user = SalesforceUser::extract(&request).await;
        statuses.push(user.map_or_else(|error| error.status_code().as_u16(), |_| 200));
    }
    format!("{statuses:?}")
}

/// Logging all users out at once must not fail for their number.
#[actix_web::test]
async fn a_long_listing_is_waited_for_and_a_page_is_not() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let browser = app.logged_in().await;
    store.set(Mode::Slow(Duration::from_millis(2_500)));
    assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 1);
    assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1);
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 503);
}

#[actix_web::test]
async fn a_login_that_is_not_stored_leaves_no_cookie_and_no_approval() {
    let store = FailingStore::default();
    let app = app(&store).await;
    for mode in [Mode::Fails, Mode::Hangs, Mode::LosesResponses, Mode::FailsToCreate] {
        let browser = Client::new();
        let callback = browser
            .visit_until(&app.url("/auth/salesforce/login?return_to=/user"), "/auth/salesforce/callback")
            .await;
        let before = browser.cookies("127.0.0.1").len();
        store.set(mode);
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.status, 503, "{mode:?}: {page:?}");
        assert!(browser.cookies("127.0.0.1").len() <= before, "no session: {page:?}");
        assert!(page.body.contains("Your login could not be finished"), "{mode:?}: {page:?}");
        assert!(!page.body.contains("logged out") && !page.body.contains("still logged in"), "{page:?}");
        assert!(!page.header("retry-after").is_empty(), "{mode:?}: {page:?}");
        store.set(Mode::Works);
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
        // The code and the pending login are used, so that the way on is a new login.
        let again = page.body.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(again, "/auth/salesforce/login?return_to=%2Fuser", "{mode:?}: {page:?}");
        let page = browser.visit(&app.url(again)).await;
        assert_eq!((page.status, page.url.path()), (200, "/user"), "{mode:?}: {page:?}");
    }
    for _ in 0..100 {
        if app.org.live_refresh_tokens(&app.org.user(ADA)).len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("unusable approvals are revoked");
}

#[actix_web::test]
async fn a_rotated_token_that_cannot_be_stored_is_held_used_and_stored_later() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let browser = app.logged_in().await;
    let stored = async || store.records().list_grants(GrantFilter::All).await.unwrap()[0].version.revision;
    store.set(Mode::FailsToReplace);
    for round in 1..=3 {
        app.org.expire_access_tokens();
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "the held token is used");
        assert_eq!(app.refreshes(), round, "and refreshed from");
    }
    assert_eq!(stored().await, 0);
    store.set(Mode::Works);
    let started = Instant::now();
    while stored().await != 3 {
        assert!(started.elapsed() < Duration::from_secs(20), "stored once the store works");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (3, 0));
}

/// A failover to a replica that had not seen the newest tokens.
#[actix_web::test]
async fn a_store_that_fell_back_to_an_older_state_is_brought_up_to_date() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let browser = app.logged_in().await;
    let old = store.records().list_grants(GrantFilter::All).await.unwrap().remove(0);
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    let stored = async || store.records().list_grants(GrantFilter::All).await.unwrap()[0].version.revision;
    let until_stored = async |revision| {
        let started = Instant::now();
        while stored().await != revision {
            assert!(started.elapsed() < Duration::from_secs(10), "revision {revision} is stored");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    store.records().put_grant(old.clone()).await.unwrap();
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
    until_stored(1).await;
    store.records().put_grant(old.clone()).await.unwrap();
    for round in 2..=3 {
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "what is in memory is newer");
        app.org.expire_access_tokens();
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
        assert_eq!(stored().await, round);
    }
    // While a new token waits for the store.
    store.set(Mode::FailsToReplace);
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    store.records().put_grant(old).await.unwrap();
    store.set(Mode::Works);
    until_stored(4).await;
    assert_eq!((app.refreshes(), app.org.refresh_reuse_count()), (4, 0));
}

#[actix_web::test]
async fn a_logout_during_an_outage_takes_effect_when_the_store_is_back() {
    let store = FailingStore::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (kept, listener) = (store.clone(), Arc::clone(&heard));
    let app = TestApp::with(|builder| {
        let listener = move |event: &AuthEvent| listener.lock().unwrap().push(event.clone());
        builder.keys(KEYS).store(std::sync::Arc::new(kept)).on_event(listener)
    })
    .await;
    let browser = app.logged_in().await;
    let stolen = browser.copy();
    store.set(Mode::Fails);
    let page = browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert_eq!(page.status, 303, "the browser is logged out in any case: {page:?}");
    // Pending now, and over once it is stored: each is told, and counted, once.
    let told = || {
        let heard = heard.lock().unwrap();
        let logout = heard
            .iter()
            .filter(|event| matches!(event, AuthEvent::LogoutNotStored | AuthEvent::LoggedOut { .. }));
        logout.map(AuthEvent::counter).collect::<Vec<_>>()
    };
    assert_eq!(told(), ["actix_salesforce_logouts_not_stored_total"]);
    store.set(Mode::Works);
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
    let started = Instant::now();
    while stolen.fetch(&app.url("/user")).await.status != 401 {
        assert!(started.elapsed() < Duration::from_secs(10), "the login ends in the store too");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while told().len() < 2 && started.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(told(), ["actix_salesforce_logouts_not_stored_total", "actix_salesforce_logouts_total"]);
}

/// The store is back, and the logout has not reached it yet: this process knows better.
#[actix_web::test]
async fn a_logout_that_is_not_stored_yet_counts_in_this_process() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let (browser, other) = (app.logged_in().await, app.logged_in().await);
    let stolen = browser.copy();
    store.set(Mode::Fails);
    let page = browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    assert_eq!(stolen.fetch(&app.url("/user")).await.status, 401, "no store is needed to know that");
    store.set(Mode::Works);
    assert_eq!(stolen.fetch(&app.url("/user")).await.status, 401);
    assert_eq!(other.fetch(&app.url("/user")).await.status, 200, "another login is not meant");
}

/// The login was there when the store was asked for it, and is on its way to its end when the response comes.
#[actix_web::test]
async fn a_logout_that_begins_while_a_request_looks_its_login_up_counts() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let browser = app.logged_in().await;
    let stolen = browser.copy();
    store.set(Mode::Slow(Duration::from_millis(600)));
    let (url, logout) = (app.url("/user"), app.url("/auth/salesforce/logout"));
    let (page, ended) = futures_util::join!(stolen.fetch(&url), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        browser.submit(&logout, &app.server.url, &[]).await
    });
    assert_eq!((page.status, ended.status), (401, 303), "{page:?}");
}

/// Everyone is logged out in the end, also those who come after the one at whom the store failed.
#[actix_web::test]
async fn a_store_that_fails_during_a_mass_revocation_spares_no_grant() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let mut browsers = vec![app.logged_in().await];
    for user in app.org.users().iter().filter(|user| user.username() != ADA).take(2) {
        app.org.sign_in(user);
        let browser = Client::new();
        assert_eq!(browser.visit(&app.url("/whoami")).await.body, user.username());
        browsers.push(browser);
    }
    store.set(Mode::LosesEnds);
    assert!(app.salesforce.revoke_grants(GrantFilter::All).await.is_err());
    store.set(Mode::Works);
    let started = Instant::now();
    while !store.records().list_grants(GrantFilter::All).await.unwrap().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "the rest is ended in the background");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for browser in browsers {
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
    }
    for user in app.org.users() {
        while !app.org.live_refresh_tokens(&user).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(10), "{}: and revoked", user.username());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn until_nothing_is_live(app: &TestApp, what: &str) {
    let ada = app.org.user(ADA);
    let started = Instant::now();
    while !app.org.live_refresh_tokens(&ada).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}: the tokens are revoked in the end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn a_logout_whose_response_is_lost_revokes_the_tokens_all_the_same() {
    let store = FailingStore::default();
    let app = app(&store).await;
    let browser = app.logged_in().await;
    store.set(Mode::LosesEnds);
    let page = browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    assert!(store.records().list_grants(GrantFilter::All).await.unwrap().is_empty(), "it took effect");
    store.set(Mode::Works);
    until_nothing_is_live(&app, "one login").await;

    let _browser = app.logged_in().await;
    store.set(Mode::LosesEnds);
    assert!(app.salesforce.revoke_grants(GrantFilter::All).await.is_err());
    assert!(store.records().list_grants(GrantFilter::All).await.unwrap().is_empty(), "it took effect");
    store.set(Mode::Works);
    until_nothing_is_live(&app, "everyone").await;
}

/// Two processes that share a store, as far as one test process can show it: two of everything but the store.
#[actix_web::test]
async fn two_instances_that_share_a_store_make_one_token_call() {
    let store = FailingStore::default();
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let one =
        TestApp::around(org, |builder| builder.keys(KEYS).store(std::sync::Arc::new(store.clone()))).await;
    // Both are behind one public URL, as instances are: it decides the name of their cookies.
    let other = settings_for(&one.org, &one.server.url).keys(KEYS).store(std::sync::Arc::new(store.clone()));
    let other = other.build().await.unwrap();
    let (listener, _) = reserve();
    let other = crate::support::app::standard(listener, 4, other);
    let browser = one.logged_in().await;
    for (round, delay) in [0, 300, 3_500].into_iter().enumerate() {
        one.org.faults().clear();
        if delay > 0 {
            one.org.faults().refresh(salesforce_fake_org::Fault::Delay(Duration::from_millis(delay)));
        }
        one.org.expire_access_tokens();
        let urls = [one.url("/names"), format!("{}/names", other.url)];
        let requests = (0..50).map(|i| browser.fetch(&urls[i % 2]));
        let pages = futures_util::future::join_all(requests).await;
        assert!(pages.iter().all(|page| page.status == 200), "round {round}: {pages:?}");
        assert_eq!(one.refreshes(), round as u64 + 1, "round {round}");
    }
    assert_eq!(one.org.refresh_reuse_count(), 0);
}
