//! What must not bring a Salesforce user into the connection of another owner.

use super::app::{AccountsApp, CALLBACK, CONNECT, name, owner};
use crate::support::{ADA, Client, client::DOCUMENT};
use actix_salesforce::store::{
    AppKey, ConnectionName, GrantFilter, GrantKey, GrantRecord, MemoryStore, OwnedKey, OwnedRecord, Owner,
    OwnerKey, Store as _,
};
use reqwest::Method;
use std::{sync::Arc, time::Duration};

const BEN: &str = "ben@example.com";

async fn nothing_is_connected(app: &AccountsApp, why: &str) {
    let all = app.salesforce.list_owner_connections(GrantFilter::All).await.unwrap();
    assert!(all.is_empty(), "{why}: {all:?}");
    assert_eq!(app.org.token_calls("authorization_code"), 0, "{why}");
}

/// Connect-CSRF: another site starts a connection in the victim's browser.
#[actix_web::test]
async fn only_a_page_of_the_app_starts_a_connection() {
    let app = AccountsApp::start().await;
    let victim = app.browser("victim");
    let url = app.url(CONNECT);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let own = app.server.url.clone();
    for (why, headers) in [
        ("another origin", vec![form, ("origin", "https://evil.example")]),
        ("no origin", vec![form]),
        ("a frame without origin", vec![form, ("origin", "null"), ("sec-fetch-site", "cross-site")]),
        ("a sibling", vec![form, ("origin", "http://app.127.0.0.1"), ("sec-fetch-site", "same-site")]),
        ("two origins", vec![form, ("origin", own.as_str()), ("origin", "https://evil.example")]),
    ] {
        let page = victim.send(Method::POST, &url, &headers, Some("name=prod")).await;
        assert_eq!(page.status, 403, "{why}: {page:?}");
        assert!(page.set_cookies().is_empty() && page.header("location").is_empty(), "{why}: {page:?}");
    }
    // A link shows a page at most.
    let page = victim.open(&format!("{url}?name=prod&owner=victim")).await;
    assert!(page.status == 200 && page.set_cookies().is_empty(), "{page:?}");
    nothing_is_connected(&app, "no form of the app").await;
}

/// The attacker's callback, with the code of the attacker's Salesforce user, in the victim's browser.
#[actix_web::test]
async fn a_callback_connects_in_the_browser_and_for_the_account_that_started() {
    let app = AccountsApp::start().await;
    let attacker = app.browser("attacker");
    let callback = app.callback_of(&attacker, "prod").await;

    let victim = app.browser("victim");
    let page = victim.open(&callback).await;
    assert_eq!(page.status, 400, "without the attacker's cookie: {page:?}");
    nothing_is_connected(&app, "a link to the callback").await;

    // A sibling subdomain can set cookies: the victim's browser has the attacker's pending login.
    let (cookie, value) = attacker.own_cookie(".attempt.").unwrap();
    victim.set_cookie("127.0.0.1", &cookie, &value);
    let page = victim.open(&callback).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("Another account"), "{page:?}");
    nothing_is_connected(&app, "a planted cookie").await;

    // The user logs out of the app, or logs in as another one, while Salesforce's page is open.
    for (now, status) in [(None, 401), (Some("other"), 403), (Some("mallory"), 403)] {
        let browser = app.browser("first");
        let callback = app.callback_of(&browser, "prod").await;
        match now {
            Some(now) => browser.set_cookie("127.0.0.1", "account", now),
            None => browser.remove_cookie("127.0.0.1", "account"),
        }
        let page = browser.open(&callback).await;
        assert_eq!(page.status, status, "{now:?}: {page:?}");
        nothing_is_connected(&app, "another account").await;
    }
}

