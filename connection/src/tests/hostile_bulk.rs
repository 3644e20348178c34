//! Wrong and hostile answers to the calls of a bulk job: never taken for rows that are not there.

use futures_util::{TryStreamExt as _, stream};

use crate::tests::*;
use crate::{
    bulk::{job::JobState, records::BulkRecords},
    error::Error,
    tests::hostile::{ID, Row, answer, check},
};

pub(crate) const JOB: &str = "750D00000004SkGIAU";
pub(crate) const CSV: &str = "Content-Type: text/csv\r\n";

pub(crate) fn job(id: &str) -> Value {
    json!({"id": id, "state": "JobComplete", "numberRecordsProcessed": 0, "numberRecordsFailed": 0})
}

/// An organization whose job is done, and whose pages of rows are these bytes.
async fn pages_are(page: Vec<u8>) -> Server {
    Server::start(move |seen| match seen.target.rsplit('/').next().unwrap_or_default() {
        "resultPages" => {
            let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
            json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
        }
        JOB => job(JOB).into(),
        _ => Reply::Raw(page.clone()),
    })
    .await
}

pub(crate) async fn all<T>(rows: BulkRecords<T>) -> crate::error::Result<usize> {
    rows.try_fold(0, |n, _| async move { Ok(n + 1) }).await
}

/// What is read of it, in each way that rows are read.
async fn outcomes(page: Vec<u8>) -> Vec<(&'static str, crate::error::Result<usize>)> {
    let server = pages_are(page).await;
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
async fn what_is_not_csv_is_not_an_empty_result() {
    let page = "<html><body>canary</body></html>";
    for (what, answer) in [
        ("a page", answer(200, "Content-Type: text/html;charset=UTF-8\r\n", page)),
        ("a page that says it is CSV", answer(200, CSV, page)),
        ("a page that does not say what it is", answer(200, "", format!("\n  <!DOCTYPE html>\n{page}"))),
        ("a word", answer(200, "Content-Type: text/plain\r\n", "canary")),
        ("JSON", answer(200, "Content-Type: application/json\r\n", "[]")),
        ("JSON that says it is CSV", answer(200, CSV, r#"{"canary":"canary"}"#)),
        ("no content", answer(204, "", "")),
        ("another success", answer(202, CSV, "Name\n")),
    ] {
        for (how, outcome) in outcomes(answer).await {
            let error = outcome.expect_err(&format!("{what}, {how}"));
            assert!(matches!(error, Error::InvalidResponse(_)), "{what}, {how}: {error:?}");
            check(how, what, &error);
        }
    }
}

/// Salesforce always says how many rows a page of a query has, and where the next one is.
#[tokio::test]
async fn a_page_that_does_not_say_whether_it_is_whole_is_not_the_end() {
    let number = "Sforce-NumberOfRecords: 1\r\n";
    let locator = "Sforce-Locator: null\r\n";
    let row = "Name\nx\n";
    for (what, headers, body, pages, one) in [
        ("both", format!("{CSV}{number}{locator}"), row, true, true),
        ("no rows", format!("{CSV}Sforce-NumberOfRecords: 0\r\n{locator}"), "", true, true),
        ("no locator", format!("{CSV}{number}"), row, true, false),
        ("an empty locator", format!("{CSV}{number}Sforce-Locator: \r\n"), row, true, false),
        ("a locator of other letters", format!("{CSV}{number}Sforce-Locator: \u{e9}\r\n"), row, true, false),
        ("no number", format!("{CSV}{locator}"), row, false, false),
        ("a number that is none", format!("{CSV}Sforce-NumberOfRecords: x\r\n{locator}"), row, false, false),
        ("fewer rows", format!("{CSV}Sforce-NumberOfRecords: 2\r\n{locator}"), row, false, false),
        ("no rows of one", format!("{CSV}{number}{locator}"), "", false, false),
        ("the head of one", format!("{CSV}{number}{locator}"), "Name\n", false, false),
    ] {
        let outcomes = outcomes(answer(200, &headers, body)).await;
        for ((how, outcome), good) in outcomes.into_iter().zip([pages, one]) {
            match outcome {
                Ok(_) => assert!(good, "{what}, {how}"),
                Err(error) => {
                    assert!(!good && matches!(error, Error::InvalidResponse(_)), "{what}, {how}: {error:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_answer_about_a_job_is_about_that_job() {
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
        let answer = info.clone();
        let server = Server::start(move |_| answer.clone().into()).await;
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
            check(name, &info.to_string(), &error);
        }
    }
}

/// Rows are those of a job that is done; another job is asked once more, and then said to be what it is.
#[tokio::test]
async fn a_job_that_is_not_done_has_no_rows() {
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
async fn any_patience_is_fine() {
    let server = Server::start(|_| job(JOB).into()).await;
    let sf = connect(&server);
    assert!(sf.query_job(JOB).unwrap().wait(Duration::MAX).await.is_ok());
    assert!(sf.ingest_job(JOB).unwrap().wait(Duration::MAX).await.is_ok());
}
