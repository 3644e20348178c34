//! What `tracing` is told: spans around refreshes, logins, logouts, API calls and calls of the store, which say what
//! came of them and hold nothing that is secret or belongs in a record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_salesforce::{oauth::OAuthApp, store::GrantFilter, token::ServiceUser};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::{Value, json};
use support::{
    ADA, Client, TestApp,
    failing::{FailingStore, Mode},
    settings_for,
};
use tracing::{
    Instrument as _, Level, Subscriber,
    field::{Field, Visit},
    info_span,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// A span, as it was told.
#[derive(Debug, Clone)]
struct Seen {
    name: &'static str,
    target: &'static str,
    level: Level,
    parent: Option<usize>,
    follows: Vec<usize>,
    fields: BTreeMap<&'static str, String>,
}

impl Seen {
    fn names(&self) -> Vec<&str> {
        self.fields.keys().copied().collect()
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.fields.get(name).is_some_and(|found| found == value)
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Collects spans, in the order in which they began.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

/// Which of them a span is. (The ids of a registry are used again.)
#[derive(Clone, Copy)]
struct Index(usize);

impl Spans {
    /// Of all threads of this process: there is one test in this file.
    fn collect() -> Self {
        let spans = Self::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        spans
    }

    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// Those of this crate and of its client.
    fn ours(&self) -> Vec<Seen> {
        let mut spans = self.all();
        spans.retain(|span| {
            ["actix_salesforce", "salesforce_connection"].iter().any(|of| span.target.starts_with(of))
        });
        spans
    }

    /// The newest span of this name, once it has this outcome.
    async fn with_outcome(&self, name: &str, outcome: &str) -> Seen {
        for _ in 0..200 {
            let newest = self.all().into_iter().rfind(|span| span.name == name);
            if let Some(span) = newest.filter(|span| span.is("outcome", outcome)) {
                return span;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no {name} with {outcome}: {:#?}", self.ours());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().map(|parent| parent.extensions().get::<Index>().unwrap().0);
        let (name, metadata) = (span.name(), attributes.metadata());
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        let (target, level) = (metadata.target(), *metadata.level());
        let mut all = self.0.lock().unwrap();
        span.extensions_mut().insert(Index(all.len()));
        all.push(Seen { name, target, level, parent, follows: Vec::new(), fields });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Index(index) = *context.span(id).unwrap().extensions().get().unwrap();
        values.record(&mut Fields(&mut self.0.lock().unwrap()[index].fields));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let index = |id| context.span(id).unwrap().extensions().get::<Index>().unwrap().0;
        self.0.lock().unwrap()[index(id)].follows.push(index(follows));
    }
}

#[actix_web::test]
async fn spans_tell_what_came_of_it_and_nothing_of_what_is_in_records() {
    let spans = Spans::collect();
    // (The store of memory has no calls that could be slow, and no spans.)
    let app =
        TestApp::with(|builder| builder.keys(KEYS).store(std::sync::Arc::new(FailingStore::default()))).await;
    let browser = Client::new();

    // A request that has nothing to do with Salesforce makes none.
    let before = spans.ours().len();
    for path in ["/", "/maybe"] {
        assert_eq!(browser.fetch(&app.url(path)).await.status, 200);
    }
    assert_eq!(spans.ours().len(), before);

    app.log_in(&browser).await;
    let login = spans.with_outcome("salesforce.login", "logged in").await;
    assert_eq!((login.names(), login.level), (vec!["grant", "host", "outcome"], Level::INFO));
    assert_eq!(login.parent, None, "it does not end with the request");
    let grant = login.fields["grant"].clone();
    assert!(grant.contains(&format!(":{}:", app.org.organization_id())), "{grant}");
    let stored = |span: &Seen| span.name == "salesforce.store" && span.is("call", "create_login");
    assert!(spans.ours().iter().any(stored), "{:#?}", spans.ours());

    // A call that finds its token expired: the refresh follows from it, and outlives it if need be.
    let connection = app.connection().await;
    app.org.expire_access_tokens();
    let query = connection
        .query::<Value>("SELECT Id FROM Account WHERE Name = :name AND Phone != 'text-canary'")
        .bind("name", "bound-canary")
        .fetch_all();
    query.instrument(info_span!("a request")).await.unwrap();
    let refresh = spans.with_outcome("salesforce.refresh", "refreshed").await;
    assert_eq!((refresh.names(), refresh.level), (vec!["grant", "outcome", "revision"], Level::INFO));
    assert!(refresh.is("grant", &grant) && refresh.is("revision", "0") && refresh.parent.is_none());
    let [caller] = refresh.follows[..] else { panic!("{refresh:?}") };
    let caller = spans.all()[caller].clone();
    assert_eq!((caller.name, caller.level), ("salesforce.call", Level::DEBUG));
    assert_eq!(spans.all()[caller.parent.unwrap()].name, "a request");
    assert_eq!(caller.names(), ["method", "resource", "retries", "status", "user"]);
    let version = connection.api_version();
    let resource = |rest: &str| format!("/services/data/v{version}/{rest}");
    assert!(
        caller.is("resource", &resource("query")) && caller.is("user", &connection.user().to_string()),
        "{caller:?}"
    );
    assert!(caller.is("method", "GET") && caller.is("status", "200") && caller.is("retries", "0"));

    // Values in paths and bodies, refusals, and a second try.
    let accounts = connection.sobject("Account");
    accounts.upsert("ExternalKey__c", "key-canary", &json!({ "Name": "body-canary" })).await.unwrap();
    accounts.retrieve_by::<Value>("ExternalKey__c", "other-canary", &["Id"]).await.unwrap_err();
    let outage = app.org.faults().query(Fault::Status(503).once());
    connection.get("query?q=SELECT+Id+FROM+Account+WHERE+Name='raw-canary'").send().await.unwrap();
    outage.remove();
    connection.get("/services/apexrest/path-canary").send().await.unwrap_err();
    let calls = spans.ours();
    let told = |rest: &str, method: &str, status: &str, retries: &str| {
        let call = |span: &&Seen| {
            span.name == "salesforce.call"
                && span.is("resource", rest)
                && span.is("method", method)
                && span.is("status", status)
                && span.is("retries", retries)
        };
        assert!(calls.iter().any(|span| call(&span)), "{method} {rest} {status}: {calls:#?}");
    };
    told(&resource("sobjects/Account/{}/{}"), "PATCH", "201", "0");
    told(&resource("sobjects/Account/{}/{}"), "GET", "404", "0");
    told(&resource("query"), "GET", "200", "1");
    told("/services/apexrest/{}", "GET", "404", "0");

    // What else can become of a refresh.
    app.org.expire_access_tokens();
    let outage = app.org.faults().at(Route::Token, Fault::Status(503));
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 503);
    spans.with_outcome("salesforce.refresh", "unavailable").await;
    // (Nor of a login.)
    Client::new().visit(&app.url("/whoami")).await;
    spans.with_outcome("salesforce.login", "no tokens").await;
    outage.remove();
    app.org.revoke_all();
    tokio::time::sleep(support::COOL_DOWN).await;
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 401);
    spans.with_outcome("salesforce.refresh", "over").await;

    let browser = app.logged_in().await;
    browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    let logout = spans.with_outcome("salesforce.logout", "ended").await;
    assert_eq!((logout.names(), logout.level), (vec!["grant", "login", "outcome"], Level::INFO));
    assert!(logout.is("grant", &grant));

    when_the_store_fails(&spans).await;
    when_tokens_are_given_by_other_means(&spans).await;

    let told = format!("{:?}", spans.ours());
    assert!(!told.contains("canary"), "values stay out of spans: {told}");
}

async fn when_the_store_fails(spans: &Spans) {
    let store = FailingStore::default();
    let app = TestApp::with(|builder| builder.keys(KEYS).store(std::sync::Arc::new(store.clone()))).await;
    let browser = app.logged_in().await;
    store.set(Mode::FailsToReplace);
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200);
    spans.with_outcome("salesforce.refresh", "held").await;
    store.set(Mode::LosesEnds);
    browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    spans.with_outcome("salesforce.logout", "not stored").await;
    store.set(Mode::Works);

    // The store is asked after the tokens came.
    let browser = Client::new();
    let callback = async || {
        let login = app.url("/auth/salesforce/login");
        browser.visit_until(&login, "/auth/salesforce/callback").await.to_string()
    };
    let url = callback().await;
    let slow = app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(500)));
    let (page, ()) = futures_util::join!(browser.open(&url), async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        store.set(Mode::Fails);
    });
    assert_eq!(page.status, 503, "{page:?}");
    spans.with_outcome("salesforce.login", "not stored").await;
    slow.remove();
    store.set(Mode::Works);

    let another_user = Fault::MergeJson(json!({ "user_id": "005x00000012Q9PAAU" }));
    let url = callback().await;
    app.org.faults().at(Route::Userinfo, another_user.once());
    assert_eq!(browser.open(&url).await.status, 502);
    let login = spans.with_outcome("salesforce.login", "not confirmed").await;
    assert_eq!(login.names(), ["grant", "host", "outcome"]);

    app.log_in(&browser).await;
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(), 1);
    let revoke = spans.ours().into_iter().rfind(|span| span.name == "salesforce.revoke").unwrap();
    assert_eq!((revoke.names(), revoke.level), (vec!["grant"], Level::INFO));
    assert!(revoke.fields["grant"].contains(&format!(":{}:", app.org.organization_id())), "{revoke:?}");
}

