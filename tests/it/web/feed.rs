//! Server-sent events: what open pages get of Salesforce's changes, when, and for how long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::event_source::Page;
use crate::support::{ADA, Client, Server, app::listen, reserve, serve, settings_for};
use actix_salesforce::{
    Salesforce, SalesforceBuilder,
    events::{Delivery, RawEvent},
    feed::Feed,
    store::{MemoryStore, Store},
    token::ServiceUser,
};
use actix_web::{App, Error, HttpRequest, HttpResponse, middleware::Compress, web};
use salesforce_fake_org::{FakeOrg, PubSubFault};
use serde_json::{Value, json};

const TOPIC: &str = "/data/AccountChangeEvent";
pub(super) const BEN: &str = "ben@example.com";

async fn live(request: HttpRequest, feed: web::Data<Feed>) -> Result<HttpResponse, Error> {
    feed.respond(&request).await
}

pub(super) struct LiveApp {
    pub(super) org: FakeOrg,
    pub(super) salesforce: Salesforce,
    feed: Feed,
    server: Server,
}

pub(super) async fn org() -> FakeOrg {
    FakeOrg::builder().rows(1).execution_user(ADA).change_events(&["Account"]).start().await.unwrap()
}

fn with_service(builder: SalesforceBuilder, org: &FakeOrg) -> SalesforceBuilder {
    let service = ServiceUser::client_credentials(org.instance_url().parse().unwrap());
    builder.service_user(service).pubsub_url(org.pubsub().endpoint())
}

impl LiveApp {
    async fn start() -> Self {
        Self::with(org().await, |builder| builder, |feed| feed).await
    }

