//! Odd members in responses about saved records: they lose no other result.

use super::*;
use crate::{
    Result,
    composite::{Graph, Subrequest, TreeError},
    error::{Error, InvalidResponse},
    http::error::HttpError,
    id::SalesforceId,
    query::Page,
};

const RECORD: &str = "001D000000IqhSLIAZ";
const OTHER: &str = "003D000000QV9n2IAD";

fn saved(id: &str) -> Value {
    json!({"id": id, "success": true, "errors": []})
}

/// Returns the subrequests of a composite, or of a graph.
fn parts(sent: &Value) -> Vec<Value> {
    sent["compositeRequest"].as_array().cloned().unwrap_or_default()
}

fn part(status: &Value, body: &Value, id: &Value) -> Value {
    json!({"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": id})
}

fn is_unreadable<T>(result: &crate::Result<T>) -> bool {
    matches!(result, Err(Error::InvalidResponse(_)))
}

///
#[tokio::test]
async fn an_odd_member_of_a_saved_record_does_not_lose_its_id() {
    for odd in [json!(null), json!("yes"), json!({}), json!(1)] {
        let body = json!({"id": RECORD, "success": true, "errors": odd, "created": odd});
        let server = Server::start(move |request| {
            let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
            let all = |sent: &Value| -> Vec<Value> {
                parts(sent).iter().map(|sent| part(&json!(201), &body, &sent["referenceId"])).collect()
            };
            match request.target.trim_start_matches("/services/data/v66.0/") {
                "composite" => json!({"compositeResponse": all(&sent)}).into(),
                "composite/batch" => json!({"results": [{"statusCode": 201, "result": body}]}).into(),
                "composite/graph" => {
                    let graph = &sent["graphs"][0];
                    json!({"graphs": [{"graphId": graph["graphId"], "isSuccessful": true,
                        "graphResponse": {"compositeResponse": all(graph)}}]})
                    .into()
                }
                _ => body.clone().into(),
            }
        })
        .await;
        let sf = connect(&server);
        let account = sf.sobject("Account");
        let new = json!({"Name": "A"});
        assert_eq!(account.create(&new).await.unwrap().as_str(), RECORD, "{odd}");
        let upserted = account.upsert("Key__c", "A-1", &new).await.unwrap();
        assert_eq!((upserted.id.as_str(), upserted.created), (RECORD, false), "{odd}");
        let mut composite = sf.composite();
        let in_composite = composite.upsert("Account", "Key__c", "A-1", &new).unwrap();
        let mut batch = sf.batch();
        let in_batch = batch.upsert("Account", "Key__c", "A-1", &new).unwrap();
        let mut graph = Graph::new();
        let in_graph = graph.upsert("Account", "Key__c", "A-1", &new).unwrap();
        for saved in [
            composite.send().await.unwrap().get(&in_composite),
            batch.send().await.unwrap().get(&in_batch),
            sf.graphs([graph]).await.unwrap().get(&in_graph),
        ] {
            assert_eq!(saved.unwrap().id.as_str(), RECORD, "{odd}");
        }
    }
}

