//! Instructions of a server in user space per request, counted by callgrind.
//!
//! Callgrind has no SHA extensions and counts each byte of a large copy: hashes and copies look dearer than they are.

use std::process::Command;

use super::{
    Process,
    app::Variant,
    load::Until,
    servers::{Folder, Redis},
};

/// Each variant with its paths, the floors first.
const ROUTES: [(&str, Variant, &str); 8] = [
    ("actix alone", Variant::Bare, "/"),
    ("actix-session, one key read", Variant::Session, "/read"),
    ("one GET of Redis", Variant::RedisGet, "/"),
    ("public, no cookie", Variant::Memory, "/"),
    ("public, logged in", Variant::Memory, "/public"),
    ("protected, memory", Variant::Memory, "/protected"),
    ("protected, Redis", Variant::Redis, "/protected"),
    ("protected, Redis with cached logins", Variant::RedisCached, "/protected"),
];
/// Requests of each of the 32 connections: those that warm the process, and those that are counted.
const WARM: u64 = 60;
const COUNTED: u64 = 120;

/// Counts all routes, or those whose names contain `ONLY`, and prints a table. `KEEP` names a folder for the profiles.
pub(crate) fn print() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let redis = Redis::start();
    let folder = Folder::new("instructions");
    let profiles = std::env::var_os("KEEP").map_or_else(|| folder.path().to_owned(), Into::into);
    println!("| route | instructions per request |\n|---|---|");
    for (name, variant, path) in ROUTES.iter().filter(|(name, ..)| name.contains(&*only)) {
        let store = match variant {
            Variant::Redis | Variant::RedisCached | Variant::RedisGet => redis.url(),
            _ => "memory".to_owned(),
        };
        let profile = profiles.join(format!("{variant:?}{}.callgrind", path.replace('/', "-")));
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--tool=callgrind"]);
        valgrind.arg(format!("--callgrind-out-file={}", profile.display()));
        valgrind.arg(std::env::current_exe().unwrap());
        let process = Process::start_with(valgrind, *variant, &store);
        let control = |command: &str| {
            let id = process.child.id().to_string();
            let done = Command::new("callgrind_control").args([command, &id]).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        process.load(path, Until::Sent(WARM));
        control("--zero");
        let (_, requests) = process.load(path, Until::Sent(COUNTED));
        control("--dump");
        drop(process);
        // The dump is the profile with the number 1.
        let dump = std::fs::read_to_string(format!("{}.1", profile.display())).unwrap();
        let totals = dump.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a sum");
        println!("| {name} | {} |", totals.trim().parse::<u64>().unwrap() / requests);
    }
}
