//! Reading one event into a struct, beside `apache-avro`. `cargo bench -p salesforce-connection --bench events --features events`.
//!
//! `INSTRUCTIONS=1` counts instructions too, by callgrind (package `valgrind`): the same number on a busy machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a separate program"
)]

#[path = "../../benches/events/order.rs"]
mod order;

use std::{env, hint::black_box, process::Command, time::Instant};

use apache_avro::{
    Schema, reader::datum::GenericDatumReader, types::Value as Avro, writer::datum::GenericDatumWriter,
};
use salesforce_connection::{
    Client, Connection,
    events::{RawEvent, StartFrom},
    http::AllowedHosts,
    oauth::{LoginHost, OAuthApp, OAuthClient},
    token::{ServiceTokenSource, ServiceUser},
};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

use self::order::{FIELDS, Order, TOPIC};

const TIMES: u32 = 200_000;
const ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let org = FakeOrg::builder().rows(0).execution_user("ada@example.com");
    let org = org.platform_event(order::NAME, &order::specs()).start().await.unwrap();
    let sf = connect(&org).await;
    sf.publish(TOPIC).send(&[order::data(1)]).await.unwrap();
    let mut events = sf.subscribe::<RawEvent>(TOPIC, StartFrom::Earliest);
    let event = events.try_next().await.unwrap().unwrap().event;
    match env::var("EVENTS_BENCH_WAY").ok() {
        Some(way) => repeat(&event, &way),
        None => compare(&event),
    }
}

async fn connect(org: &FakeOrg) -> Connection {
    let host: LoginHost = org.instance_url().parse().unwrap();
    let client = Client::builder().allowed_hosts(AllowedHosts::new([host.as_url().clone()]));
    let client = client.pubsub_endpoint(org.pubsub().endpoint().parse().unwrap()).build().unwrap();
    let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
    let user = ServiceUser::client_credentials(host);
    let source = ServiceTokenSource::builder(OAuthClient::with_client(app, &client), user).build();
    Connection::new(&client, source.connect().await.unwrap())
}

#[inline(never)]
fn ours(event: &RawEvent) -> Order {
    event.decode().unwrap()
}

#[inline(never)]
fn into_value(reader: &GenericDatumReader<'_>, mut bytes: &[u8]) -> Avro {
    reader.read_value(&mut bytes).unwrap()
}

#[inline(never)]
fn into_struct(reader: &GenericDatumReader<'_>, bytes: &[u8]) -> Order {
    apache_avro::from_value(&into_value(reader, bytes)).unwrap()
}

/// Prints how much longer `apache-avro` takes, in the round in the middle.
fn compare(event: &RawEvent) {
    let schema = schema();
    let bytes = bytes(&schema);
    // The same fields: the org's data has the time and the user of the event besides.
    assert!(event.size().abs_diff(bytes.len()) < 64, "{} and {} bytes", event.size(), bytes.len());
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let mut rounds: Vec<[f64; 3]> = (0..ROUNDS)
        .map(|_| {
            [
                nanoseconds(|| ours(event)),
                nanoseconds(|| into_value(&reader, &bytes)),
                nanoseconds(|| into_struct(&reader, &bytes)),
            ]
        })
        .collect();
    rounds.sort_by(|a, b| f64::total_cmp(&(a[2] / a[0]), &(b[2] / b[0])));
    print(event, "ns", rounds[ROUNDS / 2]);
    if env::var_os("INSTRUCTIONS").is_some() {
        print(event, "instructions", WAYS.map(instructions));
    }
}

fn print(event: &RawEvent, unit: &str, [ours, into_value, into_struct]: [f64; 3]) {
    println!("| one event of 30 fields, {} bytes | {unit} | to ours |", event.size());
    println!("|---|---|---|");
    println!("| this crate, into a struct | {ours:.0} | 1.0 |");
    println!("| apache-avro, into its `Value` | {into_value:.0} | {:.1} |", into_value / ours);
    let times = into_struct / ours;
    println!("| apache-avro, by its `Value` into the struct | {into_struct:.0} | {times:.1} |");
}

const WAYS: [&str; 3] = ["ours", "into_value", "into_struct"];

/// Reads and drops the event in one way, a thousand times.
fn repeat(event: &RawEvent, way: &str) {
    let schema = schema();
    let bytes = bytes(&schema);
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let times: u32 = env::var("EVENTS_BENCH_TIMES").unwrap().parse().unwrap();
    for _ in 0..times {
        match way {
            "ours" => drop(black_box(ours(event))),
            "into_value" => drop(black_box(into_value(&reader, &bytes))),
            _ => drop(black_box(into_struct(&reader, &bytes))),
        }
    }
}

/// The instructions of one reading: those of a process that reads the event often less those of one that does it rarely.
fn instructions(way: &str) -> f64 {
    let [rarely, often] = [1_000, 21_000].map(|times: u32| {
        let profile = env::temp_dir().join(format!("events-{way}-{times}.callgrind"));
        let mut valgrind = Command::new("valgrind");
        valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", profile.display()));
        valgrind.arg(env::current_exe().unwrap());
        valgrind.env("EVENTS_BENCH_WAY", way).env("EVENTS_BENCH_TIMES", times.to_string());
        let output = valgrind.output().expect("valgrind");
        assert!(output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        let (_, count) = text.split_once("Collected : ").unwrap();
        count.split_whitespace().next().unwrap().parse::<f64>().unwrap()
    });
    (often - rarely) / 20_000.0
}

fn nanoseconds<T>(mut work: impl FnMut() -> T) -> f64 {
    let started = Instant::now();
    for _ in 0..TIMES {
        black_box(work());
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
}

fn schema() -> Schema {
    let field = |(name, kind): &(&str, &str)| {
        let kind = match *kind {
            "String" => "string",
            "f64" => "double",
            "bool" => "boolean",
            _ => "long",
        };
        json!({ "name": name, "type": ["null", kind] })
    };
    let fields: Vec<_> = FIELDS.iter().map(field).collect();
    Schema::parse(&json!({ "type": "record", "name": order::NAME, "fields": fields })).unwrap()
}

fn bytes(schema: &Schema) -> Vec<u8> {
    let value = |kind: &str| match kind {
        "String" => Avro::String("A text of the order 1".to_owned()),
        "f64" => Avro::Double(1.25),
        "bool" => Avro::Boolean(true),
        _ => Avro::Long(order::now()),
    };
    let fields =
        FIELDS.iter().map(|(name, kind)| ((*name).to_owned(), Avro::Union(1, Box::new(value(kind)))));
    let mut bytes = Vec::new();
    let writer = GenericDatumWriter::builder(schema).build().unwrap();
    writer.write_value(&mut bytes, Avro::Record(fields.collect())).unwrap();
    bytes
}
