//! Several login hosts, which of them speaks for an org, and which orgs may log in.

use std::time::Duration;

use crate::support::{ADA, CALLBACK, Client, LOGIN, TestApp, client::query};
use actix_salesforce::store::GrantFilter;
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};

/// W-25: after an expiry the login goes back to the host that the user chose, and so does each "Try again".
#[actix_web::test]
async fn a_new_login_goes_to_the_host_of_the_one_that_ended() {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user(ADA));
    let (login, instance) = (sandbox.login_url().to_owned(), sandbox.instance_url().to_owned());
    let (id, secret) = (sandbox.client_id().to_owned(), sandbox.client_secret().to_owned());
    let org = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app =
        TestApp::around(org, |builder| builder.login_host("sandbox", login).allowed_origin(instance)).await;
    let browser = Client::new();
    browser.visit(&app.url(&format!("{LOGIN}?host=sandbox&return_to=/user"))).await;
    assert!(app.is_logged_in(&browser).await);
    app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    let page = browser.open(&app.url("/user?a=1")).await;
    let start = browser.open(page.location().as_str()).await;
    assert!(start.header("location").starts_with(&*sandbox.login_url()), "{start:?}");
    let explicit = browser.open(&app.url(&format!("{LOGIN}?host=default"))).await;
    assert_eq!(explicit.status, 400, "an unknown name stays an error: {explicit:?}");
    assert!(!explicit.body.contains("return_to=%2Fuser"));

    // Each error page leads to the same target at the same host.
    let browser = Client::new();
    let at_sandbox = format!("{CALLBACK}/sandbox");
    let callback =
        browser.visit_until(&app.url(&format!("{LOGIN}?host=sandbox&return_to=/user")), &at_sandbox).await;
    let mut malformed = callback.clone();
    malformed.query_pairs_mut().append_pair("iss", "https://evil.example");
    let page = browser.open(malformed.as_str()).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert!(page.body.contains("host=sandbox") && page.body.contains("return_to=%2Fuser"), "{page:?}");
    let page = browser.open(&app.url(&format!("{LOGIN}?host=nowhere&return_to=/user"))).await;
    assert!(page.status == 400 && page.body.contains("return_to=%2Fuser"), "{page:?}");
    let page = browser.open(&app.url(&format!("{LOGIN}?host=sandbox&prompt=x&return_to=/user"))).await;
    assert!(page.body.contains("host=sandbox") && page.body.contains("return_to=%2Fuser"), "{page:?}");
}

/// S-08: another deployment with the same keys, such as staging, does not open this one to its login hosts.
#[actix_web::test]
async fn a_pending_login_counts_in_its_own_deployment_only() {
    let foreign = FakeOrg::start().await.unwrap();
    foreign.sign_in(&foreign.user(ADA));
    let (login, instance) = (foreign.login_url().to_owned(), foreign.instance_url().to_owned());
    let shared = |builder: actix_salesforce::SalesforceBuilder| {
        builder.keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=").cookie_name("app")
    };
    let staging =
        TestApp::with(|builder| shared(builder).login_host("foreign", login).allowed_origin(instance)).await;
    let production = TestApp::with(shared).await;
    let browser = Client::new();
    let start = staging.url(&format!("{LOGIN}?host=foreign"));
    let callback = browser.visit_until(&start, &format!("{CALLBACK}/foreign")).await;
    let here = production.url(&format!("{CALLBACK}?{}", callback.query().unwrap()));
    let page = browser.open(&here).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert_eq!(
        foreign.token_calls("authorization_code"),
        0,
        "no code goes to a host that is not offered here"
    );
}

