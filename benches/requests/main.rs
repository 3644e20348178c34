//! What the middleware costs a request over HTTP, beside the floor, in the same run.
//!
//! `cargo bench --bench requests --all-features`. Each variant is an app in a separate process with one worker, asked
//! over 32 kept connections. Pairs of a variant and its floor are measured in turn; the ratio is the median over the
//! pairs of the requests per second of the variant to those of the floor. `ROUNDS=9` makes it longer.
//!
//! Needs redis-server and PostgreSQL for the lines that name them.
//!
//! `INSTRUCTIONS=1` counts instructions instead, with callgrind (package `valgrind`): the same number on a busy machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "a separate program"
)]

mod app;
mod instructions;
mod load;
#[path = "../../tests/support/servers.rs"]
mod servers;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use app::{App, Variant};
use load::Until;
use servers::{Folder, Postgres, Redis};

/// How long each measurement takes.
const MEASURE: Duration = Duration::from_millis(1_500);

/// Two variants whose ratio is reported, and the path that each is asked for.
struct Pair {
    name: &'static str,
    ours: (Variant, &'static str),
    floor: (Variant, &'static str),
}

const PAIRS: [Pair; 8] = [
    Pair {
        name: "public, no cookie / actix alone",
        ours: (Variant::Memory, "/"),
        floor: (Variant::Bare, "/"),
    },
    Pair {
        name: "public, no cookie / actix-session",
        ours: (Variant::Memory, "/"),
        floor: (Variant::Session, "/"),
    },
    Pair {
        name: "public, logged in / actix-session, one key read",
        ours: (Variant::Memory, "/public"),
        floor: (Variant::Session, "/read"),
    },
    Pair {
        name: "protected, memory / actix-session, one key read",
        ours: (Variant::Memory, "/protected"),
        floor: (Variant::Session, "/read"),
    },
    Pair {
        name: "protected, Redis / one GET of Redis",
        ours: (Variant::Redis, "/protected"),
        floor: (Variant::RedisGet, "/"),
    },
    Pair {
        name: "protected, Redis with cached logins / one GET of Redis",
        ours: (Variant::RedisCached, "/protected"),
        floor: (Variant::RedisGet, "/"),
    },
    Pair {
        name: "protected, SQLite / actix-session, one key read",
        ours: (Variant::Sqlite, "/protected"),
        floor: (Variant::Session, "/read"),
    },
    Pair {
        name: "protected, Postgres / actix-session, one key read",
        ours: (Variant::Postgres, "/protected"),
        floor: (Variant::Session, "/read"),
    },
];

fn main() {
    if let Ok(variant) = std::env::var("REQUESTS_BENCH_VARIANT") {
        return app::serve(&variant);
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5).max(1);
    if std::env::var_os("INSTRUCTIONS").is_some() {
        return instructions::print();
    }
    let only = std::env::var("ONLY").unwrap_or_default();
    let redis = Redis::start();
    let postgres = Postgres::start();
    let folder = Folder::new("bench");
    let store = |variant: Variant| match variant {
        Variant::Redis | Variant::RedisCached | Variant::RedisGet => redis.url(),
        Variant::Sqlite => format!("sqlite://{}", folder.path().join("store.db").display()),
        Variant::Postgres => postgres.url(),
        Variant::Bare | Variant::Session | Variant::Memory => "memory".to_owned(),
    };
    println!("| ours / floor | ratio | ours, requests per second | floor |\n|---|---|---|---|");
    for pair in PAIRS.iter().filter(|pair| pair.name.contains(&*only)) {
        let [ours, floor] = [pair.ours, pair.floor].map(|(variant, path)| {
            let process = Process::start(variant, &store(variant));
            // Warms the process.
            process.measure(path, MEASURE / 3);
            (process, path)
        });
        let (mut ratios, mut figures) = (Vec::new(), [Vec::new(), Vec::new()]);
        for _ in 0..rounds {
            let [a, b] = [&ours, &floor].map(|(process, path)| process.measure(path, MEASURE));
            ratios.push(a / b);
            figures[0].push(a);
            figures[1].push(b);
        }
        let [a, b] = figures.map(median);
        println!("| {} | {:.2} | {a:.0} | {b:.0} |", pair.name, median(ratios));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A variant's process. Ends when it is dropped.
struct Process {
    child: Child,
    app: App,
}

impl Process {
    fn start(variant: Variant, store: &str) -> Self {
        Self::start_with(Command::new(std::env::current_exe().unwrap()), variant, store)
    }

    fn start_with(mut command: Command, variant: Variant, store: &str) -> Self {
        let mut child = command
            .env("REQUESTS_BENCH_VARIANT", format!("{variant:?}"))
            .env("REQUESTS_BENCH_STORE", store)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let app = serde_json::from_str(&line).expect("the process says where it listens");
        Self { child, app }
    }

    /// Returns requests per second.
    fn measure(&self, path: &str, time: Duration) -> f64 {
        self.load(path, Until::After(time)).0
    }

    fn load(&self, path: &str, until: Until) -> (f64, u64) {
        let cookie = (path != "/").then_some(self.app.cookie.as_str());
        load::run(self.app.port, path, cookie, until)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free at this moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
