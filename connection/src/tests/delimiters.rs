//! Results of jobs whose columns are separated by another character than a comma.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use serde::Deserialize;

use super::*;
use crate::{
    bulk::{ColumnDelimiter, QueryJob},
    tests::{
        one_meaning::connected,
        values::{JOB, http},
    },
};

const ALL: [(ColumnDelimiter, &str, &str); 6] = [
    (ColumnDelimiter::Comma, "COMMA", ","),
    (ColumnDelimiter::Semicolon, "SEMICOLON", ";"),
    (ColumnDelimiter::Tab, "TAB", "\t"),
    (ColumnDelimiter::Pipe, "PIPE", "|"),
    (ColumnDelimiter::Caret, "CARET", "^"),
    (ColumnDelimiter::Backquote, "BACKQUOTE", "`"),
];
const TEXTS: [&str; 4] = ["plain", "a,b;c\td|e^f`g", "5\" pipe", "two\nlines"];

#[derive(Debug, PartialEq, Deserialize)]
struct Sample {
    #[serde(rename = "Key__c")]
    key: String,
    #[serde(rename = "Text__c")]
    text: String,
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Returns the samples, and their CSV with numbers in a third column.
fn samples(name: &str, number: &str, sign: &str) -> (Vec<Sample>, Bytes) {
    let samples: Vec<_> = TEXTS
        .iter()
        .enumerate()
        .map(|(n, text)| Sample { key: format!("{name}-{n}"), text: (*text).to_owned() })
        .collect();
    let rows = samples.iter().map(|row| [&row.key, &quoted(&row.text), number].join(sign) + "\n");
    let csv = [["Key__c", "Text__c", "Count__c"].join(sign), "\n".to_owned()].into_iter().chain(rows);
    let csv = csv.collect::<String>().into();
    (samples, csv)
}

#[tokio::test]
async fn the_results_of_a_job_are_read_with_each_delimiter() {
    let (_org, sf) = connected().await;
    for (delimiter, name, sign) in ALL {
        let bulk = sf.bulk("Sample__c").delimiter(delimiter);
        let csv = |bytes: Bytes| stream::iter([Ok::<_, std::io::Error>(bytes)]);
        let (samples_of, valid) = samples(name, "7", sign);
        let jobs = bulk.clone().insert_csv(csv(valid)).await.unwrap();
        let loaded: Vec<_> = jobs[0].successful::<Sample>().try_collect().await.unwrap();
        assert_eq!(loaded.into_iter().map(|row| row.record).collect::<Vec<_>>(), samples_of, "{name}");

        let (samples_of, invalid) = samples(&format!("{name}-x"), "many", sign);
        let job = bulk.clone().insert_csv(csv(invalid.clone())).await.unwrap().remove(0);
        // Another process knows the job's id only.
        for job in [job.clone(), sf.ingest_job(job.info().id).unwrap()] {
            let failed: Vec<_> = job.failed::<Sample>().try_collect().await.unwrap();
            assert!(failed.iter().all(|row| !row.error.is_empty()), "{name}");
            assert_eq!(failed.into_iter().map(|row| row.record).collect::<Vec<_>>(), samples_of, "{name}");
        }

        let mut job = bulk.detached().insert_csv(csv(invalid)).await.unwrap().remove(0);
        if job.abort().await.is_ok() {
            let left: Vec<Sample> = job.unprocessed().try_collect().await.unwrap();
            assert_eq!(left, samples_of, "{name}");
        }
    }
}

/// A job that another program created.
#[tokio::test]
async fn the_rows_of_a_query_job_are_read_with_each_delimiter() {
    let rows =
        |job: QueryJob| async move { job.rows::<BTreeMap<String, String>>().try_collect::<Vec<_>>().await };
    for (_, name, sign) in ALL {
        // Salesforce quotes each cell; a job of one column has no delimiter in its header.
        for columns in [&["Name", "Phone"][..], &["Name"]] {
            let mut csv = columns.join(sign);
            for text in TEXTS {
                let text = if text.contains(sign) || text.contains(['\n', '"']) {
                    quoted(text)
                } else {
                    text.to_owned()
                };
                csv += &format!("\n{}", vec![text; columns.len()].join(sign));
            }
            let server =
                Server::start(move |request| match request.target.rsplit('/').next().unwrap_or_default() {
                    "resultPages" => {
                        let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                        json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
                    }
                    last if last.starts_with("results?") => {
                        let headers =
                            "Content-Type: text/csv\r\nSforce-NumberOfRecords: 4\r\nSforce-Locator: null\r\n";
                        http(200, headers, &csv)
                    }
                    _ => json!({"id": JOB, "state": "JobComplete", "columnDelimiter": name}).into(),
                })
                .await;
            for version in ["66.0", "57.0"] {
                let sf = connect_with(&server, [], version.parse().unwrap());
                let read = rows(sf.query_job(JOB).unwrap()).await.unwrap();
                for column in columns {
                    let texts: Vec<_> = read.iter().map(|row| row[*column].as_str()).collect();
                    assert_eq!(texts, TEXTS, "{name}, {version}");
                }
            }
        }
    }
}