/// S-01: a login host that Salesforce does not run claims a user of an org that belongs to another one.
#[actix_web::test]
async fn a_foreign_login_host_speaks_for_its_own_orgs_only() {
    let id = "00D000000000001EAA";
    let victim = FakeOrg::builder().organization_id(id).start().await.unwrap();
    victim.sign_in(&victim.user(ADA));
    let hostile = FakeOrg::builder()
        .organization_id(id)
        .client(&victim.client_id(), &victim.client_secret())
        .start()
        .await
        .unwrap();
    hostile.sign_in(&hostile.user(ADA));
    let (login, instance) = (hostile.login_url().to_owned(), hostile.instance_url().to_owned());
    for list in ["", "|00D000000000002EAA,00D000000000003EAA"] {
        let org = FakeOrg::builder().organization_id(id).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let app = TestApp::around(org, |builder| {
            builder
                .login_host("portal", format!("{}{list}", login.trim_end_matches('/')))
                .allowed_origin(&*instance)
        })
        .await;
        let ada = app.logged_in().await;
        let before = ada.fetch(&app.url("/auth/salesforce/me")).await.json();
        let browser = Client::new();
        let start = app.url(&format!("{LOGIN}?host=portal"));
        let callback = browser.visit_until(&start, &format!("{CALLBACK}/portal")).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.status, 502, "{list}: {page:?}");
        assert!(!app.is_logged_in(&browser).await, "{list}");
        assert_eq!(ada.fetch(&app.url("/auth/salesforce/me")).await.json(), before, "{list}");
        assert_eq!(ada.fetch(&app.url("/whoami")).await.status, 200, "her tokens are valid");
    }
    // The org that the setting names may come in.
    let org = FakeOrg::start().await.unwrap();
    let app = TestApp::around(org, |builder| {
        builder
            .login_host("portal", format!("{}|{id}", login.trim_end_matches('/')))
            .allowed_origin(&*instance)
    })
    .await;
    let browser = Client::new();
    let callback =
        browser.visit_until(&app.url(&format!("{LOGIN}?host=portal")), &format!("{CALLBACK}/portal")).await;
    assert_eq!(browser.open(callback.as_str()).await.status, 303);
    assert!(app.is_logged_in(&browser).await);
}

/// S-02: a foreign login host has its own redirect URI, and a code at another one is refused before any request.
#[actix_web::test]
async fn a_code_at_the_callback_of_another_host_is_refused() {
    let portal = FakeOrg::start().await.unwrap();
    portal.sign_in(&portal.user(ADA));
    let (login, instance) = (portal.login_url().to_owned(), portal.instance_url().to_owned());
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app =
        TestApp::around(org, |builder| builder.login_host("portal", login).allowed_origin(instance)).await;
    let browser = Client::new();
    let start = browser.open(&app.url(&format!("{LOGIN}?host=portal&return_to=/user"))).await.location();
    assert_eq!(query(&start, "redirect_uri").unwrap(), app.url(&format!("{CALLBACK}/portal")));
    let callback = browser.visit_until(start.as_str(), &format!("{CALLBACK}/portal")).await;
    for path in [CALLBACK.to_owned(), format!("{CALLBACK}/other"), format!("{CALLBACK}/portal/x")] {
        let elsewhere = callback.as_str().replacen(&format!("{CALLBACK}/portal"), &path, 1);
        let page = browser.copy().open(&elsewhere).await;
        assert!(page.status == 400 || page.status == 404, "{path}: {page:?}");
        assert_eq!(portal.token_calls("authorization_code") + app.exchanges(), 0, "{path}");
    }
    assert_eq!(browser.open(callback.as_str()).await.status, 303);

    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let elsewhere = callback.as_str().replacen(CALLBACK, &format!("{CALLBACK}/portal"), 1);
    assert_eq!(browser.open(&elsewhere).await.status, 400, "a code of the other host");
    assert_eq!(app.exchanges(), 0);
}

/// `SALESFORCE_ALLOWED_ORGS`: users of other organizations do not come in, and their tokens are revoked.
#[actix_web::test]
async fn only_users_of_allowed_organizations_log_in() {
    let org = FakeOrg::builder().organization_id("00D000000000001EAA").start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder.allowed_orgs(["00D000000000002EAA"])).await;
    let browser = Client::new();
    let page = browser.open(app.callback_of(&browser).await.as_str()).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("Your organization may not use this app"), "{page:?}");
    assert!(!app.is_logged_in(&browser).await);
}

