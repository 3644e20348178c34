//! Feeds that leave out the ids of records which a page's user may not read.

use std::time::Duration;

use super::feed::{BEN, LiveApp, org};
use crate::support::ADA;
use actix_salesforce::feed::Feed;
use salesforce_fake_org::Fault;
use serde_json::{Value, json};

/// Two accounts; Ben may not read the second one.
async fn app() -> (LiveApp, [String; 2]) {
    let app = LiveApp::with(org().await, |builder| builder, Feed::visible_only).await;
    let sf = app.salesforce.service_connection().await.unwrap();
    let mut ids = Vec::new();
    for name in ["shown", "hidden"] {
        ids.push(sf.sobject("Account").create(&json!({ "Name": name })).await.unwrap().to_string());
    }
    let ids: [String; 2] = ids.try_into().unwrap();
    app.org.hide_rows(&app.org.user(BEN), &[&ids[1]]);
    (app, ids)
}

async fn rename(app: &LiveApp, id: &str, name: &str) {
    let sf = app.salesforce.service_connection().await.unwrap();
    sf.sobject("Account").update(id, &json!({ "Name": name })).await.unwrap();
}

fn queries(app: &LiveApp) -> usize {
    app.org.requests().iter().filter(|request| request.path.contains("/query")).count()
}

#[actix_web::test]
async fn a_page_gets_the_ids_of_records_that_its_user_may_read() {
    let (app, [shown, hidden]) = app().await;
    let (ada, ben) = (app.logged_in(ADA).await, app.logged_in(BEN).await);
    let (mut first, mut second) = (app.open(&ada).await, app.open(&ben).await);
    rename(&app, &hidden, "a").await;
    rename(&app, &shown, "b").await;
    let event = first.event().await;
    assert_eq!((event.kind.as_str(), &event.data["ids"]), ("change", &json!([hidden])));
    assert_eq!(first.event().await.data["ids"], json!([shown]));
    let event = second.event().await;
    assert_eq!(event.data["ids"], json!([shown]), "the first event is left out for Ben");
}

#[actix_web::test]
async fn an_id_is_asked_for_once_in_a_minute() {
    let (app, [shown, _]) = app().await;
    let ben = app.logged_in(BEN).await;
    let mut page = app.open(&ben).await;
    rename(&app, &shown, "a").await;
    page.event().await;
    app.org.clear_requests();
    for name in ["b", "c"] {
        rename(&app, &shown, name).await;
        assert_eq!(page.event().await.data["ids"], json!([shown]));
    }
    assert_eq!(queries(&app), 0);
}

#[actix_web::test]
async fn a_deletion_that_cannot_be_asked_for_is_a_reset_without_an_id() {
    let (app, [_, hidden]) = app().await;
    let ben = app.logged_in(BEN).await;
    let mut page = app.open(&ben).await;
    let sf = app.salesforce.service_connection().await.unwrap();
    sf.sobject("Account").delete(&hidden).await.unwrap();
    let event = page.event().await;
    assert_eq!((event.kind.as_str(), event.data), ("reset", json!({ "reason": "gap" })));
}

#[actix_web::test]
async fn an_outage_sends_no_id_and_loses_none() {
    let html = |status, body: &str| Fault::RawBody {
        status,
        content_type: "text/html".to_owned(),
        body: body.to_owned().into(),
    };
    let error = |code: &str| format!(r#"[{{"errorCode":"{code}","message":"m"}}]"#);
    for fault in [
        Fault::Status(503),
        html(400, "<html>Access Declined</html>"),
        html(404, "<html>URL No Longer Exists</html>"),
        Fault::RawBody {
            status: 400,
            content_type: "application/json".to_owned(),
            body: error("QUERY_TIMEOUT").into(),
        },
    ] {
        an_outage(fault).await;
    }
}

async fn an_outage(fault: Fault) {
    let (app, [shown, _]) = app().await;
    let ben = app.logged_in(BEN).await;
    let mut page = app.open(&ben).await;
    // The service user's change is made first; then no query has a response.
    rename(&app, &shown, "a").await;
    page.event().await;
    let last = page.last_id.clone();
    // Another record, which is not known yet.
    let sf = app.salesforce.service_connection().await.unwrap();
    let outage = app.org.faults().query(fault);
    let id = sf.sobject("Account").create(&json!({ "Name": "new" })).await.unwrap().to_string();
    assert!(page.until_end().await < Duration::from_secs(60), "it ends without the event");
    assert_eq!(page.last_id, last);
    assert!(outage.hits() > 0);
    outage.remove();
    let mut page = app.reconnect(&ben, last.as_deref()).await;
    let event = page.event().await;
    assert_eq!(event.data["ids"], Value::from(vec![id]));
}
