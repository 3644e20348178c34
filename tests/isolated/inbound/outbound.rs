//! Outbound messages: each record is handled at least once, and not again after an `Ack`.

use super::*;
use std::{collections::BTreeSet, time::Duration};

async fn start() -> Inbound {
    let org = FakeOrg::builder().rows(250).execution_user("ada@example.com").start().await.unwrap();
    Inbound::around(org, |org, builder| {
        let service =
            actix_salesforce::token::ServiceUser::client_credentials(org.instance_url().parse().unwrap());
        builder.outbound_messages(messages(org)).service_user(service)
    })
    .await
}

/// The ids of some accounts of the org.
pub(super) async fn accounts(app: &Inbound, count: usize) -> Vec<String> {
    let salesforce = settings_for(&app.org, "http://127.0.0.1:1");
    let service =
        actix_salesforce::token::ServiceUser::client_credentials(app.org.instance_url().parse().unwrap());
    let salesforce = salesforce.service_user(service).build().await.unwrap();
    let sf = salesforce.service_connection().await.unwrap();
    let soql = "SELECT Id FROM Account ORDER BY Id LIMIT 250";
    let rows: Vec<serde_json::Value> = sf.query(soql).fetch_all().await.unwrap();
    rows.iter().take(count).map(|row| row["Id"].as_str().unwrap().to_owned()).collect()
}

fn queue(app: &Inbound, path: &str, records: &[String]) {
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    let fields = ["Name", "Phone", "AnnualRevenue", "LastModifiedDate"];
    app.org.queue_outbound_message(&app.url(path), "Account", &fields, &records);
}

fn path() -> String {
    format!("/outbound/{SECRET}")
}

/// Sends what is due, without blocking this thread's other futures.
async fn deliver(app: &Inbound) -> Vec<salesforce_fake_org::OutboundAttempt> {
    app.org.deliver_outbound_messages()
}

fn records(app: &Inbound) -> Vec<String> {
    app.seen.records.lock().unwrap().clone()
}

#[actix_web::test]
async fn an_outbound_message_is_acknowledged_once_its_handler_succeeded() {
    let app = start().await;
    let ids = accounts(&app, 3).await;
    queue(&app, &path(), &ids);
    let attempts = deliver(&app).await;
    assert!(attempts.len() == 1 && attempts[0].acknowledged, "{attempts:?}");
    assert_eq!(records(&app), ids);
    assert!(app.org.outbound_queue().is_empty());
    // What is claimed is what the records say, as long as the sender is Salesforce. Null fields are left out.
    app.seen.records.lock().unwrap().clear();
    queue(&app, &format!("{}/claims", path()), &ids);
    assert!(deliver(&app).await[0].acknowledged);
    let seen = records(&app);
    assert_eq!(seen.len(), 3);
    for line in seen {
        let (claimed, read) = line.strip_prefix("Account ").unwrap().split_once("} {").unwrap();
        assert_eq!(format!("{claimed}}}"), format!("{{{read}"), "{line}");
    }
}

#[actix_web::test]
async fn what_a_handler_fails_to_handle_comes_again_until_it_is_acknowledged() {
    let app = start().await;
    let ids = accounts(&app, 2).await;
    app.seen.failures.store(2, Ordering::SeqCst);
    queue(&app, &path(), &ids);
    let attempts = deliver(&app).await;
    assert_eq!((attempts[0].status, attempts[0].acknowledged), (503, false), "{attempts:?}");
    assert!(deliver(&app).await.is_empty(), "not before its time");
    app.org.advance(Duration::from_secs(61));
    assert!(!deliver(&app).await[0].acknowledged);
    assert!(records(&app).is_empty());
    app.org.advance(Duration::from_secs(121));
    assert!(deliver(&app).await[0].acknowledged);
    assert_eq!(records(&app), ids);
    assert_eq!(app.handled(), 3);
    app.org.advance(Duration::from_secs(24 * 60 * 60));
    assert!(deliver(&app).await.is_empty());
}

/// Salesforce did not get the `Ack`, and sends the same notifications again, beside new ones and to another process.
#[actix_web::test]
async fn what_was_acknowledged_is_dropped_when_it_comes_again() {
    let app = start().await;
    let ids = accounts(&app, 3).await;
    queue(&app, &path(), &ids[..2]);
    let first = deliver(&app).await.remove(0);
    for _ in 0..4 {
        let page = post(&app, &path(), &first.envelope).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains("<Ack>true</Ack>"), "{page:?}");
    }
    assert_eq!(records(&app), ids[..2]);
    // One of them in another envelope, with a new one behind it, which stands there twice.
    queue(&app, &path(), &ids[2..]);
    app.seen.failures.store(1, Ordering::SeqCst);
    let second = deliver(&app).await.remove(0);
    let notification = |envelope: &str| {
        let start = envelope.find("<Notification>").unwrap();
        let end = envelope.find("</Notification>").unwrap() + "</Notification>".len();
        envelope[start..end].to_owned()
    };
    let (old, new) = (notification(&first.envelope), notification(&second.envelope));
    let both = second.envelope.replace(&new, &format!("{old}{new}{new}"));
    assert_eq!(post(&app, &path(), &both).await.status, 200);
    assert_eq!(records(&app), ids);
}

async fn post(app: &Inbound, path: &str, envelope: &str) -> Page {
    app.post(path, &[("content-type", "text/xml; charset=UTF-8")], envelope).await
}

