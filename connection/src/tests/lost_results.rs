//! Odd members in responses about saved records: they lose no other result.

use super::*;
use crate::{
    composite::{Graph, TreeError},
    error::Error,
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
