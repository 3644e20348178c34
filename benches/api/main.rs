//! What work at Salesforce costs: one request beside reqwest alone, a token that has expired, a describe, the Bulk API, and
//! a login.
//!
//! `cargo bench --bench api --all-features`. Each run is a separate process, which reports the time of its processors, so
//! that a server beside it does not count. Pairs are measured in turn; the ratio is the median over the rounds of one
//! round's. `ROUNDS=9` makes it longer, `ONLY=describe` measures the rows whose names contain the word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a separate program"
)]

mod client;
#[path = "../query/figures.rs"]
mod figures;
mod login;
mod server;

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde::Deserialize;

/// What a run prints.
#[derive(Debug, Deserialize)]
struct Report {
    seconds: f64,
    /// Of all threads.
    cpu_seconds: f64,
    before_kib: u64,
    peak_kib: u64,
}

/// What is measured, how often it is done in a run, and the floor.
const ROWS: [(&str, &str, u32, &str); 5] = [
    ("one request / reqwest alone", "request", 4_000, "reqwest"),
    ("10,000 requests on an expired token / on a valid one", "expired", 10_000, "valid"),
    ("a describe of 800 fields / reqwest and serde_json", "describe", 40, "json"),
    ("`fetch_bulk` of 200,000 rows / reqwest to nowhere", "fetch_bulk", 1, "download"),
    ("a bulk load of 200,000 rows / reqwest and csv", "load", 1, "upload"),
];

fn main() {
    if let Ok(case) = env::var("API_BENCH_CASE") {
        return client::run(&case, &env::var("API_BENCH_ORIGIN").unwrap());
    }
    if env::var_os("API_BENCH_SERVE").is_some() {
        return server::serve();
    }
    if let Ok(org) = env::var("API_BENCH_APP") {
        return login::serve(&org);
    }
    let rounds = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5).max(1);
    let only = env::var("ONLY").unwrap_or_default();
    println!(
        "| ours / floor | ratio of the CPU time | ours, ms of CPU for each | ours, ms for each | grows by MiB |"
    );
    println!("|---|---|---|---|---|");
    for (name, ours, times, floor) in ROWS.iter().filter(|(name, ..)| name.contains(&*only)) {
        let mut server = Process::start("API_BENCH_SERVE", "1");
        let origin = server.line();
        let (mut ratios, mut figures) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
        for _ in 0..rounds {
            let [a, b] = [ours, floor].map(|case| measure(case, &origin));
            ratios.push(a.cpu_seconds / b.cpu_seconds);
            let each = 1_000.0 / f64::from(*times);
            let grown = a.peak_kib.saturating_sub(a.before_kib) as f64 / 1024.0;
            for (figures, figure) in figures.iter_mut().zip([a.cpu_seconds * each, a.seconds * each, grown]) {
                figures.push(figure);
            }
        }
        let [cpu, wall, grown] = figures.map(median);
        println!("| {name} | {:.2} | {cpu:.3} | {wall:.3} | {grown:.1} |", median(ratios));
    }
    if "a login".contains(&*only) {
        let each = median((0..rounds).map(|_| login::measure()).collect());
        println!(
            "\nA login takes the app {:.2} ms of CPU: {:.0} logins per second of a processor.",
            each * 1e3,
            1.0 / each
        );
    }
}

fn measure(case: &str, origin: &str) -> Report {
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command
        .envs([("API_BENCH_CASE", case), ("API_BENCH_ORIGIN", origin)])
        .stderr(Stdio::inherit())
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{case}: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// This program in another role. Ends when it is dropped.
struct Process(Child);

impl Process {
    fn start(role: &str, value: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        Self(command.env(role, value).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Reads what it says first.
    fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
