//! Bulk API 2.0 over HTTP: loading and reading by jobs.

use std::time::Duration;

use crate::support::{ADA, Client, TestApp, app::listen, reserve, serve, settings_for};
use actix_salesforce::{
    Error, SalesforceConn,
    bulk::{BulkRecords, ColumnDelimiter, JobState},
    error::InvalidRequest,
    http::HttpError,
    request::Retry,
};
use actix_web::{App, Responder, get, web::Path};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
    phone: Option<String>,
}

fn account(name: impl Into<String>) -> Account {
    Account { name: name.into(), phone: None }
}

/// All rows of a stream.
async fn all<T>(rows: BulkRecords<T>) -> Result<Vec<T>, Error> {
    rows.try_collect().await
}

#[actix_web::test]
async fn records_are_loaded_in_as_many_jobs_as_they_need() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let names = ["0123", "a,b", "\"q\"", "two\nlines", "ümläut"].map(str::to_owned);
    let many = names.iter().cloned().chain((0..3_000).map(|n| format!("Zebra {n}"))).map(account);
    let jobs = sf.bulk("Account").job_bytes(20_000).insert(stream::iter(many)).await.unwrap();
    assert!(jobs.len() >= 2, "{} jobs", jobs.len());
    assert!(jobs.iter().all(|job| job.info().state == JobState::JobComplete), "{jobs:?}");
    let loaded = all(jobs[0].successful::<Account>()).await.unwrap();
    assert_eq!(loaded.iter().take(5).map(|row| row.record.name.clone()).collect::<Vec<_>>(), names);
    assert!(loaded.iter().all(|row| row.created));
    let all: u64 = jobs.iter().map(|job| job.info().records_processed).sum();
    assert_eq!(all, 3_005);

    let query = sf.query::<Account>("SELECT Name, Phone FROM Account WHERE Name LIKE :name ORDER BY Name");
    let read: Vec<_> = query
        .bind("name", actix_salesforce::soql::Like::starts_with("Zebra "))
        .fetch_bulk()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(read.len(), 3_000);
    assert_eq!(read[0], account("Zebra 0"));
}

#[actix_web::test]
async fn refused_records_come_back_with_their_reasons() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let new = [account("Good"), account(""), account("Good too")];
    let jobs = sf.bulk("Account").insert(stream::iter(new)).await.unwrap();
    let refused = all(jobs[0].failed::<Account>()).await.unwrap();
    assert_eq!((jobs[0].info().records_failed, refused.len()), (1, 1));
    assert!(refused[0].error.contains("REQUIRED_FIELD_MISSING"), "{refused:?}");
    assert!(all(jobs[0].unprocessed::<Account>()).await.unwrap().is_empty());
    let ids = all(jobs[0].successful::<Account>()).await.unwrap().into_iter().map(|row| row.id);
    let deleted = sf.bulk("Account").delete(stream::iter(ids.collect::<Vec<_>>())).await.unwrap();
    assert_eq!((deleted[0].info().records_processed, deleted[0].info().records_failed), (2, 0));
    let again = sf.ingest_job(deleted[0].info().id).unwrap();
    assert!(all(again.failed::<serde_json::Value>()).await.unwrap().is_empty());
    assert!(sf.ingest_job("../x").is_err());
}

#[actix_web::test]
async fn jobs_that_were_made_before_a_failure_are_not_forgotten() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    // Creating, filling and closing the first job are three calls.
    app.org.faults().path("/services/data/v66.0/jobs/ingest", Fault::Status(500).times(100).skip(3));
    let many = (0..2_000).map(|n| account(format!("Quagga {n}")));
    let error = sf.bulk("Account").job_bytes(2_000).insert(stream::iter(many)).await.unwrap_err();
    assert_eq!((error.jobs.len(), error.source.status()), (1, Some(500)), "{error:?}");
    app.org.faults().clear();
    let mut job = error.jobs.into_iter().next().unwrap();
    while !job.refresh().await.unwrap().state.is_final() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(job.info().records_processed > 0);
}

