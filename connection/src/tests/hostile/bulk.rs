//! Invalid and hostile responses to the requests of a bulk job: never read as an empty result.

use futures_util::{TryStreamExt as _, stream};

use crate::tests::*;
use crate::{
    bulk::{job::JobState, records::BulkRecords},
    error::Error,
    tests::hostile::{ID, Row, assert_nothing_leaks, http_response},
};

pub(super) const JOB: &str = "750D00000004SkGIAU";
pub(super) const CSV: &str = "Content-Type: text/csv\r\n";

pub(super) fn job(id: &str) -> Value {
    json!({"id": id, "state": "JobComplete", "numberRecordsProcessed": 0, "numberRecordsFailed": 0})
}

/// Starts an org whose job is complete, and whose pages of rows are these bytes.
async fn org_with_pages(page: Vec<u8>) -> Server {
    Server::start(move |request| match request.target.rsplit('/').next().unwrap_or_default() {
        "resultPages" => {
            let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
            json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
        }
        JOB => job(JOB).into(),
        _ => Reply::Raw(page.clone()),
    })
    .await
}

pub(super) async fn all<T>(rows: BulkRecords<T>) -> crate::error::Result<usize> {
    rows.try_fold(0, |n, _| async move { Ok(n + 1) }).await
}

/// Reads the page in each way in which rows are read.
async fn outcomes(page: Vec<u8>) -> Vec<(&'static str, crate::error::Result<usize>)> {
    let server = org_with_pages(page).await;
    let sf = connect(&server);
    let old = connect_with(&server, [], "57.0".parse().unwrap());
    let mut ingest = sf.ingest_job(JOB).unwrap();
    ingest.refresh().await.unwrap();
    vec![
        ("pages", all(sf.query_job(JOB).unwrap().rows::<Row>()).await),
        ("one after the other", all(old.query_job(JOB).unwrap().rows::<Row>()).await),
        ("successful", all(ingest.successful::<Row>()).await),
        ("failed", all(ingest.failed::<Row>()).await),
        ("unprocessed", all(ingest.unprocessed::<Row>()).await),
    ]
}