///
#[tokio::test]
async fn an_odd_part_of_a_composite_or_a_batch_does_not_lose_the_other_parts() {
    for odd in [json!(null), json!("x"), json!({}), json!(-1)] {
        for is_part_odd in [false, true] {
            let odd = odd.clone();
            let server = Server::start(move |request| {
                let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
                if request.target.ends_with("batch") {
                    let second = if is_part_odd { odd.clone() } else { json!({"statusCode": odd, "result": saved(OTHER)}) };
                    return json!({"hasErrors": false, "results": [
                        {"statusCode": 201, "result": saved(RECORD)}, second,
                        {"statusCode": "201", "result": saved(OTHER)}]})
                    .into();
                }
                let id = |n: usize| sent["compositeRequest"][n]["referenceId"].clone();
                let odd = if is_part_odd { odd.clone() } else { part(&odd, &saved(OTHER), &id(1)) };
                // In another order than that of the subrequests.
                json!({"compositeResponse": [
                    part(&json!(201.0), &saved(OTHER), &id(2)), odd, part(&json!(201), &saved(RECORD), &id(0))]})
                .into()
            })
            .await;
            let sf = connect(&server);
            let mut composite = sf.composite();
            let mut batch = sf.batch();
            let new = json!({"Name": "A"});
            let in_composite = [(); 3].map(|()| composite.create("Account", &new).unwrap());
            let in_batch = [(); 3].map(|()| batch.create("Account", &new).unwrap());
            let composite = composite.send().await.unwrap();
            let batch = batch.send().await.unwrap();
            let results = [
                in_composite.each_ref().map(|part| composite.get(part)),
                in_batch.each_ref().map(|part| batch.get(part)),
            ];
            for [first, second, third] in results {
                assert_eq!((first.unwrap().as_str(), third.unwrap().as_str()), (RECORD, OTHER));
                assert!(is_unreadable(&second), "{second:?}");
            }
            assert!(is_unreadable(&composite.check()) && is_unreadable(&batch.check()));
        }
    }
}

///
#[tokio::test]
async fn an_odd_graph_does_not_lose_the_other_graphs() {
    for odd in [json!(null), json!({}), json!({"compositeResponse": null})] {
        for (is_successful, is_listed) in
            [(json!(true), true), (json!(false), true), (json!(null), true), (json!(true), false)]
        {
            let odd = odd.clone();
            let server = Server::start(move |request| {
                let sent: Value = serde_json::from_str(&request.body).unwrap();
                let [first, second] = [0, 1].map(|n| &sent["graphs"][n]);
                let created = part(&json!(201), &saved(RECORD), &first["compositeRequest"][0]["referenceId"]);
                let mut graphs = vec![json!({"graphId": first["graphId"], "isSuccessful": true,
                    "graphResponse": {"compositeResponse": [created]}})];
                if is_listed {
                    graphs.insert(0, json!({"graphId": second["graphId"], "isSuccessful": is_successful, "graphResponse": odd}));
                }
                json!({ "graphs": graphs }).into()
            })
            .await;
            let sf = connect(&server);
            let (mut first, mut second) = (Graph::new(), Graph::new());
            let new = json!({"Name": "A"});
            let created = first.create("Account", &new).unwrap();
            let lost = second.create("Account", &new).unwrap();
            let response = sf.graphs([first, second]).await.unwrap();
            assert_eq!(response.get(&created).unwrap().as_str(), RECORD);
            assert!(is_unreadable(&response.get(&lost)));
            let outcomes: Vec<_> = response.outcomes().collect();
            assert!(outcomes[0].is_ok() && is_unreadable(&outcomes[1]), "{outcomes:?}");
        }
    }
}

///
#[tokio::test]
async fn an_odd_record_of_a_tree_does_not_lose_the_other_ids() {
    for odd in [
        json!({"referenceId": "n1", "id": null}),
        json!({"referenceId": "n1"}),
        json!({"referenceId": "n1", "id": "x"}),
        json!({"referenceId": null, "id": OTHER}),
        json!(null),
        json!([]),
    ] {
        let what = odd.to_string();
        let server = Server::start(move |_| {
            json!({"hasErrors": false, "results": [
                {"referenceId": "n0", "id": RECORD}, odd, {"referenceId": "n2", "id": OTHER}]})
            .into()
        })
        .await;
        let mut tree = connect(&server).tree("Account").unwrap();
        let [first, second, third] = [(); 3].map(|()| tree.add(&json!({"Name": "A"})).unwrap());
        let ids = tree.send().await.unwrap();
        assert_eq!(ids.get(&first).unwrap().as_str(), RECORD, "{what}");
        assert_eq!(ids.get(&third).unwrap().as_str(), OTHER, "{what}");
        assert!(is_unreadable(&ids.get(&second)), "{what}");
    }
    let server = Server::start(|_| {
        let reason = json!({"statusCode": "A", "message": "m", "fields": []});
        json!({"hasErrors": true, "results": [{"referenceId": "n0", "errors": [reason]}]}).into()
    })
    .await;
    let mut tree = connect(&server).tree("Account").unwrap();
    let first = tree.add(&json!({})).unwrap();
    let error = tree.send().await.unwrap_err();
    assert!(
        matches!(&error, TreeError::Refused(rejected) if rejected[0].node == first && rejected[0].errors[0].code == "A"),
        "{error:?}"
    );
}

