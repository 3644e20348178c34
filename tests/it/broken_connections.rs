//! Connections that Salesforce refuses for good: they stay listed with the reason until their user logs in again.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use crate::support::{ADA, Client, Page, TestApp, app, failing::FailingStore, reserve, serve, settings_for};
use actix_salesforce::{
    AuthEvent, Connection, Error, Salesforce, SalesforceBuilder, SalesforceConn, UserRef, admin::GrantInfo,
    store::GrantFilter, token::BrokenConnection,
};
use actix_web::{App, HttpServer, get, web};
use salesforce_fake_org::{FakeOrg, Fault};

const BEN: &str = "ben@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const LOGIN: &str = "/auth/salesforce/login";

fn refused(code: &str, description: &str) -> Fault {
    Fault::OauthError { error: code.to_owned(), description: description.to_owned(), status: 400 }
}

fn user(org: &FakeOrg, name: &str) -> UserRef {
    let user = org.user(name);
    UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap())
}

async fn only_grant(salesforce: &Salesforce) -> GrantInfo {
    let mut grants = salesforce.list_grants(GrantFilter::All).await.unwrap();
    assert_eq!(grants.len(), 1, "{grants:?}");
    grants.remove(0)
}

/// The typed error of a job.
fn broken(error: Error) -> Arc<BrokenConnection> {
    assert_eq!(error.code(), "needs_reconnecting", "{error:?}");
    assert!(error.needs_login() && !error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("needs reconnecting"), "{error}");
    match error {
        Error::NeedsReconnecting(broken) => broken,
        error => panic!("{error:?}"),
    }
}

async fn count(sf: &Connection) -> Result<u64, Error> {
    sf.query::<()>("SELECT COUNT() FROM Account").count().await
}

/// Salesforce refuses Ada's grant with this code at the next request.
async fn refuse(app: &TestApp, browser: &Client, code: &str, description: &str) -> Page {
    app.org.expire_access_tokens();
    let fault = app.org.faults().refresh(refused(code, description));
    let page = browser.fetch(&app.url("/names")).await;
    assert_eq!(fault.hits(), 1, "{page:?}");
    fault.remove();
    page
}

/// From the refusal to the next login, over one store.
async fn check(kind: &str, settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) {
    let heard: Arc<Mutex<Vec<AuthEvent>>> = Arc::default();
    let listener = Arc::clone(&heard);
    let app = TestApp::with(|builder| {
        settings(builder.keys(KEYS))
            .on_event(move |event: &AuthEvent| listener.lock().unwrap().push(event.clone()))
    })
    .await;
    let ada = user(&app.org, ADA);
    let (browser, other) = (app.logged_in().await, app.logged_in().await);
    assert_eq!(only_grant(&app.salesforce).await.needs_reconnecting, None, "{kind}");
    let before = SystemTime::now();
    let page = refuse(&app, &browser, "inactive_user", "user is inactive").await;
    assert_eq!(page.status, 403, "{kind}: {page:?}");

    let listed = only_grant(&app.salesforce).await.needs_reconnecting.expect(kind);
    assert_eq!(listed.user, ada, "{kind}");
    assert_eq!(listed.code.as_deref(), Some("inactive_user"), "{kind}");
    assert_eq!(listed.reason.as_deref(), Some("user is inactive"), "{kind}");
    assert_eq!(listed.login_path.as_deref(), Some(LOGIN), "{kind}");
    let age = listed.since.duration_since(before - Duration::from_secs(1)).expect("the time of the refusal");
    assert!(age < Duration::from_secs(30), "{kind}: {age:?}");
    let event = heard.lock().unwrap().iter().any(|event| {
        matches!(event, AuthEvent::GrantRevoked { code: Some(code), needs_reconnecting: true, .. }
            if code == "inactive_user")
    });
    assert!(event, "{kind}: {heard:?}");
    assert!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty(), "{kind}");
    for browser in [&browser, &other] {
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 401, "{kind}: its logins end at once");
    }
    let error = broken(app.salesforce.user_connection(ada).await.unwrap_err());
    assert_eq!(*error, listed, "{kind}: a job learns as much as an operator");

    assert_eq!(browser.visit(&app.url("/whoami")).await.body, ADA, "{kind}");
    assert_eq!(only_grant(&app.salesforce).await.needs_reconnecting, None, "{kind}");
    let sf = app.salesforce.user_connection(ada).await.expect(kind);
    assert!(count(&sf).await.unwrap() > 0, "{kind}");
    assert_eq!(other.fetch(&app.url("/user")).await.status, 401, "{kind}: the former logins stay ended");
    assert_eq!(app.org.refresh_reuse_count(), 0, "{kind}");
}

#[actix_web::test]
async fn a_refused_grant_is_listed_until_its_user_logs_in_in_memory() {
    check("memory", |builder| builder).await;
}

#[cfg(feature = "sqlite")]
#[actix_web::test]
async fn a_refused_grant_is_listed_until_its_user_logs_in_in_sqlite() {
    let folder = crate::support::servers::Folder::new("broken");
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    check("sqlite", |builder| builder.store_url(store)).await;
}

