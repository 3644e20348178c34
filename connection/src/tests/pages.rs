//! Queries with several pages.

use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    query::{
        Page,
        soql::{BindError, Like},
    },
};

#[derive(Debug, Deserialize, PartialEq)]
struct Row {
    #[serde(rename = "N")]
    n: usize,
}

const QUERY: &str = "/services/data/v66.0/query";
const SOQL: &str = "SELECT N FROM A";

fn page(rows: std::ops::Range<usize>, total: usize, next: Option<&str>) -> Value {
    let records: Vec<_> = rows.map(|n| json!({"attributes": {"type": "A"}, "N": n})).collect();
    let mut page = json!({"totalSize": total, "done": next.is_none(), "records": records});
    if let Some(next) = next {
        page["nextRecordsUrl"] = next.into();
    }
    page
}

/// Starts a server whose queries have `pages` pages of ten rows.
async fn paged(pages: usize) -> Server {
    Server::start(move |request| {
        let number = request.target.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let next = (number + 1 < pages).then(|| format!("{QUERY}/01gD0000002HU6KIAW-{}", number + 1));
        page(number * 10..number * 10 + 10, pages * 10, next.as_deref()).into()
    })
    .await
}

#[tokio::test]
async fn a_query_returns_all_rows_of_all_pages_in_order() {
    let server = paged(3).await;
    let sf = connect(&server);
    let rows: Vec<Row> = sf.query(SOQL).fetch_all().await.unwrap();
    assert_eq!(rows, (0..30).map(|n| Row { n }).collect::<Vec<_>>());
    assert_eq!(server.count("GET"), 3);
}

#[tokio::test]
async fn a_query_is_sent_with_its_values_as_literals() {
    let server = paged(1).await;
    let sf = connect(&server);
    let query =
        sf.query::<Row>("SELECT N FROM A WHERE X LIKE :x AND Y IN :y").include_deleted().batch_size(1);
    query.bind("x", Like::contains("50%' OR")).bind("y", ["+", "é&"]).fetch_all().await.unwrap();
    let requests = server.requests();
    assert_eq!(
        requests[0].soql().unwrap(),
        r"SELECT N FROM A WHERE X LIKE '%50\%\' OR%' AND Y IN ('+','é&')"
    );
    assert!(requests[0].target.starts_with("/services/data/v66.0/queryAll?q="));
    assert_eq!(requests[0].header("sforce-query-options"), Some("batchSize=200"));
}

#[tokio::test]
async fn an_invalid_or_too_long_query_is_not_sent() {
    let server = paged(1).await;
    let sf = connect(&server);
    let error = sf.query::<Row>("X = :x").fetch_all().await.unwrap_err();
    assert!(matches!(error, Error::Bind(BindError::Unbound(_))), "{error}");
    let error = sf.query::<Row>("X IN :x").bind("x", Vec::<i32>::new()).fetch_one().await.unwrap_err();
    assert!(matches!(error, Error::Bind(BindError::Value { .. })), "{error}");
    let ids = vec!["001D000000IqhSLIAZ"; 5000];
    let error = sf.query::<Row>("X IN :x").bind("x", ids).page().await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(InvalidRequest::QueryTooLong { .. })), "{error}");
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn only_one_page_is_fetched_ahead_of_the_reader() {
    let server = paged(100).await;
    let sf = connect(&server);
    let mut rows = sf.query::<Row>(SOQL).fetch();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.count("GET"), 0, "nothing is sent before the first poll");
    assert_eq!(rows.try_next().await.unwrap(), Some(Row { n: 0 }));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count("GET"), 2);
    for _ in 0..10 {
        rows.try_next().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count("GET"), 3);
    drop(rows);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count("GET"), 3, "a dropped stream stops");
}

#[tokio::test]
async fn dropping_a_stream_stops_the_fetch_of_its_next_page() {
    let server = Server::start(|_| Reply::Disconnect).await;
    let sf = connect(&server);
    let mut rows = sf.query::<Row>(SOQL).fetch();
    assert!(tokio::time::timeout(Duration::from_millis(50), rows.try_next()).await.is_err());
    drop(rows);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(server.count("GET"), 1, "a dropped fetch is not retried");
}

// A-27 of the threat model.
#[tokio::test]
async fn a_next_page_on_another_host_or_path_is_an_error_and_is_not_requested() {
    let evil = Server::start(|_| page(0..1, 1, None).into()).await;
    let authority = evil.origin.authority();
    for next in [
        evil.origin.join(QUERY).unwrap().to_string(),
        format!("//{authority}{QUERY}"),
        format!("@{authority}{QUERY}"),
        ".evil.example".to_owned(),
        ":443@evil.example".to_owned(),
        "\\\\evil.example".to_owned(),
        "/\\evil.example".to_owned(),
        "/services/../../x".to_owned(),
        format!("{QUERY}/..%2f.."),
        format!("{QUERY}/01g\r\nX: y"),
        "/services/apexrest/x".to_owned(),
        String::new(),
    ] {
        let server = Server::start(move |_| page(0..1, 2, Some(&next)).into()).await;
        let sf = connect_allowing(&server, [&evil]);
        let error = sf.query::<Row>(SOQL).fetch_all().await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(InvalidResponse::NextPage)), "{error}");
        assert_eq!(server.count("GET"), 1);
    }
    assert!(evil.lines().is_empty());
}