#[actix_web::test]
async fn a_notification_that_is_being_handled_is_not_handled_twice() {
    let app = start().await;
    let ids = accounts(&app, 1).await;
    queue(&app, "/outbound/no", &ids);
    let envelope = deliver(&app).await.remove(0).envelope;
    let all = app.seen.gate.acquire_many(u32::MAX >> 3).await;
    app.seen.gate.forget_permits(Semaphore::MAX_PERMITS);
    let busy = async {
        while app.handled() == 0 {
            tokio::task::yield_now().await;
        }
        let page = post(&app, &path(), &envelope).await;
        assert_eq!(page.status, 503, "the other one may still fail: {page:?}");
        assert!(page.header("retry-after").parse::<u32>().is_ok(), "{page:?}");
        app.seen.gate.add_permits(100);
    };
    let path = path();
    let both = async { futures_util::join!(post(&app, &path, &envelope), busy) };
    let (first, ()) =
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("one of both is refused");
    drop(all);
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(post(&app, &path, &envelope).await.status, 200);
    assert_eq!(records(&app), ids);
    assert_eq!(app.handled(), 2, "the repeat has no new ids");
}

#[actix_web::test]
async fn a_hundred_records_an_envelope_in_any_order_empty_the_queue() {
    let app = start().await;
    let ids = accounts(&app, 250).await;
    app.org.reverse_outbound_messages(true);
    app.seen.failures.store(2, Ordering::SeqCst);
    queue(&app, &path(), &ids);
    let sizes = |attempts: &[salesforce_fake_org::OutboundAttempt]| {
        attempts.iter().map(|attempt| attempt.record_ids.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&deliver(&app).await), [100, 100, 50]);
    for _ in 0..4 {
        app.org.advance(Duration::from_secs(3600));
        deliver(&app).await;
    }
    assert!(app.org.outbound_queue().is_empty());
    let seen = records(&app);
    assert_eq!(seen.len(), 250, "each once");
    assert_eq!(BTreeSet::from_iter(seen), BTreeSet::from_iter(ids));
}

/// The process ends between the handler and the `Ack`: here, its client goes away.
#[actix_web::test]
async fn a_handler_that_is_cut_off_leaves_its_notifications_to_the_next_one() {
    let app = start().await;
    let ids = accounts(&app, 1).await;
    queue(&app, "/outbound/no", &ids);
    let envelope = deliver(&app).await.remove(0).envelope;
    let permits = app.seen.gate.available_permits();
    app.seen.gate.forget_permits(permits);
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n{envelope}",
        path(),
        envelope.len()
    );
    let url = app.server.url.clone();
    web::block(move || support::raw::send_and_reset(&url, head.as_bytes(), Duration::from_millis(300)))
        .await
        .unwrap();
    app.seen.gate.add_permits(100);
    // Given back at once, not after the lease's time.
    let mut page = post(&app, &path(), &envelope).await;
    for _ in 0..100 {
        if page.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        page = post(&app, &path(), &envelope).await;
    }
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(records(&app), ids);
}

#[actix_web::test]
async fn a_service_user_of_another_org_reads_nothing_for_an_outbound_message() {
    let other = FakeOrg::builder().organization_id("00D000000000009EAA").execution_user("ada@example.com");
    let other = other.start().await.unwrap();
    let app = Inbound::with(|org, builder| {
        let service =
            actix_salesforce::token::ServiceUser::client_credentials(other.instance_url().parse().unwrap());
        let service = service.with_app(actix_salesforce::oauth::OAuthApp::new(
            other.client_id(),
            Some(other.client_secret().into()),
        ));
        builder.outbound_messages(messages(org)).allowed_origin(other.instance_url()).service_user(service)
    })
    .await;
    let id = "001Fk0000000001".to_owned();
    let envelope = super::bad_envelopes::envelope(&app.org.organization_id(), &id);
    let page = post(&app, &format!("{}/claims", path()), &envelope).await;
    assert_eq!(page.status, 503, "{page:?}");
    assert!(records(&app).is_empty());
}

#[actix_web::test]
async fn a_secret_is_exchanged_and_a_weak_one_does_not_start() {
    let next = "a-new_secret-of-Setup-2027";
    let app = Inbound::with(|org, builder| builder.outbound_messages(messages(org).secret(next))).await;
    for (secret, status) in [(SECRET, 200), (next, 200), (&SECRET[1..], 401)] {
        let envelope = super::bad_envelopes::envelope(&app.org.organization_id(), "001Fk0000000001");
        assert_eq!(post(&app, &format!("/outbound/{secret}"), &envelope).await.status, status);
    }
    let problems = async |messages: OutboundMessages| {
        let builder = settings_for(&app.org, "http://127.0.0.1:1").outbound_messages(messages);
        let error = builder.build().await.unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error}");
        error.problems().iter().map(|problem| problem.setting).collect::<Vec<_>>()
    };
    let bare = || OutboundMessages::organization(app.org.organization_id());
    for messages in [
        bare(),
        bare().secret("canary"),
        bare().secret(format!("{SECRET}/canary")),
        messages(&app.org).secret(""),
    ] {
        assert_eq!(problems(messages).await, ["SALESFORCE_OUTBOUND_SECRETS"]);
    }
    let messages = OutboundMessages::organization("canary").secret(SECRET);
    assert_eq!(problems(messages).await, ["SALESFORCE_OUTBOUND_ORG"]);
}
