//! From the connect form to the end of a connection.

use std::{sync::Arc, time::Duration};

use super::app::{AccountsApp, CONNECT, name, owner};
use crate::support::{
    ADA, Client, reserve,
    servers::{Folder, Postgres, Redis},
    settings_for,
};
use actix_salesforce::{
    AuthEvent, Error, Salesforce, UserRef,
    config::RevokeOnLogout,
    store::{GrantFilter, MemoryStore, Store as _},
};
use salesforce_fake_org::{FakeOrg, Fault};

const BEN: &str = "ben@example.com";
pub(super) const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
pub(super) const NEWER_KEYS: &str = "b7Jm2xQe9Tz4Lk8Vd1Rn6Yw3Pc5Hf0Sg7Ua2Xi9Ko4M=";

/// Waits until the fake org has so many live refresh tokens of Ada, as revocations are sent in the background.
pub(super) async fn until_left(org: &FakeOrg, count: usize) {
    for _ in 0..300 {
        if org.live_refresh_tokens(&org.user(ADA)).len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} tokens are left, not {count}", org.live_refresh_tokens(&org.user(ADA)).len());
}

pub(super) async fn until_revoked(org: &FakeOrg) {
    until_left(org, 0).await;
}

#[actix_web::test]
async fn an_owner_connects_without_a_login() {
    let app = AccountsApp::start().await;
    let browser = app.browser("account 1");
    let page = app.connect(&browser, "prod").await;
    assert!(!page.sets_login(), "{page:?}");
    assert!(browser.own_cookie("").is_none() && browser.own_cookie(".attempt.").is_none());
    assert_eq!(browser.fetch(&app.url("/auth/salesforce/me")).await.status, 401);
    assert!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());
    let page = app.data(&browser, "prod").await;
    assert_eq!((page.status, page.body.as_str()), (200, ADA), "{page:?}");

    let listed = app.salesforce.owner_connections(&owner("account 1")).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((&listed[0].owner, &listed[0].name), (&owner("account 1"), &name("prod")));
    assert_eq!(listed[0].username.as_deref(), Some(ADA));
    assert_eq!(listed[0].user_id.as_str(), app.org.user(ADA).id());
    assert!(listed[0].needs_reconnecting.is_none());
    assert_eq!(
        listed[0].instance_url.as_ref().map(|url| url.origin().ascii_serialization()),
        Some(app.org.instance_url())
    );
    let org = listed[0].organization_id;
    assert_eq!(app.salesforce.list_owner_connections(GrantFilter::Org(org)).await.unwrap().len(), 1);
}

#[actix_web::test]
async fn a_connection_belongs_to_one_owner_and_one_name() {
    let app = AccountsApp::start().await;
    let ada = app.browser("1");
    app.connect(&ada, "prod").await;
    app.org.sign_in(&app.org.user(BEN));
    app.connect(&ada, "test").await;
    assert_eq!(app.data(&ada, "prod").await.body, ADA);
    assert_eq!(app.data(&ada, "test").await.body, BEN);
    for (account, of) in [("2", "prod"), ("1", "other"), ("11", "prod"), ("1b", "prod")] {
        let page = app.data(&app.browser(account), of).await;
        assert_eq!(page.status, 401, "{account} {of}: {page:?}");
        let error = app.salesforce.owner_connection(&owner(account), &name(of)).await.unwrap_err();
        assert!(matches!(error, Error::LoginRequired), "{account} {of}: {error:?}");
    }
    assert!(app.salesforce.owner_connections(&owner("2")).await.unwrap().is_empty());
    let names = app.salesforce.owner_connections(&owner("1")).await.unwrap();
    assert_eq!(names.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["prod", "test"]);

    // The same name again replaces the former user's grant, which nothing uses any more.
    app.connect(&ada, "prod").await;
    assert_eq!(app.data(&ada, "prod").await.body, BEN);
    until_revoked(&app.org).await;
    assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 1);
}

#[actix_web::test]
async fn a_grant_lives_while_a_login_or_an_owner_uses_it() {
    grant_lives_while_used(AccountsApp::start().await).await;
}

