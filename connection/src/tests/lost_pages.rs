//! Pages of a job's rows whose connection ends before the page does.

use futures_util::TryStreamExt as _;

use super::*;
use crate::{
    Result,
    error::Error,
    http::error::HttpError,
    tests::{
        hostile::{gzip, http_response},
        values::{JOB, http},
    },
};

/// An export must not end because a connection was reset in the middle of a page.
#[tokio::test]
async fn a_page_whose_connection_is_reset_is_read_on_where_it_ended() {
    let csv: String = (0..20_000).map(|n| format!("Account {n}\n")).collect();
    for is_same in [true, false] {
        let csv = format!("Name\n{csv}");
        let server =
            Server::start(move |request| match request.target.rsplit('/').next().unwrap_or_default() {
                "resultPages" => {
                    let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                    json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
                }
                last if last.starts_with("results?") => {
                    let headers = "Content-Type: text/csv\r\nSforce-NumberOfRecords: 20000\r\n";
                    let other = csv.replacen("Account 1\n", "Account x\n", 1);
                    let body = if is_same || request.nth == 0 { &csv } else { &other };
                    let Reply::Raw(mut bytes) = http(200, headers, body) else { panic!() };
                    if request.nth < 2 {
                        bytes.truncate(bytes.len() / 3 * (request.nth + 1));
                    }
                    Reply::Raw(bytes)
                }
                _ => json!({"id": JOB, "state": "JobComplete"}).into(),
            })
            .await;
        let rows = connect(&server).query_job(JOB).unwrap().rows::<Value>();
        let rows: Result<Vec<Value>> = rows.try_collect().await;
        if is_same {
            let rows = rows.unwrap();
            assert_eq!(rows.len(), 20_000);
            assert!((0..).zip(&rows).all(|(n, row)| row["Name"] == format!("Account {n}")));
        } else {
            assert!(rows.is_err(), "another page is not the rest of the first one");
        }
    }
}

/// Starts an org whose job has pages of these rows. `reply` makes the response to the n-th request for a page.
async fn job_with_pages(
    pages: Vec<String>,
    reply: impl Fn(Vec<u8>, usize) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::start(move |request| match request.target.rsplit('/').next().unwrap_or_default() {
        "resultPages" => {
            let urls = (0..pages.len())
                .map(|page| format!("/services/data/v66.0/jobs/query/{JOB}/results?locator={page}"));
            let urls: Vec<_> = urls.map(|url| json!({ "resultUrl": url })).collect();
            json!({"resultPages": urls, "done": true}).into()
        }
        last if last.starts_with("results?") => {
            let page: usize = last.rsplit('=').next().unwrap().parse().unwrap();
            let csv = &pages[page];
            let count = csv.lines().count() - 1;
            let headers = format!("Content-Type: text/csv\r\nSforce-NumberOfRecords: {count}\r\n");
            let Reply::Raw(bytes) = http(200, &headers, csv) else { panic!() };
            reply(bytes, request.nth)
        }
        _ => json!({"id": JOB, "state": "JobComplete"}).into(),
    })
    .await
}

