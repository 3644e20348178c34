//! The app's client id and secret rotate: two sets are valid for a while, and each grant stays with its own.

use std::sync::{Arc, Mutex};

use crate::support::{
    ADA, CALLBACK, Client, Server,
    app::{listen, routes, standard},
    failing::FailingStore,
    free_port, serve, settings_for,
};
use actix_salesforce::{
    AuthEvent, RequireLogin, Salesforce, SalesforceBuilder, UserRef, store::GrantFilter, token::ServiceUser,
};
use actix_web::{App, web};
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

const BEN: &str = "ben@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const ID: &str = "3MVG9Rotated";
const SECRET: &str = "R0TATED";

/// An org, a store and a port that outlive the runs of an app.
struct Deployment {
    org: FakeOrg,
    port: u16,
    store: Box<dyn Fn(SalesforceBuilder) -> SalesforceBuilder>,
}

/// Which credentials a run of the app has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sets {
    Old,
    Both,
    New,
}

impl Deployment {
    async fn over(store: impl Fn(SalesforceBuilder) -> SalesforceBuilder + 'static) -> Self {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        Self { org, port: free_port(), store: Box::new(store) }
    }

    async fn in_memory() -> Self {
        let store = FailingStore::default();
        Self::over(move |builder| builder.store(Arc::new(store.clone()))).await
    }

    fn rotate(&self) {
        let rotated = json!({ "rotated_credentials": { "client_id": ID, "client_secret": SECRET } });
        self.org.set_policy(&rotated).unwrap();
    }

