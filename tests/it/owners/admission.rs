//! Who may come in holds for connections of owners as for logins, and each connection stays with its login host.

use std::sync::Arc;

use actix_salesforce::{
    Error,
    store::{GrantFilter, MemoryStore},
};
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

use super::app::{AccountsApp, CALLBACK, CONNECT, name, owner};
use crate::support::{ADA, reserve};

const KEY: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

#[actix_web::test]
async fn an_org_that_may_not_come_in_is_not_connected() {
    for case in ["denied", "allowed", "sandbox", "function"] {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        org.set_policy(&json!({ "is_sandbox": case == "sandbox" })).unwrap();
        let id = org.organization_id();
        let app = AccountsApp::around(org, |builder| match case {
            "denied" => builder.denied_orgs([id]),
            "allowed" => builder.allowed_orgs(["00D000000000009EAA"]),
            "sandbox" => builder.allow_sandboxes(false),
            _ => builder.allow_org_if(|_| async { Ok::<_, std::io::Error>(false) }),
        })
        .await;
        let browser = app.browser("1");
        let callback = app.callback_of(&browser, "prod").await;
        let page = browser.open(&callback).await;
        assert_eq!(page.status, 403, "{case}: {page:?}");
        let text = if case == "sandbox" {
            "production organizations only"
        } else {
            "not for users of your Salesforce"
        };
        assert!(page.body.contains(text), "{case}: {page:?}");
        for _ in 0..200 {
            if app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty(), "{case}: revoked");
        assert!(app.salesforce.owner_connections(&owner("1")).await.unwrap().is_empty(), "{case}");
        assert!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().is_empty(), "{case}");
    }
}

/// The next version of the app has another list, or leaves sandboxes out.
#[actix_web::test]
async fn a_connection_of_an_org_that_is_denied_later_counts_no_more() {
    let (listener, _) = reserve();
    let org = Arc::new(FakeOrg::start().await.unwrap());
    org.sign_in(&org.user(ADA));
    org.set_policy(&json!({ "is_sandbox": true })).unwrap();
    let store = Arc::new(MemoryStore::default());
    let shared = |builder: actix_salesforce::SalesforceBuilder| {
        builder.keys(KEY).cookie_name("app").store(store.clone())
    };
    let before = AccountsApp::on(listener, Arc::clone(&org), shared).await;
    let browser = before.browser("1");
    before.connect(&browser, "prod").await;
    assert_eq!(before.data(&browser, "prod").await.body, ADA);
    for case in ["denied", "sandbox"] {
        let (listener, _) = reserve();
        let after = AccountsApp::on(listener, Arc::clone(&org), |builder| match case {
            "denied" => shared(builder).denied_orgs([org.organization_id()]),
            _ => shared(builder).allow_sandboxes(false),
        })
        .await;
        let page = after.data(&browser, "prod").await;
        assert_eq!(
            (page.status, &page.json()["error"]),
            (403, &json!("org_not_allowed")),
            "{case}: {page:?}"
        );
        let connection = after.salesforce.owner_connection(&owner("1"), &name("prod")).await;
        assert!(matches!(connection, Err(Error::OrgNotAllowed)), "{case}: {connection:?}");
    }
    assert_eq!(before.data(&browser, "prod").await.body, ADA, "nothing was deleted");
}

/// The form names the host. The link of a broken connection leads there again, and so does its button.
#[actix_web::test]
async fn a_connection_stays_with_the_login_host_of_its_form() {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user("ben@example.com"));
    let (id, secret) = (sandbox.client_id(), sandbox.client_secret());
    let org = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let app = AccountsApp::around(org, |builder| {
        builder.login_host("sandbox", login.clone()).allowed_origin(instance)
    })
    .await;
    let browser = app.browser("1");
    let callback = format!("{CALLBACK}/sandbox");
    app.connect(&browser, "prod").await;
    let fields = [("name", "test"), ("host", "sandbox"), ("return_to", "/connected")];
    let connect = async |fields: &[(&str, &str)]| {
        let page = browser.submit(&app.url(CONNECT), &app.server.url, fields).await;
        assert!(page.header("location").starts_with(&*login), "{page:?}");
        let callback = browser.visit_until(page.location().as_str(), &callback).await;
        assert_eq!(browser.open(callback.as_str()).await.header("location"), "/connected");
    };
    connect(&fields).await;
    assert_eq!(app.data(&browser, "prod").await.body, ADA);
    assert_eq!(app.data(&browser, "test").await.body, "ben@example.com");
    sandbox.expire_access_tokens();
    assert_eq!(app.data(&browser, "test").await.body, "ben@example.com");
    assert_eq!((sandbox.token_calls("refresh_token"), app.org.token_calls("refresh_token")), (1, 0));

    let refused =
        Fault::OauthError { error: "invalid_grant".into(), description: "inactive user".into(), status: 400 };
    let fault = sandbox.faults().refresh(refused);
    sandbox.expire_access_tokens();
    let page = app.data(&browser, "test").await;
    assert_eq!((page.status, &page.json()["error"]), (403, &json!("needs_reconnecting")), "{page:?}");
    fault.remove();
    let Err(Error::NeedsReconnecting(broken)) =
        app.salesforce.owner_connection(&owner("1"), &name("test")).await
    else {
        panic!("it is broken")
    };
    let link = broken.login_path.clone().unwrap();
    assert!(
        link.starts_with(CONNECT) && link.contains("name=test") && link.contains("host=sandbox"),
        "{link}"
    );
    let page = browser.open(&app.url(&link)).await;
    for field in ["name=\"name\" value=\"test\"", "name=\"host\" value=\"sandbox\""] {
        assert!(page.body.contains(field), "{field}: {page:?}");
    }
    connect(&fields).await;
    assert_eq!(app.data(&browser, "test").await.body, "ben@example.com");
    assert_eq!(app.data(&browser, "prod").await.body, ADA, "the other one is as before");
}

/// The first request for whether the org is a sandbox meets the end of the grant.
#[actix_web::test]
async fn a_connection_that_ends_while_its_org_is_asked_names_the_reason() {
    let (listener, _) = reserve();
    let org = Arc::new(FakeOrg::start().await.unwrap());
    org.sign_in(&org.user(ADA));
    let store = Arc::new(MemoryStore::default());
    let shared = |builder: actix_salesforce::SalesforceBuilder| {
        builder.keys(KEY).cookie_name("app").store(store.clone())
    };
    let before = AccountsApp::on(listener, Arc::clone(&org), shared).await;
    before.connect(&before.browser("1"), "prod").await;
    let (listener, _) = reserve();
    let after =
        AccountsApp::on(listener, Arc::clone(&org), |builder| shared(builder).allow_sandboxes(false)).await;
    org.expire_access_tokens();
    let (error, description) = ("inactive_user".to_owned(), "user is inactive".to_owned());
    org.faults().refresh(Fault::OauthError { error, description, status: 400 });
    let found = after.salesforce.owner_connection(&owner("1"), &name("prod")).await;
    let Err(Error::NeedsReconnecting(broken)) = &found else { panic!("{found:?}") };
    assert_eq!(broken.code.as_deref(), Some("inactive_user"));
    assert!(broken.login_path.as_ref().is_some_and(|path| path.starts_with(CONNECT)), "{broken:?}");
}
