//! One of a browser's logins cannot be used now: its org is down before this process knows whether it may come in, or the
//! settings do not let it in any more.

use std::{sync::Arc, time::Instant};

use crate::support::LOGIN;
use actix_salesforce::store::{MemoryStore, Sealed, Store as _};
use salesforce_fake_org::Fault;

use super::*;

fn stored_in(store: Arc<MemoryStore>) -> impl Fn(SalesforceBuilder) -> SalesforceBuilder {
    move |builder| builder.keys(KEYS).cookie_name("app").store(store.clone())
}

/// A browser that is logged in at three orgs and works in the first one.
async fn three_orgs(shared: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> (Several, Client) {
    let app = Several::with(3, SessionMode::Embedded, shared).await;
    let browser = app.logged_in().await;
    assert_eq!(app.post(&browser, &[("switch", &app.id(0))]).await.status, 303);
    (app, browser)
}

#[actix_web::test]
async fn an_org_that_is_down_leaves_the_browsers_other_orgs_alone() {
    let shared = stored_in(Arc::default());
    let (before, browser) = three_orgs(&shared).await;
    let app = before.restarted(|builder| shared(builder).allow_sandboxes(false)).await;
    let down = app.orgs[1].faults().query(Fault::Status(503));

    assert_eq!((app.works_in(&browser).await, app.listed(&browser).await), (Some(0), (2, Some(0))));
    assert_eq!(browser.open(&app.url("/current")).await.body, format!("{ADA} {ADA}"));
    let pair = async |one: usize, other: usize| {
        let path = format!("/pair/{}/{}", app.id(one), app.id(other));
        browser.fetch(&app.url(&path)).await
    };
    assert_eq!(pair(0, 2).await.status, 200);
    let page = pair(0, 1).await;
    assert_eq!((page.status, &page.json()["error"]), (503, &"unavailable".into()), "{page:?}");
    assert_eq!(page.header("retry-after"), "5", "its login is there: {page:?}");
    let page = app.post(&browser, &[("switch", &app.id(1))]).await;
    assert_eq!((page.status, page.header("retry-after")), (503, "5"), "{page:?}");
    let again = format!("{LOGIN}?prompt=login&host=org2&return_to=/user");
    assert_eq!(browser.visit(&app.url(&again)).await.status, 200);
    assert_eq!(app.works_in(&browser).await, Some(0));

    // It can be left.
    assert_eq!(app.post(&browser, &[("drop", &app.id(1))]).await.status, 303);
    app.wait_for_logins(2).await;
    assert_eq!((app.works_in(&browser).await, app.listed(&browser).await), (Some(0), (2, Some(0))));
    down.remove();
    assert_eq!(pair(0, 1).await.json()["error"], "org_login_required", "it has ended");
}

/// They accept requests and say nothing, and are asked again from time to time.
#[actix_web::test]
async fn orgs_that_hang_cost_a_page_of_another_org_half_a_second_once() {
    let shared = stored_in(Arc::default());
    let (before, browser) = three_orgs(&shared).await;
    let app = before.restarted(|builder| shared(builder).allow_sandboxes(false)).await;
    let hang = [1, 2].map(|org| app.orgs[org].faults().query(Fault::Delay(Duration::from_secs(60))));
    let page = async || {
        let begun = Instant::now();
        assert_eq!(browser.open(&app.url("/current")).await.body, ADA);
        begun.elapsed()
    };
    let asked = |org: usize| {
        app.orgs[org].requests().iter().filter(|request| request.path.contains("/query")).count()
    };
    let begun = Instant::now();
    let first = page().await;
    assert!(first < Duration::from_secs(3), "both together: {first:?}");
    let switched = app.post(&browser, &[("switch", &app.id(1))]).await;
    assert_eq!((switched.status, switched.header("retry-after")), (503, "5"), "{switched:?}");
    let second = page().await;
    assert!(second < Duration::from_secs(3), "{second:?}");

    // The questions fail after five seconds, and are sent again after five more.
    tokio::time::sleep(Duration::from_secs(11).saturating_sub(begun.elapsed())).await;
    let mut again = [page().await, page().await, page().await, page().await, page().await];
    again.sort_unstable();
    assert!(again[2] < Duration::from_millis(400), "nothing waits for an org that hung before: {again:?}");
    assert_eq!([1, 2].map(asked), [2, 2], "each is asked, and once at a time");

    // An org that is back counts once a question went through.
    for fault in hang {
        fault.remove();
    }
    let (mut listed, begun) = (1, Instant::now());
    while listed < 3 && begun.elapsed() < Duration::from_secs(25) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        listed = app.listed(&browser).await.0;
    }
    assert_eq!(listed, 3);
}

