//! What users report of Salesforce, with real logins and the policies of the fake org.

use crate::support::{ADA, TestApp};
use actix_salesforce::{Error, Page, request::Retry, soql::Currency};
use futures_util::{StreamExt as _, TryStreamExt as _};
use salesforce_fake_org::{FakeOrg, Fault};
use serde::Deserialize;
use serde_json::{Value, json};

async fn app(rows: u64, policy: Value) -> TestApp {
    let org = FakeOrg::builder().rows(rows).page_size(200).policy(&policy).unwrap().start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let moved = org.moved_instance_url();
    TestApp::around(org, |builder| builder.allowed_origin(moved)).await
}

#[derive(Debug, Deserialize)]
struct Id {
    #[serde(rename = "Id")]
    _id: String,
}

/// W-03: whatever the old instance says, one refresh finds the new one, and the request is sent there.
#[actix_web::test]
async fn an_org_that_moved_is_found_by_one_refresh_whatever_its_old_instance_says() {
    for old in [
        json!("invalid_session"),
        json!("url_not_reset"),
        json!("not_found"),
        json!({ "redirect": 301 }),
        json!({ "redirect": 302 }),
        json!({ "redirect": 307 }),
        json!({ "redirect": 308 }),
    ] {
        let app = app(5, json!({ "old_instance": old })).await;
        let browser = app.logged_in().await;
        app.org.move_instance();
        app.org.clear_requests();
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{old}");
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{old}");
        assert_eq!(app.refreshes(), 1, "{old}");
    }
}

/// A refresh makes the former token invalid: a state that it does not change must not cause one for each request.
#[actix_web::test]
async fn requests_that_a_refresh_does_not_help_cause_no_more_refreshes() {
    let page = |status| Fault::RawBody {
        status,
        content_type: "text/html; charset=UTF-8".into(),
        body: b"<html>login</html>".to_vec().into(),
    };
    for fault in [page(200), page(404), page(401)] {
        let app = app(5, json!({})).await;
        let browser = app.logged_in().await;
        let _rule = app.org.faults().query(fault.clone());
        app.org.clear_requests();
        for _ in 0..20 {
            assert!(browser.fetch(&app.url("/names")).await.status >= 400, "{fault:?}");
        }
        assert!(app.refreshes() <= 2, "{fault:?}: {} refreshes", app.refreshes());
    }
}

/// the children's cursors end with the parents' next page.
#[actix_web::test]
async fn children_are_read_before_the_next_page_of_their_parents() {
    #[derive(Debug, Deserialize)]
    struct Parent {
        #[serde(rename = "Contacts")]
        contacts: Page<Id>,
    }
    let app = app(450, json!({ "child_cursors_end": true })).await;
    let sf = app.connection().await;
    let parent = sf.sobject("Account").create(&json!({ "Name": "0 Parent" })).await.unwrap();
    let new: Vec<_> =
        (0..450).map(|n| json!({ "LastName": format!("Child {n}"), "AccountId": parent })).collect();
    assert!(sf.sobject("Contact").create_many(&new).await.unwrap().iter().all(Result::is_ok));
    let soql = "SELECT Id, (SELECT Id FROM Contacts) FROM Account ORDER BY Name";
    let mut parents = sf.query::<Parent>(soql).fetch();
    let (mut rows, mut most) = (0, 0);
    while let Some(parent) = parents.try_next().await.unwrap() {
        let children: Vec<Id> = sf.rows(parent.contacts).try_collect().await.unwrap();
        (rows, most) = (rows + 1, most.max(children.len()));
    }
    assert_eq!((rows, most), (451, 450));
}

/// rows that vanish, and totals that move.
#[actix_web::test]
async fn fewer_rows_at_the_end_than_announced_are_a_warning() {
    for policy in [json!({ "vanishing_rows": 3 }), json!({ "total_size_drift": 3 })] {
        let app = app(450, policy).await;
        let sf = app.connection().await;
        let mut rows = sf.query::<Id>("SELECT Id FROM Account").fetch();
        let mut count = 0;
        while rows.try_next().await.unwrap().is_some() {
            count += 1;
        }
        assert!(matches!((count, rows.missing_rows()), (447 | 450, 3)), "{count} {}", rows.missing_rows());
    }
}

///
#[actix_web::test]
async fn the_eleventh_query_at_a_time_ends_the_first_with_an_error_that_says_so() {
    let app = app(1_000, json!({ "cursor_limit": 10 })).await;
    let sf = app.connection().await;
    let mut streams = Vec::new();
    for _ in 0..11 {
        let mut stream = sf.query::<Id>("SELECT Id FROM Account").fetch();
        stream.try_next().await.unwrap();
        streams.push(stream);
    }
    let last = streams.swap_remove(0).collect::<Vec<_>>().await.pop().unwrap();
    assert!(matches!(last, Err(Error::CursorClosed { .. })), "{last:?}");
}

///
#[actix_web::test]
async fn a_declined_query_pauses_nothing_and_amounts_of_money_are_understood() {
    let app = app(5, json!({ "declined_queries": ["Declined"] })).await;
    let sf = app.connection().await.with_retry(Retry::none());
    for _ in 0..3 {
        let error = sf.query::<Id>("SELECT Id FROM Account WHERE Name = 'Declined'").fetch_all().await;
        assert!(matches!(error, Err(Error::Api { status: 400, .. })), "{error:?}");
        let rows: Vec<Id> = sf
            .query("SELECT Id FROM Account WHERE AnnualRevenue > :least")
            .bind("least", Currency::new("USD", "-500.25"))
            .fetch_all()
            .await
            .unwrap();
        drop(rows);
    }
}
