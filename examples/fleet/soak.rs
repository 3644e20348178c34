//! A soak: 50 people on two instances of `accounts` that share one Redis, while faults come and go. Not part of the
//! tests; it runs for as long as it is told, and then says whether what must hold held.
//!
//! `cargo build --all-features --example accounts && cargo run --all-features --example soak -- MINUTES SEED`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that fails loudly"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault};
use support::{Client, Page, example::Example, free_port, servers::Redis};

const PEOPLE: usize = 50;
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
/// After a fault has gone, what it caused may still be under way: the cool-down, a request that waits.
const AFTERMATH: Duration = Duration::from_secs(13);

/// Numbers that a seed decides (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A request renews its token once. When that one has expired too before it is used, Salesforce refuses a token that it
/// gave just now, which looks as if the user may not use its API: 403, so soon after the tokens expired.
const EXPIRED_ON_THE_WAY: Duration = Duration::from_secs(1);

/// What was seen, and whether something is going wrong on purpose.
#[derive(Default)]
struct Seen {
    responses: BTreeMap<(u16, bool), u64>,
    /// One of each kind of response that is neither a page nor a request to log in.
    refusals: BTreeMap<(u16, String), Page>,
    wrong: Vec<String>,
    logins: u64,
}

struct Soak {
    org: FakeOrg,
    urls: [String; 2],
    seen: Mutex<Seen>,
    fault_until: Mutex<Instant>,
    expired_at: Mutex<Instant>,
    over: AtomicBool,
}

impl Soak {
    fn note(&self, page: &Page) {
        let faulty = Instant::now() < *self.fault_until.lock().unwrap();
        let mut seen = self.seen.lock().unwrap();
        *seen.responses.entry((page.status, faulty)).or_default() += 1;
        if page.status >= 400 && page.status != 401 {
            let kind = (page.status, page.url.path().to_owned());
            seen.refusals.entry(kind).or_insert_with(|| page.clone());
        }
        let is_forbidden =
            page.status == 403 && self.expired_at.lock().unwrap().elapsed() > EXPIRED_ON_THE_WAY;
        if is_forbidden || (page.status >= 500 && !faulty) {
            seen.wrong.push(format!("{page:?}"));
        }
    }

    fn fault_for(&self, time: Duration) {
        *self.fault_until.lock().unwrap() = Instant::now() + time + AFTERMATH;
    }

    /// Logs in by the pages, as a user does. Whether that led in.
    async fn log_in(&self, browser: &Client, username: &str) -> bool {
        let done = self.try_log_in(browser, username).await.unwrap_or(false);
        self.seen.lock().unwrap().logins += u64::from(done);
        done
    }

    /// An error when an instance does not listen, because it is being restarted.
    async fn try_log_in(&self, browser: &Client, username: &str) -> Result<bool, reqwest::Error> {
        let mut page = follow(browser, Method::GET, &format!("{}/accounts", self.urls[0]), None).await?;
        for _ in 0..2 {
            let field = |before: &str, after: &str| {
                let rest = page.body.split_once(before)?.1;
                Some(rest.split_once(after)?.0.replace("&amp;", "&"))
            };
            if page.url.as_str().starts_with(&self.urls[0]) {
                break;
            }
            let (Some(action), Some(request)) =
                (field("action=\"", "\""), field("name=\"request\" value=\"", "\""))
            else {
                return Ok(false);
            };
            let url = page.url.join(&action).unwrap();
            let fields = [
                ("username", username),
                ("pw", "fake-org-1"),
                ("request", request.as_str()),
                ("save", "Allow"),
            ];
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            page = follow(browser, Method::POST, url.as_str(), Some(&body)).await?;
        }
        Ok(page.status == 200 && page.url.as_str().starts_with(&self.urls[0]))
    }

    async fn person(&self, n: usize, seed: u64) {
        let mut random = Random(seed * 1_000 + n as u64 + 1);
        let username = format!("person{n}@example.com");
        let browser = Client::new().untraced();
        while !self.over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(100 + random.below(900))).await;
            let url = &self.urls[random.below(2) as usize];
            let path = ["/accounts", "/whoami", "/", "/admin/"][random.below(4) as usize];
            let json = [("accept", "application/json")];
            let Ok(page) = browser.try_send(Method::GET, &format!("{url}{path}"), &json, None).await else {
                // The instance is being restarted.
                continue;
            };
            self.note(&page);
            if page.status == 401 {
                self.log_in(&browser, &username).await;
            } else if random.below(100) == 0 {
                let logout = format!("{url}/auth/salesforce/logout");
                let _ =
                    browser.try_send(Method::POST, &logout, &[("origin", self.urls[0].as_str())], None).await;
            }
        }
    }

    /// One thing after the other goes wrong, with quiet times between.
    async fn trouble(
        &self,
        redis: &Redis,
        instances: &mut [Example; 2],
        until: Instant,
        seed: u64,
    ) -> BTreeMap<&'static str, u64> {
        let mut random = Random(seed + 77);
        let mut happened = BTreeMap::new();
        let store = redis.url();
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(2 + random.below(4))).await;
            self.org.expire_access_tokens();
            *self.expired_at.lock().unwrap() = Instant::now();
            *happened.entry("all access tokens expired").or_default() += 1;
            let time = Duration::from_secs(1 + random.below(3));
            let faults = self.org.faults();
            let what = match random.below(9) {
                0 => {
                    self.fault_for(time);
                    faults.refresh(Fault::Status(503));
                    "token endpoint responds with 503"
                }
                1 => {
                    faults.refresh(Fault::Delay(Duration::from_millis(1_500)));
                    "token endpoint is slow"
                }
                2 => {
                    self.fault_for(time);
                    faults.refresh(Fault::ResetBeforeRead);
                    "token endpoint resets"
                }
                3 => {
                    self.fault_for(time);
                    faults.api(Fault::Status(503));
                    "API responds with 503"
                }
                4 => {
                    self.fault_for(time);
                    faults.api(Fault::Html);
                    "API responds with HTML"
                }
                5 => {
                    self.fault_for(time);
                    redis.freeze();
                    tokio::time::sleep(time).await;
                    redis.thaw();
                    "Redis hangs"
                }
                6 => {
                    let n = random.below(2) as usize;
                    self.fault_for(Duration::from_secs(5));
                    let status = instances[n].terminate().await;
                    assert!(status.success(), "an instance ends well: {status}");
                    let port = self.urls[n].rsplit(':').next().unwrap().parse().unwrap();
                    instances[n] = instance(&self.org, &store, port, &self.urls[0]).await;
                    "an instance is restarted"
                }
                _ => continue,
            };
            *happened.entry(what).or_default() += 1;
            tokio::time::sleep(time).await;
            self.org.faults().clear();
        }
        happened
    }
}

