//! What jobs do besides creating records, and what a lost response costs: nothing is loaded twice (F-27).

use std::time::{Duration, Instant};

use crate::support::{ADA, TestApp};
use actix_salesforce::{
    Connection, Error, SalesforceId,
    bulk::{BulkRecords, IngestJob, JobState},
    error::InvalidRequest,
    http::HttpError,
    request::Retry,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use salesforce_fake_org::{FakeOrg, Fault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const INGEST: &str = "/services/data/v66.0/jobs/ingest";
const QUERY: &str = "/services/data/v66.0/jobs/query";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    id: Option<SalesforceId>,
    name: String,
    phone: Option<String>,
}

fn account(name: &str) -> Account {
    Account { id: None, name: name.to_owned(), phone: Some("1".to_owned()) }
}

async fn all<T>(rows: BulkRecords<T>) -> Result<Vec<T>, Error> {
    rows.try_collect().await
}

/// New accounts of these names, made one by one.
async fn made(sf: &Connection, names: &[&str]) -> Vec<SalesforceId> {
    let new = names.iter().map(|name| account(name));
    let saved = sf.sobject("Account").create_many(new).await.unwrap();
    saved.into_iter().map(|saved| saved.unwrap().id).collect()
}

/// How many there are, and how many with those in the recycle bin.
async fn count(sf: &Connection, name: &str) -> (u64, u64) {
    let query = || sf.query::<()>("SELECT COUNT() FROM Account WHERE Name = :name").bind("name", name);
    (query().count().await.unwrap(), query().include_deleted().count().await.unwrap())
}

/// The only job, of which all records were looked at and so many refused.
fn only(jobs: &[IngestJob], processed: u64, failed: u64) -> &IngestJob {
    let [job] = jobs else { panic!("{jobs:?}") };
    let info = job.info();
    assert_eq!(
        (info.state, info.records_processed, info.records_failed),
        (JobState::JobComplete, processed, failed)
    );
    job
}

/// What a new job says of itself.
fn announced(app: &TestApp) -> Value {
    let requests = app.org.requests();
    let posts: Vec<_> =
        requests.iter().filter(|request| request.method == "POST" && request.path == INGEST).collect();
    assert_eq!(posts.len(), 1);
    serde_json::from_str(&posts[0].body).unwrap()
}

#[actix_web::test]
async fn records_are_changed_each_by_its_id() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let ids = made(&sf, &["Before", "Before too"]).await;
    let gone: SalesforceId = "001D000000IqhSLIAZ".parse().unwrap();
    // As in `update_many`: a field that the record does not have stays as it is, null empties it.
    let changes = [
        json!({ "Id": ids[0], "Name": "After" }),
        json!(Account { id: Some(ids[1]), phone: None, ..account("After too") }),
        json!(Account { id: Some(gone), ..account("Absent") }),
    ];
    app.org.clear_requests();
    let jobs = sf.bulk("Account").update(stream::iter(changes)).await.unwrap();
    assert_eq!(announced(&app)["operation"], "update");
    let job = only(&jobs, 3, 1);
    let changed = all(job.successful::<Account>()).await.unwrap();
    assert_eq!(
        changed.iter().map(|row| (row.id, row.created)).collect::<Vec<_>>(),
        [(ids[0], false), (ids[1], false)]
    );
    let refused = all(job.failed::<Account>()).await.unwrap();
    assert_eq!((refused[0].id, refused[0].record.name.as_str()), (Some(gone), "Absent"));
    let rows: Vec<Account> = sf
        .query("SELECT Name, Phone FROM Account WHERE Id IN :ids ORDER BY Name")
        .bind("ids", &ids)
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(rows, [account("After"), Account { phone: None, ..account("After too") }]);
}

#[actix_web::test]
async fn records_are_upserted_by_an_external_id() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Keyed {
        #[serde(rename = "ExternalKey__c")]
        key: String,
        #[serde(rename = "Name")]
        name: String,
    }
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let keyed = |key: &str, name: &str| Keyed { key: key.to_owned(), name: name.to_owned() };
    let known = sf.sobject("Account").create(&keyed("bulk-1", "Before")).await.unwrap();
    app.org.clear_requests();
    let records = stream::iter([keyed("bulk-1", "After"), keyed("bulk-2", "New")]);
    let jobs = sf.bulk("Account").upsert("ExternalKey__c", records).await.unwrap();
    let announced = announced(&app);
    assert_eq!(
        (&announced["operation"], &announced["externalIdFieldName"]),
        (&json!("upsert"), &json!("ExternalKey__c"))
    );
    let rows = all(only(&jobs, 2, 0).successful::<Keyed>()).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.record.key.as_str(), row.created)).collect::<Vec<_>>(),
        [("bulk-1", false), ("bulk-2", true)]
    );
    assert_eq!(rows[0].id, known);
    assert_eq!(
        (count(&sf, "Before").await.0, count(&sf, "After").await.0, count(&sf, "New").await.0),
        (0, 1, 1)
    );

    app.org.clear_requests();
    let wrong = sf.bulk("Account").upsert("a b", stream::iter([keyed("x", "x")])).await.unwrap_err();
    assert!(matches!(wrong.source, Error::InvalidRequest(InvalidRequest::Name(_))), "{wrong:?}");
    assert!(app.org.requests().is_empty());
}

