//! Errors that say what happened and where, and errors that serde would drop.

use futures_util::{TryStreamExt as _, stream};
use serde::Deserialize;

use super::*;
use crate::{
    error::{Error, InvalidRequest},
    query::Page,
    records::Base64,
    serde_helpers::child_records,
    tests::{
        flattened::{Flat, each_way},
        values::{JOB, http},
    },
};

const QUERY: &str = "/services/data/v66.0/query";

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Owned {
    owner: Named,
}

#[tokio::test]
async fn a_record_that_does_not_fit_is_named_with_field_row_and_object() {
    const ROWS: [&str; 2] = [
        r#"{"attributes":{"type":"Account","url":"/x"},"Owner":{"attributes":{"type":"User"},"Name":"Ada"}}"#,
        r#"{"attributes":{"type":"Account","url":"/x"},"Owner":{"attributes":{"type":"User"},"Name":7}}"#,
    ];
    for (way, rows) in each_way::<Owned>("Owner.Name\nA\n,\n", &ROWS).await {
        if matches!(way, "record" | "composite record") {
            continue;
        }
        let error = rows.unwrap_err().to_string();
        if way == "job" {
            assert!(error.contains("row 2 of Account"), "{way}: {error}");
            continue;
        }
        assert!(error.contains("field `Owner.Name`, row 2 of Account in this response"), "{way}: {error}");
        assert!(error.contains("found integer where a string is expected"), "{way}: {error}");
    }
    for (way, rows) in each_way::<Owned>("Owner.Name\nA\n", &ROWS[1..]).await {
        if way != "job" {
            let error = rows.unwrap_err().to_string();
            assert!(error.contains("field `Owner.Name`") && error.contains("Account"), "{way}: {error}");
        }
    }
    // The keys of other data than records are left out.
    let server = Server::start(|_| json!({"canary": 5}).into()).await;
    let response = connect(&server).get("apexrest/x").send().await.unwrap();
    let error = response.json::<std::collections::BTreeMap<String, String>>().unwrap_err();
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn a_row_of_a_job_is_counted_over_its_pages() {
    #[derive(Debug, Deserialize)]
    struct Counted {
        #[serde(rename = "Seats__c")]
        _seats: i64,
    }
    let server = Server::start(|request| match request.target.rsplit('/').next().unwrap_or_default() {
        "resultPages" => {
            let page = |n: usize| json!({"resultUrl": format!("/services/data/v66.0/jobs/query/{JOB}/results?locator={n}")});
            json!({"resultPages": [page(0), page(1)], "done": true}).into()
        }
        last if last.starts_with("results?") => {
            let is_last = last.contains("locator=1");
            let (rows, locator) = if is_last { ("4\nx\n", "null") } else { ("1\n2\n3\n", "1") };
            let count = rows.lines().count();
            let headers = format!(
                "Content-Type: text/csv\r\nSforce-NumberOfRecords: {count}\r\nSforce-Locator: {locator}\r\n"
            );
            http(200, &headers, &format!("Seats__c\n{rows}"))
        }
        "failedResults" => http(200, "Content-Type: text/csv\r\n", "sf__Id,sf__Error,Seats__c\n,why,1\n,why,x\n"),
        _ => json!({"id": JOB, "state": "JobComplete", "object": "Account"}).into(),
    })
    .await;
    for version in ["66.0", "57.0"] {
        let sf = connect_with(&server, [], version.parse().unwrap());
        let rows: crate::Result<Vec<Counted>> = sf.query_job(JOB).unwrap().rows().try_collect().await;
        let error = rows.unwrap_err().to_string();
        assert!(error.contains("`Seats__c`") && error.contains("(row 5 of Account)"), "{version}: {error}");
    }
    let mut job = connect(&server).ingest_job(JOB).unwrap();
    job.refresh().await.unwrap();
    let rows: crate::Result<Vec<_>> = job.failed::<Counted>().try_collect().await;
    let error = rows.unwrap_err().to_string();
    assert!(error.contains("`Seats__c`") && error.contains("(row 2 of Account)"), "{error}");
}

#[tokio::test]
async fn a_record_that_cannot_be_loaded_is_named_by_its_number() {
    let server = Server::start(|_| json!({"id": JOB, "state": "JobComplete"}).into()).await;
    let records =
        (1..=5_000).map(|n| json!({"Name": if n == 4_711 { "#N/A".to_owned() } else { n.to_string() }}));
    let loaded = connect(&server).bulk("Account").job_bytes(1_000).insert(stream::iter(records)).await;
    let error = loaded.unwrap_err().source;
    assert!(
        matches!(&error, Error::InvalidRequest(InvalidRequest::Column { column, record: Some(4_711), .. }) if column == "Name"),
        "{error:?}"
    );
    assert!(error.to_string().contains("`Name` of record 4711"), "{error}");
}

/// serde would read the flattened part as `None`.
#[tokio::test]
async fn children_of_a_flattened_part_are_complete() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Children {
        #[serde(rename = "Contacts", deserialize_with = "child_records")]
        contacts: Vec<Named>,
    }
    let server = Server::start(|request| match request.target.contains("01g") {
        true => json!({"totalSize": 2, "done": true, "records": [{"Name": "B"}]}).into(),
        false => {
            let next = format!("{QUERY}/01gD0000002HU6KIAW-1");
            let children =
                json!({"totalSize": 2, "done": false, "nextRecordsUrl": next, "records": [{"Name": "A"}]});
            json!({"totalSize": 1, "done": true, "records": [{"Name": "x", "Contacts": children}]}).into()
        }
    })
    .await;
    let rows =
        connect(&server).query::<Flat<Option<Children>>>("SELECT (SELECT Name FROM Contacts) FROM Account");
    let rows = rows.fetch_all().await.unwrap();
    let names: Vec<_> =
        rows[0].rest.as_ref().unwrap().contacts.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
}