#[cfg(feature = "redis")]
#[actix_web::test]
async fn a_refused_grant_is_listed_until_its_user_logs_in_in_redis() {
    let redis = crate::support::servers::Redis::start();
    check("redis", |builder| builder.store_url(redis.url())).await;
}

#[cfg(feature = "postgres")]
#[actix_web::test]
async fn a_refused_grant_is_listed_until_its_user_logs_in_in_postgres() {
    let postgres = crate::support::servers::Postgres::start();
    check("postgres", |builder| builder.store_url(postgres.url())).await;
}

/// `SALESFORCE_KEEP_BROKEN`: at once, or after its time.
#[actix_web::test]
async fn a_refused_grant_is_forgotten_as_the_settings_say() {
    for keep in [Duration::ZERO, Duration::from_millis(1_200)] {
        let app = TestApp::with(|builder| builder.keep_broken(keep)).await;
        let browser = app.logged_in().await;
        assert_eq!(refuse(&app, &browser, "invalid_grant", "expired access/refresh token").await.status, 401);
        if !keep.is_zero() {
            assert!(only_grant(&app.salesforce).await.needs_reconnecting.is_some());
            tokio::time::sleep(keep).await;
        }
        let left = app.salesforce.list_grants(GrantFilter::All).await.unwrap();
        assert!(left.is_empty(), "{keep:?}: {left:?}");
        let error = app.salesforce.user_connection(user(&app.org, ADA)).await.unwrap_err();
        assert_eq!(error.code(), "login_required", "{keep:?}");
    }
}

#[actix_web::test]
async fn an_operator_can_forget_a_refused_grant() {
    let heard: Arc<Mutex<Vec<AuthEvent>>> = Arc::default();
    let listener = Arc::clone(&heard);
    let app = TestApp::with(|builder| {
        builder.on_event(move |event: &AuthEvent| listener.lock().unwrap().push(event.clone()))
    })
    .await;
    let browser = app.logged_in().await;
    refuse(&app, &browser, "invalid_grant", "expired access/refresh token").await;
    heard.lock().unwrap().clear();
    let ada = user(&app.org, ADA);
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::User(ada)).await.unwrap(), 1);
    assert!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().is_empty());
    assert_eq!(app.salesforce.user_connection(ada).await.unwrap_err().code(), "login_required");
    assert!(heard.lock().unwrap().is_empty(), "its logins had ended, and it has no token: {heard:?}");
}

/// The connections of two processes that were made before the refusal. One token request finds it out for both.
#[actix_web::test]
async fn a_job_at_work_learns_why_its_connection_ended_in_each_process() {
    let store = FailingStore::default();
    let app = TestApp::with(|builder| builder.keys(KEYS).store(Arc::new(store.clone()))).await;
    let there = settings_for(&app.org, "http://127.0.0.1:1").keys(KEYS).store(Arc::new(store.clone()));
    let there = there.build().await.unwrap();
    let browser = app.logged_in().await;
    let ada = user(&app.org, ADA);
    let jobs =
        [app.salesforce.user_connection(ada).await.unwrap(), there.user_connection(ada).await.unwrap()];
    app.org.expire_access_tokens();
    let fault = app.org.faults().refresh(refused("invalid_grant", "expired access/refresh token"));
    for round in 0..2 {
        for sf in &jobs {
            let broken = broken(count(sf).await.unwrap_err());
            assert_eq!(broken.code.as_deref(), Some("invalid_grant"), "{round}");
            assert_eq!(broken.reason.as_deref(), Some("expired access/refresh token"), "{round}");
        }
    }
    assert_eq!(fault.hits(), 1);
    assert_eq!(browser.fetch(&app.url("/user")).await.json()["error"], "login_required");
    fault.remove();
    assert_eq!(browser.visit(&app.url("/whoami")).await.status, 200);
    assert!(count(&jobs[0]).await.is_ok(), "where the user logged in the same connection works again");
    let sf = there.user_connection(ada).await.unwrap();
    assert!(count(&sf).await.is_ok() && count(&jobs[1]).await.is_ok());
}

/// The link leads to the host at which the user logged in before.
#[actix_web::test]
async fn the_way_to_log_in_names_the_login_host() {
    let (org, sandbox) = (FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap());
    sandbox.sign_in(&sandbox.user(ADA));
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let app =
        TestApp::around(org, |builder| builder.login_host("sandbox", login).allowed_origin(instance)).await;
    let browser = Client::new();
    let page = browser.visit(&app.url(&format!("{LOGIN}?return_to=/names&host=sandbox"))).await;
    assert_eq!(page.status, 200, "{page:?}");
    sandbox.expire_access_tokens();
    let fault = sandbox.faults().refresh(refused("inactive_user", "user is inactive"));
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 403);
    fault.remove();
    let listed = only_grant(&app.salesforce).await.needs_reconnecting.unwrap();
    let path = listed.login_path.unwrap();
    assert_eq!(path, format!("{LOGIN}?host=sandbox"));
    assert_eq!(browser.visit(&app.url(&path)).await.status, 200, "the link logs in");
    assert_eq!(only_grant(&app.salesforce).await.needs_reconnecting, None);
}