#[actix_web::test]
async fn csv_changes_records_as_it_is() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let ids = made(&sf, &["One", "Two"]).await;
    app.org.clear_requests();
    let csv = format!("Id,Name\r\n{},\"One, changed\"\r\n{},Two\r\n", ids[0], ids[1]);
    let pieces: Vec<_> =
        csv.as_bytes().chunks(7).map(Bytes::copy_from_slice).map(Ok::<_, std::io::Error>).collect();
    let jobs = sf.bulk("Account").update_csv(stream::iter(pieces)).await.unwrap();
    let announced = announced(&app);
    assert_eq!((&announced["operation"], &announced["lineEnding"]), (&json!("update"), &json!("CRLF")));
    only(&jobs, 2, 0);
    assert_eq!((count(&sf, "One").await.0, count(&sf, "One, changed").await.0), (0, 1));
}

#[actix_web::test]
async fn deleted_records_are_in_the_recycle_bin_and_hard_deleted_ones_nowhere() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let ids = made(&sf, &["Deleted", "Hard deleted"]).await;
    only(&sf.bulk("Account").delete(stream::iter([ids[0]])).await.unwrap(), 1, 0);
    app.org.clear_requests();
    let jobs = sf.bulk("Account").hard_delete(stream::iter([ids[1], ids[0]])).await.unwrap();
    assert_eq!(announced(&app)["operation"], "hardDelete");
    let refused = all(only(&jobs, 2, 1).failed::<Value>()).await.unwrap();
    assert_eq!(refused[0].id, Some(ids[0]), "{refused:?}");
    assert_eq!((count(&sf, "Deleted").await, count(&sf, "Hard deleted").await), ((0, 1), (0, 0)));
}

#[actix_web::test]
async fn an_assignment_rule_is_named_to_the_job() {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Lead {
        last_name: String,
        company: String,
    }
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let lead = || stream::iter([Lead { last_name: "Moss".into(), company: "Acme".into() }]);
    for rule in [None, Some("01QD0000000EqAn".parse::<SalesforceId>().unwrap())] {
        app.org.clear_requests();
        let bulk = sf.bulk("Lead");
        let bulk = match rule {
            Some(rule) => bulk.assignment_rule(rule),
            None => bulk,
        };
        only(&bulk.insert(lead()).await.unwrap(), 1, 0);
        assert_eq!(announced(&app).get("assignmentRuleId"), rule.map(|rule| json!(rule)).as_ref());
    }
}

/// A job that was stopped before its turn gives back what it did not get to.
#[actix_web::test]
async fn a_job_can_be_stopped_and_forgotten() {
    let org = FakeOrg::builder().bulk_delay(Duration::from_secs(60)).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let new = [account("Stopped"), account("a,\"b\"\nc")];
    let mut jobs = sf.bulk("Account").detached().insert(stream::iter(new.clone())).await.unwrap();
    let mut job = jobs.pop().unwrap();
    let early = job.clone().delete().await.unwrap_err();
    assert_eq!(
        (early.status(), &*early.api_errors()[0].code),
        (Some(400), "INVALIDJOBSTATE"),
        "it is not over"
    );
    job.abort().await.unwrap();
    assert_eq!(job.info().state, JobState::Aborted);
    app.org.advance(Duration::from_secs(120));
    let error = job.wait(Duration::from_secs(5)).await.unwrap_err();
    assert!(matches!(error, Error::JobFailed { state: JobState::Aborted, .. }), "{error:?}");
    assert_eq!(all(job.unprocessed::<Account>()).await.unwrap(), new);
    assert!(all(job.successful::<Account>()).await.unwrap().is_empty());
    assert_eq!(count(&sf, "Stopped").await, (0, 0));
    let again = job.abort().await.unwrap_err();
    assert_eq!(&*again.api_errors()[0].code, "INVALIDJOBSTATE");

    let mut known = sf.ingest_job(job.info().id).unwrap();
    job.delete().await.unwrap();
    assert_eq!(known.refresh().await.unwrap_err().status(), Some(404));
    assert_eq!(all(known.unprocessed::<Account>()).await.unwrap_err().status(), Some(404));
}

/// The requests to jobs since the log was emptied: method and the end of the path.
fn asked(app: &TestApp) -> Vec<String> {
    let asked = |request: &salesforce_fake_org::Request| {
        format!("{} {}", request.method, request.path.rsplit('/').next().unwrap())
    };
    app.org.requests().iter().filter(|request| request.path.contains("/jobs/")).map(asked).collect()
}

