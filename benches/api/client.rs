//! The runs: ours, and the floors.

use std::time::Instant;

use actix_salesforce::{Connection, Salesforce, Secret};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    figures,
    server::{DESCRIBE, RESULTS, ROWS},
};

const LIMITS: &str = "/services/data/v66.0/limits";
/// Requests at a time.
const CONCURRENT: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: String,
    name: String,
    industry: Option<String>,
    annual_revenue: Option<f64>,
}

fn account(n: u64) -> Account {
    let (id, name) = (format!("001D0000{n:07}"), format!("Aurora Instruments {n} \"Nord\""));
    Account { id, name, industry: Some("Energy".to_owned()), annual_revenue: Some(n as f64 + 0.5) }
}

/// Does the work of a case, and prints what it took.
pub(crate) fn run(case: &str, origin: &str) {
    // As in a worker of an app: one thread.
    actix_web::rt::System::new().block_on(async {
        let http = reqwest::Client::new();
        let get = async |path: &str| {
            let request = http.get(format!("{origin}{path}")).bearer_auth("00D000000000000!fresh");
            request.send().await.unwrap().error_for_status().unwrap()
        };
        // It refreshes as long as it lives.
        let (_salesforce, sf) = connect(origin, if case == "expired" { "stale" } else { "bench" }).await;
        // Settles connections and the first allocations.
        get(LIMITS).await.bytes().await.unwrap();
        if case != "expired" {
            sf.get("limits").send().await.unwrap();
        }
        get("/tokens").await.bytes().await.unwrap();
        let (cpu, before) = (figures::cpu_seconds("self"), figures::status("/proc/self/status", "VmRSS:"));
        let started = Instant::now();
        match case {
            "request" => {
                for _ in 0..4_000 {
                    let limits: Value = sf.get("limits").send().await.unwrap().json().unwrap();
                    assert!(limits.is_object());
                }
            }
            "reqwest" => {
                for _ in 0..4_000 {
                    let limits: Value =
                        serde_json::from_slice(&get(LIMITS).await.bytes().await.unwrap()).unwrap();
                    assert!(limits.is_object());
                }
            }
            "expired" | "valid" => {
                let requests = stream::iter(0..10_000).map(|_| sf.get("limits").send());
                let sent = requests.buffer_unordered(CONCURRENT).try_fold(0, async |n, _| Ok(n + 1)).await;
                assert_eq!(sent.unwrap(), 10_000);
                let tokens: u64 = get("/tokens").await.text().await.unwrap().parse().unwrap();
                assert_eq!(tokens, u64::from(case == "expired"), "one token call for all requests");
            }
            "describe" => {
                for _ in 0..40 {
                    assert_eq!(sf.sobject("Account").describe().await.unwrap().fields.len(), 800);
                }
            }
            "json" => {
                for _ in 0..40 {
                    let body = get(DESCRIBE).await.bytes().await.unwrap();
                    let described: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(described["fields"].as_array().unwrap().len(), 800);
                }
            }
            "fetch_bulk" => {
                let rows =
                    sf.query::<Account>("SELECT Id, Name, Industry, AnnualRevenue FROM Account").fetch_bulk();
                let rows = rows.try_fold(0, async |n, row| Ok(n + u64::from(!row.name.is_empty())));
                assert_eq!(rows.await.unwrap(), ROWS);
            }
            "download" => {
                for page in 0..4 {
                    let mut rows = get(&format!("{RESULTS}?locator={page}")).await;
                    while let Some(chunk) = rows.chunk().await.unwrap() {
                        assert!(!chunk.is_empty());
                    }
                }
            }
            "load" => {
                let jobs = sf.bulk("Account").upsert("Id", stream::iter((0..ROWS).map(account)));
                assert!(!jobs.await.unwrap().is_empty());
            }
            "upload" => {
                let mut rows = csv::Writer::from_writer(Vec::new());
                (0..ROWS).for_each(|n| rows.serialize(account(n)).unwrap());
                let request = http.put(format!("{origin}/services/data/v66.0/jobs/ingest/x/batches"));
                request.body(rows.into_inner().unwrap()).send().await.unwrap().error_for_status().unwrap();
            }
            _ => panic!("unknown case: {case}"),
        }
        let seconds = started.elapsed().as_secs_f64();
        let report = serde_json::json!({
            "seconds": seconds, "cpu_seconds": figures::cpu_seconds("self") - cpu, "before_kib": before,
            "peak_kib": figures::status("/proc/self/status", "VmHWM:"),
        });
        println!("{report}");
    });
}

async fn connect(origin: &str, refresh_token: &str) -> (Salesforce, Connection) {
    let salesforce = Salesforce::builder().client_id("bench").login_url(origin).allowed_origin(origin);
    let salesforce = salesforce.build().await.unwrap();
    let host = salesforce.login_host();
    let tokens = salesforce.oauth().refresh(host, &Secret::new(refresh_token)).await.unwrap();
    let sf = salesforce.import_tokens(host, tokens).await.unwrap();
    (salesforce, sf)
}