#[actix_web::test]
async fn owner_and_name_come_from_nothing_that_the_browser_can_write() {
    let app = AccountsApp::start().await;
    for (account, name, status) in [
        ("", "prod", 401),
        ("mallory", "prod", 403),
        ("ada", "../x", 400),
        ("ada", "a b", 400),
        ("ada", &"x".repeat(65), 400),
    ] {
        let page = app.submit(&app.browser(account), name).await;
        assert_eq!(page.status, status, "{account} {name}: {page:?}");
        assert!(page.set_cookies().is_empty(), "{account} {name}: {page:?}");
    }
    nothing_is_connected(&app, "refused").await;
    // Neither form nor callback names an owner or, at the end, another connection.
    let browser = app.browser("ada");
    let fields = [("name", "prod"), ("owner", "victim"), ("return_to", "//evil.example/")];
    let page = browser.submit(&app.url(CONNECT), &app.server.url, &fields).await;
    let callback = browser.visit_until(page.location().as_str(), CALLBACK).await;
    let page =
        browser.open(&format!("{callback}&name=other&owner=victim&return_to=https://evil.example")).await;
    assert_eq!((page.status, page.header("location")), (303, "/"), "{page:?}");
    let all = app.salesforce.list_owner_connections(GrantFilter::All).await.unwrap();
    assert_eq!((all.len(), &all[0].owner, &all[0].name), (1, &owner("ada"), &name("prod")), "{all:?}");
}

/// A login and a connection under way in one browser, for two users of Salesforce.
#[actix_web::test]
async fn a_login_and_a_connection_of_one_browser_are_not_mixed_up() {
    let app = AccountsApp::start().await;
    let browser = app.browser("1");
    let login = browser.visit_until(&app.url("/whoami"), CALLBACK).await.to_string();
    app.org.sign_in(&app.org.user(BEN));
    let connect = app.callback_of(&browser, "prod").await;

    // The code of one with the state of the other: the verifier belongs to the state (PKCE, RFC 7636).
    let swapped = |url: &str, other: &str| {
        let code = crate::support::client::query(&url::Url::parse(other).unwrap(), "code").unwrap();
        let mut url = url::Url::parse(url).unwrap();
        let state = crate::support::client::query(&url, "state").unwrap();
        url.query_pairs_mut().clear().append_pair("code", &code).append_pair("state", &state);
        url.to_string()
    };
    let copy = browser.copy();
    let page = copy.open(&swapped(&connect, &login)).await;
    assert!(page.status >= 400 && !page.sets_login(), "{page:?}");
    let page = copy.open(&swapped(&login, &connect)).await;
    assert!(page.status >= 400 && !page.sets_login(), "{page:?}");
    assert!(app.salesforce.list_owner_connections(GrantFilter::All).await.unwrap().is_empty());
    assert!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());

    // Both again, in any order: each does its own.
    for login_first in [true, false] {
        let browser = app.browser("1");
        app.org.sign_in(&app.org.user(ADA));
        let login = browser.visit_until(&app.url("/whoami"), CALLBACK).await.to_string();
        app.org.sign_in(&app.org.user(BEN));
        let connect = app.callback_of(&browser, "prod").await;
        if login_first {
            assert!(browser.open(&login).await.sets_login());
            assert!(!browser.open(&connect).await.sets_login());
        } else {
            assert!(!browser.open(&connect).await.sets_login());
            assert!(browser.open(&login).await.sets_login());
        }
        assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA, "{login_first}");
        assert_eq!(app.data(&browser, "prod").await.body, BEN, "{login_first}");
    }
}

/// The app's cookie has `SameSite=Strict`: it does not come with the redirect from Salesforce.
#[actix_web::test]
async fn a_strict_cookie_of_the_app_comes_with_the_second_request() {
    let app = AccountsApp::start().await;
    let browser = app.browser("1");
    let callback = app.callback_of(&browser, "prod").await;
    let strict = browser.copy();
    strict.remove_cookie("127.0.0.1", "account");
    let headers: Vec<_> = DOCUMENT.into_iter().chain([("sec-fetch-site", "cross-site")]).collect();
    let page = strict.send(Method::GET, &callback, &headers, None).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("http-equiv=\"refresh\"") && page.set_cookies().is_empty(), "{page:?}");
    assert_eq!(app.org.token_calls("authorization_code"), 0, "the code is unused");
    let page = browser.open(&format!("{callback}&same_site=1")).await;
    assert_eq!(page.header("location"), "/connected", "{page:?}");
}