/// `always` ends the other logins of the grant, and never what an owner uses.
#[actix_web::test]
async fn with_always_a_logout_leaves_the_grant_to_its_owners() {
    let (folder, redis, postgres) = (Folder::new("owners-always"), Redis::start(), Postgres::start());
    let sqlite = format!("sqlite:{}", folder.path().join("logins.db").display());
    for store in ["memory:".to_owned(), sqlite, redis.url(), postgres.url()] {
        let settings = |policy| {
            let store = store.clone();
            AccountsApp::with(move |builder| builder.keys(KEYS).store_url(store).revoke_on_logout(policy))
        };
        let app = settings(RevokeOnLogout::Always).await;
        let (one, visitor, other) = (app.browser("1"), Client::new(), Client::new());
        app.connect(&one, "prod").await;
        for browser in [&visitor, &other] {
            assert_eq!(browser.visit(&app.url("/whoami")).await.status, 200);
        }
        until_left(&app.org, 1).await;
        visitor.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
        for browser in [&visitor, &other] {
            assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 401, "{store}");
        }
        assert!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty(), "{store}");
        app.org.expire_access_tokens();
        assert_eq!(app.data(&one, "prod").await.status, 200, "{store}");
        assert!(app.salesforce.disconnect_owner(&owner("1"), &name("prod")).await.unwrap());
        until_revoked(&app.org).await;
        grant_lives_while_used(app).await;
    }
}

async fn grant_lives_while_used(app: AccountsApp) {
    let (one, two, visitor) = (app.browser("1"), app.browser("2"), Client::new());
    app.connect(&one, "prod").await;
    assert_eq!(visitor.visit(&app.url("/whoami")).await.status, 200);
    app.connect(&two, "prod").await;
    // One grant of one user: the tokens that it replaced are revoked.
    until_left(&app.org, 1).await;

    // The login ends, and the owners go on.
    let page = visitor.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    app.org.expire_access_tokens();
    assert_eq!(app.data(&one, "prod").await.status, 200);
    assert!(app.salesforce.disconnect_owner(&owner("1"), &name("prod")).await.unwrap());
    assert_eq!(app.data(&one, "prod").await.status, 401);
    assert_eq!(app.data(&two, "prod").await.status, 200);
    assert!(!app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty());

    // An owner ends, and a login goes on.
    assert_eq!(visitor.visit(&app.url("/whoami")).await.status, 200);
    assert!(app.salesforce.disconnect_owner(&owner("2"), &name("prod")).await.unwrap());
    assert!(!app.salesforce.disconnect_owner(&owner("2"), &name("prod")).await.unwrap());
    assert_eq!(visitor.fetch(&app.url("/whoami")).await.status, 200);
    visitor.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    until_revoked(&app.org).await;
}

/// `never`: the grant stays for jobs after the last logout. An owner that comes and goes does not change that.
#[actix_web::test]
async fn with_never_an_owner_that_goes_leaves_the_grant_to_the_jobs() {
    let store = Arc::new(MemoryStore::new());
    let given = Arc::clone(&store);
    let app =
        AccountsApp::with(|builder| builder.keys(KEYS).store(given).revoke_on_logout(RevokeOnLogout::Never))
            .await;
    let (one, visitor) = (app.browser("1"), Client::new());
    let ada = app.org.user(ADA);
    let ada_ref = UserRef::new(ada.organization_id().parse().unwrap(), ada.id().parse().unwrap());
    assert_eq!(visitor.visit(&app.url("/whoami")).await.status, 200);
    visitor.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    let in_30_days = async |what: &str| {
        let grants = store.list_grants(GrantFilter::User(ada_ref)).await.unwrap();
        assert_eq!(grants.len(), 1, "{what}");
        let left = grants[0].expires_at.duration_since(std::time::SystemTime::now()).unwrap();
        let days = left.as_secs().div_ceil(24 * 60 * 60);
        assert_eq!(days, 30, "{what}: the default of SALESFORCE_MAX_LIFETIME");
        app.salesforce.user_connection(ada_ref).await.unwrap().identity().await.unwrap();
    };
    in_30_days("after the logout").await;

    app.connect(&one, "prod").await;
    assert!(app.salesforce.disconnect_owner(&owner("1"), &name("prod")).await.unwrap());
    in_30_days("after the end of the connection").await;

    // The name connects another user.
    app.connect(&one, "prod").await;
    app.org.sign_in(&app.org.user(BEN));
    app.connect(&one, "prod").await;
    in_30_days("after the connection has moved").await;

    // A login that is left cuts nothing either.
    app.org.sign_in(&ada);
    app.connect(&one, "prod").await;
    assert_eq!(visitor.visit(&app.url("/whoami")).await.status, 200);
    assert!(app.salesforce.disconnect_owner(&owner("1"), &name("prod")).await.unwrap());
    in_30_days("beside a login").await;
    app.org.expire_access_tokens();
    app.salesforce.user_connection(ada_ref).await.unwrap().identity().await.unwrap();
}

