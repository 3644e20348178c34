//! A durable consumer that reads all events of a topic, in a process to itself.

use std::{
    convert::Infallible,
    env,
    future::ready,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use actix_salesforce::{
    Connection, Salesforce, SalesforceBuilder,
    consumer::Consumer,
    events::{Delivery, StartFrom},
    token::ServiceUser,
};
use salesforce_fake_org::FakeOrg;
use serde::Deserialize;

use crate::{
    figures::{cpu_seconds, status},
    order::{self, Order, TOPIC},
};

/// Most events of a publish request.
const BATCH: u32 = 200;

/// What the process of the consumer prints.
#[derive(Debug, Deserialize)]
struct Report {
    events: f64,
    /// From the first event on.
    seconds: f64,
    cpu_seconds: f64,
    /// How long after it was published the latest event of the second half was handled.
    latest_ms: i64,
    /// After a tenth of the events, and at most.
    before_kib: u64,
    peak_kib: u64,
}

pub(crate) async fn org() -> FakeOrg {
    let org = FakeOrg::builder().rows(0).execution_user("ada@example.com");
    org.platform_event(order::NAME, &order::specs()).start().await.unwrap()
}

/// Where the org is, and its app, separated by blanks.
pub(crate) fn address(org: &FakeOrg) -> String {
    let parts = [org.client_id(), org.client_secret(), org.login_url(), org.instance_url()];
    let endpoint = org.pubsub().endpoint();
    format!("{} {endpoint}", parts.join(" "))
}

/// The settings of a program with a service user.
pub(crate) fn salesforce(address: &str) -> SalesforceBuilder {
    let parts: Vec<_> = address.split(' ').collect();
    let [client_id, client_secret, login_url, instance_url, endpoint] = parts[..] else {
        panic!("five values")
    };
    Salesforce::builder()
        .client_id(client_id)
        .client_secret(client_secret)
        .login_url(login_url)
        .allowed_origin(instance_url)
        .public_url("http://127.0.0.1:8080")
        .service_user(ServiceUser::client_credentials(instance_url.parse().unwrap()))
        .pubsub_url(endpoint)
}

/// Publishes so many events: as fast as it goes, or so many per second.
pub(crate) async fn publish(sf: &Connection, events: u32, per_second: Option<u32>) {
    let begun = Instant::now();
    for first in (0..events).step_by(BATCH as usize) {
        if let Some(rate) = per_second {
            let due = begun + Duration::from_secs_f64(f64::from(first) / f64::from(rate));
            tokio::time::sleep_until(due.into()).await;
        }
        let batch: Vec<_> = (first..events.min(first + BATCH)).map(order::data).collect();
        let results = sf.publish(TOPIC).send(&batch).await.unwrap();
        assert!(results.iter().all(|result| result.outcome.is_ok()));
    }
}

/// A consumer in another process, which ends once it has handled so many events.
pub(crate) struct Started(Child);

pub(crate) fn start(org: &FakeOrg, events: u32) -> Started {
    let mut command = Command::new(env::current_exe().unwrap());
    command.envs([("EVENTS_BENCH_ORG", address(org)), ("EVENTS_BENCH_COUNT", events.to_string())]);
    Started(command.stdout(Stdio::piped()).spawn().unwrap())
}

impl Started {
    /// Waits for its end, and prints what it took.
    pub(crate) fn print(self, name: &str) {
        let output = self.0.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", output.status);
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        println!(
            "| {name} | {:.0} | {:.1} | {} | {:.1} |",
            report.events / report.seconds,
            report.cpu_seconds * 1e6 / report.events,
            report.latest_ms,
            report.peak_kib.saturating_sub(report.before_kib) as f64 / 1024.0,
        );
    }
}

/// The process of the consumer.
pub(crate) fn run(address: &str, events: u32) {
    actix_web::rt::System::new().block_on(async {
        let (handled, latest) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicI64::new(0)));
        let (counter, late) = (Arc::clone(&handled), Arc::clone(&latest));
        let consumer = Consumer::new("bench", TOPIC, StartFrom::Earliest).on(
            order::NAME,
            move |delivery: Delivery<Order>, _: Connection| {
                let count = counter.fetch_add(1, Ordering::Relaxed);
                if count > events / 2 {
                    late.fetch_max(order::now() - delivery.event.time4.unwrap(), Ordering::Relaxed);
                }
                ready(Ok::<(), Infallible>(()))
            },
        );
        let salesforce = salesforce(address).consumer(consumer).build().await.unwrap();
        let until = async |count| {
            while handled.load(Ordering::Relaxed) < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // The first one is there before; the rest begins after the process has.
        until(2).await;
        let (started, cpu) = (Instant::now(), cpu_seconds("self"));
        until(events / 10).await;
        let before = status("/proc/self/status", "VmRSS:").unwrap();
        until(events).await;
        let report = serde_json::json!({
            "events": events, "seconds": started.elapsed().as_secs_f64(), "cpu_seconds": cpu_seconds("self") - cpu,
            "latest_ms": latest.load(Ordering::Relaxed), "before_kib": before,
            "peak_kib": status("/proc/self/status", "VmHWM:"),
        });
        println!("{report}");
        salesforce.shutdown().await;
    });
}