    fn settings(&self, sets: Sets) -> SalesforceBuilder {
        let settings = settings_for(&self.org, &self.url("")).keys(KEYS);
        let (id, secret) = (self.org.client_id(), self.org.client_secret());
        (self.store)(match sets {
            Sets::Old => settings,
            Sets::New => settings.client_id(ID).client_secret(SECRET),
            Sets::Both => {
                let settings = settings.client_id(ID).client_secret(SECRET);
                settings.previous_client_id(id).previous_client_secret(secret)
            }
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn run(&self, sets: Sets) -> (Server, Salesforce) {
        self.run_with(self.settings(sets)).await
    }

    async fn run_with(&self, settings: SalesforceBuilder) -> (Server, Salesforce) {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        let salesforce = settings.build().await.unwrap();
        (standard(listener, 2, salesforce.clone()), salesforce)
    }

    /// The client id that a login of this browser begins with.
    async fn begins_with(&self, browser: &Client) -> String {
        let start = browser.open(&self.url("/auth/salesforce/login?return_to=/whoami")).await;
        crate::support::client::query(&start.location(), "client_id").unwrap()
    }

    fn user(&self, name: &str) -> UserRef {
        UserRef::new(self.org.organization_id().parse().unwrap(), self.org.user(name).id().parse().unwrap())
    }
}

/// Client ids of the stored grants, sorted.
async fn client_ids(salesforce: &Salesforce) -> Vec<String> {
    let mut ids: Vec<_> = salesforce
        .list_grants(GrantFilter::All)
        .await
        .unwrap()
        .into_iter()
        .map(|grant| grant.client_id)
        .collect();
    ids.sort_unstable();
    ids
}

/// From the old set over both to the new one: each login holds until the old set is taken away.
async fn rotate(deployment: Deployment) {
    let (org, url) = (&deployment.org, |path: &str| deployment.url(path));
    let (browser, waiting, other) = (Client::new(), Client::new(), Client::new());
    let (app, _) = deployment.run(Sets::Old).await;
    assert_eq!(browser.visit(&url("/session")).await.body, "1");
    assert_eq!(browser.visit(&url("/whoami")).await.status, 200);
    let callback = waiting.visit_until(&url("/whoami"), CALLBACK).await;
    drop(app);

    deployment.rotate();
    let (app, salesforce) = deployment.run(Sets::Both).await;
    let (browser, waiting) = (browser.copy(), waiting.copy());
    // Not expired: a stored grant of the earlier run. Expired: it is refreshed with the set that it was given to.
    assert_eq!(browser.fetch(&url("/whoami")).await.status, 200);
    org.expire_access_tokens();
    assert_eq!(browser.fetch(&url("/whoami")).await.body, ADA);
    assert_eq!(org.token_calls("refresh_token"), 1);
    assert_eq!(browser.visit(&url("/session")).await.body, "2", "what handlers keep");
    let ada = deployment.user(ADA);
    let background = salesforce.user_connection(ada).await.unwrap();
    assert_eq!(background.identity().await.unwrap().username, ADA);
    // The login that began before the deployment ends with its own client id.
    let page = waiting.visit(callback.as_str()).await;
    assert_eq!((page.status, &*page.body), (200, ADA));
    assert_eq!(client_ids(&salesforce).await, [org.client_id()]);
    assert_eq!(salesforce.list_logins(GrantFilter::User(ada)).await.unwrap().len(), 2);

    org.sign_in(&org.user(BEN));
    assert_eq!(deployment.begins_with(&Client::new()).await, ID);
    assert_eq!(other.visit(&url("/whoami")).await.body, BEN);
    org.expire_access_tokens();
    assert_eq!(other.fetch(&url("/whoami")).await.body, BEN, "refreshed with the new set");
    let mut both = [org.client_id(), ID.to_owned()];
    both.sort_unstable();
    assert_eq!(client_ids(&salesforce).await, both);

    // A logout revokes the tokens of the old set, and leaves no cookie of either name behind.
    assert_eq!(waiting.submit(&url("/auth/salesforce/logout"), &url(""), &[]).await.status, 303);
    assert_eq!(waiting.own_cookie(""), None);
    assert_eq!(waiting.fetch(&url("/user")).await.status, 401);
    assert_eq!(browser.fetch(&url("/whoami")).await.status, 200);
    drop((app, salesforce));

    let (app, salesforce) = deployment.run(Sets::New).await;
    let (browser, other) = (browser.copy(), other.copy());
    let refreshes = org.token_calls("refresh_token");
    org.expire_access_tokens();
    assert_eq!(other.fetch(&url("/whoami")).await.body, BEN, "not affected");
    assert_eq!(browser.fetch(&url("/whoami")).await.status, 401);
    let page = browser.open(&url("/whoami")).await;
    assert_eq!(page.status, 303);
    assert!(page.header("location").starts_with("/auth/salesforce/login"), "{page:?}");
    assert_eq!(org.token_calls("refresh_token"), refreshes + 1, "Ben's alone");
    assert!(salesforce.user_connection(ada).await.is_err());
    assert_eq!(client_ids(&salesforce).await, [ID]);
    org.sign_in(&org.user(ADA));
    assert_eq!(browser.visit(&url("/whoami")).await.body, ADA);
    assert_eq!(org.other_credentials_count(), 0, "no token was sent with the other set");
    assert_eq!(org.refresh_reuse_count(), 0);
    drop(app);
}

#[actix_web::test]
async fn credentials_rotate_without_logging_anyone_out() {
    rotate(Deployment::in_memory().await).await;
}

#[cfg(feature = "sqlite")]
#[actix_web::test]
async fn credentials_rotate_over_sqlite() {
    let folder = crate::support::servers::Folder::new("credentials");
    let url = format!("sqlite:{}", folder.path().join("logins.db").display());
    rotate(Deployment::over(move |builder| builder.store_url(&*url)).await).await;
}

#[cfg(feature = "redis")]
#[actix_web::test]
async fn credentials_rotate_over_redis() {
    let redis = crate::support::servers::Redis::start();
    let url = redis.url();
    rotate(Deployment::over(move |builder| builder.store_url(&*url)).await).await;
}

#[cfg(feature = "postgres")]
#[actix_web::test]
async fn credentials_rotate_over_postgres() {
    let postgres = crate::support::servers::Postgres::start();
    let url = postgres.url();
    rotate(Deployment::over(move |builder| builder.store_url(&*url)).await).await;
}

/// One name for all cookies: the old set's login is found in the store, and counts only while the settings have its set.
#[actix_web::test]
async fn a_login_of_credentials_that_the_settings_lack_is_over() {
    let deployment = Deployment::in_memory().await;
    let browser = Client::new();
    let named = |sets| deployment.settings(sets).cookie_name("app");
    let (app, _) = deployment.run_with(named(Sets::Old)).await;
    assert_eq!(browser.visit(&deployment.url("/session")).await.status, 200);
    assert_eq!(browser.visit(&deployment.url("/whoami")).await.status, 200);
    drop(app);
    deployment.rotate();
    let browser = browser.copy();
    let (app, _) = deployment.run_with(named(Sets::Both)).await;
    assert_eq!(browser.visit(&deployment.url("/whoami")).await.status, 200, "sealed for the new id now");
    drop(app);
    let (app, salesforce) = deployment.run_with(named(Sets::New)).await;
    let browser = browser.copy();
    deployment.org.expire_access_tokens();
    for _ in 0..3 {
        assert_eq!(browser.fetch(&deployment.url("/whoami")).await.status, 401);
        assert_eq!(browser.open(&deployment.url("/admin/secret")).await.status, 303);
    }
    assert_eq!(deployment.org.token_calls("refresh_token"), 0);
    assert!(salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());
    assert_eq!(browser.visit(&deployment.url("/whoami")).await.body, ADA);
    drop(app);
}

#[actix_web::test]
async fn the_end_of_the_overlap_leads_to_one_new_login() {
    for error in ["invalid_client_id", "invalid_client"] {
        let deployment = Deployment::in_memory().await;
        let browser = Client::new();
        let (app, _) = deployment.run(Sets::Old).await;
        assert_eq!(browser.visit(&deployment.url("/whoami")).await.status, 200);
        drop(app);
        deployment.rotate();
        deployment.org.set_policy(&json!({ "first_credentials": error })).unwrap();
        deployment.org.expire_access_tokens();
        let (app, salesforce) = deployment.run(Sets::Both).await;
        let browser = browser.copy();
        for path in ["/whoami", "/names", "/user", "/whoami"] {
            assert_eq!(browser.fetch(&deployment.url(path)).await.status, 401, "{error} {path}");
        }
        assert_eq!(deployment.org.token_calls("refresh_token"), 1, "{error}");
        let job = salesforce.user_connection(deployment.user(ADA)).await.unwrap();
        let job = job.identity().await.unwrap_err();
        assert!(job.needs_login(), "{error}: {job:?}");
        assert_eq!(client_ids(&salesforce).await.len(), 1, "{error}: stored, in case the settings are wrong");
        let page = browser.visit(&deployment.url("/whoami")).await;
        assert_eq!((page.status, &*page.body), (200, ADA), "{error}");
        let job = salesforce.user_connection(deployment.user(ADA)).await.unwrap();
        assert_eq!(job.identity().await.unwrap().username, ADA, "{error}");
        drop(app);
    }
}

#[actix_web::test]
async fn an_event_says_when_no_grant_needs_the_previous_credentials() {
    let deployment = Deployment::in_memory().await;
    let browser = Client::new();
    let (app, _) = deployment.run(Sets::Old).await;
    assert_eq!(browser.visit(&deployment.url("/whoami")).await.status, 200);
    drop(app);
    deployment.rotate();
    for (logs_out, expected) in [(true, false), (false, true)] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::clone(&heard);
        let settings =
            deployment.settings(Sets::Both).on_event(move |event| events.lock().unwrap().push(event.clone()));
        let (app, salesforce) = deployment.run_with(settings).await;
        if logs_out {
            let browser = browser.copy();
            let logout = deployment.url("/auth/salesforce/logout");
            // A page first, so that the first look at the store is over.
            assert_eq!(browser.fetch(&deployment.url("/whoami")).await.status, 200);
            assert_eq!(browser.submit(&logout, &deployment.url(""), &[]).await.status, 303);
        }
        // It waits for what is under way in the background.
        drop(app);
        salesforce.shutdown().await;
        let is_told = heard.lock().unwrap().contains(&AuthEvent::PreviousCredentialsUnused);
        assert_eq!(is_told, expected, "logs out: {logs_out}");
    }
}

/// What stays of a refused grant has no token, and the next login of its user, under the new credentials, replaces it.
#[actix_web::test]
async fn a_refused_grant_does_not_need_the_previous_credentials() {
    let deployment = Deployment::in_memory().await;
    let browser = Client::new();
    let (app, salesforce) = deployment.run(Sets::Old).await;
    assert_eq!(browser.visit(&deployment.url("/whoami")).await.status, 200);
    deployment.org.expire_access_tokens();
    let refusal = Fault::OauthError {
        error: "inactive_user".to_owned(),
        description: "user is inactive".to_owned(),
        status: 400,
    };
    let refusal = deployment.org.faults().refresh(refusal);
    assert_eq!(browser.fetch(&deployment.url("/whoami")).await.status, 403);
    refusal.remove();
    let broken = async |salesforce: &Salesforce| {
        let grants = salesforce.list_grants(GrantFilter::All).await.unwrap();
        grants.iter().filter(|grant| grant.needs_reconnecting.is_some()).count()
    };
    assert_eq!(broken(&salesforce).await, 1);
    drop(app);
    deployment.rotate();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    let settings =
        deployment.settings(Sets::Both).on_event(move |event| events.lock().unwrap().push(event.clone()));
    let (app, salesforce) = deployment.run_with(settings).await;
    assert_eq!(broken(&salesforce).await, 1, "it is still listed");
    assert_eq!(Client::new().visit(&deployment.url("/whoami")).await.status, 200);
    // It waits for what is under way in the background.
    drop(app);
    salesforce.shutdown().await;
    assert!(heard.lock().unwrap().contains(&AuthEvent::PreviousCredentialsUnused));
    let (_app, salesforce) = deployment.run(Sets::Both).await;
    assert_eq!(broken(&salesforce).await, 0, "its user has logged in");
    assert_eq!(salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 1);
}

/// A user has a login under each client id. What an access rule reads is read once for each of the two grants.
#[actix_web::test]
async fn what_a_rule_reads_with_one_grant_does_not_replace_that_of_another() {
    let deployment = Deployment::in_memory().await;
    let url = |path: &str| deployment.url(path);
    let (old, new) = (Client::new(), Client::new());
    let (app, _) = deployment.run(Sets::Old).await;
    assert_eq!(old.visit(&url("/whoami")).await.status, 200);
    drop(app);
    deployment.rotate();
    let salesforce = deployment.settings(Sets::Both).build().await.unwrap();
    let wrapped = salesforce.clone();
    let listener = std::net::TcpListener::bind(("127.0.0.1", deployment.port)).unwrap();
    let _server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            let rule = RequireLogin::new().any_org().user_type("STANDARD");
            let page = web::resource("/guarded").get(|| async { "in" }).wrap(rule);
            App::new().service(page).configure(routes).wrap(wrapped.clone())
        })
    });
    assert_eq!(new.visit(&url("/whoami")).await.status, 200);
    assert_eq!(client_ids(&salesforce).await.len(), 2);
    deployment.org.clear_requests();
    let reads = async || {
        for _ in 0..3 {
            for browser in [&old, &new] {
                assert_eq!(browser.fetch(&url("/guarded")).await.body, "in");
            }
        }
        deployment.org.requests().iter().filter(|request| request.path.starts_with("/id/")).count()
    };
    assert_eq!(reads().await, 2);
    salesforce.refresh_access(deployment.user(ADA)).await;
    assert_eq!(reads().await, 4, "all grants of the user are forgotten");
}

#[actix_web::test]
async fn a_service_user_has_the_new_credentials() {
    let deployment = Deployment::in_memory().await;
    deployment.rotate();
    deployment.org.set_policy(&json!({ "first_credentials": "invalid_client" })).unwrap();
    deployment.org.set_execution_user(Some(ADA));
    let my_domain = deployment.org.instance_url().parse().unwrap();
    let settings = deployment.settings(Sets::Both).service_user(ServiceUser::client_credentials(my_domain));
    let salesforce = settings.build().await.unwrap();
    let connection = salesforce.service_connection().await.unwrap();
    assert_eq!(connection.identity().await.unwrap().username, ADA);
}
