//! Sandboxes and scratch orgs, where `SALESFORCE_ALLOW_SANDBOXES` is `false`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::admission::{BEN, KEY, app_of, asserts_undone, log_in};
use crate::support::{ADA, Client, Server};
use actix_salesforce::{
    Error, InvalidFacts, LoginDecision, Salesforce, SalesforceBuilder, UserRef,
    store::{GrantFilter, MemoryStore},
};
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

#[actix_web::test]
async fn sandboxes_may_be_left_out() {
    let org = FakeOrg::start().await.unwrap();
    let queries = || org.requests().iter().filter(|request| request.path.contains("/query")).count();
    let (server, salesforce) = app_of(&org, |builder| builder.allow_sandboxes(false)).await;
    assert_eq!(log_in(&server, &org, &Client::new(), ADA).await.status, 200, "a production org");
    assert_eq!(log_in(&server, &org, &Client::new(), BEN).await.status, 200);
    assert_eq!(queries(), 1, "an org is asked once");
    salesforce.revoke_grants(GrantFilter::All).await.unwrap();

    // Which does not say it is refused, too. An outage says nothing.
    for (policy, fault, status, text) in [
        (json!({ "is_sandbox": true }), None, 403, "production organizations only"),
        (
            json!({ "is_sandbox": false }),
            Some(Fault::RawBody {
                status: 400,
                content_type: "application/json".into(),
                body: json!([{ "errorCode": "INVALID_TYPE", "message": "no such type" }]).to_string().into(),
            }),
            403,
            "production organizations only",
        ),
        (json!({}), Some(Fault::Status(503)), 503, "could not find out whether you may use it"),
    ] {
        let org = FakeOrg::start().await.unwrap();
        org.set_policy(&policy).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let (server, salesforce) = app_of(&org, |builder| {
            builder.allow_sandboxes(false).on_login(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                async { Ok::<_, InvalidFacts>(LoginDecision::allow()) }
            })
        })
        .await;
        if let Some(fault) = fault {
            org.faults().query(fault);
        }
        let browser = Client::new();
        let page = log_in(&server, &org, &browser, ADA).await;
        assert_eq!((page.status, page.body.contains(text)), (status, true), "{page:?}");
        assert_eq!(page.header("retry-after").is_empty(), status != 503);
        asserts_undone(&org, &org.user(ADA), &salesforce, &["/userinfo", "/query"]).await;
        assert_eq!(asked.load(Ordering::SeqCst), 0, "the app's function sees the user last");
        // Where they may come in, the org is not asked.
        let (server, _) = app_of(&org, |builder| builder).await;
        assert_eq!(log_in(&server, &org, &browser, ADA).await.status, 200, "{policy}");
    }
}

/// The setting comes with the next version of the app: each of its processes asks the org once.
#[actix_web::test]
async fn existing_logins_of_a_sandbox_end_where_sandboxes_are_left_out() {
    let org = FakeOrg::start().await.unwrap();
    org.set_policy(&json!({ "is_sandbox": true })).unwrap();
    let store = Arc::new(MemoryStore::default());
    let shared = |builder: SalesforceBuilder| builder.keys(KEY).cookie_name("app").store(store.clone());
    let (before, _) = app_of(&org, shared).await;
    let browser = Client::new();
    assert_eq!(log_in(&before, &org, &browser, ADA).await.status, 200);

    let (after, salesforce) = app_of(&org, |builder| shared(builder).allow_sandboxes(false)).await;
    let questions = || org.requests().iter().filter(|request| request.path.contains("/query")).count();
    let status = browser.fetch(&format!("{}/user", after.url)).await.status;
    assert_eq!((status, questions()), (401, 1), "the first request waits for the org's response");
    assert_eq!(log_in(&after, &org, &Client::new(), BEN).await.status, 403);
    let user = org.user(ADA);
    let user =
        actix_salesforce::UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap());
    let job = salesforce.user_connection(user).await;
    assert!(matches!(job, Err(actix_salesforce::Error::OrgNotAllowed)), "{job:?}");
    let issued = serde_json::to_vec(&org.issue_tokens(&org.user(ADA), "api refresh_token")).unwrap();
    let tokens = salesforce.oauth().accept(salesforce.login_host(), &issued).unwrap();
    let imported = salesforce.import_tokens(&salesforce.login_host().clone(), tokens).await;
    assert!(matches!(imported, Err(actix_salesforce::Error::OrgNotAllowed)), "{imported:?}");
    assert_eq!(questions(), 1);
    assert_eq!(browser.fetch(&format!("{}/user", before.url)).await.status, 200, "nothing was deleted");
}

