//! Promise 9: a long query costs bounded memory, also through a handler to a slow client (F-31, F-32).

use std::{io::Read as _, time::Duration};

use crate::support::{ADA, Client, TestApp, app, pages::Pages, raw, reserve, settings_for};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use socket2::SockRef;

async fn app(rows: u64, page: usize) -> TestApp {
    let org = FakeOrg::builder().rows(rows).page_size(page).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    TestApp::around(org, |builder| builder).await
}

#[actix_web::test]
async fn rows_are_streamed_as_lines_and_as_an_array() {
    for rows in [0, 1, 450] {
        let app = app(rows, 200).await;
        let browser = app.logged_in().await;
        let lines = browser.fetch(&app.url("/streamed/lines")).await.body;
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let array = browser.fetch(&app.url("/streamed/array")).await.json();
        assert_eq!(array.as_array().unwrap(), &lines);
        assert_eq!(lines.len() as u64, rows);
    }
}

#[actix_web::test]
async fn rows_become_a_whole_response() {
    for rows in [0, 1, 450] {
        let app = app(rows, 200).await;
        let browser = app.logged_in().await;
        let array = browser.fetch(&app.url("/exported/array")).await;
        assert_eq!(array.header("content-type"), "application/json");
        let array = array.json();
        let array = array.as_array().unwrap();
        assert_eq!(array.len() as u64, rows);
        let lines = browser.fetch(&app.url("/exported/lines")).await;
        assert_eq!(lines.header("content-type"), "application/x-ndjson");
        assert_eq!(lines.body.lines().count() as u64, rows);
        let table = browser.fetch(&app.url("/exported/csv")).await;
        assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
        let mut reader = csv::Reader::from_reader(table.body.as_bytes());
        if rows > 0 {
            assert_eq!(reader.headers().unwrap(), vec!["Name", "Phone"]);
        }
        let names: Vec<_> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
        let expected: Vec<_> = array.iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, expected);
    }
}

/// A query that Salesforce refuses is an error response, not half a body with status 200.
#[actix_web::test]
async fn a_refused_query_has_its_own_status() {
    let app = app(1, 200).await;
    let browser = app.logged_in().await;
    let page = browser.fetch(&app.url("/exported/refused")).await;
    assert_eq!(page.status, 500, "a query with an unknown field is a mistake of the program: {page:?}");
    app.org.faults().query(Fault::Status(503));
    assert_eq!(browser.fetch(&app.url("/exported/csv")).await.status, 503);
}

/// A cell that a spreadsheet would run is made text.
#[actix_web::test]
async fn a_formula_in_a_record_stays_text() {
    let app = app(0, 200).await;
    let sf = app.connection().await;
    for (name, phone) in [("=cmd()", "+1 (555) 01-02"), ("-A1", "+cmd()")] {
        sf.sobject("Account").create(&serde_json::json!({ "Name": name, "Phone": phone })).await.unwrap();
    }
    let browser = app.logged_in().await;
    let table = browser.fetch(&app.url("/exported/spreadsheet")).await.body;
    let sorted = |table: &str| {
        let mut lines: Vec<_> = table.split_terminator("\r\n").map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(
        sorted(&table),
        ["\"'-A1\",\"'+cmd()\"", "\"'=cmd()\",\"+1 (555) 01-02\"", "\"Name\",\"Phone\""]
    );
    let table = browser.fetch(&app.url("/exported/csv")).await.body;
    assert_eq!(sorted(&table), ["-A1,+cmd()", "=cmd(),+1 (555) 01-02", "Name,Phone"]);
}

/// What is cut off does not look complete.
#[actix_web::test]
async fn an_error_in_the_middle_breaks_the_response() {
    let app = app(450, 200).await;
    let browser = app.logged_in().await;
    app.org.faults().query(Fault::Garbage.times(1).skip(1));
    let cookies = browser.cookie_line();
    let url = app.server.url.clone();
    let response = tokio::task::spawn_blocking(move || {
        raw::get(&url, "/streamed/array", format!("Cookie: {cookies}\r\n").as_bytes())
    })
    .await
    .unwrap();
    assert!(
        response.contains("200 OK") && !response.contains("0\r\n\r\n") && !response.trim_end().ends_with(']')
    );
}

/// F-31. The client reads one page and stops, then goes. What it did not read fits neither into the sockets nor into
/// the app, so that the app must not have fetched it.
#[actix_web::test]
async fn a_client_that_leaves_after_one_page_costs_two_more_at_most() {
    let source = Pages::start(100, 2_000);
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    org.faults().at(Route::Token, Fault::MergeJson(serde_json::json!({ "instance_url": source.url })));
    let (listener, url) = reserve();
    // The connections of this listener inherit it: without, the system itself would take several pages.
    SockRef::from(&listener).set_send_buffer_size(16 * 1024).unwrap();
    let settings = settings_for(&org, &url).allowed_origin(&source.url);
    let salesforce = settings.scopes("api refresh_token").build().await.unwrap();
    let server = app::standard(listener, 4, salesforce.clone());
    let app = TestApp { org, salesforce, server };
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/user")).await.status, 200);
    let (url, cookies) = (app.server.url.clone(), browser.cookie_line());
    for _ in 0..3 {
        let before = source.asked();
        let (url, cookies) = (url.clone(), cookies.clone());
        let stream = tokio::task::spawn_blocking(move || {
            let mut stream = raw::begin_reading_little(&url, "/streamed/lines", &cookies);
            let (mut rows, mut buffer) = (0, [0; 4096]);
            while rows < 2_000 {
                let n = stream.read(&mut buffer).unwrap();
                assert!(n > 0);
                rows += buffer[..n].iter().filter(|byte| **byte == b'~').count();
            }
            stream
        })
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = source.asked() - before;
        assert!((2..=3).contains(&asked), "{asked} pages for one that was read");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(source.asked() - before <= 3, "nothing goes on without a reader");
    }
}
