//! The bodies of the fuzz targets, for a second each, on inputs near to valid ones. `scripts/fuzz` runs them longer.
//!
//! `FUZZ_SECONDS=60 cargo test --all-features --test it parsers` runs each for a minute.

use std::time::{Duration, Instant};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;

/// Runs a body on each of these texts, changed in a few places, and on any bytes.
#[allow(clippy::print_stderr, reason = "shown when a user fuzzes")]
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
    let mut count = 0_u64;
    while started.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..100 {
            body(&inputs.new_tree(&mut runner).unwrap().current());
        }
        count += 100;
    }
    if std::env::var_os("FUZZ_SECONDS").is_some() {
        eprintln!("{count} inputs in {seconds} s");
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

#[cfg(feature = "test-util")]
#[test]
fn a_scanned_query_is_its_parts() {
    run(
        bodies::soql_scanner,
        &[
            "SELECT Id FROM A WHERE B = :b AND C IN :c",
            "D > LAST_N_DAYS : 30 AND T < 2026-11-29T23:59:59Z",
            "A = 'it\\'s :not' AND B /* :c */ = :b // :d\nAND C = :e",
            "\"a :phrase\" OR :term",
        ],
    );
}

#[cfg(feature = "test-util")]
#[test]
fn a_bound_text_is_one_value() {
    run(
        bodies::soql_binding,
        &["O'Reilly", "a' OR Name != '", "\\", "} RETURNING User(Id)", "a AND b", ":v"],
    );
}

#[cfg(feature = "test-util")]
#[test]
fn a_page_that_is_read_has_one_form() {
    run(
        bodies::page,
        &[
            r#"{"totalSize":2,"done":true,"records":[{"Name":"Ada"},{"N":1.0E7}]}"#,
            r#"{"totalSize":-1,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/0r8xx3d-2","records":[]}"#,
            r#"{"totalSize":1,"done":true,"records":[{"C":{"totalSize":1,"done":true,"records":[null]}}]}"#,
            "null",
        ],
    );
}

#[cfg(feature = "test-util")]
#[test]
fn what_is_stored_of_an_error_response_is_bounded() {
    run(
        bodies::error_response,
        &[
            "d[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column\",\"fields\":[\"A\",null]}]",
            "e[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"Session expired\"}]",
            "gBad_OAuth_Token",
            "\0[\"/services/data/v66.0/sobjects/A/001\"]",
            "d<?xml version=\"1.0\"?><Errors><Error><errorCode>X</errorCode></Error></Errors>",
            "d{\"hasErrors\":true,\"results\":[{\"referenceId\":\"r\",\"errors\":[{\"statusCode\":\"X\"}]}]}",
        ],
    );
}

#[cfg(feature = "test-util")]
#[test]
fn a_request_goes_to_a_host_of_salesforce() {
    run(
        bodies::allowed_hosts,
        &[
            "https://acme.my.salesforce.com",
            "https://acme--dev.sandbox.my.salesforce.com/",
            "https://acme.my.site.com/partners",
            "https://login.salesforce.com:443/services",
        ],
    );
}

#[cfg(feature = "test-util")]
#[test]
fn a_return_target_stays_on_the_app() {
    run(
        bodies::return_target,
        &[
            "/",
            "/records?a=b&c=%2F#d",
            "https://app.example/x",
            "/a/../b",
            "//evil.example",
            "/\u{e4}/\\x",
            "/%2e%2e/",
        ],
    );
}

#[cfg(feature = "test-util")]
#[test]
fn a_cookie_has_one_name_and_one_value() {
    run(
        bodies::cookies,
        &[
            "a=1; __Host-sid=x; b=2",
            "__Host-sid=x; __Host-sid=y",
            "%5F%5FHost-sid=evil; __Host-sid=good",
            "__Host-sid =x;\u{a0}__Host-sid=y",
        ],
    );
}

#[cfg(all(feature = "bulk", feature = "test-util"))]
#[test]
fn csv_in_pieces_has_the_rows_of_the_whole() {
    run(
        bodies::csv::rows,
        &[
            "\u{1}\"Id\",\"Name\"\r\n\"001\",\"a, \"\"b\"\"\"\r\n\"002\",\"\"\r\n",
            "\u{3}Id,Name\n1,5\" pipe\n2,\"two\nlines\"\n",
            "\u{7}\u{feff}Id\n\n1\n",
            // Found by fuzzing.
            "\u{1}a;\"b\nc",
            "\u{1}\t\r\n x\"\"",
            "\u{5}\r`\r`\"\r\n\"\u{1}\r`",
            "\u{1}\0\na;b\n\0\"1\";2\n",
            "\u{1}\u{feff}\n\u{feff}\"a\"\n1\n",
            "\u{1}\r\u{feff}Id\n1\n",
        ],
    );
}