#[actix_web::test]
async fn a_query_that_cannot_run_as_a_job_is_a_typed_error() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    for soql in [
        "SELECT COUNT(Id) FROM Account",
        "SELECT Nonsense FROM Account",
        "SELECT Name FROM Account WHERE Name = :x",
    ] {
        let mut rows = sf.query::<Account>(soql).fetch_bulk();
        assert!(rows.next().await.unwrap().is_err(), "{soql}");
        assert!(rows.next().await.is_none(), "{soql}: the error is the last item");
    }
    for fault in [Fault::Garbage, Fault::Html, Fault::Empty200] {
        app.org.faults().clear();
        app.org.faults().at(Route::Api, fault.clone());
        let rows: Result<Vec<_>, _> =
            sf.query::<Account>("SELECT Name FROM Account").fetch_bulk().try_collect().await;
        assert!(rows.is_err(), "{fault:?}");
        assert!(sf.bulk("Account").insert(stream::iter([account("x")])).await.is_err(), "{fault:?}");
    }
}

/// CSV as it comes, in pieces that know nothing of records, cut into jobs between records.
#[actix_web::test]
async fn csv_is_loaded_as_it_is() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    for (end, delimiter, sign) in
        [("\n", ColumnDelimiter::Comma, ","), ("\r\n", ColumnDelimiter::Semicolon, ";")]
    {
        let mut csv = format!("\u{feff}Name{sign}Phone{end}");
        for n in 0..500 {
            csv.push_str(&format!(
                "\"Zorilla {n}{end}of two lines, {sign} and \"\"quotes\"\"\"{sign}{n}{end}"
            ));
        }
        csv.push_str(&format!("Zorilla without end{sign}1"));
        for size in [1, 1_000, usize::MAX] {
            let pieces = csv
                .as_bytes()
                .chunks(size.min(csv.len()))
                .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
            let pieces: Vec<_> = pieces.collect();
            let bulk = sf.bulk("Account").delimiter(delimiter).job_bytes(10_000);
            let jobs = bulk.insert_csv(stream::iter(pieces)).await.unwrap();
            assert!(jobs.len() >= 3, "{} jobs", jobs.len());
            assert_eq!(jobs.iter().map(|job| job.info().records_processed).sum::<u64>(), 501);
            assert_eq!(jobs.iter().map(|job| job.info().records_failed).sum::<u64>(), 0);
            let found = sf
                .query::<()>("SELECT COUNT() FROM Account WHERE Name LIKE 'Zorilla%'")
                .count()
                .await
                .unwrap();
            assert_eq!(found, 501, "{size}");
            let ids = sf
                .query::<serde_json::Value>("SELECT Id FROM Account WHERE Name LIKE 'Zorilla%'")
                .fetch_all()
                .await
                .unwrap();
            let ids: Vec<_> = ids.iter().map(|row| row["Id"].as_str().unwrap().parse().unwrap()).collect();
            sf.bulk("Account").delete(stream::iter(ids)).await.unwrap();
        }
    }
    let none: Vec<Result<Bytes, std::io::Error>> = Vec::new();
    assert!(sf.bulk("Account").insert_csv(stream::iter(none)).await.unwrap().is_empty());
    let head_only = [Ok::<_, std::io::Error>(Bytes::from_static(b"Name\n"))];
    assert!(sf.bulk("Account").insert_csv(stream::iter(head_only)).await.unwrap().is_empty());
    let broken = [Ok(Bytes::from_static(b"Name\nA\n")), Err(std::io::Error::other("the disk is gone"))];
    let error = sf.bulk("Account").insert_csv(stream::iter(broken)).await.unwrap_err();
    assert!(matches!(error.source, Error::InvalidRequest(InvalidRequest::Source(_))), "{error:?}");
    let keyed = [Ok::<_, std::io::Error>(Bytes::from_static(b"Name,ExternalKey__c\nA,k-1\nB,k-2\n"))];
    let jobs = sf.bulk("Account").upsert_csv("ExternalKey__c", stream::iter(keyed)).await.unwrap();
    assert_eq!(all(jobs[0].successful::<Account2>()).await.unwrap().len(), 2);
}

