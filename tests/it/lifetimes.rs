//! The numbers in `docs/lifetimes.md` are those of the program.
//!
//! Most constants are private, so this test reads them from the source.

use std::{fs, path::Path};

const PAGE: &str = "docs/lifetimes.md";

/// The beginning of a row, and the constants or fields whose values the row must have: file and name.
#[rustfmt::skip]
const ROWS: &[(&str, &[(&str, &str)])] = &[
    ("login, at most", &[("src/config/check.rs", "LONGEST_LOGIN")]),
    ("last-used time of a login is written", &[(TIMING, "last_used_interval")]),
    ("pending login (time to log in", &[("src/config/check.rs", "LONGEST_PENDING")]),
    ("pending logins in one browser", &[("src/web/login/pending_login.rs", "MAX_OPEN"), ("src/web/login/pending_login.rs", "MAX_TOTAL_BYTES"), ("src/web/login/pending_login.rs", "MAX_REMOVALS")]),
    ("return target", &[("src/config/return_to.rs", "MAX_BYTES")]),
    ("used `state` stays used", &[("src/web/login/pending_login.rs", "CLOCK_TOLERANCE")]),
    ("a callback that comes again waits", &[("src/grants/callback.rs", "WAIT")]),
    ("a callback that comes again gets", &[("src/grants/callback.rs", "OUTCOME_LIFETIME")]),
    ("whether an org is a sandbox", &[(SANDBOXES, "OUTAGE_PAUSE"), (SANDBOXES, "MAX_OUTAGE_PAUSE"), (SANDBOXES, "NOT_SAID_PAUSE"), (SANDBOXES, "TIMED_OUT_TOGETHER")]),
    ("a request waits for the orgs", &[(SANDBOXES, "BESIDE_WAIT")]),
    ("lease of a callback", &[("src/grants/callback.rs", "LEASE_LIFETIME")]),
    ("a login that no response delivered", &[("src/grants/callback.rs", "UNDO_AFTER")]),
    ("a silent login that failed", &[("src/web/login/silent.rs", "REMEMBERED")]),
    ("page in the `state`", &[("src/web/login/silent.rs", "MAX_NOTE_BYTES")]),
    ("signed request of Canvas", &[("src/grants/canvas.rs", "USED_FOR"), ("src/web/login/canvas.rs", "MAX_FORM_BYTES"), ("src/web/login/form.rs", "TIMEOUT")]),
    ("single logout: calls", &[("src/web/login/single_logout.rs", "MAX_CALLS"), ("src/web/login/single_logout.rs", "PERIOD")]),
    ("forms of the logout page", &[("src/web/login/form.rs", "MAX_BYTES"), ("src/web/login/form.rs", "TIMEOUT")]),
    ("check of a login that is in use", &[("src/grants/recheck.rs", "RECHECK_WAIT"), (TIMING, "recheck_pause")]),
    ("keep-alive of unused grants", &[(TIMING, "keep_alive_interval"), ("src/grants/keep_alive.rs", "CONCURRENT_REFRESHES")]),
    ("stored grants under an older key", &[(TIMING, "reseal_interval"), ("src/grants/reseal.rs", "CONCURRENT_SEALS")]),
    ("logins used without asking Redis", &[("src/store/redis/login_cache.rs", "MAX_UNCONFIRMED"), ("src/store/redis/tracking.rs", "INTERVAL")]),
    ("grants in the memory of a process", &[("src/base/evicting_map.rs", "EVICT_ABOVE")]),
    ("deleted login or connection of an owner", &[("src/store/mod.rs", "TOMBSTONE")]),
    ("session (`session: embedded`)", &[("src/web/session/app_session.rs", "MAX_JSON_BYTES")]),
    ("loop guard", &[("src/web/login/loop_guard.rs", "LIFETIME")]),
    ("one token, identity, key or revocation request", &[("connection/src/http/client.rs", "SHORT_TIMEOUT"), ("connection/src/http/client.rs", "connect_timeout")]),
    ("a refresh sends its last token request", &[(TIMING, "send_window")]),
    ("a request waits for a refresh", &[(TIMING, "request_wait")]),
    ("retries within one refresh", &[("src/grants/refresh_policy.rs", "MAX_RETRIES"), (TIMING, "token_retry_wait")]),
    ("cool-down after a failed refresh", &[(TIMING, "cool_down"), (TIMING, "MAX_COOL_DOWN")]),
    ("cool-down after a refresh that fails", &[(TIMING, "cool_down"), (TIMING, "MAX_COOL_DOWN")]),
    ("pause after a new token was rejected", &[(TIMING, "rejected_pause"), (TIMING, "rejected_max_pause")]),
    ("lease of a refresh", &[(TIMING, "lease_lifetime")]),
    ("in-flight marker in the store", &[(TIMING, "in_flight_lifetime")]),
    ("time that another process gets", &[(TIMING, "in_flight_grace")]),
    ("refreshes in flight", &[("src/grants/manager.rs", "MAX_TOKEN_REQUESTS"), ("src/grants/manager.rs", "MAX_TOKEN_REQUESTS_PER_HOST")]),
    ("codes being exchanged", &[("src/grants/manager.rs", "MAX_LOGINS_PER_HOST"), ("src/grants/manager.rs", "MAX_LOGINS"), (TIMING, "login_queue_timeout")]),
    ("revocations in flight", &[("src/grants/manager.rs", "MAX_REVOCATIONS")]),
    ("pending write: next attempt", &[(TIMING, "pending_write_wait"), (TIMING, "pending_write_max_wait")]),
    ("logout that is not stored yet", &[(TIMING, "logout_max_wait")]),
    ("end of the process waits", &[("src/base/background.rs", "SHUTDOWN_TIMEOUT")]),
    ("connect |", &[("connection/src/http/client.rs", "connect_timeout")]),
    ("one attempt of a request", &[("connection/src/request/send.rs", "REQUEST_TIMEOUT")]),
    ("retries |", &[(RETRY, "max_retries"), (RETRY, "initial_backoff"), (RETRY, "max_backoff"), (RETRY, "retry_timeout")]),
    ("slowest body", &[("connection/src/http/streaming_body.rs", "WINDOW"), ("connection/src/http/streaming_body.rs", "MIN_BYTES_PER_WINDOW")]),
    ("largest response", &[("connection/src/request/send.rs", "MAX_RESPONSE_BYTES"), ("connection/src/oauth/endpoint.rs", "MAX_RESPONSE_BYTES"), ("connection/src/http/client.rs", "MAX_SMALL_RESPONSE_BYTES")]),
    ("`Retry-After` that is believed", &[("connection/src/http/response.rs", "MAX_RETRY_AFTER")]),
    ("requests to one org in flight", &[("connection/src/client.rs", "max_concurrent"), ("connection/src/request/slots.rs", "SHARE")]),
    ("waiting for a free slot", &[("connection/src/client.rs", "acquire_timeout")]),
    ("circuit breaker after the daily limit", &[(BREAKER, "DAILY_PAUSE"), (BREAKER, "MAX_PAUSE"), (BREAKER, "PROBE_TIMEOUT")]),
    ("circuit breaker after too many requests", &[(BREAKER, "BURST_PAUSE"), (BREAKER, "MAX_PAUSE")]),
    ("API usage is used", &[("connection/src/request/usage.rs", "MAX_AGE")]),
    ("describe cache", &[("connection/src/describe/cache.rs", "MAX_AGE"), ("connection/src/describe/cache.rs", "MAX_ENTRIES")]),
    ("idle connection", &[("connection/src/http/client.rs", "pool_idle_timeout"), ("connection/src/http/client.rs", "tcp_keepalive")]),
    ("Bulk API: waiting for a load", &[("connection/src/bulk/ingest.rs", "DEFAULT_TIMEOUT")]),
    ("Bulk API: waiting for a query", &[("connection/src/bulk/query_job.rs", "FETCH_BULK_TIMEOUT")]),
    ("tolerated clock difference", &[("connection/src/oauth/id_token.rs", "LEEWAY")]),
    ("longest lifetime of an ID token", &[("connection/src/oauth/id_token.rs", "MAX_LIFETIME")]),
    ("keys of a login host", &[(JWKS, "MAX_FETCHES"), (JWKS, "COOL_DOWN"), (JWKS, "FAILED_COOL_DOWN")]),
    ("assertion of a service user", &[("connection/src/token/service_user.rs", "ASSERTION_LIFETIME")]),
    ("whether a page's user may read a record", &[("src/feed/visible.rs", "CACHED"), ("src/feed/visible.rs", "MAX_KNOWN")]),
    ("events of a feed in memory", &[("src/feed/shared.rs", "MAX_MESSAGES"), ("src/feed/shared.rs", "MAX_BYTES")]),
    ("open streams", &[("src/feed/places.rs", "MAX_OF_LOGIN"), ("src/feed/places.rs", "MAX")]),
    ("a page waits for its topic", &[("src/feed/mod.rs", "START_PATIENCE")]),
    ("end of a stream", &[("src/feed/stream.rs", "MIN_AGE"), ("src/feed/stream.rs", "SPREAD")]),
    ("sign of life", &[("src/feed/stream.rs", "KEEP_ALIVE_INTERVAL")]),
    ("an event is sent if", &[("src/feed/stream.rs", "LOGIN_MAX_AGE")]),
    ("a stream goes on during an outage", &[("src/feed/stream.rs", "OUTAGE_PATIENCE")]),
    ("lease of a consumer", &[(CONSUMER, "lease_lifetime"), (CONSUMER, "renew_interval"), (CONSUMER, "give_up_after")]),
    ("a process on standby", &[(CONSUMER, "poll_interval")]),
    ("the position is written", &[(CONSUMER, "write_interval"), (CONSUMER, "write_events"), (CONSUMER, "idle_write_interval")]),
    ("end of the process: the handler", &[(CONSUMER, "handler_at_end"), (CONSUMER, "shutdown")]),
    ("an interrupted feed", &[("src/feed/upstream.rs", "FIRST_PAUSE"), ("src/feed/upstream.rs", "LONGEST_PAUSE")]),
    ("one operation of the SQLite", &[("src/store/runtime.rs", "CALL_TIMEOUT")]),
    ("one operation of a store that the app brings", &[(TIMING, "store_call")]),
    ("a listing", &[("src/store/runtime.rs", "LISTING_TIMEOUT"), (TIMING, "store_listing")]),
    ("store must work again", &[(TIMING, "store_recovery")]),
    ("connecting at the start", &[("src/store/redis/mod.rs", "CONNECT"), (DATABASE, "CONNECT"), ("src/store/sql/mod.rs", "OPEN")]),
    ("`Salesforce::health`", &[("src/grants/health.rs", "STORE_CHECK")]),
    ("Postgres: waiting for a connection", &[(DATABASE, "ACQUIRE")]),
    ("Postgres: a connection that was idle", &[(DATABASE, "TEST_TIMEOUT")]),
    ("SQLite: waiting for another writer", &[(DATABASE, "BUSY")]),
    ("Redis: one server", &[("src/store/redis/servers.rs", "ONE_OF_MANY")]),
    ("expired rows are deleted", &[("src/store/sql/mod.rs", "SWEEP_EVERY"), ("src/store/runtime.rs", "BACKGROUND_TIMEOUT")]),
    ("memory store: one-time keys", &[("src/store/memory.rs", "MAX_ONCE")]),
    ("memory store: expired records", &[("src/store/memory.rs", "SWEEP_EVERY")]),
];
const TIMING: &str = "src/grants/timing.rs";
const CONSUMER: &str = "src/consumer/timing.rs";
const RETRY: &str = "connection/src/request/retry.rs";
const BREAKER: &str = "connection/src/request/circuit_breaker.rs";
const SANDBOXES: &str = "src/grants/sandboxes.rs";
const JWKS: &str = "connection/src/oauth/jwks.rs";
const DATABASE: &str = "src/store/sql/database.rs";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The product of the numbers in an expression such as `Duration::from_secs(10 * 60)`: milliseconds for a duration.
fn evaluate(expression: &str) -> u64 {
    let (unit, numbers) = match expression.rsplit_once('(') {
        Some((function, numbers)) if function.ends_with("from_secs") => (1_000, numbers),
        Some((function, numbers)) if function.ends_with("minutes") => (60_000, numbers),
        Some((_, numbers)) => (1, numbers),
        None => (1, expression),
    };
    let factors = numbers.trim_end_matches(')').split('*').map(|factor| factor.trim().replace('_', ""));
    factors.map(|factor| factor.parse::<u64>().unwrap_or_else(|_| panic!("{expression}"))).product::<u64>()
        * unit
}