/// By a service user, and by an app's own hand; and when their `Salesforce` is gone.
async fn when_tokens_are_given_by_other_means(spans: &Spans) {
    let org = FakeOrg::builder().execution_user(ADA).start().await.unwrap();
    let url = "http://127.0.0.1:8080";
    let user = ServiceUser::client_credentials(org.instance_url().parse().unwrap());
    let salesforce = settings_for(&org, url).service_user(user.clone()).build().await.unwrap();
    let outage = org.faults().at(Route::Token, Fault::Status(503));
    salesforce.service_connection().await.unwrap_err();
    let token = spans.with_outcome("salesforce.service_token", "unavailable").await;
    assert_eq!((token.names(), token.level), (vec!["host", "outcome", "revision"], Level::INFO));
    outage.remove();
    let refused = user.with_app(OAuthApp::new("secret-canary", Some("secret-canary".into())));
    salesforce.service_connection_for(&refused).await.unwrap_err();
    spans.with_outcome("salesforce.service_token", "refused").await;
    tokio::time::sleep(support::COOL_DOWN).await;
    let service = salesforce.service_connection().await.unwrap();
    spans.with_outcome("salesforce.service_token", "refreshed").await;

    let host = org.login_url().parse().unwrap();
    let issued = org.issue_tokens(&org.user(ADA), "api refresh_token").refresh_token.unwrap();
    let tokens = salesforce.oauth().refresh(&host, &issued.into()).await.unwrap();
    let person = salesforce.import_tokens(&host, tokens).await.unwrap();
    org.expire_access_tokens();
    drop(salesforce);
    for (connection, span) in [(service, "salesforce.service_token"), (person, "salesforce.refresh")] {
        connection.limits().await.unwrap_err();
        spans.with_outcome(span, "interrupted").await;
    }
}