#[derive(Debug, Deserialize)]
struct Account2 {
    #[serde(rename = "Name")]
    _name: String,
}

/// A job that fails as a whole is an error, not a list of jobs to look through.
#[actix_web::test]
async fn a_job_that_fails_is_an_error_that_says_why() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let wrong = [Ok::<_, std::io::Error>(Bytes::from_static(b"Name,Nonsense\ncanary,1\n"))];
    let error = sf.bulk("Account").insert_csv(stream::iter(wrong)).await.unwrap_err();
    let Error::JobFailed { id, state: JobState::Failed, errors: entries, .. } = &error.source else {
        panic!("{error:?}")
    };
    assert_eq!((id, entries[0].code.as_str()), (&error.jobs[0].info().id, "InvalidBatch"));
    assert!(entries[0].message.contains("Nonsense"));
    assert!(!format!("{error} {error:?} {}", error.source).contains("Nonsense"), "{error:?}");
    assert!(!error.source.is_transient());
}

/// A job can be left alone and found again.
#[actix_web::test]
async fn a_job_can_be_waited_for_later() {
    let org = FakeOrg::builder().bulk_delay(Duration::from_secs(2)).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let jobs = sf.bulk("Account").detached().insert(stream::iter([account("Later")])).await.unwrap();
    assert!(!jobs[0].info().state.is_final());
    let mut again = sf.ingest_job(jobs[0].info().id).unwrap();
    let early = again.wait(Duration::from_millis(600)).await.unwrap_err();
    assert!(matches!(&early, Error::JobTimedOut { id, .. } if *id == jobs[0].info().id), "{early:?}");
    let ended = again.wait(Duration::MAX).await.expect("for as long as it takes");
    assert_eq!(ended.records_processed, 1);
    let impatient =
        sf.bulk("Account").timeout(Duration::from_millis(100)).insert(stream::iter([account("x")]));
    let error = impatient.await.unwrap_err();
    assert!(matches!(error.source, Error::JobTimedOut { .. }) && error.jobs.len() == 1, "{error:?}");

    let mut job = sf.query::<Account>("SELECT Name, Phone FROM Account").start_bulk().await.unwrap();
    assert!(matches!(job.wait(Duration::ZERO).await, Err(Error::JobTimedOut { .. })));
    job.abort().await.unwrap();
    let error = job.wait(Duration::from_secs(5)).await.unwrap_err();
    assert!(matches!(error, Error::JobFailed { state: JobState::Aborted, .. }), "{error:?}");
    let job = sf.query::<Account>("SELECT Name, Phone FROM Account").start_bulk().await.unwrap();
    let mut job = sf.query_job(job.info().id).unwrap();
    job.wait(Duration::from_secs(20)).await.unwrap();
    assert_eq!(all(job.rows::<Account>()).await.unwrap().len() as u64, job.info().records_processed);
    assert!(sf.query_job("../x").is_err());
    let gone = sf.query_job(job.info().id).unwrap();
    job.delete().await.unwrap();
    assert_eq!(all(gone.rows::<Account>()).await.unwrap_err().status(), Some(404));
}

#[get("/load/{field}")]
async fn load(sf: SalesforceConn, field: Path<String>) -> Result<impl Responder, Error> {
    let csv = format!("{field}\ncanary\n");
    let csv = stream::iter([Ok::<_, std::io::Error>(Bytes::from(csv))]);
    let jobs = sf.bulk("Account").timeout(Duration::from_secs(1)).insert_csv(csv).await?;
    Ok(jobs[0].info().records_processed.to_string())
}