    pub(super) async fn with(
        org: FakeOrg,
        settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
        feed: impl FnOnce(Feed) -> Feed,
    ) -> Self {
        let (listener, url) = reserve();
        let builder = with_service(settings_for(&org, &url), &org);
        let salesforce = settings(builder).build().await.unwrap();
        let feed = feed(salesforce.feed(TOPIC));
        let (wrapped, data) = (salesforce.clone(), feed.clone());
        let server = serve(listener, move |listener| {
            listen!(listener, 4, move || {
                App::new()
                    .app_data(web::Data::new(data.clone()))
                    .route("/live", web::get().to(live))
                    .route("/", web::get().to(|| async { "home" }))
                    .wrap(wrapped.clone())
                    .wrap(Compress::default())
            })
        });
        Self { org, salesforce, feed, server }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    pub(super) async fn logged_in(&self, name: &str) -> Client {
        self.org.sign_in(&self.org.user(name));
        let browser = Client::new();
        let page = browser.visit(&self.url("/auth/salesforce/login?return_to=/")).await;
        assert_eq!(page.status, 200, "{page:?}");
        browser
    }

    /// Opens a stream, and waits until the topic is read: before that there are no events.
    pub(super) async fn open(&self, browser: &Client) -> Page {
        let page = self.reconnect(browser, None).await;
        self.until_read().await;
        page
    }

    async fn until_read(&self) {
        while self.org.pubsub().fetches().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn reconnect(&self, browser: &Client, last: Option<&str>) -> Page {
        let page = Page::new(self.request(browser, last).await);
        assert_eq!(page.response.status(), 200);
        page
    }

    async fn request(&self, browser: &Client, last: Option<&str>) -> reqwest::Response {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let mut request = http
            .get(self.url("/live"))
            .header("accept", "text/event-stream")
            .header("accept-encoding", "gzip")
            .header("cookie", browser.cookie_line());
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send().await.unwrap()
    }

    async fn status(&self, browser: &Client) -> u16 {
        self.request(browser, None).await.status().as_u16()
    }

    /// A change of an account, made by the service user.
    pub(super) async fn change(&self, name: &str) {
        let sf = self.salesforce.service_connection().await.unwrap();
        let id = sf.query::<Value>("SELECT Id FROM Account LIMIT 1").fetch_one().await.unwrap();
        let id = id["Id"].as_str().unwrap();
        sf.sobject("Account").update(id, &json!({ "Name": name })).await.unwrap();
    }
}

#[actix_web::test]
async fn a_change_reaches_two_open_pages_without_a_value() {
    let app = LiveApp::start().await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    let (mut first, mut second) = (app.open(&ada).await, app.open(&ben).await);
    let header = |name: &str| first.response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-accel-buffering"), "no");
    app.change("Changed by a colleague").await;
    for page in [&mut first, &mut second] {
        let event = page.event().await;
        assert_eq!((event.kind.as_str(), &event.data["object"]), ("change", &json!("Account")));
        assert_eq!(
            (&event.data["change"], &event.data["ids"][0].as_str().unwrap().len()),
            (&json!("UPDATE"), &18)
        );
        assert!(event.data["fields"].as_array().unwrap().contains(&json!("Name")), "{event:?}");
        assert!(!event.data.to_string().contains("colleague"), "{event:?}");
    }
    assert_eq!(app.org.pubsub().calls("Subscribe"), 1, "the topic is read once for all");
}

/// From the end of the write to the last byte of the event. The fastest of five counts: a busy machine delays some, and a
/// delay of the feed would be in each.
#[actix_web::test]
async fn a_change_reaches_each_open_page_within_a_second() {
    let app = LiveApp::start().await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    let mut pages = [app.open(&ada).await, app.open(&ben).await, app.open(&ben).await];
    let mut times = Vec::new();
    for n in 0..5 {
        app.change(&format!("Changed {n}")).await;
        let changed = Instant::now();
        for page in &mut pages {
            assert_eq!(page.event().await.kind, "change");
        }
        times.push(changed.elapsed());
    }
    assert!(times.iter().min().is_some_and(|time| *time < Duration::from_secs(1)), "{times:?}");
}

#[actix_web::test]
async fn visitors_without_a_login_and_of_other_orgs_get_no_stream() {
    let org = org().await;
    let (id, secret) = (org.client_id(), org.client_secret());
    let other = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    let (url, origin) = (other.login_url(), other.instance_url());
    let settings = |builder: SalesforceBuilder| builder.login_host("other", url).allowed_origin(origin);
    let app = LiveApp::with(org, settings, |feed| feed).await;
    assert_eq!(app.status(&Client::new()).await, 401);
    other.sign_in(&other.user(ADA));
    let browser = Client::new();
    let page = browser.visit(&app.url("/auth/salesforce/login?host=other&return_to=/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let refused = app.request(&browser, None).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("\"organization\""));
}

#[actix_web::test]
async fn a_stream_ends_with_its_login() {
    let app = LiveApp::start().await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    let (mut first, mut second) = (app.open(&ada).await, app.open(&ben).await);
    let out = ada.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert!(out.status < 400, "{out:?}");
    assert!(first.until_end().await < Duration::from_secs(1));
    assert_eq!(app.status(&ada).await, 401, "the browser does not reconnect");
    app.change("Still live").await;
    assert_eq!(second.event().await.kind, "change");
}

/// The other process shares the store, and nothing else.
#[actix_web::test]
async fn nothing_is_sent_a_second_after_a_logout_elsewhere() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let shared = Arc::clone(&store);
    let keys = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
    let app = LiveApp::with(org().await, |builder| builder.keys(keys).store(shared), |feed| feed).await;
    let other = settings_for(&app.org, &app.server.url).keys(keys).store(store).build().await.unwrap();
    let mut page = app.open(&app.logged_in(ADA).await).await;
    for login in other.list_logins(actix_salesforce::admin::GrantFilter::All).await.unwrap() {
        other.revoke_login(&login).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    app.change("Not for this page").await;
    page.until_end().await;
}

/// A page that is left open is no use of its login.
#[actix_web::test]
async fn an_idle_login_ends_although_its_page_is_live() {
    let idle = Duration::from_secs(2);
    let app = LiveApp::with(org().await, |builder| builder.idle_timeout(idle), |feed| feed).await;
    let browser = app.logged_in(ADA).await;
    let opened = Instant::now();
    drop(app.open(&browser).await);
    // What a browser does by itself.
    while opened.elapsed() < idle - Duration::from_millis(400) {
        drop(app.request(&browser, None).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(app.status(&browser).await, 401);
}

/// That a request is for a stream does not keep Salesforce from being asked.
#[actix_web::test]
async fn a_user_who_lost_access_gets_no_stream() {
    let period = Duration::from_secs(1);
    let app = LiveApp::with(org().await, |builder| builder.recheck(period), |feed| feed).await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    drop(app.open(&ada).await);
    app.org.deactivate_user(&app.org.user(BEN));
    tokio::time::sleep(period * 5 / 4).await;
    assert_eq!(app.status(&ben).await, 403);
    assert_eq!(app.status(&ada).await, 200);
}

#[actix_web::test]
async fn a_browser_reads_on_after_its_last_event() {
    let app = LiveApp::start().await;
    let browser = app.logged_in(ADA).await;
    let mut page = app.open(&browser).await;
    app.change("One").await;
    let last = page.event().await.id.unwrap();
    drop(page);
    app.change("Two").await;
    app.change("Three").await;
    let mut again = app.reconnect(&browser, Some(&last)).await;
    let (two, three) = (again.event().await, again.event().await);
    assert_eq!((two.kind.as_str(), three.kind.as_str()), ("change", "change"));
    // Of another process, or too long ago.
    let mut unknown = app.reconnect(&browser, Some("c29tZXRoaW5nIGVsc2U")).await;
    let reset = unknown.event().await;
    assert_eq!((reset.kind.as_str(), &reset.data), ("reset", &json!({"reason": "lagged"})));
    assert_eq!(reset.id, three.id, "it goes on from here");
    let mut at_end = app.reconnect(&browser, three.id.as_deref()).await;
    app.change("Four").await;
    assert_eq!(at_end.event().await.kind, "change");
    assert_eq!(unknown.event().await.kind, "change");
}

/// It has no id of an event to send, and goes on where its stream began or was reset.
#[actix_web::test]
async fn a_quiet_page_misses_nothing_while_it_reconnects() {
    let app = LiveApp::start().await;
    let browser = app.logged_in(ADA).await;
    let page = app.open(&browser).await.opened().await;
    let start = page.last_id.clone();
    drop(page);
    app.change("Between two streams").await;
    let mut again = app.reconnect(&browser, start.as_deref()).await;
    assert_eq!(again.event().await.kind, "change");
    app.org.pubsub().publish_raw(TOPIC, b"no event at all").unwrap();
    assert_eq!(again.event().await.kind, "reset");
    let reset = again.last_id.clone();
    drop(again);
    app.change("After a reset").await;
    let mut third = app.reconnect(&browser, reset.as_deref()).await;
    assert_eq!(third.event().await.kind, "change");
}

#[actix_web::test]
async fn missed_changes_are_a_reset() {
    let app = LiveApp::start().await;
    let mut page = app.open(&app.logged_in(ADA).await).await;
    app.org.pubsub().publish_raw(TOPIC, b"no event at all").unwrap();
    let reset = page.event().await;
    assert_eq!((reset.kind.as_str(), &reset.data), ("reset", &json!({"reason": "gap"})));
    app.change("Goes on").await;
    assert_eq!(page.event().await.kind, "change");
}

fn denied() -> PubSubFault {
    PubSubFault::status(7, "subscription.fetch.permission.denied")
}

/// Nothing is missed: the topic is read on from the last event.
#[actix_web::test]
async fn an_interrupted_topic_is_read_on_where_it_was() {
    let app = LiveApp::start().await;
    let browser = app.logged_in(ADA).await;
    let mut page = app.open(&browser).await;
    app.org.pubsub().arm(denied().after_events(1));
    app.org.pubsub().arm(denied().times(2));
    for name in ["One", "Two"] {
        app.change(name).await;
    }
    assert_eq!(page.event().await.kind, "change");
    let started = Instant::now();
    while app.status(&browser).await != 503 {
        assert!(started.elapsed() < Duration::from_secs(20), "no new page while it is interrupted");
    }
    assert_eq!(page.event().await.kind, "change");
    assert_eq!(app.status(&browser).await, 200);
}

#[actix_web::test]
async fn no_page_opens_before_its_topic_is_read() {
    let app = LiveApp::start().await;
    app.org.pubsub().arm(denied().times(100));
    let browser = app.logged_in(ADA).await;
    assert_eq!(app.status(&browser).await, 503);
    app.org.pubsub().disarm();
    let started = Instant::now();
    while app.status(&browser).await != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "it is tried again");
    }
}

/// Without a position the topic is read on from the latest event: what happened meanwhile reaches no page.
#[actix_web::test]
async fn a_stream_that_is_lost_before_its_first_event_is_a_reset() {
    let app = LiveApp::start().await;
    app.org.pubsub().arm(PubSubFault::reset());
    let mut page = app.open(&app.logged_in(ADA).await).await;
    let reset = page.event().await;
    assert_eq!((reset.kind.as_str(), &reset.data), ("reset", &json!({"reason": "interrupted"})));
}

#[actix_web::test]
async fn a_lost_position_is_a_reset() {
    let app = LiveApp::start().await;
    let mut page = app.open(&app.logged_in(ADA).await).await;
    app.change("One").await;
    assert_eq!(page.event().await.kind, "change");
    app.org.pubsub().forget_events();
    app.org.pubsub().arm(PubSubFault::reset());
    let started = Instant::now();
    // The reset strikes when there is something to deliver.
    let event = loop {
        app.change("Two").await;
        match tokio::time::timeout(Duration::from_millis(300), page.event()).await {
            Ok(event) if event.kind == "reset" => break event,
            _ => assert!(started.elapsed() < Duration::from_secs(15)),
        }
    };
    assert_eq!(event.data, json!({"reason": "interrupted"}));
}

#[actix_web::test]
async fn an_app_decides_who_sees_values() {
    let map = |feed: Feed| {
        feed.map(|user, delivery: &Delivery<RawEvent>| {
            let data: Value = delivery.event.decode().ok()?;
            (user.username.as_deref() == Some(BEN)).then(|| json!({ "name": data["Name"] }))
        })
    };
    let app = LiveApp::with(org().await, |builder| builder, map).await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    let (mut first, mut second) = (app.open(&ada).await, app.open(&ben).await);
    app.change("For Ben").await;
    assert_eq!(second.event().await.data, json!({ "name": "For Ben" }));
    app.org.pubsub().publish_raw(TOPIC, b"no event at all").unwrap();
    assert_eq!(first.event().await.kind, "reset", "no event before it");
}

/// The slow one neither holds the others up nor grows a queue.
#[actix_web::test]
async fn a_slow_page_is_told_that_it_missed_events() {
    let filler = "x".repeat(64 * 1024);
    let app =
        LiveApp::with(org().await, |builder| builder, |feed| feed.map(move |_, _| Some(json!(filler)))).await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    let (mut slow, mut fast) = (app.open(&ada).await, app.open(&ben).await);
    let sf = app.salesforce.service_connection().await.unwrap();
    let names: Vec<_> = (0..200).map(|number| json!({ "Name": format!("Account {number}") })).collect();
    for _ in 0..8 {
        sf.sobject("Account").create_many(&names).await.unwrap();
        for _ in 0..200 {
            assert_eq!(fast.event().await.kind, "change");
        }
    }
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind == "change") {
        kinds.push(slow.event().await.kind);
    }
    assert_eq!(kinds.last().unwrap(), "reset", "after {} events", kinds.len());
}

#[actix_web::test]
async fn a_login_has_six_streams_at_once() {
    let app = LiveApp::start().await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    let mut pages = Vec::new();
    for _ in 0..6 {
        pages.push(app.open(&ada).await);
    }
    let seventh = app.request(&ada, None).await;
    assert_eq!((seventh.status().as_u16(), seventh.headers()["retry-after"].to_str().unwrap()), (503, "10"));
    assert_eq!(app.status(&ben).await, 200);
    pages.pop();
    let started = Instant::now();
    while app.status(&ada).await != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "a place comes back when its stream is gone");
        tokio::time::sleep(Duration::from_millis(50)).await;
        app.change("So that the server sees that it is gone").await;
    }
}

#[actix_web::test]
async fn a_closed_feed_ends_its_streams_and_opens_none() {
    let app = LiveApp::start().await;
    let browser = app.logged_in(ADA).await;
    let mut page = app.open(&browser).await;
    app.feed.close();
    assert!(page.until_end().await < Duration::from_secs(1));
    assert_eq!(app.status(&browser).await, 503);
}
