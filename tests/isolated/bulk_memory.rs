//! Promise 9 for loading: a stream of any length needs memory for one job. The only test of its file, since it measures
//! the process that it runs in.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use actix_salesforce::{Connection, Salesforce, Secret};
use futures_util::stream;
use serde::Serialize;

const MIB: u64 = 1024 * 1024;
const JOB: &str = "750D00000004SkGIAU";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
    description: String,
}

/// 64 MiB of structs in jobs of 2 MiB.
#[actix_web::test]
async fn a_long_stream_is_loaded_in_the_memory_of_a_job() {
    const JOB_BYTES: u64 = 2 * MIB;
    let sink = Sink::start();
    let sf = connect(&sink.url).await;
    // Settles connections and the first allocations.
    load(&sf, JOB_BYTES, 4 * MIB).await;
    let (before, sent) = (memory("VmRSS:"), sink.taken());
    let jobs = load(&sf, JOB_BYTES, 64 * MIB).await;
    // The most it ever was, which the system keeps.
    let grown = memory("VmHWM:").saturating_sub(before);
    assert_eq!(jobs, 32);
    assert!(sink.taken() - sent > 64 * MIB, "all of it arrived: {} bytes", sink.taken() - sent);
    assert!(grown < 12 * MIB, "{} MiB", grown / MIB);
}

/// So many bytes, 1,024 a row; gives the number of jobs.
async fn load(sf: &Connection, job_bytes: u64, bytes: u64) -> usize {
    let accounts =
        (0..bytes / 1024).map(|n| Account { name: format!("{n:08}"), description: "x".repeat(1_014) });
    let bulk = sf.bulk("Account").job_bytes(job_bytes as usize);
    bulk.insert(stream::iter(accounts)).await.unwrap().len()
}

async fn connect(origin: &str) -> Connection {
    let salesforce = Salesforce::builder().client_id("x").login_url(origin).allowed_origin(origin);
    let salesforce = salesforce.build().await.unwrap();
    let host = salesforce.login_host();
    let tokens = salesforce.oauth().refresh(host, &Secret::new("x")).await.unwrap();
    salesforce.import_tokens(host, tokens).await.unwrap()
}

/// Bytes of memory that this process occupies.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A Salesforce whose jobs are done at once and forgotten: a fake org would keep what it is sent.
struct Sink {
    url: String,
    taken: Arc<AtomicU64>,
}

impl Sink {
    /// The threads end with the process.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::new(AtomicU64::new(0));
        let (own, count) = (url.clone(), Arc::clone(&taken));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (own, count) = (own.clone(), Arc::clone(&count));
                thread::spawn(move || serve(&stream, &own, &count));
            }
        });
        Self { url, taken }
    }

    /// Bytes of data.
    fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, origin: &str, taken: &AtomicU64) -> Option<()> {
    let mut requests = BufReader::new(stream);
    let mut stream = stream;
    loop {
        let (mut first, mut length) = (String::new(), 0);
        requests.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            requests.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.to_ascii_lowercase().trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok()?,
                Some(_) => {}
                None => break,
            }
        }
        let read = std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink()).ok()?;
        let body = if first.starts_with("PUT") {
            taken.fetch_add(read, Ordering::SeqCst);
            String::new()
        } else if first.contains("/token") {
            format!(
                r#"{{"access_token":"00D000000000000!x","instance_url":"{origin}","token_type":"Bearer","scope":"api",
                "id":"{origin}/id/00D000000000000EAA/005000000000000AAA"}}"#
            )
        } else {
            format!(r#"{{"id":"{JOB}","state":"JobComplete"}}"#)
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
    }
}