/// The value of a constant (`const NAME: Type = value;`), of a field (`name: value,`) or of a setter (`.name(value)`).
fn value(file: &str, name: &str) -> u64 {
    let source = read(file);
    let constant = source.split(&format!("const {name}: ")).nth(1);
    let constant =
        constant.and_then(|rest| rest.split_once(" = ")).and_then(|(_, rest)| rest.split_once(';'));
    let is_value = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_digit())
            || text.starts_with("millis(")
            || text.starts_with("minutes(")
            || text.starts_with("Duration::from_")
    };
    let (field, setter) = (format!(" {name}: "), format!(".{name}("));
    let field = source.split(&field).skip(1).map(|rest| rest.split(",\n").next().unwrap());
    let setter = source.split(&setter).skip(1).map(|rest| rest.split(")\n").next().unwrap());
    let found = constant.map(|(value, _)| value).or_else(|| field.chain(setter).find(is_value));
    let value = evaluate(found.unwrap_or_else(|| panic!("{file} has no `{name}`")));
    // Times in an ID token are seconds.
    if file.ends_with("id_token.rs") { value * 1_000 } else { value }
}

/// All numbers of a row: durations in milliseconds, sizes in bytes, and counts as they are.
fn numbers(row: &str) -> Vec<u64> {
    let words: Vec<_> = row.split([' ', ';', '(', ')']).filter(|word| !word.is_empty()).collect();
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let mut found = Vec::new();
    for (position, word) in words.iter().enumerate() {
        let number: f64 = match *word {
            word if is_number(word) => {
                word.trim_end_matches([',', '.', '|']).replace(',', "").parse().unwrap_or(0.0)
            }
            "an" | "a" | "once" => 1.0,
            "ten" => 10.0,
            _ => continue,
        };
        // "0.5, 2, 8 and 30 seconds": the unit stands behind the last one.
        let unit = words
            .iter()
            .skip(position + 1)
            .find(|word| !is_number(word) && !["and", "to", "or"].contains(word));
        let factor = match unit.map_or("", |unit| unit.trim_end_matches([',', '.'])) {
            "second" | "seconds" => 1e3,
            "minute" | "minutes" => 60e3,
            "hour" | "hours" => 3_600e3,
            "years" => 365.0 * 86_400e3,
            "KiB" => 1_024.0,
            "MiB" => 1_048_576.0,
            _ => 1.0,
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of a document")]
        found.push((number * factor).round() as u64);
    }
    found
}

#[test]
fn the_page_of_lifetimes_has_the_programs_numbers() {
    let page = read(PAGE);
    let mut wrong = Vec::new();
    for (label, constants) in ROWS {
        let mut rows =
            page.lines().filter(|line| line.strip_prefix("| ").is_some_and(|row| row.starts_with(label)));
        let Some(row) = rows.next() else {
            wrong.push(format!("no row {label:?}"));
            continue;
        };
        let stated = numbers(row);
        for (file, name) in *constants {
            let value = value(file, name);
            if !stated.contains(&value) {
                wrong.push(format!("{row}\n  lacks {name} of {file}: {value}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{PAGE}:\n{}", wrong.join("\n"));
}