/// one odd cell must not end the results of a job.
#[cfg(feature = "bulk")]
#[tokio::test]
async fn an_odd_result_of_a_job_does_not_lose_the_results_after_it() {
    use futures_util::TryStreamExt as _;

    use crate::tests::values::{JOB, http};

    let server = Server::start(|request| match request.target.rsplit('/').next().unwrap_or_default() {
        "successfulResults" => {
            let rows = format!("{RECORD},,a\n{OTHER},TRUE,b\n{RECORD},false,c\n");
            http(200, "Content-Type: text/csv\r\n", &format!("sf__Id,sf__Created,Name\n{rows}"))
        }
        "failedResults" => {
            let rows = format!("x,why,a\n,,b\n{OTHER},why,c\n");
            http(200, "Content-Type: text/csv\r\n", &format!("sf__Id,sf__Error,Name\n{rows}"))
        }
        _ => json!({"id": JOB, "state": "JobComplete", "operation": "insert"}).into(),
    })
    .await;
    let mut job = connect(&server).ingest_job(JOB).unwrap();
    job.refresh().await.unwrap();
    let loaded: Vec<_> = job.successful::<Value>().try_collect().await.unwrap();
    assert_eq!(loaded.iter().map(|row| row.created).collect::<Vec<_>>(), [true, true, false]);
    let failed: Vec<_> = job.failed::<Value>().try_collect().await.unwrap();
    let ids: Vec<_> = failed.iter().map(|row| row.id.map(|id| id.to_string())).collect();
    assert_eq!(ids, [None, None, Some(OTHER.to_owned())]);
}

/// A row that reads its children into a `Vec`.
#[derive(Debug, serde::Deserialize)]
struct Parent {
    #[expect(dead_code, reason = "it is never complete")]
    #[serde(rename = "Contacts", deserialize_with = "crate::serde_helpers::child_records")]
    contacts: Vec<Value>,
}

/// What one request returned: the id of a new record, the page of a query, and whether all parts succeeded.
struct Outcome {
    created: Result<SalesforceId>,
    queried: [Result<Page<Parent>>; 2],
    checked: Result<()>,
}

