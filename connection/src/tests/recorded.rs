//! Shapes of responses in public test folders (`docs/recorded-responses.md`), with other values.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;

use super::*;
use crate::tests::values::{JOB, http};

/// Salesforce quotes each cell. A NUL outside quotes is no text of a cell, and one within quotes is.
#[tokio::test]
async fn nuls_outside_the_quotes_of_a_cell_are_no_text() {
    const CSV: &str = "\0\"Id\",\"Name\"\n\0\"a0\",\"x, \0y\"\0\n\0\0\"a1\"\0,\0\"\"\"z\"\"\"\n\0\0";
    let server = Server::start(move |request| {
        let headers = "Content-Type: text/csv\r\nSforce-NumberOfRecords: 2\r\nSforce-Locator: null\r\n";
        match request.target.rsplit('/').next().unwrap_or_default() {
            "resultPages" => {
                let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
            }
            "failedResults" | "unprocessedrecords" => http(200, headers, CSV),
            last if last.starts_with("results?") => http(200, headers, CSV),
            _ => json!({"id": JOB, "state": "JobComplete", "numberRecordsFailed": 2}).into(),
        }
    })
    .await;
    let expected = [["a0", "x, \0y"], ["a1", "\"z\""]].map(|[id, name]| {
        BTreeMap::from([("Id".to_owned(), id.to_owned()), ("Name".to_owned(), name.to_owned())])
    });
    for version in ["66.0", "57.0"] {
        let sf = connect_with(&server, [], version.parse().unwrap());
        let rows = sf.query_job(JOB).unwrap().rows::<BTreeMap<String, String>>();
        assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap(), expected, "{version}");
        let rows = sf.ingest_job(JOB).unwrap().unprocessed::<BTreeMap<String, String>>();
        assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap(), expected, "{version}");
    }
}