/// Salesforce ends connections that it cannot write to: those of the pages that wait for their turn, too.
#[tokio::test]
async fn pages_that_a_slow_reader_leaves_waiting_are_complete() {
    const ROWS: usize = 6_000;
    let rest = "x".repeat(2_000);
    let page = |page: usize| {
        let rows = (0..ROWS).map(|row| format!("{page}-{row},{rest}\n")).collect::<String>();
        format!("Name,Rest\n{rows}")
    };
    let server = job_with_pages((0..3).map(page).collect(), |bytes, _| Reply::Impatient(bytes)).await;
    let mut rows = connect(&server).query_job(JOB).unwrap().rows::<Value>();
    let mut read = 0;
    while let Some(row) = rows.try_next().await.unwrap() {
        assert_eq!(row["Name"], format!("{}-{}", read / ROWS, read % ROWS));
        read += 1;
        // Whether a page is cut depends on the machine's buffers.
        if read % ROWS == 1 {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }
    assert_eq!(read, 3 * ROWS);
}

#[tokio::test]
async fn a_page_that_falls_silent_is_requested_again() {
    let csv: String = (0..1_000).map(|n| format!("Account {n}\n")).collect();
    let server = job_with_pages(vec![format!("Name\n{csv}")], |mut bytes, nth| match nth {
        0 => {
            bytes.truncate(bytes.len() / 2);
            Reply::Stall(String::leak(String::from_utf8(bytes).unwrap()))
        }
        _ => Reply::Raw(bytes),
    })
    .await;
    let sf = connect(&server).with_timeout(Duration::from_millis(300));
    let rows: Vec<Value> = sf.query_job(JOB).unwrap().rows().try_collect().await.unwrap();
    assert_eq!(rows.len(), 1_000);
    assert!((0..).zip(&rows).all(|(n, row)| row["Name"] == format!("Account {n}")));
}

/// A page is lost before its first decompressed byte: a body that is no gzip, a reset at once, silence after the head.
#[tokio::test]
async fn a_page_that_is_lost_before_its_first_row_is_requested_again() {
    let rows: String = (0..1_000).map(|n| format!("Account {n}\n")).collect();
    let csv = format!("Name\n{rows}");
    for is_gzip in [true, false] {
        for how in ["no gzip", "no byte", "a few bytes", "silence"] {
            let csv = csv.clone();
            let server =
                Server::start(move |request| match request.target.rsplit('/').next().unwrap_or_default() {
                    "resultPages" => {
                        let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                        json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
                    }
                    last if last.starts_with("results?") => {
                        let coding =
                            if is_gzip || how == "no gzip" { "Content-Encoding: gzip\r\n" } else { "" };
                        let headers =
                            format!("Content-Type: text/csv\r\nSforce-NumberOfRecords: 1000\r\n{coding}");
                        let body =
                            if coding.is_empty() { csv.clone().into_bytes() } else { gzip(csv.as_bytes()) };
                        let mut bytes = http_response(200, &headers, body);
                        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                        match how {
                            _ if request.nth >= 2 => Reply::Raw(bytes),
                            "no gzip" => Reply::Raw(http_response(200, &headers, &csv)),
                            "silence" => {
                                bytes.truncate(head);
                                Reply::Stall(String::leak(String::from_utf8(bytes).unwrap()))
                            }
                            _ => {
                                bytes.truncate(head + if how == "no byte" { 0 } else { 12 });
                                Reply::Raw(bytes)
                            }
                        }
                    }
                    _ => json!({"id": JOB, "state": "JobComplete"}).into(),
                })
                .await;
            let sf = connect(&server).with_timeout(Duration::from_millis(300));
            let rows: Result<Vec<Value>> = sf.query_job(JOB).unwrap().rows().try_collect().await;
            let rows = rows.unwrap_or_else(|error| panic!("{how}, {is_gzip}: {error:?}"));
            assert_eq!(rows.len(), 1_000, "{how}, {is_gzip}");
            assert!((0..).zip(&rows).all(|(n, row)| row["Name"] == format!("Account {n}")));
        }
    }
}

/// What is never gzip is an error after a few requests.
#[tokio::test]
async fn a_page_that_is_lost_each_time_is_an_error() {
    let server = job_with_pages(vec!["Name\nx\n".to_owned()], |_, _| {
        let headers = "Content-Type: text/csv\r\nSforce-NumberOfRecords: 1\r\nContent-Encoding: gzip\r\n";
        Reply::Raw(http_response(200, headers, "Name\nx\n"))
    })
    .await;
    let rows: Result<Vec<Value>> = connect(&server).query_job(JOB).unwrap().rows().try_collect().await;
    assert!(matches!(rows, Err(Error::Http(HttpError::Undecodable(_)))), "{rows:?}");
    assert_eq!(server.lines().iter().filter(|line| line.contains("/results?")).count(), 4);
}

/// Each attempt fetches the part before it again: byte by byte, a page would cost its size squared.
#[tokio::test]
async fn a_page_that_comes_byte_by_byte_is_an_error_after_a_few_requests() {
    let server = job_with_pages(vec!["Name\nabcdefgh\n".to_owned()], |mut bytes, nth| {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        bytes.truncate(head + nth + 1);
        Reply::Raw(bytes)
    })
    .await;
    let rows: Result<Vec<Value>> = connect(&server).query_job(JOB).unwrap().rows().try_collect().await;
    assert!(matches!(rows, Err(Error::Http(HttpError::ConnectionLost(_)))), "{rows:?}");
    assert_eq!(server.lines().iter().filter(|line| line.contains("/results?")).count(), 4);
}
