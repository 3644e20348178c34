//! What a long query costs: 200,000 records of eight fields, in 100 pages over loopback, read into structs as a stream.
//!
//! `cargo bench --bench query` installs jsforce into a temporary folder and runs, in turn, curl (to nowhere: what the
//! network and the server cost), this crate, and its peers against one server that has the pages ready in memory. Each run
//! is a separate process that reads all records twice, so that there is a cold figure and a warm one; memory is the
//! growth of the process from before the first record to its peak. A ratio is the median over the rounds of one round's.
//!
//! Ends with exit status 1 when this crate is less than four times as fast as jsforce, cold or warm, or grows by more than
//! 32 MiB.
//!
//! Needs curl, and for jsforce node and npm; jsforce runs on Node.js 22 and later, and an older one is passed over for one
//! from npm. `JSFORCE=off` leaves it out, `PEERS=PROGRAM` adds the Rust clients of benches/peers (`scripts/bench` builds
//! them), `ROUNDS=3` makes it shorter. `SERVE=plain` or `SERVE=gzip` only serves the pages, for a profiler whose program
//! has `QUERY_BENCH_ORIGIN`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a separate program"
)]

mod client;
mod figures;
mod server;

use std::{
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
    if let Ok(form) = std::env::var("SERVE") {
        println!("{}", Server::start(form == "gzip").origin);
        std::thread::sleep(Duration::MAX);
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(7).max(1);
    let peers = std::env::var("PEERS").ok();
    let folder = Folder::new();
    let with_jsforce = std::env::var("JSFORCE").as_deref() != Ok("off");
    if with_jsforce {
        install_jsforce(&folder.0);
    }
    let mut kept = true;
    for gzip in [false, true] {
        let server = Server::start(gzip);
        let peer = |name: &'static str| {
            let program = peers.as_ref()?;
            let (program, server) = (program.clone(), &server);
            let run = move || report(Command::new(&program).args([name, &server.origin]));
            Some((name, Box::new(run) as Run<'_>))
        };
        let mut clients: Vec<(&str, Run<'_>)> =
            vec![("this crate", Box::new(|| ours(&server))), ("curl to nowhere", Box::new(|| curl(&server)))];
        clients.extend(["force", "cirrus"].into_iter().filter_map(peer));
        if with_jsforce {
            clients.push(("jsforce", Box::new(|| jsforce(&server, &folder.0))));
        }
        // The first round warms the disk's cache and does not count.
        let mut figures = vec![Vec::new(); clients.len()];
        for round in 0..=rounds {
            for ((_, run), figures) in clients.iter().zip(&mut figures) {
                let measured = run();
                if round > 0 {
                    figures.push(measured);
                }
            }
        }
        let form = if gzip { "gzip" } else { "plain" };
        println!("\n{form}: {} MB on the wire, {rounds} rounds\n", server.bytes() / 1_000_000);
        let names: Vec<_> = clients.iter().map(|(name, _)| *name).collect();
        print(&names, &figures);
        if with_jsforce {
            let (is_kept, says) = verdict(form, &figures[0], &figures[names.len() - 1]);
            println!("\n{says}");
            kept &= is_kept;
        }
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Run<'a> = Box<dyn Fn() -> Figures + 'a>;

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of a figure.
fn middle(runs: &[Figures], figure: usize) -> f64 {
    median(runs.iter().map(|run| run[figure]))
}

/// The median of what a client took of a figure for each part that this crate took in the same round.
fn ratio(ours: &[Figures], theirs: &[Figures], figure: usize) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| theirs[figure] / ours[figure]))
}

/// Whether it is what is promised, and in words.
fn verdict(form: &str, ours: &[Figures], theirs: &[Figures]) -> (bool, String) {
    let [cold, warm, cpu] = [0, 1, 2].map(|figure| ratio(ours, theirs, figure));
    let grown = middle(ours, 3);
    let good = cold >= TIMES && warm >= TIMES && grown <= GROWTH;
    let word = if good { "kept" } else { "BROKEN" };
    let says = format!(
        "{form}: {word}: {cold:.1} times as fast as jsforce cold, {warm:.1} warm (promised: {TIMES}), {cpu:.1} in CPU time; \
         grows by {grown:.1} MiB (promised: {GROWTH} at most)"
    );
    (good, says)
}

/// Prints the medians as a table.
fn print(names: &[&str], figures: &[Vec<Figures>]) {
    println!(
        "| client | s, cold | s, warm | CPU s, both | grows by MiB | its time / ours, warm | its CPU time / ours |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, runs) in names.iter().zip(figures) {
        let [cold, warm, cpu, grown] = [0, 1, 2, 3].map(|figure| middle(runs, figure));
        let [times, cpu_times] = [1, 2].map(|figure| ratio(&figures[0], runs, figure));
        let cells = format!("{cold:.3} | {warm:.3} | {cpu:.3} | {grown:.1} | {times:.2} | {cpu_times:.2}");
        println!("| {name} | {} |", cells.replace("NaN", "-"));
    }
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
        peak = figures::status(&file, "VmHWM:").unwrap_or(peak);
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