/// Two users of an org, who logged in before the app left sandboxes out.
struct FromBefore {
    org: FakeOrg,
    store: Arc<MemoryStore>,
    ada: Client,
    ben: Client,
}

impl FromBefore {
    async fn start() -> Self {
        let (org, store) = (FakeOrg::start().await.unwrap(), Arc::new(MemoryStore::default()));
        let scene = Self { org, store, ada: Client::new(), ben: Client::new() };
        let (before, _) = app_of(&scene.org, |builder| scene.shared(builder)).await;
        for (browser, name) in [(&scene.ada, ADA), (&scene.ben, BEN)] {
            assert_eq!(log_in(&before, &scene.org, browser, name).await.status, 200);
        }
        scene
    }

    fn shared(&self, builder: SalesforceBuilder) -> SalesforceBuilder {
        builder.keys(KEY).cookie_name("app").store(self.store.clone())
    }

    /// Another process of the app, which leaves sandboxes out.
    async fn without_sandboxes(&self) -> (Server, Salesforce) {
        app_of(&self.org, |builder| self.shared(builder).allow_sandboxes(false)).await
    }

    fn user(&self, name: &str) -> UserRef {
        let user = self.org.user(name);
        UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap())
    }
}

/// Undecided is refused, for logins and jobs from before the setting as for new logins, and until the org says what it is.
#[actix_web::test]
async fn existing_logins_of_an_org_that_does_not_say_what_it_is_do_not_count() {
    let scene = FromBefore::start().await;
    let (after, salesforce) = scene.without_sandboxes().await;
    let user = scene.user(ADA);
    let FromBefore { org, ada, ben, .. } = &scene;
    let status = async |browser: &Client| browser.fetch(&format!("{}/user", after.url)).await.status;
    let questions = || org.requests().iter().filter(|request| request.path.contains("/query")).count();

    // The org is down: nothing is decided, and no login ends.
    let outage = org.faults().query(Fault::Status(503));
    assert_eq!((status(ada).await, status(ben).await), (503, 503));
    let sent = questions();
    let job = salesforce.user_connection(user).await;
    assert!(matches!(job, Err(Error::Unavailable { .. })), "no outage of the store: {job:?}");
    assert_eq!(questions(), sent, "an outage is not asked about by each request");
    outage.remove();

    // It does not say it to these users.
    let refusal = json!([{ "errorCode": "INVALID_TYPE", "message": "no such type" }]).to_string();
    let silence =
        Fault::RawBody { status: 400, content_type: "application/json".into(), body: refusal.into() };
    let silence = org.faults().query(silence);
    let (again, salesforce) = scene.without_sandboxes().await;
    let status = async |browser: &Client| browser.fetch(&format!("{}/user", again.url)).await.status;
    org.clear_requests();
    for _ in 0..3 {
        assert_eq!(status(ada).await, 401);
        let job = salesforce.user_connection(user).await;
        assert!(matches!(job, Err(Error::OrgNotAllowed)), "{job:?}");
    }
    assert_eq!(questions(), 1, "one user's token asks once a minute");
    assert_eq!(log_in(&again, org, &Client::new(), "new@example.com").await.status, 403);
    silence.remove();

    // One user who can read it decides for all.
    assert_eq!(status(ada).await, 401, "not asked again yet");
    assert_eq!((status(ben).await, status(ada).await), (200, 200));
    assert!(salesforce.user_connection(user).await.is_ok());
}