/// An organization that is removed from `SALESFORCE_ALLOWED_ORGS` is out: its logins, its grants and the connections of
/// jobs.
#[cfg(feature = "sqlite")]
#[actix_web::test]
async fn an_organization_that_is_no_longer_allowed_is_out_after_a_restart() {
    use crate::support::{app, reserve, servers::Folder, settings_for};
    use actix_salesforce::UserRef;

    const ALLOWED: &str = "00D000000000001EAA";
    const OTHER: &str = "00D000000000002EAA";
    let folder = Folder::new("allowed-orgs");
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    let org = FakeOrg::builder().organization_id(ALLOWED).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let user = UserRef::new(ALLOWED.parse().unwrap(), org.user(ADA).id().parse().unwrap());
    let mut browser = Client::new();
    let mut port = None;
    for (orgs, is_in) in [(vec![ALLOWED, OTHER], true), (vec![OTHER], false), (vec![ALLOWED], true)] {
        let (listener, url) = match port {
            None => reserve(),
            Some(port) => {
                let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
                (listener, format!("http://127.0.0.1:{port}"))
            }
        };
        port = Some(listener.local_addr().unwrap().port());
        let salesforce = settings_for(&org, &url)
            .keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
            .store_url(store.clone())
            .allowed_orgs(orgs.clone())
            .build()
            .await
            .unwrap();
        let server = app::standard(listener, 2, salesforce.clone());
        browser = browser.copy();
        if is_in {
            assert_eq!(browser.visit(&format!("{url}/whoami")).await.status, 200, "{orgs:?}");
        }
        let job = salesforce.user_connection(user).await;
        if is_in {
            assert!(job.is_ok(), "{orgs:?}: {job:?}");
        } else {
            let error = job.unwrap_err();
            assert_eq!((error.code(), error.needs_login()), ("org_not_allowed", false), "{error:?}");
            assert_eq!(browser.fetch(&format!("{url}/user")).await.status, 401, "{orgs:?}");
            assert_eq!(browser.open(&format!("{url}/user")).await.status, 303, "{orgs:?}");
            let page = browser.visit(&format!("{url}/user")).await;
            assert_eq!(page.status, 403, "the way to log in ends at a page: {page:?}");
            assert_eq!(page.url.path(), CALLBACK, "{page:?}");
        }
        drop(server);
        salesforce.shutdown().await;
    }
}

/// Browsers of different users of this org, and their callbacks, which are still to be opened.
async fn callbacks(app: &TestApp, org: &FakeOrg, host: &str, count: usize) -> Vec<(Client, url::Url)> {
    let mut callbacks = Vec::new();
    for n in 0..count {
        org.sign_in(&org.user(&format!("user{n}@example.com")));
        let browser = Client::new();
        let start = app.url(&format!("{LOGIN}?return_to=/user{host}"));
        let mut page = browser.open(&start).await;
        while !page.location().path().starts_with(CALLBACK) {
            page = browser.open(page.location().as_str()).await;
        }
        callbacks.push((browser, page.location()));
    }
    callbacks
}

async fn wait_for_exchanges(org: &FakeOrg, count: u64) {
    let reached = async {
        while org.token_calls("authorization_code") < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(4), reached).await;
    reached.unwrap_or_else(|_| panic!("{} exchanges", org.token_calls("authorization_code")));
}

/// S-04: codes at a login host that hangs take no turns of another host's logins.
#[actix_web::test]
async fn a_login_host_that_hangs_leaves_the_logins_of_others_alone() {
    let hanging = FakeOrg::start().await.unwrap();
    let (login, instance) = (hanging.login_url(), hanging.instance_url());
    let app = TestApp::with(|builder| builder.login_host("hanging", login).allowed_origin(instance)).await;
    // More than have a turn.
    let waiting = callbacks(&app, &hanging, "&host=hanging", 40).await;
    hanging.faults().token_endpoint(Fault::Delay(Duration::from_secs(30)));
    for (browser, callback) in waiting {
        actix_web::rt::spawn(async move {
            browser.try_send(reqwest::Method::GET, callback.as_str(), &[], None).await.is_ok()
        });
    }
    wait_for_exchanges(&hanging, 32).await;
    let page = tokio::time::timeout(Duration::from_secs(4), Client::new().visit(&app.url("/whoami"))).await;
    assert_eq!(page.expect("it waits for the other host").body, ADA);
    assert_eq!(hanging.token_calls("authorization_code"), 32, "32 at a time at one host");
}

/// S-04: the turn of a login ends with the code exchange. What is asked about the user afterwards may hang.
#[actix_web::test]
async fn a_userinfo_endpoint_that_hangs_takes_no_turns_of_logins() {
    let app = TestApp::start().await;
    let waiting = callbacks(&app, &app.org, "", 40).await;
    // Longer than a login waits for a turn.
    app.org.faults().path("/services/oauth2/userinfo", Fault::Delay(Duration::from_secs(6)));
    let pages =
        join_all(waiting.iter().map(async |(browser, callback)| browser.open(callback.as_str()).await));
    let (pages, ()) = futures_util::join!(pages, wait_for_exchanges(&app.org, 40));
    assert!(pages.iter().all(|page| page.status == 303 && page.sets_login()), "{pages:?}");
}
