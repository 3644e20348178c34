//! One measured run of this crate.

use std::{fs, time::Instant};

use actix_salesforce::{Connection, Salesforce, SalesforceId, Secret};
use futures_util::TryStreamExt as _;
use serde::Deserialize;

/// Eight fields, as an app would declare them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: SalesforceId,
    name: String,
    industry: Option<String>,
    phone: Option<String>,
    billing_city: Option<String>,
    annual_revenue: Option<f64>,
    number_of_employees: Option<u32>,
    created_date: String,
}

/// Reads all records twice, and prints what it took.
pub(crate) fn run(origin: &str) {
    // As in a worker of an app: one thread.
    actix_web::rt::System::new().block_on(async {
        let sf = connect(origin).await;
        // Settles the connection and first allocations.
        sf.get("limits").send().await.unwrap();
        let cpu = cpu_seconds();
        let before = status("/proc/self/status", "VmRSS:").unwrap();
        let (mut records, mut seconds) = (0, [0.0; 2]);
        for seconds in &mut seconds {
            let started = Instant::now();
            records += read(&sf).await;
            *seconds = started.elapsed().as_secs_f64();
        }
        let cpu = cpu_seconds() - cpu;
        let peak = status("/proc/self/status", "VmHWM:").unwrap();
        let report = serde_json::json!({
            "records": records, "seconds": seconds, "cpu_seconds": cpu, "before_kib": before, "peak_kib": peak,
        });
        println!("{report}");
    });
}

async fn connect(origin: &str) -> Connection {
    let salesforce = Salesforce::builder().client_id("bench").login_url(origin).allowed_origin(origin);
    let salesforce = salesforce.build().await.unwrap();
    let host = salesforce.login_host();
    let tokens = salesforce.oauth().refresh(host, &Secret::new("bench")).await.unwrap();
    salesforce.import_tokens(host, tokens).await.unwrap()
}

async fn read(sf: &Connection) -> usize {
    let soql = "SELECT Id, Name, Industry, Phone, BillingCity, AnnualRevenue, NumberOfEmployees, CreatedDate FROM Account";
    let mut accounts = sf.query::<Account>(soql).fetch();
    let (mut records, mut used) = (0, 0.0);
    while let Some(account) = accounts.try_next().await.unwrap() {
        records += 1;
        let texts = [account.industry, account.phone, account.billing_city].into_iter().flatten();
        used += account.annual_revenue.unwrap_or_default()
            + f64::from(account.number_of_employees.unwrap_or_default());
        used += texts.map(|text| text.len()).sum::<usize>() as f64;
        used += (account.id.as_str().len() + account.name.len() + account.created_date.len()) as f64;
    }
    assert!(used > 0.0);
    records
}

/// What the threads of this process took of processors (kernel documentation, "Scheduler Statistics").
fn cpu_seconds() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let taken = threads.map(|thread| {
        let took = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        took.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    });
    taken.sum()
}

/// A line of a process's status, in KiB.
pub(crate) fn status(file: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
