//! What users report of Salesforce, and what the client makes of it.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt as _;
use serde::Deserialize;

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    query::Page,
    soql::Currency,
};

const QUERY: &str = "/services/data/v66.0/query";
const LIMITS: &str = "/services/data/v66.0/limits";

pub(super) fn raw(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    Reply::Raw([head.as_bytes(), body].concat())
}

/// X-05
#[tokio::test]
async fn what_an_apex_class_says_about_an_error_can_be_read_and_is_not_printed() {
    for (status, headers, body) in [
        (422, "X-Reason: stock\r\nContent-Type: application/json\r\n", r#"{"reason":"no stock canary"}"#),
        (409, "X-Reason: stock\r\nContent-Type: text/plain\r\n", "taken canary"),
        (401, "X-Reason: stock\r\n", ""),
        (300, "X-Reason: stock\r\n", r#"["a canary"]"#),
        (302, "X-Reason: stock\r\nLocation: https://shop.example/canary\r\n", "canary"),
        (404, "X-Reason: stock\r\nContent-Type: text/html\r\n", "<html>canary"),
        (406, "X-Reason: stock\r\n", ""),
        (412, "X-Reason: stock\r\n", "canary"),
        (500, "X-Reason: stock\r\n", "canary"),
    ] {
        let server = Server::start(move |_| raw(status, headers, body)).await;
        let sf = connect(&server);
        let error = sf.apex_rest("GET", "stock/4711").send().await.unwrap_err();
        let response = error.response().unwrap_or_else(|| panic!("{status}: {error:?}"));
        assert_eq!((response.status(), response.header("x-reason")), (status, Some("stock")));
        assert_eq!((&response.bytes()[..], response.is_complete()), (body.as_bytes(), true));
        assert_eq!(error.status(), Some(status));
        assert!(!format!("{error} {error:?} {response:?}").contains("canary"), "{error:?}");
        if status == 422 {
            assert_eq!(response.json::<Value>().unwrap()["reason"], "no stock canary");
        }
        assert_eq!((server.token_requests(), server.count("GET")), (0, 1), "{status}");
    }
    let server = Server::start(|_| raw(400, "", "x".repeat(1 << 20))).await;
    let error = connect(&server).apex_rest("GET", "stock").send().await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!((response.bytes().len(), response.is_complete()), (64 * 1024, false));
}

/// X-06
#[tokio::test]
async fn a_passing_failure_of_a_read_is_retried_and_a_create_is_sent_once() {
    for failure in ["406", "500", "gzip"] {
        let reply = move || match failure {
            "406" => raw(406, "", ""),
            "500" => api_error(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
            _ => raw(200, "Content-Encoding: gzip\r\nContent-Type: application/json\r\n", "{\"a\":1}"),
        };
        let server =
            Server::start(move |request| if request.nth == 0 { reply() } else { json!({}).into() }).await;
        let sf = connect(&server);
        sf.get("limits").send().await.unwrap();
        assert_eq!(server.count("GET"), 2, "{failure}");
        sf.sobject("Account").create(&json!({})).await.unwrap_err();
        assert_eq!(server.count("POST"), 1, "{failure}");

        // The third page of a query.
        let failed = AtomicBool::new(false);
        let server = Server::start(move |request| {
            let fails = request.target.contains("01gP-4");
            match &*request.target {
                _ if fails && !failed.swap(true, Ordering::Relaxed) => reply(),
                target if target.contains("01gP-4") => page(4..5, 5, None).into(),
                target if target.contains("01gP-2") => page(2..4, 5, Some(&format!("{QUERY}/01gP-4"))).into(),
                _ => page(0..2, 5, Some(&format!("{QUERY}/01gP-2"))).into(),
            }
        })
        .await;
        let sf = connect(&server);
        assert_eq!(sf.query::<Row>("x").fetch_all().await.unwrap().len(), 5, "{failure}");
        assert_eq!(server.count("GET"), 4, "{failure}");
    }
}

/// X-08
#[tokio::test]
async fn a_query_that_is_declined_by_its_text_refuses_nothing_to_others() {
    let server = Server::start(|request| match request.soql().unwrap().contains("declined") {
        true => raw(400, "Content-Type: text/html\r\n", "Access Declined"),
        false => page(0..1, 1, None).into(),
    })
    .await;
    let users = [(ORG, USER), (ORG, "005x00000012Q9QAAU")];
    let both = connect_each(&server, [], &users, &[ApiVersion::CURRENT]);
    let declined = both[0].with_retry(crate::request::Retry::none());
    for _ in 0..3 {
        let error = declined.query::<Row>("declined").fetch_all().await.unwrap_err();
        assert!(matches!(error, Error::Api { status: 400, .. }), "{error:?}");
        both[1].query::<Row>("fine").fetch_all().await.unwrap();
    }
}

/// X-09
#[tokio::test]
async fn one_users_hanging_requests_leave_slots_to_others() {
    let server = Server::start(|request| match request.target.as_str() {
        LIMITS => Reply::Stall(""),
        _ => json!({}).into(),
    })
    .await;
    let users = [(ORG, USER), (ORG, "005x00000012Q9QAAU")];
    let both = connect_each(&server, [], &users, &[ApiVersion::CURRENT]);
    let hanging: Vec<_> = (0..100)
        .map(|_| {
            let request = both[0].get("limits").send();
            tokio::spawn(async move { request.await.map(drop) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let others = futures_util::future::join_all((0..10).map(|_| both[1].get("query").send()));
    let others = tokio::time::timeout(Duration::from_secs(2), others).await.expect("in time");
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert_eq!(server.lines().iter().filter(|line| line.ends_with(LIMITS)).count(), 6, "of 8 slots");
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Row {
    #[serde(rename = "N")]
    n: usize,
}

fn page(rows: std::ops::Range<usize>, total: usize, next: Option<&str>) -> Value {
    let records: Vec<_> = rows.map(|n| json!({"N": n})).collect();
    let mut page = json!({"totalSize": total, "done": next.is_none(), "records": records});
    if let Some(next) = next {
        page["nextRecordsUrl"] = next.into();
    }
    page
}

/// X-19
#[tokio::test]
async fn the_error_within_a_long_querys_response_counts_as_that_of_a_short_one() {
    let long = format!("SELECT N FROM A WHERE N != '{}'", "x".repeat(20_000));
    let inner = |status: u16, body: Value| -> Reply {
        json!({"compositeResponse": [{"body": body, "httpStatusCode": status, "httpHeaders": {}, "referenceId": "query"}]})
            .into()
    };
    let down = json!([{"errorCode": "SERVER_UNAVAILABLE", "message": "m"}]);
    let server = Server::start(move |request| match request.nth {
        0 => inner(503, down.clone()),
        _ => inner(200, page(0..2, 2, None)),
    })
    .await;
    assert_eq!(connect(&server).query::<Row>(&long).fetch_all().await.unwrap().len(), 2);
    assert_eq!(server.count("POST"), 2);

    let limit = json!([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]);
    let server = Server::start(move |_| inner(403, limit.clone())).await;
    let sf = connect(&server);
    for _ in 0..3 {
        let error = sf.query::<Row>(&long).fetch_all().await.unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { .. }), "{error:?}");
    }
    assert_eq!(server.lines().len(), 1, "the org's pause begins");
}

/// X-24
#[tokio::test]
async fn several_choices_with_a_location_are_no_redirect() {
    let server = Server::start(|_| {
        let paths = r#"["/services/data/v66.0/sobjects/Account/001D000000IqhSLIAZ"]"#;
        raw(300, "Location: /services/data/v66.0/sobjects/Account/001D000000IqhSLIAZ\r\n", paths)
    })
    .await;
    let error = connect(&server).get("sobjects/Account/Key__c/x").send().await.unwrap_err();
    assert!(matches!(&error, Error::MultipleChoices { candidates } if candidates.len() == 1), "{error:?}");
    assert_eq!(server.lines().len(), 1);
}

/// X-04
#[tokio::test]
async fn asking_for_one_row_sets_no_batch_size() {
    let server = Server::start(|request| match request.header("sforce-query-options") {
        Some(_) => api_error(400, "EXCEEDED_ID_LIMIT", "exceeded id limit: 300"),
        None => page(3..303, 300, None).into(),
    })
    .await;
    let sf = connect(&server);
    assert_eq!(sf.query::<Row>("x").fetch_one().await.unwrap(), Row { n: 3 });
    assert_eq!(sf.query::<Row>("x").fetch_optional().await.unwrap(), Some(Row { n: 3 }));
}

/// X-03: a parent's next page may close the cursors of the children in the page before.
#[tokio::test]
async fn nothing_is_fetched_ahead_while_children_go_on() {
    #[derive(Deserialize)]
    struct Parent {
        #[serde(rename = "Bs")]
        children: Page<Row>,
    }
    let server = Server::start(|request| {
        let parents = |next: Option<&str>| {
            let child = |cursor: &str| page(0..2, 4, Some(&format!("{QUERY}/01g{cursor}-2")));
            let (a, b) = if next.is_some() { ("A", "B") } else { ("C", "D") };
            let mut parents = page(0..0, 4, next);
            parents["records"] = json!([{"Bs": child(a)}, {"Bs": child(b)}]);
            parents
        };
        let second = format!("{QUERY}/01gP-2");
        match request.target.as_str() {
            target if target == second => parents(None).into(),
            target if target.contains("/01g") => page(2..4, 4, None).into(),
            _ => parents(Some(&second)).into(),
        }
    })
    .await;
    let sf = connect(&server);
    let mut parents = sf.query::<Parent>("x").fetch();
    let mut order = Vec::new();
    while let Some(parent) = parents.try_next().await.unwrap() {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let children: Vec<Row> = sf.rows(parent.children).try_collect().await.unwrap();
        assert_eq!(children.len(), 4);
    }
    order.extend(
        server.lines().iter().filter_map(|line| line.rsplit_once("/01g").map(|(_, id)| id.to_owned())),
    );
    assert_eq!(order, ["A-2", "B-2", "P-2", "C-2", "D-2"]);
}

/// X-22
#[tokio::test]
async fn rows_that_vanish_are_a_warning_and_a_lost_page_is_an_error() {
    let server = Server::start(|_| page(0..4, 5, None).into()).await;
    let mut rows = connect(&server).query::<Row>("x").fetch();
    let mut count = 0;
    while rows.try_next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, rows.missing_rows()), (4, 1), "the total of an only page moved");

    let next = format!("{QUERY}/01gP-3");
    let server = Server::start({
        let next = next.clone();
        move |request| match request.target.contains("01g") {
            true => page(3..4, 7, None).into(),
            false => page(0..3, 5, Some(&next)).into(),
        }
    })
    .await;
    let mut rows = connect(&server).query::<Row>("x").fetch();
    let mut count = 0;
    while rows.try_next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, rows.missing_rows()), (4, 3));

    let server = Server::start(move |request| match request.target.contains("01g") {
        true => page(3..5, 5, None).into(),
        false => page(0..2, 5, Some(&next)).into(),
    })
    .await;
    let error = connect(&server).query::<Row>("x").fetch_all().await.unwrap_err();
    assert!(
        matches!(error, Error::InvalidResponse(InvalidResponse::Truncated { got: 2, announced: 5 })),
        "{error:?}"
    );
}

/// X-30
#[tokio::test]
async fn a_closed_cursor_says_what_happened_and_how_to_go_on() {
    let next = format!("{QUERY}/01gP-2");
    let server = Server::start(move |request| match request.target.contains("01g") {
        true => api_error(400, "INVALID_QUERY_LOCATOR", "canary"),
        false => page(0..2, 5, Some(&next)).into(),
    })
    .await;
    let error = connect(&server).query::<Row>("x").fetch_all().await.unwrap_err();
    assert!(matches!(error, Error::CursorClosed { status: 400, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("more than ten queries") && text.contains("fetch_bulk"), "{text}");
    assert!(!format!("{text} {error:?}").contains("canary"));

    // The cursor of a row's children.
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is not read")]
    struct Parent {
        #[serde(rename = "Contacts", deserialize_with = "crate::serde_helpers::child_records")]
        contacts: Vec<Row>,
    }
    let children = json!({"totalSize": 5, "done": false, "nextRecordsUrl": format!("{QUERY}/01gC-2"), "records": [{"N": 0}]});
    let server = Server::start(move |request| match request.target.contains("01g") {
        true => api_error(400, "INVALID_QUERY_LOCATOR", "canary"),
        false => json!({"totalSize": 1, "done": true, "records": [{"Contacts": children}]}).into(),
    })
    .await;
    let error = connect(&server).query::<Parent>("x").fetch_all().await.unwrap_err();
    assert!(matches!(error, Error::CursorClosed { status: 400, .. }), "{error:?}");
}

/// X-20, X-26
#[tokio::test]
async fn a_url_may_be_as_long_as_salesforce_takes_and_no_longer() {
    let server = Server::start(|request| match request.target.contains("/search") {
        true => json!({"searchRecords": []}).into(),
        false => page(0..0, 0, None).into(),
    })
    .await;
    let sf = connect(&server);
    let ids: Vec<_> = (0..350).map(|n| format!("01pD000000{n:05}AAA")).collect();
    let soql = "SELECT Id FROM ApexClass WHERE Id IN :ids";
    sf.tooling_query::<Value>(soql).bind("ids", &ids).fetch_all().await.unwrap();
    let objects: Vec<_> = (0..60).map(|n| format!("Object{n}__c(Id, Name, {})", "x".repeat(130))).collect();
    sf.sosl(format!("FIND {{acme}} RETURNING {}", objects.join(","))).fetch_all().await.unwrap();
    assert!(server.requests().iter().all(|request| request.target.len() > 8_192), "{:?}", server.lines());
    let names: Vec<_> = (0..700).map(|n| format!("A_Rather_Long_Field_{n}__c")).collect();
    let error = sf.get("sobjects/A/x").query("fields", names.join(",")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::InvalidRequest(InvalidRequest::UrlTooLong { limit: 16_384, .. })),
        "{error:?}"
    );
    assert_eq!(server.lines().len(), 2);
}

/// X-15, X-21
#[tokio::test]
async fn amounts_of_money_and_the_programs_own_text_are_sent_as_they_are() {
    let server = Server::start(|_| page(0..0, 0, None).into()).await;
    let sf = connect(&server);
    let soql = "select N\nfrom A /* it's :mine */ where D = last_n_days : 30 and M > :amount";
    sf.query::<Row>(soql).bind("amount", Currency::new("USD", "-500.25")).fetch_all().await.unwrap();
    assert_eq!(server.requests()[0].soql().unwrap(), soql.replace(":amount", "USD-500.25"));
}

/// X-23
#[tokio::test]
async fn the_path_of_an_instance_is_part_of_each_request() {
    let server = Server::start(|request| match request.target.as_str() {
        "/portal/services/data/v66.0/query/01gP-1" => page(1..2, 2, None).into(),
        target if target.starts_with("/portal/services/data/v66.0/query?") => {
            page(0..1, 2, Some("/portal/services/data/v66.0/query/01gP-1")).into()
        }
        target => panic!("{target}"),
    })
    .await;
    let secret = Secret::new("old-canary-token");
    let user = UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap());
    let site = server.origin.join("/portal").unwrap();
    let source = crate::token::FixedToken::new(user, site, &secret).unwrap();
    let client = Client::builder().allowed_hosts(AllowedHosts::new([server.origin.clone()]));
    let sf = Connection::new(&client.build().unwrap(), Arc::new(source));
    let rows: Vec<Row> = sf.query("SELECT N FROM A").fetch_all().await.unwrap();
    assert_eq!(rows.len(), 2);
}