#[tokio::test]
async fn a_whole_number_of_a_flattened_part_is_read_by_graphql() {
    #[derive(Debug, Deserialize)]
    struct Data {
        account: Flat<Option<Seats>>,
    }
    #[derive(Debug, Deserialize)]
    struct Seats {
        seats: i64,
    }
    #[derive(Debug, Deserialize)]
    struct Aliases {
        account: Both,
    }
    #[derive(Debug, Deserialize)]
    struct Both {
        name: String,
        #[serde(rename = "Name")]
        other: String,
    }
    let server =
        Server::start(|_| json!({"data": {"account": {"Name": "A", "name": "b", "seats": 5.0}}}).into())
            .await;
    let sf = connect(&server);
    let data: Data = sf.graphql("query { account { Name seats } }").fetch().await.unwrap();
    assert_eq!(data.account.rest.unwrap().seats, 5);
    let data: Aliases = sf.graphql("query { account { Name name } }").fetch().await.unwrap();
    assert_eq!((data.account.other.as_str(), data.account.name.as_str()), ("A", "b"));
}

/// A job's CSV has no sign of a missing parent but empty cells.
#[tokio::test]
async fn a_parent_that_a_job_may_not_have_is_an_error_unless_its_fields_may_be_empty() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Titled {
        title: Option<String>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WithTitle {
        owner: Titled,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Perhaps {
        owner: Option<Named>,
    }
    const NONE: &str = r#"{"Name":"A","Owner":null}"#;
    for (way, rows) in each_way::<Owned>("Name,Owner.Name\nA,\n", &[NONE]).await {
        let Err(error) = rows else { panic!("{way}: {rows:?}") };
        assert!(way != "job" || error.to_string().contains("`Option`"), "{way}: {error}");
        assert!(error.to_string().contains("Owner"), "{way}: {error}");
    }
    for (way, rows) in each_way::<Flat<Owned>>("Name,Owner.Name\nA,\n", &[NONE]).await {
        assert!(rows.is_err(), "{way}: {rows:?}");
    }
    for (way, rows) in each_way::<Perhaps>("Name,Owner.Name\nA,\n", &[NONE]).await {
        assert_eq!(rows.unwrap()[0].owner, None, "{way}");
    }
    let titled = r#"{"Name":"A","Owner":{"Title":null}}"#;
    for (way, rows) in each_way::<WithTitle>("Name,Owner.Title\nA,\n", &[titled]).await {
        assert_eq!(rows.unwrap()[0].owner.title, None, "{way}");
    }
}

#[tokio::test]
async fn the_path_of_a_file_is_not_taken_for_its_bytes() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct File {
        #[allow(dead_code, reason = "read by serde only")]
        body: Option<Base64>,
    }
    let row = json!({"attributes": {"type": "Attachment"}, "Body": "/services/data/v66.0/sobjects/Attachment/00P/Body"});
    let server = Server::start(move |_| json!({"totalSize": 1, "done": true, "records": [row]}).into()).await;
    let error = connect(&server).query::<File>("SELECT Body FROM Attachment").fetch_all().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("SObjectHandle::blob") && text.contains("field `Body`, row 1 of Attachment"),
        "{text}"
    );
    #[derive(Debug, Deserialize)]
    struct Flat {
        #[allow(dead_code, reason = "read by serde only")]
        #[serde(flatten)]
        file: Option<Bytes>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Bytes {
        #[allow(dead_code, reason = "read by serde only")]
        body: Base64,
    }
    let error = connect(&server).query::<Flat>("SELECT Body FROM Attachment").fetch_all().await.unwrap_err();
    assert!(error.to_string().contains("SObjectHandle::blob"), "{error}");
}

/// serde drops the error of the first row. Reading ends at the second one.
#[tokio::test]
async fn an_error_that_serde_dropped_is_not_taken_for_that_of_a_later_row() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct File {
        #[allow(dead_code, reason = "read by serde only")]
        body: Base64,
    }
    let path = "/services/data/v66.0/sobjects/Attachment/00P/Body";
    let rows = [(json!("a"), path), (json!(7), "aGVsbG8=")]
        .map(|(name, body)| json!({"attributes": {"type": "Attachment"}, "Name": name, "Body": body}));
    let server = Server::start(move |_| json!({"totalSize": 2, "done": true, "records": rows}).into()).await;
    let query = connect(&server).query::<Flat<Option<File>>>("SELECT Name, Body FROM Attachment");
    let error = query.fetch_all().await.unwrap_err().to_string();
    assert!(error.contains("found integer where a string is expected"), "{error}");
    assert!(error.contains("field `Name`, row 2 of Attachment"), "{error}");
}

/// An error of this crate's own is told with its text, without the values.
#[tokio::test]
async fn a_foreign_address_of_further_children_is_named() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Account {
        #[allow(dead_code, reason = "read by serde only")]
        contacts: Page<Value>,
    }
    for (next, expected) in [
        (json!("https://canary.example/x"), "the address of further children is not a path of this API"),
        (Value::Null, "the query has more rows, but no `nextRecordsUrl`"),
    ] {
        let contacts = json!({"totalSize": 2, "done": false, "nextRecordsUrl": next, "records": [{}]});
        let row = json!({"attributes": {"type": "Account"}, "Contacts": contacts});
        let server =
            Server::start(move |_| json!({"totalSize": 1, "done": true, "records": [row]}).into()).await;
        let query = connect(&server).query::<Account>("SELECT (SELECT Id FROM Contacts) FROM Account");
        let error = query.fetch_all().await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("row 1 of"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}
