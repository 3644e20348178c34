//! Records as they are loaded by jobs and saved by requests, and the results of each.

use std::collections::BTreeMap;

use futures_util::{TryStreamExt as _, stream};
use serde::Serialize;

use super::*;
use crate::{
    bulk::JobState,
    error::{Error, InvalidRequest, InvalidResponse},
    records::RecordError,
    tests::values::{Audit, Flat, JOB, Owner, http},
};

const RECORD: &str = "001D000000IqhSLIAZ";

/// Loads records and returns the CSV that was uploaded.
async fn loaded<T: Serialize>(operation: &str, records: Vec<T>) -> crate::Result<String> {
    let server = Server::start(|_| json!({"id": JOB, "state": "JobComplete"}).into()).await;
    let bulk = connect(&server).bulk("Account");
    let records = stream::iter(records);
    match operation {
        "insert" => bulk.insert(records).await,
        "update" => bulk.update(records).await,
        _ => bulk.upsert("Key__c", records).await,
    }?;
    let upload = server.requests().into_iter().find(|request| request.method == "PUT");
    Ok(upload.unwrap().body)
}

#[tokio::test]
async fn what_create_many_takes_can_be_loaded_by_a_job() {
    let flat = Flat {
        name: "Acme".to_owned(),
        audit: Audit { phone: None, active: true, seats: Some(5), annual_revenue: Some(0.1) },
        owner: Some(Owner { name: "Ada".to_owned() }),
    };
    let csv = loaded("insert", vec![flat]).await.unwrap();
    assert_eq!(csv, "Name,Phone,Active__c,Seats__c,AnnualRevenue,Owner.Name\nAcme,,true,5,0.1,Ada\n");
    let objects = vec![
        json!({"attributes": {"type": "Account"}, "Name": "0049", "Seats__c": 5}),
        json!({"Name": "b,c", "Phone": "1"}),
    ];
    assert_eq!(loaded("insert", objects).await.unwrap(), "Name,Seats__c,Phone\n0049,5,\n\"b,c\",,1\n");
    let map = BTreeMap::from([("Id", RECORD), ("Name", "A")]);
    assert_eq!(loaded("update", vec![map]).await.unwrap(), format!("Id,Name\n{RECORD},A\n"));
    for odd in [json!(["a"]), json!("a"), json!(null), json!({}), json!({"Name": ["a"]})] {
        assert!(matches!(loaded("insert", vec![&odd]).await, Err(Error::InvalidRequest(_))), "{odd}");
    }
}

/// Without retries by the request itself: the wait is what goes on.
#[tokio::test]
async fn a_wait_for_a_job_survives_what_passes() {
    let passing = [
        (406, String::new()),
        (
            500,
            r#"[{"errorCode": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred."}]"#.to_owned(),
        ),
        (400, "<html>Access Declined</html>".to_owned()),
    ];
    for (status, body) in passing {
        let server = Server::start(move |request| match (request.method.as_str(), request.nth) {
            ("GET", 0) => Reply::WithHeader(status, "Retry-After: 0", body.clone()),
            _ => json!({"id": JOB, "state": "JobComplete"}).into(),
        })
        .await;
        let sf = connect(&server).with_retry(crate::request::Retry::none());
        let mut job = sf.ingest_job(JOB).unwrap();
        let info = job.wait(Duration::from_secs(10)).await.map(|info| info.state);
        assert_eq!(info.unwrap(), JobState::JobComplete, "{status}");
    }
}

/// Salesforce has no field `Owner`: a job with such a column fails as a whole.
#[tokio::test]
async fn a_missing_parent_is_the_columns_of_the_parents_that_are_there() {
    let rows = || {
        vec![
            json!({"Id": RECORD, "Owner": null, "Phone": null}),
            json!({"Id": RECORD, "Owner": {"Key__c": "U-1"}, "Phone": null}),
            json!({"Id": RECORD}),
        ]
    };
    assert_eq!(
        loaded("insert", rows()).await.unwrap(),
        format!("Id,Phone,Owner.Key__c\n{RECORD},,\n{RECORD},,U-1\n{RECORD},,\n")
    );
    assert_eq!(
        loaded("update", rows()).await.unwrap(),
        format!("Id,Phone,Owner.Key__c\n{RECORD},#N/A,#N/A\n{RECORD},#N/A,U-1\n{RECORD},,\n")
    );
}