/// A page of one user that works with the connection of another.
#[get("/job/{user}")]
async fn job(
    _: SalesforceConn,
    salesforce: Salesforce,
    of: web::Path<String>,
) -> actix_salesforce::Result<String> {
    let (org, user) = of.split_once('-').unwrap();
    let user = UserRef::new(org.parse()?, user.parse()?);
    Ok(count(&salesforce.user_connection(user).await?).await?.to_string())
}

/// A login of the user who looks at the page would lead back to it for ever.
#[actix_web::test]
async fn a_page_that_needs_a_refused_grant_of_another_user_stops() {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        HttpServer::new(move || App::new().configure(app::routes).service(job).wrap(wrapped.clone()))
            .workers(2)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run()
    });
    let (ada, ben) = (Client::new(), Client::new());
    for (browser, name) in [(&ada, ADA), (&ben, BEN)] {
        org.sign_in(&org.user(name));
        assert_eq!(browser.visit(&format!("{url}/whoami")).await.body, name);
    }
    let of = user(&org, ADA);
    let page = format!("{url}/job/{}-{}", of.organization_id, of.user_id);
    assert_eq!(ben.visit(&page).await.status, 200);
    org.expire_access_tokens();
    let fault = org.faults().refresh(refused("inactive_user", "user is inactive"));
    assert_eq!(ada.fetch(&format!("{url}/names")).await.status, 403);
    fault.remove();
    for round in 0..3 {
        let stopped = ben.open(&page).await;
        assert_eq!(stopped.status, 403, "{round}: {stopped:?}");
        assert!(stopped.body.contains(&format!("{LOGIN}?return_to=%2Fjob%2F")), "{round}: {stopped:?}");
        let json = ben.fetch(&page).await;
        assert_eq!((json.status, &json.json()["error"]), (403, &"needs_reconnecting".into()), "{json:?}");
        assert!(json.json()["login_url"].as_str().unwrap().starts_with(LOGIN), "{json:?}");
        assert_eq!(ben.fetch(&format!("{url}/user")).await.status, 200, "Ben stays logged in");
    }
    drop(server);
}

/// Follows redirects as a browser does. Returns the page and the number of hops.
async fn follow(browser: &Client, url: &str) -> (Page, usize) {
    let mut page = browser.open(url).await;
    for hops in 1..=40 {
        if !page.is_redirect() {
            return (page, hops);
        }
        page = browser.open(page.location().as_str()).await;
    }
    panic!("an endless redirect: {page:?}");
}

/// Salesforce lets the user log in, and refuses each request and each refresh after it.
#[actix_web::test]
async fn a_refusal_that_each_login_repeats_ends_at_a_page() {
    for code in [
        "inactive_user",
        "inactive_org",
        "app_blocked",
        "oauth_app_blocked",
        "invalid_app_access",
        "invalid_grant",
    ] {
        let app = TestApp::start().await;
        let rejected = Fault::ApiError {
            status: 401,
            code: "INVALID_SESSION_ID".to_owned(),
            message: "Session expired or invalid".to_owned(),
        };
        let rejected = app.org.faults().query(rejected);
        let refused = app.org.faults().refresh(refused(code, ""));
        let browser = Client::new();
        // Three logins in a row that were lost are a loop.
        for visit in 0..2 {
            let (page, _) = follow(&browser, &app.url("/names")).await;
            assert_eq!(
                page.status,
                if code == "invalid_grant" { 400 } else { 403 },
                "{code}, {visit}: {page:?}"
            );
        }
        assert_eq!(refused.hits(), app.exchanges(), "{code}: one refresh for each login");
        rejected.remove();
        refused.remove();
        let (page, _) = follow(&browser, &app.url("/names")).await;
        assert_eq!(page.status, 200, "{code}: {page:?}");
    }
}

/// The administrator deactivated the user or the org: the way to log in ends at a page, also of a route that sends no
/// request to Salesforce.
#[actix_web::test]
async fn an_inactive_user_ends_at_a_page() {
    type Change = fn(&FakeOrg);
    let changes: [Change; 2] = [|org| org.deactivate_user(&org.user(ADA)), |org| org.set_org_locked(true)];
    for change in changes {
        for path in ["/names", "/user", "/admin/secret"] {
            let app = TestApp::with(|builder| builder.recheck(Duration::from_millis(300))).await;
            let browser = app.logged_in().await;
            change(&app.org);
            app.org.expire_access_tokens();
            tokio::time::sleep(Duration::from_millis(400)).await;
            for visit in 0..3 {
                let (page, hops) = follow(&browser, &app.url(path)).await;
                assert!(page.status >= 400 || page.url.origin() != url_of(&app).origin(), "{path}: {page:?}");
                assert!(hops <= 6, "{path}, {visit}: {hops} hops: {page:?}");
            }
        }
    }
}

fn url_of(app: &TestApp) -> url::Url {
    app.server.url.parse().unwrap()
}
