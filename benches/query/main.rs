//! What a long query costs: 200,000 records of eight fields, in 100 pages over loopback, read into structs as a stream.
//!
//! `cargo bench --bench query` installs jsforce into a temporary folder and runs, in turn, curl (to nowhere: what the
//! network and the server cost), this crate and jsforce against one server that has the pages ready in memory. Each run
//! is a separate process that reads all records twice, so that there is a cold figure and a warm one; memory is the
//! growth of the process from before the first record to its peak.
//!
//! Ends with a verdict on the medians of this very run, and with exit status 1 when this crate is less than four times as fast
//! as jsforce, cold or warm, or grows by more than 32 MiB.
//!
//! Needs curl, node and npm; jsforce runs on Node.js 22 and later, and an older one is passed over for one from npm.
//! `ROUNDS=3` makes it shorter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a separate program"
)]

mod client;
mod server;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use serde::Deserialize;
use server::{PAGES, Server};

/// What a client prints.
#[derive(Debug, Deserialize)]
struct Report {
    records: usize,
    /// Seconds, in the process itself: start-up does not count.
    seconds: [f64; 2],
    /// Of all threads, for both.
    cpu_seconds: f64,
    before_kib: u64,
    peak_kib: u64,
}

/// One measured run: seconds cold and warm, of processors, MiB of growth.
type Figures = [f64; 4];

/// How many times as long jsforce must take at least.
const TIMES: f64 = 4.0;
/// MiB that this crate may grow by.
const GROWTH: f64 = 32.0;

fn main() -> ExitCode {
    if let Ok(origin) = std::env::var("QUERY_BENCH_ORIGIN") {
        client::run(&origin);
        return ExitCode::SUCCESS;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(7).max(1);
    let mut verdicts = Vec::new();
    let folder = Folder::new();
    install_jsforce(&folder.0);
    for gzip in [false, true] {
        let server = Server::start(gzip);
        let mut figures: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
        // The first round warms the disk's cache and does not count.
        for round in 0..=rounds {
            for (name, measured) in [
                ("1 curl to /dev/null", curl(&server)),
                ("2 this crate", ours(&server)),
                ("3 jsforce", jsforce(&server, &folder.0)),
            ] {
                if round > 0 {
                    figures.entry(name).or_default().push(measured);
                }
            }
        }
        let form = if gzip { "gzip" } else { "plain" };
        println!(
            "\n{form}: {} MB on the wire, {rounds} rounds; min / median / max",
            server.bytes() / 1_000_000
        );
        let [_, ours, theirs] = print(figures);
        verdicts.push(verdict(form, ours, theirs));
    }
    println!();
    for (_, says) in &verdicts {
        println!("{says}");
    }
    if verdicts.iter().all(|(good, _)| *good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the medians are what is promised, and in words.
fn verdict(form: &str, ours: Figures, theirs: Figures) -> (bool, String) {
    let [cold, warm, cpu, _] = std::array::from_fn(|column| theirs[column] / ours[column]);
    let grown = ours[3];
    let good = cold >= TIMES && warm >= TIMES && grown <= GROWTH;
    let word = if good { "kept" } else { "BROKEN" };
    let says = format!(
        "{form}: {word}: {cold:.1} times as fast as jsforce cold, {warm:.1} warm (promised: {TIMES}), {cpu:.1} in CPU time; \
         grows by {grown:.1} MiB (promised: {GROWTH} at most)"
    );
    (good, says)
}

fn curl(server: &Server) -> Figures {
    let mut seconds = [0.0; 2];
    let mut grown = 0;
    for seconds in &mut seconds {
        let started = Instant::now();
        let mut command = Command::new("curl");
        command.args(["-sf", "--compressed", "-o", "/dev/null"]);
        let process = command.arg(format!("{}{}-[0-{}]", server.origin, server::NEXT, PAGES - 1)).spawn();
        let mut process = process.expect("curl is missing");
        grown = watch(&mut process);
        *seconds = started.elapsed().as_secs_f64();
    }
    [seconds[0], seconds[1], f64::NAN, mib(grown)]
}

/// The peak of a process that says nothing of it itself, as far as it is seen.
fn watch(process: &mut Child) -> u64 {
    let mut peak = 0;
    let file = format!("/proc/{}/status", process.id());
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success(), "curl: {status}");
            return peak;
        }
        peak = client::status(&file, "VmHWM:").unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ours(server: &Server) -> Figures {
    let this = std::env::current_exe().unwrap();
    report(Command::new(this).env("QUERY_BENCH_ORIGIN", &server.origin))
}

fn jsforce(server: &Server, folder: &Path) -> Figures {
    report(Command::new(folder.join("node")).arg(folder.join("jsforce.js")).arg(&server.origin))
}

fn report(command: &mut Command) -> Figures {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.records, 2 * server::RECORDS, "all records came, twice");
    let [cold, warm] = report.seconds;
    [cold, warm, report.cpu_seconds, mib(report.peak_kib.saturating_sub(report.before_kib))]
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Prints the table, and gives the medians of each of the three.
fn print(figures: BTreeMap<&str, Vec<Figures>>) -> [Figures; 3] {
    print!("{:<20} {:>23} {:>23} {:>23}", "", "s, cold", "s, warm", "CPU s, both");
    println!(" {:>23}", "memory growth, MiB");
    let mut medians = Vec::new();
    for (name, runs) in figures {
        let columns: Vec<_> = (0..4)
            .map(|column| {
                let mut values: Vec<f64> = runs.iter().map(|run| run[column]).collect();
                values.sort_by(f64::total_cmp);
                (values[0], values[values.len() / 2], values[values.len() - 1])
            })
            .collect();
        let digits = [3, 3, 3, 1];
        let cells = columns.iter().zip(digits).map(|((min, median, max), digits)| {
            let text = format!("{min:.digits$} / {median:.digits$} / {max:.digits$}");
            format!(" {:>23}", if min.is_nan() { "-" } else { &text })
        });
        println!("{:<20}{}", &name[2..], cells.collect::<String>());
        medians.push(std::array::from_fn(|column| columns[column].1));
    }
    medians.try_into().expect("three were measured")
}

/// The version that the fake org is tested with, too.
fn install_jsforce(folder: &Path) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clients = fs::read(here.join("fake-org/clients/package.json")).unwrap();
    let clients: serde_json::Value = serde_json::from_slice(&clients).unwrap();
    let jsforce = format!("jsforce@{}", clients["dependencies"]["jsforce"].as_str().unwrap());
    fs::copy(here.join("benches/query/jsforce.js"), folder.join("jsforce.js")).unwrap();
    let install = |more: &[&str]| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        assert!(npm.arg(folder).args(more).status().expect("npm is missing").success(), "npm install");
    };
    install(&[&jsforce]);
    let node = |what: &str| {
        let output = Command::new("node").args(["-p", what]).output().expect("node is missing");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let mut program = PathBuf::from(node("process.execPath"));
    if node("parseInt(process.versions.node)").parse::<u32>().unwrap() < 22 {
        let package = format!("node-linux-{}", node("process.arch"));
        install(&[&format!("{package}@22.23.3")]);
        program = folder.join("node_modules").join(package).join("bin/node");
    }
    std::os::unix::fs::symlink(program, folder.join("node")).unwrap();
}

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("actix-salesforce-bench-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