#[tokio::test]
async fn null_empties_a_field_in_an_update_as_in_json_and_a_typed_marker_is_an_error() {
    let rows =
        || vec![json!({"Fax": "", "Id": RECORD, "Key__c": null, "Phone": null}), json!({"Id": RECORD})];
    assert_eq!(
        loaded("update", rows()).await.unwrap(),
        format!("Fax,Id,Key__c,Phone\n#N/A,{RECORD},#N/A,#N/A\n,{RECORD},,\n")
    );
    assert_eq!(
        loaded("upsert", rows()).await.unwrap(),
        format!("Fax,Id,Key__c,Phone\n#N/A,{RECORD},,#N/A\n,{RECORD},,\n")
    );
    assert_eq!(
        loaded("insert", vec![json!({"Name": "A", "Phone": null})]).await.unwrap(),
        "Name,Phone\nA,\n"
    );
    for operation in ["insert", "update", "upsert"] {
        let error = loaded(operation, vec![json!({"Id": RECORD, "Name": "#N/A"})]).await.unwrap_err();
        assert!(
            matches!(&error, Error::InvalidRequest(InvalidRequest::Column { column, .. }) if column == "Name"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_odd_error_does_not_lose_the_saved_ids() {
    for odd in [
        json!({"statusCode": "A", "message": null, "fields": []}),
        json!({"statusCode": 400, "errorCode": "A", "message": "m", "fields": [null]}),
        json!({"statusCode": "A", "errorCode": "A", "message": 5, "fields": null}),
        json!({"statusCode": "A", "message": {}, "fields": "Name", "duplicateResult": 5}),
    ] {
        let failed = json!({"success": false, "errors": [odd]});
        let server = Server::start(move |_| {
            json!([{"id": RECORD, "success": true, "errors": null, "created": null}, failed, null, {"success": true}])
                .into()
        })
        .await;
        let new = vec![json!({"Name": "A"}); 4];
        let results = connect(&server).sobject("Account").create_many(&new).await.unwrap();
        assert_eq!(results[0].as_ref().unwrap().id.as_str(), RECORD, "{odd}");
        assert!(
            matches!(&results[1], Err(RecordError::Refused(errors)) if errors[0].code == "A"),
            "{results:?}"
        );
        for result in &results[2..] {
            assert!(matches!(result, Err(RecordError::Call(_))), "{results:?}");
        }
    }
}

#[tokio::test]
async fn results_without_a_body_are_no_rows_unless_rows_are_announced() {
    for (status, failed) in [(204, 0_u64), (204, 2), (200, 0), (200, 2)] {
        let server = Server::start(move |request| {
            if request.target.ends_with(JOB) {
                json!({"id": JOB, "state": "JobComplete", "numberRecordsProcessed": failed,
                    "numberRecordsFailed": failed})
                .into()
            } else {
                http(status, "Content-Type: text/csv\r\n", "")
            }
        })
        .await;
        let mut job = connect(&server).ingest_job(JOB).unwrap();
        job.refresh().await.unwrap();
        let rows: crate::Result<Vec<_>> = job.failed::<Value>().try_collect().await;
        match rows {
            Ok(rows) => assert!(rows.is_empty() && failed == 0, "{status}"),
            Err(Error::InvalidResponse(InvalidResponse::Truncated { got: 0, announced: 2 }))
                if failed == 2 => {}
            Err(error) => panic!("{status}, {failed}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_job_without_counts_is_read() {
    let server = Server::start(|_| {
        json!({"id": JOB, "state": "InProgress", "numberRecordsProcessed": null, "numberRecordsFailed": null})
            .into()
    })
    .await;
    let mut job = connect(&server).ingest_job(JOB).unwrap();
    let info = job.refresh().await.unwrap();
    assert_eq!((info.state, info.records_processed, info.records_failed), (JobState::InProgress, 0, 0));
}

/// Uploads CSV in jobs of at least this many bytes, and returns each job's CSV.
async fn uploaded(csv: String, job_bytes: usize) -> crate::Result<Vec<String>> {
    let server = Server::start(|_| json!({"id": JOB, "state": "JobComplete"}).into()).await;
    let csv = stream::iter([Ok::<_, std::io::Error>(csv.into())]);
    connect(&server).bulk("Product2").job_bytes(job_bytes).insert_csv(csv).await?;
    let uploads = server.requests().into_iter().filter(|request| request.method == "PUT");
    Ok(uploads.map(|request| request.body).collect())
}

#[tokio::test]
async fn an_unquoted_inch_mark_does_not_join_records_and_blank_lines_are_not_records() {
    let csv = "\n\nName,Size\n5\" pipe,5\"\n\n\"a\n\"\"b\"\"\",6\nc,7\n\n\r\n";
    let jobs = uploaded(csv.to_owned(), 1).await.unwrap();
    assert_eq!(jobs, ["Name,Size\n5\" pipe,5\"\n", "Name,Size\n\"a\n\"\"b\"\"\",6\n", "Name,Size\nc,7\n"]);
    assert!(uploaded("Name\n\n\n".to_owned(), 1).await.unwrap().is_empty());
    let error = uploaded("Name,Size\nok,1\n\"5 inch pipe,5\nrest,6\n".to_owned(), 1_000).await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(InvalidRequest::CsvRecord { line: 3, .. })), "{error:?}");
}

#[tokio::test]
async fn what_a_job_does_not_run_is_not_sent() {
    let server = Server::start(|_| json!({"id": JOB, "state": "JobComplete"}).into()).await;
    let query = connect(&server).query::<Value>("SELECT COUNT(Id) FROM Account");
    let error = query.start_bulk().await.unwrap_err();
    assert!(matches!(&error, Error::InvalidRequest(InvalidRequest::BulkQuery { .. })), "{error:?}");
    assert!(server.lines().is_empty());
}