/// Creates a record and queries rows by a composite, a batch and a graph. `rest` responds to requests for more children.
async fn create_and_query(rest: fn() -> Reply) -> ([Outcome; 3], usize) {
    let server = Server::start(move |request| {
        let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let one = |sent: &Value| {
            let next = "/services/data/v66.0/query/01gD0000002HU6KIAW-2";
            let contacts = json!({"totalSize": 2, "done": false, "nextRecordsUrl": next, "records": [{"N": 1}]});
            let page = json!({"totalSize": 1, "done": true, "records": [{"Contacts": contacts}]});
            if sent["method"] == "POST" { (json!(201), saved(RECORD)) } else { (json!(200), page) }
        };
        let all = |sent: &Value| -> Vec<Value> {
            parts(sent).iter().map(|sent| part(&one(sent).0, &one(sent).1, &sent["referenceId"])).collect()
        };
        match request.target.trim_start_matches("/services/data/v66.0/") {
            "composite" => json!({"compositeResponse": all(&sent)}).into(),
            "composite/batch" => {
                let parts = sent["batchRequests"].as_array().unwrap().iter().map(one);
                let results: Vec<_> = parts.map(|(status, body)| json!({"statusCode": status, "result": body})).collect();
                json!({"hasErrors": false, "results": results}).into()
            }
            "composite/graph" => {
                let graph = &sent["graphs"][0];
                json!({"graphs": [{"graphId": graph["graphId"], "graphResponse": {"compositeResponse": all(graph)},
                    "isSuccessful": true}]})
                .into()
            }
            _ => rest(),
        }
    })
    .await;
    let sf = connect(&server).with_timeout(Duration::from_millis(500));
    let query = || Subrequest::query(sf.query::<Parent>("SELECT (SELECT N FROM Contacts) FROM A")).unwrap();
    let (mut composite, mut batch, mut graph) = (sf.composite(), sf.batch(), Graph::new());
    let new = json!({"Name": "A"});
    let in_composite = composite.create("Account", &new).unwrap();
    let pages_of_composite = [(); 2].map(|()| composite.add(query()).unwrap());
    let in_batch = batch.create("Account", &new).unwrap();
    let pages_of_batch = [(); 2].map(|()| batch.add(query()).unwrap());
    let in_graph = graph.create("Account", &new).unwrap();
    let pages_of_graph = [(); 2].map(|()| graph.add(query()).unwrap());
    let composite = composite.send().await.expect("the record is saved");
    let batch = batch.send().await.expect("the record is saved");
    let graphs = sf.graphs([graph]).await.expect("the record is saved");
    let outcomes = [
        Outcome {
            created: composite.get(&in_composite),
            queried: pages_of_composite.map(|page| composite.get(&page)),
            checked: composite.check(),
        },
        Outcome {
            created: batch.get(&in_batch),
            queried: pages_of_batch.map(|page| batch.get(&page)),
            checked: batch.check(),
        },
        Outcome {
            created: graphs.get(&in_graph),
            queried: pages_of_graph.map(|page| graphs.get(&page)),
            checked: graphs.outcomes().collect(),
        },
    ];
    (outcomes, server.count("GET"))
}

/// what was saved must not be saved again because rows are incomplete.
#[tokio::test]
async fn children_that_cannot_be_fetched_do_not_lose_the_saved_ids() {
    type Case = (fn() -> Reply, fn(&Error) -> bool);
    let cases: [Case; 5] = [
        (
            || api_error(400, "INVALID_QUERY_LOCATOR", "invalid query locator"),
            |error| matches!(error, Error::CursorClosed { .. }),
        ),
        (
            || Reply::Body(200, "<html>".into()),
            |error| {
                matches!(
                    error,
                    Error::InvalidResponse(InvalidResponse::Json(_) | InvalidResponse::Unexpected(_))
                )
            },
        ),
        (expired_token, |error| matches!(error, Error::LoginRequired | Error::Unavailable { .. })),
        (|| Reply::Stall(""), |error| matches!(error, Error::Http(HttpError::Timeout))),
        (
            || Reply::Disconnect,
            |error| matches!(error, Error::Http(HttpError::ConnectionLost(_) | HttpError::Timeout)),
        ),
    ];
    for (rest, is_expected) in cases {
        for outcome in create_and_query(rest).await.0 {
            assert_eq!(outcome.created.unwrap().as_str(), RECORD);
            outcome.checked.expect("no subrequest failed");
            for queried in outcome.queried {
                let error = queried.unwrap_err();
                assert!(is_expected(&error), "{error:?}");
            }
        }
    }
}

/// The ids of what was saved are waited for no longer than for one page.
#[tokio::test]
async fn a_page_of_children_that_times_out_is_the_last_that_is_requested() {
    let (outcomes, pages) = create_and_query(|| Reply::Stall("")).await;
    assert!(outcomes.iter().flat_map(|outcome| &outcome.queried).all(Result::is_err));
    // One page with its three retries, for each of the three requests.
    assert_eq!(pages, 3 * 4);
}