#[actix_web::test]
async fn a_connection_that_salesforce_ends_is_connected_again_at_its_link() {
    let app = AccountsApp::start().await;
    let browser = app.browser("1");
    app.connect(&browser, "prod").await;
    let running = app.salesforce.owner_connection(&owner("1"), &name("prod")).await.unwrap();
    app.org.expire_access_tokens();
    let fault = app.org.faults().refresh(Fault::OauthError {
        error: "inactive_user".into(),
        description: "user is inactive".into(),
        status: 400,
    });
    let link = format!("{CONNECT}?name=prod");
    let Err(Error::NeedsReconnecting(broken)) = running.identity().await else { panic!("a refusal") };
    assert_eq!(broken.login_path.as_deref(), Some(link.as_str()));
    fault.remove();
    let page = app.data(&browser, "prod").await;
    assert_eq!((page.status, &page.json()["error"]), (403, &"needs_reconnecting".into()), "{page:?}");
    let Err(Error::NeedsReconnecting(broken)) =
        app.salesforce.owner_connection(&owner("1"), &name("prod")).await
    else {
        panic!("a refusal")
    };
    assert_eq!(broken.code.as_deref(), Some("inactive_user"));
    assert_eq!(broken.login_path.as_deref(), Some(link.as_str()));
    let listed = app.salesforce.owner_connections(&owner("1")).await.unwrap();
    let listed = listed[0].needs_reconnecting.clone().unwrap();
    assert_eq!(listed.login_path.as_deref(), Some(link.as_str()));

    // The link shows a page and changes nothing.
    let page = browser.open(&app.url(&link)).await;
    assert!(page.status == 200 && page.body.contains("<form method=\"post\""), "{page:?}");
    assert!(page.set_cookies().is_empty(), "{page:?}");
    assert_eq!(app.data(&browser, "prod").await.status, 403);
    app.connect(&browser, "prod").await;
    assert_eq!(app.data(&browser, "prod").await.body, ADA);

    // What an operator revokes needs reconnecting, too.
    app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    assert_eq!(app.data(&browser, "prod").await.status, 403);
    assert_eq!(app.salesforce.owner_connections(&owner("1")).await.unwrap().len(), 1);
    app.connect(&browser, "prod").await;
    assert_eq!(app.data(&browser, "prod").await.status, 200);
}

#[actix_web::test]
async fn a_callback_that_comes_twice_connects_once() {
    let app = AccountsApp::start().await;
    let browser = app.browser("1");
    let callback = app.callback_of(&browser, "prod").await;
    let again = browser.copy();
    for browser in [&browser, &again] {
        let page = browser.open(&callback).await;
        assert_eq!((page.status, page.header("location")), (303, "/connected"), "{page:?}");
    }
    assert_eq!(app.org.token_calls("authorization_code"), 1);
    // Not after something else: the state is used.
    app.salesforce.disconnect_owner(&owner("1"), &name("prod")).await.unwrap();
    let page = app.browser("1").open(&callback).await;
    assert_eq!(page.status, 400, "{page:?}");
}

#[actix_web::test]
async fn a_connection_survives_restarts_and_a_rotation_of_keys() {
    let folder = Folder::new("owners");
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = AccountsApp::around(org, |builder| builder.keys(KEYS).store_url(store.clone())).await;
    app.connect(&app.browser("1"), "prod").await;
    let (sender, mut resealed) = tokio::sync::mpsc::unbounded_channel();
    let (_listener, url) = reserve();
    let rotating = settings_for(&app.org, &url)
        .keys(format!("{NEWER_KEYS} {KEYS}"))
        .store_url(store.clone())
        .on_event(move |event| {
            if *event == AuthEvent::OlderKeysUnused {
                let _ = sender.send(());
            }
        })
        .build()
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(20), resealed.recv()).await.expect("the keys rotate");
    rotating.shutdown().await;
    let restarted: Salesforce =
        settings_for(&app.org, &url).keys(NEWER_KEYS).store_url(store).build().await.unwrap();
    let connection = restarted.owner_connection(&owner("1"), &name("prod")).await.unwrap();
    assert_eq!(connection.identity().await.unwrap().username, ADA);
}
