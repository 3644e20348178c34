//! The bodies of the fuzz targets, for a second each, on inputs near to valid ones. `scripts/fuzz` runs them longer.
//!
//! `FUZZ_SECONDS=60 cargo test --all-features --test it parsers` runs each for a minute.

use std::time::{Duration, Instant};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

#[path = "../../fuzz/bodies.rs"]
mod bodies;

/// Runs a body on each of these texts, changed in a few places, and on any bytes.
fn run(body: fn(&[u8]), valid: &'static [&'static str]) {
    for text in valid {
        body(text.as_bytes());
    }
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
    let change = (any::<prop::sample::Index>(), 0..3_usize, prop_oneof!["[ -~]{0,3}", ".{0,2}"]);
    let near =
        (prop::sample::select(valid), prop::collection::vec(change, 0..4)).prop_map(|(text, changes)| {
            let mut text: Vec<char> = text.chars().collect();
            for (place, removed, added) in changes {
                let start = place.index(text.len() + 1);
                let end = text.len().min(start + removed);
                text.splice(start..end, added.chars());
            }
            text.into_iter().collect::<String>().into_bytes()
        });
    let inputs = prop_oneof![4 => near, 1 => prop::collection::vec(any::<u8>(), 0..40)];
    let mut runner = TestRunner::deterministic();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..100 {
            body(&inputs.new_tree(&mut runner).unwrap().current());
        }
    }
}

#[test]
fn an_id_has_one_form() {
    run(
        bodies::ids,
        &[
            "001D000000IqhSL",
            "001D000000IqhSLIAZ",
            "00DD0000000LBNvMAO",
            "005D0000001MXfSIAW",
            "005D0000001MXfS",
        ],
    );
}

#[test]
fn a_login_host_is_https_or_this_machine() {
    run(
        bodies::login_host,
        &[
            "https://login.salesforce.com",
            "https://acme--dev.sandbox.my.salesforce.com/",
            "https://acme.my.site.com/partners/",
            "http://127.0.0.1:8080",
            "http://[::1]:80/",
            "http://localhost",
        ],
    );
}

#[test]
fn scopes_are_a_set_of_names() {
    run(
        bodies::scopes,
        &["", "api", "api refresh_token openid", "full offline_access", "cdp_query_api id api"],
    );
}

#[test]
fn an_entity_tag_is_a_header_value() {
    run(
        bodies::etag,
        &["\"abc--gzip\"", "W/\"1\"", "Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 29 Feb 2024 23:59:59 GMT"],
    );
}

#[test]
fn a_date_a_time_and_a_version_have_one_form() {
    run(
        bodies::soql_values,
        &[
            "2026-11-29",
            "2024-02-29",
            "2026-11-29T23:59:59Z",
            "2026-11-29T23:59:59.123+01:00",
            "2026-11-29T23:59:59.000+0000",
            "23:59:59.999Z",
            "08:00:00",
            "66.0",
            "v66.0",
        ],
    );
}