/// A program that can write to the store, but has no key, gives no owner the grant of another one.
#[actix_web::test]
async fn a_record_that_is_moved_gives_no_owner_another_ones_grant() {
    let store = Arc::new(MemoryStore::new());
    let given = Arc::clone(&store);
    let keys = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
    let app = AccountsApp::with(|builder| builder.keys(keys).store(given)).await;
    app.connect(&app.browser("ada"), "prod").await;
    app.org.sign_in(&app.org.user(BEN));
    let ben = app.browser("ben");
    app.connect(&ben, "prod").await;
    assert_eq!(app.data(&ben, "prod").await.body, BEN);

    let app_key = AppKey::from_client_id(&app.org.client_id());
    let keys = |owner: &str| {
        let owner = OwnerKey::new(app_key, &Owner::new(owner).unwrap());
        (owner, OwnedKey::new(owner, &ConnectionName::new("prod").unwrap()))
    };
    let read = async |owner: &str| store.load_owned(keys(owner).1).await.unwrap().unwrap();
    let ((of_ada, grant_of_ada), (of_ben, _)) = (read("ada").await, read("ben").await);
    let grant_of_ada: GrantRecord = grant_of_ada.unwrap();
    let pointed: GrantKey = grant_of_ada.key;
    for (how, sealed) in [("copied", of_ada.sealed.clone()), ("pointed", of_ben.sealed.clone())] {
        let moved = OwnedRecord::new(keys("ben"), pointed, sealed, of_ben.connected_at, of_ben.expires_at);
        let _ = store.connect_owner(moved, grant_of_ada.clone(), Duration::ZERO).await.unwrap();
        let page = app.data(&ben, "prod").await;
        assert_eq!(page.status, 401, "{how}: {page:?}");
        assert!(!page.body.contains("ada"), "{how}: {page:?}");
        assert!(app.salesforce.owner_connections(&owner("ben")).await.unwrap().is_empty(), "{how}");
    }
}

/// The recipe for tenants on subdomains: one public URL, and a link that leads there.
#[actix_web::test]
async fn tenants_on_other_hosts_connect_at_the_public_url() {
    let app = AccountsApp::start().await;
    let browser = app.browser("tenant 7");
    // A form of a tenant's page is of another origin.
    let page = browser.submit(&app.url(CONNECT), "http://acme.app.example", &[("name", "prod")]).await;
    assert_eq!(page.status, 403, "{page:?}");
    // Its link leads to the page with the button.
    let back = "/connected?tenant=acme";
    let link = format!("{CONNECT}?name=prod&return_to={}", crate::support::client::encoded(back));
    let page = browser.open(&app.url(&link)).await;
    assert_eq!(page.status, 200, "{page:?}");
    let fields = [("name", "prod"), ("return_to", back)];
    for (name, value) in fields {
        assert!(page.body.contains(&format!("name=\"{name}\" value=\"{value}\"")), "{page:?}");
    }
    let page = browser.submit(&app.url(CONNECT), &app.server.url, &fields).await;
    let callback = browser.visit_until(page.location().as_str(), CALLBACK).await;
    assert_eq!(browser.open(callback.as_str()).await.header("location"), back);
    // At the tenant's host the app knows the owner by its own session, and needs no login at Salesforce.
    let tenant = Client::new();
    let headers = [("host", "acme.app.example"), ("cookie", "account=tenant 7"), ("accept", "text/plain")];
    let page = tenant.send(Method::GET, &app.url("/data/prod"), &headers, None).await;
    assert_eq!((page.status, page.body.as_str()), (200, ADA), "{page:?}");
}