#[actix_web::test]
async fn a_browser_whose_current_org_is_down_goes_on_in_another_one() {
    let shared = stored_in(Arc::default());
    let (before, browser) = three_orgs(&shared).await;
    let app = before.restarted(|builder| shared(builder).allow_sandboxes(false)).await;
    let down = [0, 2].map(|org| app.orgs[org].faults().query(Fault::Status(503)));
    for format in [browser.fetch(&app.url("/user")).await, browser.open(&app.url("/user")).await] {
        assert_eq!((format.status, format.header("retry-after")), (503, "5"), "{format:?}");
        assert!(!format.body.contains("store"), "Salesforce is down: {format:?}");
    }
    assert_eq!(app.listed(&browser).await, (1, None));
    // A login elsewhere starts.
    let page = browser.open(&app.url(&format!("{LOGIN}?prompt=login&host=org1&return_to=/user"))).await;
    assert!(page.status == 303 && page.header("location").contains("/services/oauth2/authorize"), "{page:?}");
    // The current login stays current while another one is dropped.
    assert_eq!(app.post(&browser, &[("drop", &app.id(1))]).await.status, 303);
    app.wait_for_logins(2).await;
    let page = browser.fetch(&app.url(ORGS)).await;
    assert_eq!((page.status, page.header("retry-after")), (503, "5"), "no login has ended: {page:?}");
    for fault in down {
        fault.remove();
    }
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(app.works_in(&browser).await, Some(0));
    // No request waits for the other one, which is asked meanwhile.
    while app.listed(&browser).await != (2, Some(0)) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not count");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The next version of the app denies one of the orgs. Its login stays stored, in case that is a mistake.
#[actix_web::test]
async fn a_login_that_does_not_count_can_be_dropped() {
    let shared = stored_in(Arc::default());
    let (before, browser) = three_orgs(&shared).await;
    let denied = [before.id(1), before.id(2)];
    let app = before.restarted(|builder| shared(builder).denied_orgs(denied)).await;
    assert_eq!((app.logins().await, app.listed(&browser).await), (3, (1, Some(0))));
    let user = app.orgs[1].user(ADA).id().to_owned();
    for fields in [vec![("drop", app.id(1)), ("user_id", user)], vec![("drop", app.id(2))]] {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = app.post(&browser, &fields).await;
        assert_eq!(page.status, 303, "{page:?}");
        assert!(
            page.set_cookies().iter().any(|cookie| cookie.starts_with("app") && cookie.contains("Max-Age=0"))
        );
    }
    app.wait_for_logins(1).await;
    assert_eq!((app.works_in(&browser).await, app.listed(&browser).await), (Some(0), (1, Some(0))));
}

/// It is in no list, so that it makes no other login of its org unclear.
#[actix_web::test]
async fn a_login_that_counts_is_dropped_before_one_that_does_not() {
    let store: Arc<MemoryStore> = Arc::default();
    let app = Several::with(2, SessionMode::Embedded, stored_in(store.clone())).await;
    let browser = app.logged_in().await;
    let ben = app.orgs[1].user(BEN);
    app.orgs[1].sign_in(&ben);
    assert_eq!(app.add(&browser, 1).await.json()["username"], BEN);
    assert_eq!(app.listed(&browser).await, (3, Some(1)));
    assert_eq!(app.post(&browser, &[("switch", &app.id(0))]).await.status, 303);
    // Another program writes into the store.
    let grants = store.list_grants(GrantFilter::All).await.unwrap();
    let mut grant =
        grants.into_iter().find(|grant| grant.key.user().user_id.to_string() == ben.id()).unwrap();
    (grant.version, grant.sealed) = (grant.version.next(), Sealed::from_bytes(b"unreadable".to_vec()));
    store.put_grant(grant).await.unwrap();
    assert_eq!(app.listed(&browser).await, (2, Some(0)));

    let page = app.post(&browser, &[("drop", &app.id(1))]).await;
    assert_eq!(page.status, 303, "{page:?}");
    app.wait_for_logins(2).await;
    let logins = app.salesforce.list_logins(GrantFilter::All).await.unwrap();
    let at_org = logins.iter().filter(|login| login.organization_id.to_string() == app.id(1));
    assert_eq!(at_org.map(|login| login.user_id.to_string()).collect::<Vec<_>>(), [ben.id()], "not Ada");
    assert_eq!(app.listed(&browser).await, (1, Some(0)));
    // Then it is the turn of the other one.
    assert_eq!(app.post(&browser, &[("drop", &app.id(1))]).await.status, 303);
    app.wait_for_logins(1).await;
    assert_eq!(app.listed(&browser).await, (1, Some(0)));
}

/// Five orgs are the most. One that does not count is in no list, so that its user could not make room.
#[actix_web::test]
async fn a_login_that_does_not_count_gives_way_to_a_new_one() {
    let shared = stored_in(Arc::default());
    let before = Several::with(6, SessionMode::Embedded, &shared).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&before.url("/whoami")).await.status, 200);
    for org in 1..5 {
        assert_eq!(before.add(&browser, org).await.status, 200);
    }
    let denied = before.id(2);
    let app = before.restarted(|builder| shared(builder).denied_orgs([denied])).await;
    assert_eq!(app.listed(&browser).await.0, 4);
    let page = app.add(&browser, 5).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(app.listed(&browser).await, (5, Some(5)));
    app.wait_for_logins(5).await;
    let page = app.post(&browser, &[("add", "1"), ("host", "org2")]).await;
    assert_eq!(page.status, 409, "five that count: {page:?}");
}
