//! What serde hides: the fields of structs with `#[serde(flatten)]`, and the digits of numbers.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::*;
use crate::{
    composite::{Graph, Subrequest},
    error::Result,
    query::{Page, soql::SoqlDecimal},
    tests::values::{JOB, http},
};

const RECORD: &str = "001D000000IqhSLIAZ";

/// An org in which each way to read rows gives `rows`, a job as CSV.
async fn org(csv: &str, rows: Vec<String>) -> Server {
    let csv = csv.to_owned();
    let count = csv.lines().count() - 1;
    let (list, first) = (format!("[{}]", rows.join(",")), rows.first().cloned().unwrap_or_default());
    let page = format!(r#"{{"totalSize":{},"done":true,"records":{list}}}"#, rows.len());
    Server::start(move |request| {
        let json = |body: String| Reply::Body(200, body);
        let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let body_of = |resource: &str| if resource.contains("/query") { &page } else { &first };
        match request.target.trim_start_matches("/services/data/v66.0/") {
            "composite" => {
                let parts = sent["compositeRequest"].as_array().unwrap().iter().map(|part| {
                    let (body, id) = (body_of(part["url"].as_str().unwrap()), &part["referenceId"]);
                    format!(r#"{{"body":{body},"httpHeaders":{{}},"httpStatusCode":200,"referenceId":{id}}}"#)
                });
                json(format!(r#"{{"compositeResponse":[{}]}}"#, parts.collect::<Vec<_>>().join(",")))
            }
            "composite/batch" => {
                let parts = sent["batchRequests"].as_array().unwrap().iter();
                let parts = parts.map(|part| {
                    format!(r#"{{"statusCode":200,"result":{}}}"#, body_of(part["url"].as_str().unwrap()))
                });
                json(format!(r#"{{"hasErrors":false,"results":[{}]}}"#, parts.collect::<Vec<_>>().join(",")))
            }
            "composite/sobjects/Account" => json(list.clone()),
            target if target.starts_with("query?") => json(page.clone()),
            target if target.starts_with("sobjects/") => json(first.clone()),
            target if target.ends_with("resultPages") => {
                let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
            }
            target if target.contains("/results?") => {
                http(200, &format!("Content-Type: text/csv\r\nSforce-NumberOfRecords: {count}\r\n"), &csv)
            }
            _ => json!({"id": JOB, "state": "JobComplete", "object": "Account"}).into(),
        }
    })
    .await
}

/// Reads the rows in each way that the API has, and returns them with the name of the way.
pub(super) async fn each_way<T: DeserializeOwned + Send + 'static>(
    csv: &str,
    rows: &[&str],
) -> Vec<(&'static str, Result<Vec<T>>)> {
    const SOQL: &str = "SELECT Name FROM Account";
    let server = org(csv, rows.iter().map(|row| (*row).to_owned()).collect()).await;
    let sf = connect(&server);
    let ids = vec![RECORD; rows.len()];
    let mut composite = sf.composite();
    let (page, record) =
        (composite.query(sf.query::<T>(SOQL)).unwrap(), composite.retrieve("Account", RECORD, &[]).unwrap());
    let composite = composite.send().await.unwrap();
    let mut batch = sf.batch();
    let batched = batch.query(sf.query::<T>(SOQL)).unwrap();
    let batch = batch.send().await.unwrap();
    let long = format!("{SOQL} WHERE Name IN ('{}')", "x".repeat(10_000));
    let many = sf.sobject("Account").retrieve_many::<T, _>(ids, &["Name"]).await;
    let one = |record: Result<T>| record.map(|record| vec![record]);
    vec![
        ("query", sf.query::<T>(SOQL).fetch_all().await),
        ("long query", sf.query::<T>(long).fetch_all().await),
        ("job", sf.query::<T>(SOQL).fetch_bulk().try_collect().await),
        ("record", one(sf.sobject("Account").retrieve::<T>(RECORD).await)),
        ("collection", many.map(|rows| rows.into_iter().flatten().collect())),
        ("composite query", composite.get(&page).map(|page| page.records)),
        ("composite record", one(composite.get::<T>(&record))),
        ("batch query", batch.get(&batched).map(|page| page.records)),
    ]
}

#[derive(Debug, PartialEq, Deserialize)]
struct Wrong {
    #[serde(rename = "Annualrevenue")]
    revenue: Option<f64>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Flat<T> {
    #[serde(rename = "Name")]
    name: String,
    #[serde(flatten)]
    pub(super) rest: T,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Aliased {
    #[serde(rename = "annualrevenue", alias = "AnnualRevenue")]
    revenue: Option<f64>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Camel {
    annual_revenue: Option<f64>,
}

const CSV: &str = "Name,AnnualRevenue\nA,5\n";
const ROW: &str = r#"{"attributes":{"type":"Account"},"Name":"A","AnnualRevenue":5.0}"#;

/// X-11: a field that never comes would be `None` for ever.
#[tokio::test]
async fn a_flattened_field_in_another_case_is_an_error_in_each_way_to_read() {
    for (way, rows) in each_way::<Flat<Wrong>>(CSV, &[ROW]).await {
        let error = rows.unwrap_err().to_string();
        assert!(error.contains("`Annualrevenue`") && error.contains("`AnnualRevenue`"), "{way}: {error}");
    }
    for (way, rows) in each_way::<Flat<Option<Camel>>>(CSV, &[ROW]).await {
        let error = rows.unwrap_err().to_string();
        assert!(error.contains("`annualRevenue`"), "{way}: {error}");
    }
    for (way, rows) in each_way::<Wrong>(CSV, &[ROW]).await {
        assert!(rows.unwrap_err().to_string().contains("`Annualrevenue`"), "{way}");
    }
    // Structs that read what comes, under each name.
    for (way, rows) in each_way::<Flat<Aliased>>(CSV, &[ROW]).await {
        assert_eq!(rows.unwrap()[0].rest, Aliased { revenue: Some(5.0) }, "{way}");
    }
    for (way, rows) in each_way::<Flat<BTreeMap<String, Value>>>(CSV, &[ROW]).await {
        assert!(rows.unwrap()[0].rest.contains_key("AnnualRevenue"), "{way}");
    }
}

/// X-11
#[tokio::test]
async fn a_flattened_field_in_another_case_is_an_error_in_the_results_of_a_job() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Phone {
        #[serde(rename = "Phone")]
        _phone: Option<String>,
    }
    for column in ["phone", "Phone"] {
        let server =
            Server::start(move |request| match request.target.rsplit('/').next().unwrap_or_default() {
                last if last.ends_with("Results") => {
                    let csv = format!("sf__Id,sf__Created,sf__Error,Name,{column}\n{RECORD},true,why,A,5\n");
                    http(200, "Content-Type: text/csv\r\n", &csv)
                }
                "unprocessedrecords" => {
                    http(200, "Content-Type: text/csv\r\n", &format!("Name,{column}\nA,5\n"))
                }
                _ => json!({"id": JOB, "state": "JobComplete"}).into(),
            })
            .await;
        let job = connect(&server).ingest_job(JOB).unwrap();
        let ways = [
            ("failed", job.failed::<Flat<Phone>>().map_ok(drop).try_collect::<()>().await),
            ("successful", job.successful::<Flat<Phone>>().map_ok(drop).try_collect().await),
            ("unprocessed", job.unprocessed::<Flat<Phone>>().map_ok(drop).try_collect().await),
        ];
        for (way, rows) in ways {
            match rows {
                Ok(()) => assert_eq!(column, "Phone", "{way}"),
                Err(error) => {
                    assert!(column == "phone" && error.to_string().contains("`Phone`"), "{way}: {error}")
                }
            }
        }
    }
}

/// X-11: the first row has no parent, so that it says nothing of the parent's fields.
#[tokio::test]
async fn a_field_of_a_later_rows_parent_in_another_case_is_an_error_in_each_way_to_read() {
    #[derive(Debug, Deserialize)]
    struct Owned {
        #[serde(rename = "Owner")]
        _owner: Option<Lower>,
    }
    #[derive(Debug, Deserialize)]
    struct Lower {
        #[serde(rename = "name")]
        _name: Option<String>,
    }
    const NONE: &str = r#"{"attributes":{"type":"Account"},"Owner":null}"#;
    let owned = r#"{"attributes":{"type":"Account"},"Owner":{"attributes":{"type":"User"},"Name":"A"}}"#;
    for (way, rows) in each_way::<Owned>("Owner.Name\n\nA\n", &[NONE, owned]).await {
        // These read the first record alone.
        if matches!(way, "record" | "composite record") {
            assert!(rows.is_ok(), "{way}: {rows:?}");
            continue;
        }
        let error = rows.map(|rows| rows.len()).unwrap_err().to_string();
        assert!(error.contains("`name`"), "{way}: {error}");
    }
}

#[tokio::test]
async fn a_requested_field_of_a_search_in_another_case_is_an_error() {
    let server = Server::start(|_| {
        json!({"searchRecords": [{"attributes": {"type": "Account"}, "Id": RECORD, "AnnualRevenue": 5.0}]})
            .into()
    })
    .await;
    let sf = connect(&server);
    let error =
        sf.search("acme").returning("Account", &["Id", "Annualrevenue"]).fetch_all().await.unwrap_err();
    assert!(error.to_string().contains("`Annualrevenue`"), "{error}");
    let found = sf.search("acme").returning("Account", &["Id", "AnnualRevenue"]).fetch_all().await.unwrap();
    assert_eq!(found[0].fields["AnnualRevenue"], 5.0);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Money {
    amount: Option<SoqlDecimal>,
    #[serde(with = "crate::serde_helpers::decimal")]
    other: SoqlDecimal,
    #[serde(rename = "Seats__c")]
    seats: Option<i64>,
    rate: f64,
}

fn decimal(text: &str) -> SoqlDecimal {
    text.parse().unwrap()
}

/// X-16: numbers of which a float loses digits, and X-12 where serde drops the error.
#[tokio::test]
async fn numbers_are_read_with_all_digits_in_each_way_to_read() {
    let csv = "Name,Amount,Other,Seats__c,Rate\nA,,5,,0.25\nB,123456789012345678.91,1.0E7,9007199254740993.0,0.25\n";
    let rows = [
        r#"{"Name":"A","Amount":null,"Other":5,"Seats__c":null,"Rate":0.25}"#,
        r#"{"Name":"B","Amount":123456789012345678.91,"Other":1.0E7,"Seats__c":9007199254740993.0,"Rate":0.25}"#,
    ];
    let first = || Money { amount: None, other: decimal("5"), seats: None, rate: 0.25 };
    let second = Money {
        amount: Some(decimal("123456789012345678.91")),
        other: decimal("10000000"),
        seats: Some(9_007_199_254_740_993),
        rate: 0.25,
    };
    for (way, read) in each_way::<Money>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!((&read[0], read.get(1).unwrap_or(&second)), (&first(), &second), "{way}");
    }
    for (way, read) in each_way::<Flat<Money>>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(
            (&read[0].rest, read.get(1).map_or(&second, |row| &row.rest)),
            (&first(), &second),
            "{way}"
        );
    }
    for (way, read) in each_way::<Flat<Option<Money>>>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(read[0].rest, Some(first()), "{way}");
        assert!(read.get(1).is_none_or(|row| row.rest.as_ref() == Some(&second)), "{way}: {read:?}");
    }
    // The same values in two fields, one of which is a float.
    let row = r#"{"Name":"A","Amount":0.25,"Other":0.25,"Seats__c":7.0,"Rate":0.25}"#;
    for (way, read) in
        each_way::<Flat<Money>>("Name,Amount,Other,Seats__c,Rate\nA,0.25,0.25,7.0,0.25\n", &[row]).await
    {
        let expected =
            Money { amount: Some(decimal("0.25")), other: decimal("0.25"), seats: Some(7), rate: 0.25 };
        assert_eq!(read.unwrap()[0].rest, expected, "{way}");
    }
    // A fraction is not an integer, and a text is not a number.
    for (column, json) in [("7.5", "7.5"), ("x", "\"x\"")] {
        let csv = format!("Name,Amount,Other,Seats__c,Rate\nA,1,1,{column},1\n");
        let row = format!(r#"{{"Name":"A","Amount":1,"Other":1,"Seats__c":{json},"Rate":1}}"#);
        for (way, read) in each_way::<Flat<Money>>(&csv, &[&row]).await {
            assert!(read.is_err(), "{way}");
        }
    }
}

#[tokio::test]
async fn decimals_are_written_with_all_digits_in_each_way_to_write() {
    let server = Server::start(|request| match request.target.rsplit('/').next().unwrap_or_default() {
        "sobjects" => json!([{"id": RECORD, "success": true, "errors": []}]).into(),
        "Account" => json!({"id": RECORD, "success": true, "errors": []}).into(),
        "composite" => api_error(400, "X", "m"),
        _ => json!({"id": JOB, "state": "JobComplete"}).into(),
    })
    .await;
    let sf = connect(&server);
    let record = || Flattened {
        money: Money {
            amount: Some(decimal("123456789012345678.91")),
            other: decimal("-0.1"),
            seats: None,
            rate: 0.25,
        },
    };
    #[derive(Serialize)]
    struct Flattened {
        #[serde(flatten)]
        money: Money,
    }
    sf.sobject("Account").create(&record()).await.unwrap();
    sf.sobject("Account").create_many([record()]).await.unwrap();
    let mut composite = sf.composite();
    composite.create("Account", &record()).unwrap();
    composite.send().await.unwrap_err();
    sf.bulk("Account").insert(futures_util::stream::iter([record()])).await.unwrap();
    let bodies: Vec<_> =
        server.requests().into_iter().filter(|request| request.body.contains("0.25")).collect();
    assert_eq!(bodies.len(), 4);
    for request in bodies {
        let body = &request.body;
        assert!(body.contains("123456789012345678.91") && body.contains("-0.1"), "{body}");
    }
}

/// A float of 32 bits is written as its type says: `0.1` is not `0.10000000149011612`.
#[tokio::test]
async fn an_f32_is_written_the_same_in_each_way_to_write() {
    #[derive(Serialize)]
    struct Rated {
        #[serde(rename = "Rate__c")]
        rate: f32,
    }
    let server = Server::start(|request| match request.target.rsplit('/').next().unwrap_or_default() {
        "sobjects" => json!([{"id": RECORD, "success": true, "errors": []}]).into(),
        "composite" | "batch" | "graph" => api_error(400, "X", "m"),
        _ if request.target.contains("/jobs/") => json!({"id": JOB, "state": "JobComplete"}).into(),
        _ if request.target.contains("/tree/") => api_error(400, "X", "m"),
        _ => json!({"id": RECORD, "success": true, "errors": []}).into(),
    })
    .await;
    let sf = connect(&server);
    let record = || Rated { rate: 0.1 };
    sf.sobject("Account").create(&record()).await.unwrap();
    sf.sobject("Account").create_many([record()]).await.unwrap();
    let (mut composite, mut batch, mut graph) = (sf.composite(), sf.batch(), Graph::new());
    composite.create("Account", &record()).unwrap();
    composite.send().await.unwrap_err();
    batch.upsert("Account", "Key__c", "x", &record()).unwrap();
    batch.send().await.unwrap_err();
    graph.update("Account", RECORD, &record()).unwrap();
    sf.graphs([graph]).await.unwrap_err();
    let mut tree = sf.tree("Account").unwrap();
    let parent = tree.add(&record()).unwrap();
    tree.add_child(&parent, "Contacts", "Contact", &record()).unwrap();
    tree.send().await.unwrap_err();
    sf.bulk("Account").insert(futures_util::stream::iter([record()])).await.unwrap();
    let bodies: Vec<_> =
        server.requests().into_iter().filter(|request| request.body.contains("Rate__c")).collect();
    assert_eq!(bodies.len(), 7);
    for request in bodies {
        assert!(request.body.contains("0.1") && !request.body.contains("0.10"), "{}", request.body);
    }
}

/// X-14: one row with more children than fit must not lose the other rows of a composite.
#[tokio::test]
async fn children_of_a_composites_query_are_complete() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parent {
        revenue: SoqlDecimal,
        #[serde(deserialize_with = "crate::serde_helpers::child_records")]
        contacts: Vec<BTreeMap<String, Value>>,
    }
    let children = r#"{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/01gD0000002HU6KIAW-2","records":[{"N":1},{"N":2}]}"#;
    let rows = [
        r#"{"Revenue":12345678901234567.89,"Contacts":null}"#.to_owned(),
        format!(r#"{{"Revenue":1,"Contacts":{children}}}"#),
    ];
    let page = json!({"totalSize": 3, "done": true, "records": [{"N": 3}]});
    let rest = page.to_string();
    let inner = format!(r#"{{"totalSize":2,"done":true,"records":[{}]}}"#, rows.join(","));
    let server = Server::start(move |request| {
        let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let part = |part: &Value| {
            let id = &part["referenceId"];
            format!(r#"{{"body":{inner},"httpHeaders":{{}},"httpStatusCode":200,"referenceId":{id}}}"#)
        };
        let parts = |list: &Value| list["compositeRequest"].as_array().unwrap().iter().map(part).collect::<Vec<_>>().join(",");
        match request.target.trim_start_matches("/services/data/v66.0/") {
            "composite" => Reply::Body(200, format!(r#"{{"compositeResponse":[{}]}}"#, parts(&sent))),
            "composite/graph" => {
                let graph = &sent["graphs"][0];
                let (id, parts) = (&graph["graphId"], parts(graph));
                Reply::Body(200, format!(
                    r#"{{"graphs":[{{"graphId":{id},"graphResponse":{{"compositeResponse":[{parts}]}},"isSuccessful":true}}]}}"#
                ))
            }
            "composite/batch" => Reply::Body(200, format!(r#"{{"results":[{{"statusCode":200,"result":{inner}}}]}}"#)),
            _ => Reply::Body(200, rest.clone()),
        }
    })
    .await;
    let sf = connect(&server);
    let query =
        || Subrequest::query(sf.query::<Parent>("SELECT (SELECT N FROM Contacts) FROM Account")).unwrap();
    let mut composite = sf.composite();
    let in_composite = composite.add(query()).unwrap();
    let mut batch = sf.batch();
    let in_batch = batch.add(query()).unwrap();
    let mut graph = Graph::new();
    let in_graph = graph.add(query()).unwrap();
    let pages: [Page<Parent>; 3] = [
        composite.send().await.unwrap().get(&in_composite).unwrap(),
        batch.send().await.unwrap().get(&in_batch).unwrap(),
        sf.graphs([graph]).await.unwrap().get(&in_graph).unwrap(),
    ];
    for page in pages {
        let children: Vec<_> = page.records[1].contacts.iter().map(|row| row["N"].clone()).collect();
        assert_eq!((page.records.len(), children), (2, vec![json!(1), json!(2), json!(3)]));
        assert_eq!(page.records[0].revenue.to_string(), "12345678901234567.89");
    }
}
