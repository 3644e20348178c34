//! How the memory store grows: what a login takes, and what look-ups and sweeps cost among a thousand and a million logins.
//!
//! `cargo bench --bench growth`. Bytes are those that were allocated, and the growth of the process; instructions are
//! counted by callgrind (package `valgrind`), which takes some minutes. Both are the same on a busy machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a separate program"
)]

use std::{
    env, fs,
    hint::black_box,
    process::Command,
    time::{Duration, SystemTime},
};

use actix_salesforce::{
    UserRef,
    store::{
        AppKey, GrantKey, GrantRecord, GrantVersion, LeaseHolder, LeaseName, LoginKey, LoginProof,
        LoginRecord, MemoryStore, Sealed, Store, StoreFuture,
    },
};
use allocation_counter::measure;
use futures_util::FutureExt as _;

/// Sealed tokens of a user of production: an access token of 112 bytes, a refresh token of 87, addresses and names.
const SEALED: usize = 620;
const LOOK_UPS: u64 = 1_000;
const SIZES: [u64; 4] = [1_000, 100_000, 500_000, 1_000_000];

fn main() {
    if let Ok(logins) = env::var("GROWTH_BENCH_LOGINS") {
        return count(logins.parse().unwrap());
    }
    println!(
        "| logins with a grant each | bytes allocated for each | bytes of the process for each | instructions of a look-up | of a change, sweeps included |"
    );
    println!("|---|---|---|---|---|");
    for logins in SIZES {
        let before = resident();
        let mut store = None;
        let allocated = measure(|| store = Some(filled(logins))).bytes_current;
        let grown = resident().saturating_sub(before);
        drop(store);
        let [look_up, change] = ["look_ups", "changes"].map(|function| instructions(function, logins));
        let per_change = change / changes(logins);
        println!(
            "| {logins} | {} | {} | {} | {per_change} |",
            allocated.unsigned_abs() / logins,
            grown / logins,
            look_up / LOOK_UPS
        );
    }
}

/// The memory that this process occupies, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Enough for the store to remove expired records once.
fn changes(logins: u64) -> u64 {
    logins / 8 + 1_025
}

fn count(logins: u64) {
    let store = filled(logins);
    look_ups(&store, logins);
    let names: Vec<_> = (0..8).map(|n| LeaseName::Refresh(grant_key(n))).collect();
    changes_of(&store, &names, changes(logins));
}

#[inline(never)]
fn look_ups(store: &MemoryStore, logins: u64) {
    for n in 0..LOOK_UPS {
        assert!(done(store.load_login(login_key(n * 7_919 % logins))).is_some());
    }
}

#[inline(never)]
fn changes_of(store: &MemoryStore, names: &[LeaseName], changes: u64) {
    for (name, _) in names.iter().cycle().zip(0..changes) {
        assert!(done(store.acquire_lease(*name, LeaseHolder(1), Duration::from_secs(60))));
    }
}

/// Counts the instructions of a function of this program.
fn instructions(function: &str, logins: u64) -> u64 {
    let profile = env::temp_dir().join(format!("growth-{}.callgrind", std::process::id()));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", &format!("--toggle-collect=growth::{function}*")]);
    valgrind.arg(format!("--callgrind-out-file={}", profile.display())).arg(env::current_exe().unwrap());
    assert!(valgrind.env("GROWTH_BENCH_LOGINS", logins.to_string()).status().expect("valgrind").success());
    let text = fs::read_to_string(&profile).unwrap();
    fs::remove_file(&profile).unwrap();
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
    totals.trim().parse().unwrap()
}

fn filled(logins: u64) -> MemoryStore {
    let (store, now) = (MemoryStore::new(), SystemTime::now());
    let until = now + Duration::from_secs(8 * 60 * 60);
    for n in 0..logins {
        let key = grant_key(n);
        let mut login = LoginRecord::new(key, now, until);
        login.proof = Some(LoginProof::from_bytes([7; 32]));
        let version = GrantVersion { epoch: n, revision: 0 };
        let grant = GrantRecord::new(key, version, Sealed::from_bytes(vec![7; SEALED]), now, until);
        assert!(done(store.create_login(login_key(n), login, grant)).is_none());
    }
    black_box(store)
}

/// The memory store responds at once.
fn done<T>(response: StoreFuture<'_, T>) -> T {
    response.now_or_never().unwrap().unwrap()
}

/// Mixes a number as a hash does (SplitMix64).
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn login_key(n: u64) -> LoginKey {
    let mut bytes = [0; 32];
    for (place, chunk) in (1..).zip(bytes.chunks_exact_mut(8)) {
        chunk.copy_from_slice(
            &mixed(n.wrapping_add(u64::wrapping_mul(place, 0x9e37_79b9_7f4a_7c15))).to_le_bytes(),
        );
    }
    LoginKey::from_bytes(bytes)
}

fn grant_key(n: u64) -> GrantKey {
    let user = UserRef::new("00D000000000001".parse().unwrap(), format!("005D{n:011}").parse().unwrap());
    GrantKey::new(AppKey::from_client_id("growth"), user)
}