/// One request and every redirect after it.
async fn follow(
    browser: &Client,
    method: Method,
    url: &str,
    form: Option<&str>,
) -> Result<Page, reqwest::Error> {
    let accept = ("accept", "text/html");
    let headers = [accept, ("content-type", "application/x-www-form-urlencoded")];
    let mut page =
        browser.try_send(method, url, if form.is_some() { &headers } else { &headers[..1] }, form).await?;
    for _ in 0..8 {
        if !page.is_redirect() {
            break;
        }
        page = browser.try_send(Method::GET, page.location().as_str(), &[accept], None).await?;
    }
    Ok(page)
}

async fn instance(org: &FakeOrg, store: &str, port: u16, public_url: &str) -> Example {
    let bind = format!("127.0.0.1:{port}");
    let more = [
        ("SALESFORCE_STORE", store),
        ("SALESFORCE_KEYS", KEYS),
        ("SALESFORCE_PUBLIC_URL", public_url),
        ("BIND", &bind),
        ("WORKERS", "2"),
        ("RUST_LOG", "off"),
    ];
    Example::with("127.0.0.1", port, "accounts", org, &more).await
}

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0) / 1024
}

#[tokio::main]
async fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let (minutes, seed) = (arguments.first().copied().unwrap_or(5), arguments.get(1).copied().unwrap_or(1));
    let redis = Redis::start();
    let org = FakeOrg::builder().rows(50).start().await.unwrap();
    for n in 0..PEOPLE {
        let _ = org.user(&format!("person{n}@example.com"));
    }
    let ports = [free_port(), free_port()];
    let urls = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let mut instances = [
        instance(&org, &redis.url(), ports[0], &urls[0]).await,
        instance(&org, &redis.url(), ports[1], &urls[0]).await,
    ];
    let soak = Arc::new(Soak {
        org,
        urls,
        seen: Mutex::default(),
        fault_until: Mutex::new(Instant::now()),
        expired_at: Mutex::new(Instant::now()),
        over: AtomicBool::new(false),
    });
    let people: Vec<_> = (0..PEOPLE)
        .map(|n| {
            let soak = Arc::clone(&soak);
            tokio::spawn(async move { soak.person(n, seed).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before: Vec<_> = instances.iter().map(|instance| resident(instance.id())).collect();
    let until = Instant::now() + Duration::from_secs(minutes * 60);
    let happened = soak.trouble(&redis, &mut instances, until, seed).await;
    tokio::time::sleep(AFTERMATH).await;
    soak.over.store(true, Ordering::Relaxed);
    let ended = join_all(people).await.iter().filter(|person| person.is_ok()).count();

    // Afterwards every user gets in, directly or by logging in.
    let mut in_again = 0;
    for n in 0..PEOPLE {
        in_again += usize::from(soak.log_in(&Client::new(), &format!("person{n}@example.com")).await);
    }
    let after: Vec<_> = instances.iter().map(|instance| resident(instance.id())).collect();
    let seen = soak.seen.lock().unwrap();
    let requests: u64 = seen.responses.values().sum();
    println!("seed {seed}, {minutes} minutes, {PEOPLE} people, {requests} requests, {} logins", seen.logins);
    println!("what went wrong on purpose: {happened:?}");
    println!("responses by (status, while something went wrong): {:?}", seen.responses);
    println!(
        "token calls: {}, used tokens sent again: {}",
        soak.org.token_calls("refresh_token"),
        soak.org.refresh_reuse_count()
    );
    println!(
        "memory of the instances in MiB, before and after (new ones count from their start): {before:?} {after:?}"
    );
    for ((status, path), page) in &seen.refusals {
        println!("one of the responses with {status} to {path}: {}", page.body);
    }
    for wrong in seen.wrong.iter().take(5) {
        println!("without a cause: {wrong}");
    }
    assert_eq!(soak.org.refresh_reuse_count(), 0, "no used token was sent again");
    assert!(seen.wrong.is_empty(), "no 5xx and no 403 without a cause");
    assert_eq!((ended, in_again), (PEOPLE, PEOPLE), "every user gets in again");
}