/// The first request for what the org is meets the end of the grant. That says nothing about the org.
#[actix_web::test]
async fn a_grant_that_ends_while_its_org_is_asked_needs_reconnecting() {
    for (code, description, status) in
        [("invalid_grant", "expired access/refresh token", 401), ("inactive_user", "user is inactive", 403)]
    {
        let scene = FromBefore::start().await;
        let (after, salesforce) = scene.without_sandboxes().await;
        let user = scene.user(BEN);
        let FromBefore { org, ada, .. } = &scene;
        org.expire_access_tokens();
        let (error, description) = (code.to_owned(), description.to_owned());
        let ends = org.faults().refresh(Fault::OauthError { error, description, status: 400 });
        let job = salesforce.user_connection(user).await;
        let Err(Error::NeedsReconnecting(broken)) = &job else { panic!("{code}: {job:?}") };
        assert_eq!(broken.code.as_deref(), Some(code), "{broken:?}");
        let page = ada.open(&format!("{}/user", after.url)).await;
        match status {
            401 => assert!(page.status == 303 && page.header("location").contains("/login"), "{page:?}"),
            _ => assert_eq!(page.status, status, "the reason of Salesforce: {page:?}"),
        }
        assert_eq!(ada.fetch(&format!("{}/user", after.url)).await.status, 401, "its record is gone");
        // A new login counts at once.
        ends.remove();
        assert_eq!(log_in(&after, org, ada, ADA).await.status, 200);
    }
}

/// The token of one user cannot be refreshed for now.
#[actix_web::test]
async fn a_question_that_fails_for_one_user_is_no_outage_of_the_org() {
    let org = FakeOrg::start().await.unwrap();
    let store = Arc::new(MemoryStore::default());
    let shared = |builder: SalesforceBuilder| builder.keys(KEY).cookie_name("app").store(store.clone());
    let (before, _) = app_of(&org, shared).await;
    let (ada, ben) = (Client::new(), Client::new());
    assert_eq!(log_in(&before, &org, &ada, ADA).await.status, 200);
    org.expire_access_tokens();
    assert_eq!(log_in(&before, &org, &ben, BEN).await.status, 200);
    let (error, description) = ("invalid_grant".to_owned(), "ip restricted".to_owned());
    org.faults().refresh(Fault::OauthError { error, description, status: 400 });
    org.clear_requests();
    let (after, _) = app_of(&org, |builder| shared(builder).allow_sandboxes(false)).await;
    let status = async |browser: &Client| browser.fetch(&format!("{}/user", after.url)).await.status;
    let questions = || org.requests().iter().filter(|request| request.path.contains("/query")).count();
    assert_eq!((status(&ada).await, status(&ada).await), (503, 503));
    assert_eq!(questions(), 1, "with a token that fails the question is not sent by each request");
    assert_eq!((status(&ben).await, status(&ada).await, questions()), (200, 200, 2));
}

/// A refresh that waits, for example for the lease of a process that died, is no outage of the org.
#[actix_web::test]
async fn a_user_whose_token_is_being_refreshed_closes_the_org_to_no_other() {
    let scene = FromBefore::start().await;
    let FromBefore { org, ada, ben, .. } = &scene;
    let (after, _) = scene.without_sandboxes().await;
    org.expire_access_tokens();
    let (before, _) = app_of(org, |builder| scene.shared(builder)).await;
    assert_eq!(log_in(&before, org, ben, BEN).await.status, 200, "Ben's token is a new one");
    org.faults().refresh(Fault::Delay(Duration::from_secs(8)));
    let status = async |browser: &Client| browser.fetch(&format!("{}/user", after.url)).await.status;
    assert_eq!(status(ada).await, 503);
    assert_eq!(status(ben).await, 200);
}
