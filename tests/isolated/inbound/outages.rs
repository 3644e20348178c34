//! The store is down: Salesforce is told to send again, and what was handled before is handled once.

use super::*;
use crate::support::{ADA, servers::Redis};
use salesforce_fake_org::OutboundAttempt;
use std::time::{Duration, Instant};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const DATA_KEY: &str = "our-own-signing-key-1";

/// An app whose store is a Redis that stops.
struct Outage {
    app: Inbound,
    redis: Redis,
    accounts: Vec<String>,
}

impl Outage {
    async fn start() -> Self {
        let redis = Redis::start();
        let org = FakeOrg::builder().rows(10).execution_user(ADA).start().await.unwrap();
        let app = Inbound::around(org, |org, builder| {
            let events = DataCloud::organization(org.organization_id()).key(DATA_KEY);
            let builder = builder.caller(caller(org).single_use()).outbound_messages(messages(org));
            builder.data_cloud(events).keys(KEYS).store_url(redis.url())
        })
        .await;
        let accounts = outbound::accounts(&app, 3).await;
        Self { app, redis, accounts }
    }

    /// A token that counts once, of this id.
    fn token(&self, id: &str) -> String {
        let call = self.app.org.call(&self.app.org.user(ADA)).certificate("orders_2026").audience(AUDIENCE);
        call.claim("jti", id).token()
    }

    /// Has Salesforce send an outbound message about this record.
    fn message(&self, record: usize) -> OutboundAttempt {
        let url = self.app.url(&format!("/outbound/{SECRET}"));
        self.app.org.queue_outbound_message(&url, "Account", &["Name"], &[&self.accounts[record]]);
        self.app.org.deliver_outbound_messages().remove(0)
    }

    async fn repeat(&self, message: &OutboundAttempt) -> Page {
        let headers = [("content-type", "text/xml; charset=UTF-8")];
        self.app.post(&format!("/outbound/{SECRET}"), &headers, &message.envelope).await
    }

    async fn event(&self, id: &str) -> Page {
        let body = self.app.org.data_cloud_payload(&[serde_json::json!({ "EventUuid": id })]);
        let signature = self.app.org.data_cloud_signature(DATA_KEY, &body);
        let headers = [("content-type", "application/json"), ("x-signature", &signature)];
        self.app.post("/data-360", &headers, &body).await
    }

    fn records(&self) -> Vec<String> {
        self.app.seen.records.lock().unwrap().clone()
    }

    /// Starts Redis with what it has saved, and waits until the app uses it.
    async fn recover(&mut self) {
        self.redis.start_again();
        let started = Instant::now();
        for id in 0.. {
            if self.app.call("/call", &self.token(&format!("after {id}"))).await.status == 200 {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(15), "the app finds its store again");
        }
    }
}

fn assert_sent_again(page: &Page) {
    assert_eq!((page.status, page.json()["code"].as_str()), (503, Some("unavailable")), "{page:?}");
    assert!(page.header("retry-after").parse::<u32>().is_ok(), "{page:?}");
}

#[actix_web::test]
async fn while_the_store_is_down_salesforce_sends_again_and_nothing_is_handled_twice() {
    let mut outage = Outage::start().await;
    let (before, during) = (outage.token("before"), outage.token("during"));
    assert_eq!(outage.app.call("/call", &before).await.status, 200);
    let first = outage.message(0);
    assert!(first.acknowledged, "{first:?}");
    assert_eq!(outage.event("event-1").await.status, 200);
    outage.redis.cli(&["SAVE"]);
    let (handled, records) = (outage.app.handled(), outage.records());
    assert_eq!((handled, records.len()), (3, 2));

    outage.redis.stop();
    for token in [&before, &during] {
        assert_sent_again(&outage.app.call("/call", token).await);
    }
    let second = outage.message(1);
    assert_eq!((second.status, second.acknowledged), (503, false), "{second:?}");
    for message in [&first, &second] {
        assert_sent_again(&outage.repeat(message).await);
    }
    for event in ["event-1", "event-2"] {
        assert_sent_again(&outage.event(event).await);
    }
    assert_eq!((outage.app.handled(), outage.records()), (handled, records), "no handler runs");

    outage.recover().await;
    for _ in 0..2 {
        assert_eq!(outage.app.call("/call", &before).await.status, 401, "it was used before the outage");
        outage.app.org.advance(Duration::from_secs(61));
        outage.app.org.deliver_outbound_messages();
        for message in [&first, &second] {
            let page = outage.repeat(message).await;
            assert!(page.status == 200 && page.body.contains("<Ack>true</Ack>"), "{page:?}");
        }
        for event in ["event-1", "event-2"] {
            assert_eq!(outage.event(event).await.status, 200);
        }
    }
    assert!(outage.app.org.outbound_queue().is_empty());
    let records = outage.records();
    let accounts = &outage.accounts;
    let expected = [accounts[0].as_str(), "event-1", accounts[1].as_str(), "event-2"];
    assert_eq!(records, expected, "each once");
    assert_eq!(outage.app.call("/call", &during).await.status, 200, "what the outage refused is not used");
    assert_eq!(outage.app.call("/call", &during).await.status, 401);
}

/// The handler succeeds, and that cannot be stored: Salesforce must not take it for handled.
#[actix_web::test]
async fn a_message_that_cannot_be_marked_as_handled_is_sent_again() {
    let mut outage = Outage::start().await;
    let gate = &outage.app.seen.gate;
    gate.forget_permits(Semaphore::MAX_PERMITS);
    let url = outage.app.url("/outbound/no");
    outage.app.org.queue_outbound_message(&url, "Account", &["Name"], &[&outage.accounts[2]]);
    let message = outage.app.org.deliver_outbound_messages().remove(0);
    let (redis, app) = (&mut outage.redis, &outage.app);
    let path = format!("/outbound/{SECRET}");
    let sent = app.post(&path, &[("content-type", "text/xml; charset=UTF-8")], &message.envelope);
    let (page, ()) = futures_util::join!(sent, async {
        while app.handled() == 0 {
            tokio::task::yield_now().await;
        }
        redis.stop();
        gate.add_permits(100);
    });
    assert_sent_again(&page);
    outage.recover().await;
    for _ in 0..2 {
        assert_eq!(outage.repeat(&message).await.status, 200);
    }
    // Once more for the repeat, and not again after its mark.
    let record = outage.accounts[2].as_str();
    assert_eq!(outage.records(), [record, record]);
}
