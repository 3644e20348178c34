//! Promise 2 at the end of a program: whatever way an app ends, short of SIGKILL, a refresh under way is stored first,
//! within bounds, and without a call that an app could forget (F-24).

use std::time::{Duration, Instant};

use crate::support::{ADA, Client, example::Example, free_port, raw, servers::Folder};
use salesforce_fake_org::{FakeOrg, Fault};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// What the request that caused the refresh does when the end comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// It waits for its response.
    Waits,
    /// It was cut off: no request waits for the refresh any more.
    IsGone,
}

struct Case {
    ending: &'static str,
    signal: &'static str,
    request: Request,
    /// A worker is busy for longer than the server waits for it.
    stubborn: bool,
}

async fn program(org: &FakeOrg, ending: &str, store: &str, port: u16) -> Example {
    let bind = format!("127.0.0.1:{port}");
    let more =
        [("SALESFORCE_STORE", store), ("SALESFORCE_KEYS", KEYS), ("BIND", &bind), ("SHUTDOWN", ending)];
    Example::with("127.0.0.1", port, "shutdown_app", org, &more).await
}

/// The token endpoint takes so long.
const SLOW: Duration = Duration::from_secs(4);

async fn loses_nothing(case: &Case) {
    let Case { ending, signal, request, stubborn } = *case;
    let name = format!("{ending}, SIG{signal}, the request {request:?}, stubborn: {stubborn}");
    let folder = Folder::new("shutdown");
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let port = free_port();
    let mut app = program(&org, ending, &store, port).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/accounts")).await.status, 200, "{name}");
    org.expire_access_tokens();
    org.faults().refresh(Fault::Delay(SLOW));
    let (url, cookies) = (app.url(""), browser.cookie_line());
    let mut open = vec![raw::begin(&url, "/accounts", &cookies)];
    let begun = Instant::now();
    while org.token_calls("refresh_token") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{name}: no refresh began");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if matches!(request, Request::IsGone) {
        open.drain(..).for_each(raw::reset);
    }
    if stubborn {
        // One for each worker.
        for _ in 0..2 {
            open.push(raw::begin(&app.url(""), "/stubborn", ""));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let started = Instant::now();
    let status = app.end(signal).await;
    assert!(status.success(), "{name}: {status}");
    assert!(started.elapsed() < Duration::from_secs(13), "{name}: {:?}", started.elapsed());
    drop(open);
    org.faults().clear();

    let app = program(&org, ending, &store, port).await;
    let browser = browser.copy();
    assert_eq!(browser.fetch(&app.url("/accounts")).await.status, 200, "{name}");
    assert_eq!((org.token_calls("refresh_token"), org.refresh_reuse_count()), (1, 0), "{name}");
}

async fn each_loses_nothing(cases: &[Case]) {
    // Side by side: they mostly wait.
    futures_util::future::join_all(cases.iter().map(loses_nothing)).await;
}

const fn case(ending: &'static str, signal: &'static str, request: Request) -> Case {
    Case { ending, signal, request, stubborn: false }
}

#[actix_web::test]
async fn the_readmes_main_loses_nothing_at_sigterm_ctrl_c_and_sigquit() {
    use Request::{IsGone, Waits};
    let mut cases = Vec::new();
    for signal in ["TERM", "INT", "QUIT"] {
        for request in [Waits, IsGone] {
            cases.push(case("ordinary", signal, request));
        }
    }
    each_loses_nothing(&cases).await;
}

#[actix_web::test]
async fn a_short_shutdown_timeout_loses_nothing() {
    use Request::{IsGone, Waits};
    each_loses_nothing(&[case("impatient", "TERM", Waits), case("impatient", "TERM", IsGone)]).await;
}

#[actix_web::test]
async fn an_app_that_handles_signals_itself_loses_nothing() {
    use Request::{IsGone, Waits};
    let endings = ["own, graceful", "own, forced", "dropped", "exit"];
    let cases: Vec<_> = endings
        .into_iter()
        .flat_map(|ending| [case(ending, "TERM", Waits), case(ending, "TERM", IsGone)])
        .collect();
    each_loses_nothing(&cases).await;
}

#[actix_web::test]
async fn an_app_on_tokios_own_main_loses_nothing() {
    use Request::{IsGone, Waits};
    each_loses_nothing(&[
        case("tokio, ordinary", "TERM", Waits),
        case("tokio, ordinary", "INT", IsGone),
        case("tokio, own, forced", "TERM", Waits),
    ])
    .await;
}

/// A handler blocks its worker, so that the worker is still there, with its share of everything, when `main` returns.
#[actix_web::test]
async fn workers_that_do_not_stop_lose_nothing() {
    let stubborn = |ending, signal| Case { ending, signal, request: Request::IsGone, stubborn: true };
    each_loses_nothing(&[
        stubborn("ordinary", "INT"),
        stubborn("impatient", "TERM"),
        stubborn("dropped", "TERM"),
        stubborn("tokio, own, forced", "TERM"),
    ])
    .await;
}

/// A token endpoint that never responds does not hold a deploy up for longer than a refresh may take.
#[actix_web::test]
async fn the_end_is_waited_for_within_bounds() {
    let folder = Folder::new("bounded");
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let mut app = program(&org, "ordinary", &store, free_port()).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/accounts")).await.status, 200);
    org.expire_access_tokens();
    org.faults().refresh(Fault::Delay(Duration::from_secs(120)));
    let open = raw::begin(&app.url(""), "/accounts", &browser.cookie_line());
    while org.token_calls("refresh_token") == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let started = Instant::now();
    let status = app.end("INT").await;
    drop(open);
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(24), "{:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_secs(2), "it was waited for: {:?}", started.elapsed());
}