/// What became of a job reaches the caller that waits for it: it was given up, or goes on.
#[actix_web::test]
async fn a_job_that_failed_and_one_that_goes_on_have_separate_responses() {
    for (field, delay, status, says) in [
        ("Name", Duration::ZERO, 200, "1"),
        ("Nonsense", Duration::ZERO, 422, "job_failed"),
        ("Name", Duration::from_secs(60), 504, "job_unfinished"),
    ] {
        let org = FakeOrg::builder().bulk_delay(delay).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let (listener, url) = reserve();
        let salesforce = settings_for(&org, &url).build().await.unwrap();
        let _app = serve(listener, move |listener| {
            listen!(listener, 2, move || App::new().service(load).wrap(salesforce.clone()))
        });
        let page = Client::new().visit(&format!("{url}/load/{field}")).await;
        assert_eq!(page.status, status, "{page:?}");
        let browser = Client::new();
        browser.visit(&format!("{url}/load/Name")).await;
        let response = browser.fetch(&format!("{url}/load/{field}")).await;
        assert_eq!(response.status, status, "{response:?}");
        assert!(response.body.contains(says), "{response:?}");
        assert!(!response.body.contains("canary") && !response.body.contains("Nonsense"), "{response:?}");
        assert!(
            response.headers.iter().all(|(name, _)| name != "retry-after"),
            "the same again is another job"
        );
    }
}

/// Many pages side by side, in their order, and not further ahead than a few.
#[actix_web::test]
async fn pages_of_a_query_are_read_side_by_side_in_their_order() {
    let org = FakeOrg::builder().rows(120_000).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let mut job =
        sf.query::<Account>("SELECT Name, Phone FROM Account ORDER BY Name").start_bulk().await.unwrap();
    job.wait(Duration::from_secs(60)).await.unwrap();
    app.org.clear_requests();
    let names: Vec<String> = job.rows::<Account>().map_ok(|row| row.name).try_collect().await.unwrap();
    assert_eq!(names.len(), 120_000);
    assert!(names.is_sorted());
    let asked: Vec<_> = app.org.requests().iter().map(|request| request.path.clone()).collect();
    assert!(asked[0].ends_with("/resultPages"), "{asked:?}");
    assert_eq!(asked.iter().filter(|path| path.ends_with("/results")).count(), 3);

    // A page that breaks off, or is shorter than it says, is an error; the stream ends with it.
    for fault in [
        Fault::ResetMidBody,
        Fault::ShortBody,
        Fault::RawBody {
            status: 200,
            content_type: "text/csv".into(),
            body: b"Name,Phone\nx\n".to_vec().into(),
        },
    ] {
        app.org.faults().clear();
        app.org.faults().path(
            &format!("/services/data/v66.0/jobs/query/{}/results", job.info().id),
            fault.clone().times(99).skip(1),
        );
        let rows: Vec<_> = job.rows::<Account>().collect().await;
        assert!(rows.last().unwrap().is_err(), "{fault:?}");
        assert_eq!(rows.iter().filter(|row| row.is_err()).count(), 1, "{fault:?}");
    }
}

/// A-27 for jobs: a response cannot lead elsewhere.
#[actix_web::test]
async fn a_hostile_list_of_pages_leads_nowhere() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let mut job = sf.query::<Account>("SELECT Name, Phone FROM Account").start_bulk().await.unwrap();
    job.wait(Duration::from_secs(20)).await.unwrap();
    let stranger = FakeOrg::start().await.unwrap();
    let evil = stranger.instance_url();
    for url in [
        format!("{evil}/services/data/v66.0/jobs/query/{}/results", job.info().id),
        "//evil.example/services/data/x".into(),
        "/services/data/v66.0/jobs/query/750000000000001AAA/results".into(),
        format!("/services/data/v66.0/jobs/query/{}/../../../query", job.info().id),
        "/services/oauth2/userinfo".into(),
        String::new(),
    ] {
        let list = serde_json::json!({ "resultPages": [{ "resultUrl": url }], "done": true });
        let next = serde_json::json!({ "resultPages": [], "nextRecordsUrl": url, "done": false });
        for response in [list, next] {
            app.org.faults().clear();
            app.org.faults().at(Route::Api, Fault::Json(response));
            app.org.clear_requests();
            let error = all(job.rows::<Account>()).await.unwrap_err();
            assert!(matches!(error, Error::InvalidResponse(_)), "{url}: {error:?}");
            assert_eq!(app.org.requests().len(), 1, "{url}");
        }
    }
    assert!(stranger.requests().is_empty());
}