#[tokio::test]
async fn missing_rows_of_a_query_are_an_error() {
    let next = format!("{QUERY}/01gD0000002HU6KIAW-1");
    for (second, expected) in [
        (api_error(400, "INVALID_QUERY_LOCATOR", "invalid query locator"), "INVALID_QUERY_LOCATOR"),
        (json!({"totalSize": 5, "done": false, "records": []}).into(), "no `nextRecordsUrl`"),
        (json!({"totalSize": 5, "done": true}).into(), "missing field `records`"),
        (Reply::Body(200, "<html>".into()), "not JSON"),
        (Reply::Body(200, String::new()), "ends too early"),
    ] {
        let (next, second) = (next.clone(), Mutex::new(Some(second)));
        let server = Server::start(move |request| match request.target.contains("01g") {
            true => second.lock().unwrap().take().unwrap(),
            false => page(0..2, 5, Some(&next)).into(),
        })
        .await;
        let sf = connect(&server);
        let items: Vec<_> = sf.query::<Row>(SOQL).fetch().collect().await;
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(items[..2].iter().all(Result::is_ok) && items[2..items.len() - 1].iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn fetch_one_and_fetch_optional_return_the_first_row() {
    let server = Server::start(|request| match request.soql().unwrap().as_str() {
        "none" => page(0..0, 0, None).into(),
        _ => page(4..9, 5, None).into(),
    })
    .await;
    let sf = connect(&server);
    assert_eq!(sf.query::<Row>("some").fetch_one().await.unwrap(), Row { n: 4 });
    assert_eq!(sf.query::<Row>("none").fetch_optional().await.unwrap(), None);
    assert!(matches!(sf.query::<Row>("none").fetch_one().await, Err(Error::RowNotFound)));
}

#[tokio::test]
async fn pages_can_be_fetched_one_by_one() {
    let server = paged(2).await;
    let sf = connect(&server);
    let first: Page<Row> = sf.query(SOQL).page().await.unwrap();
    assert_eq!((first.records.len(), first.total_size), (10, Some(20)));
    let link = first.next.unwrap().to_string();
    let second: Page<Row> = sf.page(&link.parse().unwrap()).await.unwrap();
    assert_eq!((second.records[0].n, second.next), (10, None));
}

#[tokio::test]
async fn counts_and_children_are_read_as_pages() {
    #[derive(Debug, Deserialize)]
    struct Parent {
        children: Option<Page<Row>>,
    }
    let server = Server::start(|request| match request.soql().unwrap().starts_with("select") {
        true => json!({"totalSize": 7, "done": true, "records": []}).into(),
        false => {
            let children = page(0..1, 2, Some("/services/data/v66.0/query/01gD-1"));
            json!({"totalSize": 2, "done": true, "records": [{"children": null}, {"children": children}]})
                .into()
        }
    })
    .await;
    let sf = connect(&server);
    let count = sf.query::<Row>("select count( ) from A").page().await.unwrap();
    assert_eq!(count.total_size, Some(7));
    let parents: Vec<Parent> = sf.query("SELECT (SELECT N FROM Bs) FROM A").fetch_all().await.unwrap();
    assert!(parents[0].children.is_none());
    assert!(parents[1].children.as_ref().unwrap().next.is_some());
}

#[tokio::test]
async fn a_page_above_the_size_limit_is_an_error() {
    let server = paged(1).await;
    let sf = connect(&server);
    let error = sf.query::<Row>(SOQL).max_page_bytes(100).fetch_all().await.unwrap_err();
    assert!(matches!(error, Error::Http(crate::http::error::HttpError::TooLarge)), "{error}");
}

/// Starts a server whose page at `cursors[n]` leads to that at `cursors[n + 1]`, and the last one to `cursors[0]`.
async fn circular(cursors: [&'static str; 2], children: bool) -> Server {
    Server::start(move |request| {
        let place = cursors.iter().position(|cursor| request.target.ends_with(cursor));
        let next = format!("{QUERY}/{}", cursors[place.map_or(0, |place| (place + 1) % 2)]);
        let number = place.map_or(0, |place| place + 1);
        let rows = page(number * 10..number * 10 + 10, 1_000, Some(&next));
        match place {
            None if children => json!({"totalSize": 1, "done": true, "records": [{"children": rows}]}).into(),
            _ => rows.into(),
        }
    })
    .await
}

/// They would be fetched forever.
#[tokio::test]
async fn pages_that_lead_back_to_an_earlier_one_are_an_error() {
    #[derive(Debug, Deserialize)]
    struct Parent {
        #[serde(rename = "children", deserialize_with = "crate::serde_helpers::child_records")]
        _children: Vec<Row>,
    }
    for cursors in [["01gD-10", "01gD-20"], ["01gD", "01gE"], ["01gD-10", "01gE"]] {
        for children in [false, true] {
            let server = circular(cursors, children).await;
            let sf = connect(&server);
            let fetched = async {
                match children {
                    true => sf.query::<Parent>(SOQL).fetch_all().await.unwrap_err(),
                    false => sf.query::<Row>(SOQL).fetch_all().await.unwrap_err(),
                }
            };
            let error = tokio::time::timeout(Duration::from_secs(5), fetched).await.expect("an end");
            assert!(matches!(error, Error::InvalidResponse(InvalidResponse::NextPage)), "{error:?}");
            assert!(server.count("GET") <= 4, "{:?}", server.lines());
        }
    }
}

#[tokio::test]
async fn pages_without_rows_come_to_an_end() {
    let server = Server::start(|request| {
        let number = request.target.rsplit("01g").next().and_then(|number| number.parse().ok()).unwrap_or(0);
        page(0..0, 5, Some(&format!("{QUERY}/01g{}", number + 1))).into()
    })
    .await;
    let sf = connect(&server);
    let rows = tokio::time::timeout(Duration::from_secs(10), sf.query::<Row>(SOQL).fetch_all()).await;
    let error = rows.expect("an end").unwrap_err();
    assert!(error.to_string().contains("pages in a row without a row"), "{error}");
    assert_eq!(server.count("GET"), 101);
}