/// F-27: a job may have been made although no response says so. A second one would load the records twice.
#[actix_web::test]
async fn a_job_whose_response_is_lost_is_not_made_twice() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    for (fault, status) in [
        (Fault::LoseResponse, None),
        (Fault::ResetBeforeResponse, None),
        (Fault::Status(502), Some(502)),
        (Fault::Status(503), Some(503)),
        (Fault::Status(504), Some(504)),
    ] {
        app.org.faults().clear();
        app.org.clear_requests();
        app.org.faults().path(INGEST, fault.clone().once());
        let error = sf.bulk("Account").insert(stream::iter([account("Once")])).await.unwrap_err();
        assert!(error.jobs.is_empty(), "{fault:?}: {error:?}");
        assert_eq!(asked(&app), ["POST ingest"], "{fault:?}");

        app.org.clear_requests();
        app.org.faults().path(QUERY, fault.clone().once());
        let query = sf.query::<Account>("SELECT Name, Phone FROM Account");
        let not_started = query.start_bulk().await.unwrap_err();
        assert_eq!(asked(&app), ["POST query"], "{fault:?}");
        for error in [error.source, not_started] {
            let lost =
                matches!(&error, Error::Http(error @ HttpError::ConnectionLost(_)) if !error.was_not_sent());
            assert_eq!((lost, error.status()), (status.is_none(), status), "{fault:?}: {error:?}");
            assert!(error.is_transient(), "{fault:?}");
        }
    }
    assert_eq!(count(&sf, "Once").await, (0, 0));
}

/// F-27: a job takes its data once, whatever the connection says of its calls. It is ended, so that it never runs.
#[actix_web::test]
async fn data_whose_response_is_lost_is_not_sent_twice() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let always = sf.with_retry(Retry::default().initial_backoff(Duration::from_millis(1)).idempotent(true));
    for (sf, fault, status) in [
        (&sf, Fault::LoseResponse, None),
        (&always, Fault::LoseResponse, None),
        (&always, Fault::ResetBeforeResponse, None),
        (&always, Fault::Status(503), Some(503)),
    ] {
        app.org.faults().clear();
        app.org.clear_requests();
        app.org.faults().path(INGEST, fault.clone().times(1).skip(1));
        let error = sf.bulk("Account").insert(stream::iter([account("Once")])).await.unwrap_err();
        let lost = matches!(error.source, Error::Http(HttpError::ConnectionLost(_)));
        assert_eq!((lost, error.source.status()), (status.is_none(), status), "{fault:?}: {error:?}");
        let asked = asked(&app);
        assert_eq!(asked.len(), 3, "{fault:?}: {asked:?}");
        assert_eq!(asked[..2], ["POST ingest", "PUT batches"], "{fault:?}");
        assert!(asked[2].starts_with("PATCH 750"), "{fault:?}: {asked:?}");
        assert!(app.org.requests().last().unwrap().body.contains("Aborted"), "{fault:?}");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(&sf, "Once").await, (0, 0));
}

/// Four pages at a time: no fewer, and no more, however many there are.
#[actix_web::test]
async fn four_pages_are_read_side_by_side_and_no_more() {
    const PAGES: usize = 12;
    const DELAY: Duration = Duration::from_millis(1_500);
    let org = FakeOrg::builder().rows(PAGES as u64 * 100).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let mut job =
        sf.query::<Account>("SELECT Name, Phone FROM Account ORDER BY Name").start_bulk().await.unwrap();
    job.wait(Duration::from_secs(60)).await.unwrap();
    let (pages, results) =
        (format!("{QUERY}/{}/resultPages", job.info().id), format!("{QUERY}/{}/results", job.info().id));
    // Pages of a hundred rows, where Salesforce would choose larger ones: the first list only says where lists of such
    // are.
    let lists = || {
        let first =
            json!({ "resultPages": [], "nextRecordsUrl": format!("{pages}?maxRecords=100"), "done": false });
        app.org.faults().path(&pages, Fault::Json(first).once());
    };
    let asked = || app.org.requests().iter().filter(|request| request.path == results).count();
    app.org.faults().path(&results, Fault::Delay(DELAY));

    lists();
    app.org.clear_requests();
    let started = Instant::now();
    let names: Vec<String> = job.rows::<Account>().map_ok(|row| row.name).try_collect().await.unwrap();
    let took = started.elapsed();
    assert_eq!((names.len(), asked()), (PAGES * 100, PAGES));
    assert!(names.is_sorted());
    assert!(took < DELAY * PAGES as u32 / 2, "{PAGES} pages of {DELAY:?} took {took:?}");

    lists();
    app.org.clear_requests();
    let mut rows = job.rows::<Account>();
    assert!(asked() == 0 && rows.next().await.unwrap().is_ok());
    tokio::time::sleep(DELAY * 2).await;
    assert_eq!(asked(), 4, "one that is read, three ahead");
    for _ in 0..100 {
        assert!(rows.next().await.unwrap().is_ok());
    }
    tokio::time::sleep(DELAY * 2).await;
    assert_eq!(asked(), 5, "one more for one that was read");
    drop(rows);
    tokio::time::sleep(DELAY * 2).await;
    assert_eq!(asked(), 5, "no request for an empty list");
}