/// A stream that is dropped asks for nothing more.
#[actix_web::test]
async fn results_without_a_reader_are_not_fetched() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let jobs = sf.bulk("Account").insert(stream::iter([account("One"), account("")])).await.unwrap();
    app.org.clear_requests();
    drop(jobs[0].successful::<Account>());
    let mut failed = jobs[0].failed::<Account>();
    assert!(app.org.requests().is_empty(), "nothing before the first poll");
    assert!(failed.next().await.unwrap().is_ok());
    assert_eq!(app.org.requests().len(), 1);
    // Fewer rows than the job says it refused.
    app.org.faults().at(
        Route::Api,
        Fault::RawBody {
            status: 200,
            content_type: "text/csv".into(),
            body: b"sf__Id,sf__Error,Name,Phone\n".to_vec().into(),
        },
    );
    assert!(matches!(all(jobs[0].failed::<Account>()).await, Err(Error::InvalidResponse(_))));
}

/// rows that come at a byte a second are not waited for until the next year.
#[actix_web::test]
async fn results_that_drip_are_cut_off() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let mut job = sf.query::<Account>("SELECT Name, Phone FROM Account").start_bulk().await.unwrap();
    job.wait(Duration::from_secs(60)).await.unwrap();
    let results = format!("/services/data/v{}/jobs/query/{}/results", sf.api_version(), job.info().id);
    app.org.faults().path(&results, Fault::Drip);
    let mut rows = job.rows::<Account>();
    let mut passed = 0;
    let last = loop {
        // A second of the fake org's is ten of the crate's.
        tokio::select! {
            row = rows.next() => match row {
                Some(Ok(_)) => {}
                last => break last,
            },
            () = tokio::time::sleep(Duration::from_millis(500)) => {
                passed += 1;
                assert!(passed < 30, "it is still read");
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(5)).await;
                tokio::time::resume();
            }
        }
    };
    assert!(matches!(last, Some(Err(Error::Http(HttpError::TooSlow)))), "{last:?}");
}

/// Before version 58 there are no lists of pages.
#[actix_web::test]
async fn an_older_version_reads_one_page_after_the_other() {
    let org = FakeOrg::builder().rows(60_000).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder.api_version("57.0")).await;
    let sf = app.connection().await;
    let rows = sf.query::<Account>("SELECT Name, Phone FROM Account").fetch_bulk();
    assert_eq!(all(rows).await.unwrap().len(), 60_000);
    assert_eq!(app.org.requests().iter().filter(|request| request.path.ends_with("/results")).count(), 2);
}

/// A job takes minutes or hours; one response that is lost on the way does not end the wait.
#[actix_web::test]
async fn a_wait_outlives_an_outage() {
    let org = FakeOrg::builder().bulk_delay(Duration::from_secs(2)).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await.with_retry(Retry::none());
    let mut jobs = sf.bulk("Account").detached().insert(stream::iter([account("Later")])).await.unwrap();
    let job = format!("/services/data/v{}/jobs/ingest/{}", sf.api_version(), jobs[0].info().id);
    let lost = app.org.faults().path(&job, Fault::ResetBeforeResponse.once());
    let busy = app.org.faults().path(&job, Fault::RetryAfter { status: 503, seconds: 1 }.once());
    let ended = jobs[0].wait(Duration::from_secs(20)).await.expect("it goes on");
    assert_eq!(ended.records_processed, 1);
    assert_eq!((lost.hits(), busy.hits()), (1, 1));
}