#[tokio::test]
async fn a_body_that_is_not_csv_is_an_error_and_not_an_empty_result() {
    let page = "<html><body>canary</body></html>";
    for (what, response) in [
        ("a page", http_response(200, "Content-Type: text/html;charset=UTF-8\r\n", page)),
        ("a page with the type of CSV", http_response(200, CSV, page)),
        ("a page without content type", http_response(200, "", format!("\n  <!DOCTYPE html>\n{page}"))),
        ("a word", http_response(200, "Content-Type: text/plain\r\n", "canary")),
        ("JSON", http_response(200, "Content-Type: application/json\r\n", "[]")),
        ("JSON with the type of CSV", http_response(200, CSV, r#"{"canary":"canary"}"#)),
        ("no content", http_response(204, "", "")),
        ("another success", http_response(202, CSV, "Name\n")),
    ] {
        for (how, outcome) in outcomes(response).await {
            // Results without a body are results without records, if none are announced.
            if what == "no content" && ["successful", "failed", "unprocessed"].contains(&how) {
                assert_eq!(outcome.unwrap(), 0, "{how}");
                continue;
            }
            let error = outcome.expect_err(&format!("{what}, {how}"));
            assert!(matches!(error, Error::InvalidResponse(_)), "{what}, {how}: {error:?}");
            assert_nothing_leaks(how, what, &error);
        }
    }
}

/// Salesforce always sends the number of a page's rows, and the locator of the next page.
#[tokio::test]
async fn a_page_without_its_number_of_rows_or_locator_is_not_the_end() {
    let number = "Sforce-NumberOfRecords: 1\r\n";
    let locator = "Sforce-Locator: null\r\n";
    let row = "Name\nx\n";
    for (what, headers, body, by_pages, one_by_one) in [
        ("both", format!("{CSV}{number}{locator}"), row, true, true),
        ("no rows", format!("{CSV}Sforce-NumberOfRecords: 0\r\n{locator}"), "", true, true),
        ("no locator", format!("{CSV}{number}"), row, true, false),
        ("an empty locator", format!("{CSV}{number}Sforce-Locator: \r\n"), row, true, false),
        ("a locator of other letters", format!("{CSV}{number}Sforce-Locator: \u{e9}\r\n"), row, true, false),
        ("no number", format!("{CSV}{locator}"), row, false, false),
        ("an invalid number", format!("{CSV}Sforce-NumberOfRecords: x\r\n{locator}"), row, false, false),
        ("fewer rows", format!("{CSV}Sforce-NumberOfRecords: 2\r\n{locator}"), row, false, false),
        ("no rows of one", format!("{CSV}{number}{locator}"), "", false, false),
        ("the head of one", format!("{CSV}{number}{locator}"), "Name\n", false, false),
    ] {
        let outcomes = outcomes(http_response(200, &headers, body)).await;
        for ((how, outcome), is_valid) in outcomes.into_iter().zip([by_pages, one_by_one]) {
            match outcome {
                Ok(_) => assert!(is_valid, "{what}, {how}"),
                Err(error) => {
                    assert!(
                        !is_valid && matches!(error, Error::InvalidResponse(_)),
                        "{what}, {how}: {error:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_response_about_a_job_must_have_its_id_and_state() {
    for info in [
        job("canary"),
        job("../../../canary"),
        job(""),
        job(ID),
        json!({"state": "JobComplete"}),
        json!({"id": JOB}),
        json!({"id": JOB, "state": 7}),
        json!({"id": JOB, "state": "JobComplete", "numberRecordsProcessed": "canary"}),
        json!([]),
        Value::Null,
    ] {
        let response = info.clone();
        let server = Server::start(move |_| response.clone().into()).await;
        let sf = connect(&server);
        let mut ingest = sf.ingest_job(JOB).unwrap();
        let mut query = sf.query_job(JOB).unwrap();
        let mut outcomes = vec![
            ("refresh", ingest.refresh().await.err()),
            ("wait", ingest.wait(Duration::from_secs(5)).await.err()),
            ("abort", ingest.abort().await.err()),
            ("refresh a query", query.refresh().await.err()),
            ("wait for a query", query.wait(Duration::from_secs(5)).await.err()),
            ("abort a query", query.abort().await.err()),
            ("rows", all(query.rows::<Row>()).await.err()),
        ];
        if info != job(ID) {
            let loaded = sf.bulk("A").delete(stream::iter([ID.parse().unwrap()])).await;
            outcomes.push(("load", loaded.err().map(|error| error.source)));
            outcomes.push(("start", sf.query::<Row>("SELECT Name FROM A").start_bulk().await.err()));
        }
        for (name, error) in outcomes {
            let error = error.unwrap_or_else(|| panic!("{name}: {info}"));
            assert!(matches!(error, Error::InvalidResponse(_)), "{name}, {info}: {error:?}");
            assert_nothing_leaks(name, &info.to_string(), &error);
        }
    }
}

/// Only a complete job has rows. The state of any other job is fetched once, and is then an error.
#[tokio::test]
async fn an_unfinished_job_has_no_rows() {
    for state in ["UploadComplete", "InProgress", "Something"] {
        let server = Server::start(move |_| json!({"id": JOB, "state": state}).into()).await;
        let sf = connect(&server);
        let error = all(sf.query_job(JOB).unwrap().rows::<Row>()).await.unwrap_err();
        assert!(matches!(&error, Error::JobTimedOut { id } if id.as_str() == JOB), "{state}: {error:?}");
        assert_eq!(server.lines().len(), 1, "{state}");
    }
    let server = Server::start(|_| json!({"id": JOB, "state": "Aborted"}).into()).await;
    let sf = connect(&server);
    let error = all(sf.query_job(JOB).unwrap().rows::<Row>()).await.unwrap_err();
    assert!(matches!(&error, Error::JobFailed { state: JobState::Aborted, .. }), "{error:?}");
}

#[tokio::test]
async fn any_timeout_can_be_waited_for() {
    let server = Server::start(|_| job(JOB).into()).await;
    let sf = connect(&server);
    assert!(sf.query_job(JOB).unwrap().wait(Duration::MAX).await.is_ok());
    assert!(sf.ingest_job(JOB).unwrap().wait(Duration::MAX).await.is_ok());
}
