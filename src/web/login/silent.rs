//! Silent logins: what starts one, and what remembers that one failed.
//!
//! A failure is remembered by a cookie and by a mark in the address of the page, so that a client without cookies is sent
//! once, too. Such a client has no pending login when it comes back. The page that it wanted is sealed into the `state`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, time},
    http::{Method, header::HeaderMap},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    add_cookie,
    failure::LoginError,
    loop_guard::LoopGuard,
    query::Query,
    start::{self, Start},
};
use crate::{
    base::{append_query::append_query, seal::Purpose},
    config::{ReturnTo, Settings},
    web::{
        request_info::RequestInfo,
        response,
        session::{cookie, cookie_header},
        worker::WorkerState,
    },
};
use salesforce_connection::oauth::{AuthorizeOptions, LoginHost};

/// How long a failed silent login is remembered.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// How far the clock of another process may be ahead.
const CLOCK_TOLERANCE: u64 = 120;
/// Longest page in bytes whose address fits into a `state`. A longer one loses its query there; the pending login has it.
const MAX_NOTE_BYTES: usize = 300;

const COOKIE: &str = ".silent";
/// What the cookie says after a logout.
const LOGGED_OUT: &str = "logged_out";
/// The parameter that marks the address of a page: the time of the failure, in seconds since 1970.
const MARK: &str = "salesforce_silent";

/// Starts a silent login for the page of a request, unless one failed a moment ago or cannot work. `None`: the request
/// goes on as it is. `login_hint` is called where one starts.
pub(crate) async fn begin(
    request: &HttpRequest,
    login_hint: impl FnOnce(&HttpRequest) -> Option<String>,
) -> Option<HttpResponse> {
    let info = RequestInfo::of(request);
    let is_page = *request.method() == Method::GET
        && info.is_page()
        && info.is_in_window()
        && !response::is_prefetch(request.headers());
    if !is_page {
        return None;
    }
    let worker = WorkerState::of(request).ok()?;
    let (settings, now) = (worker.settings(), worker.salesforce().now());
    let query = Query::parse(request.query_string()).ok()?;
    let is_remembered = mark(settings, request.headers()).is_some()
        || query.first(MARK).is_some_and(|mark| is_recent(mark, now));
    // A login that completed a moment ago and is gone again would be lost again.
    let is_lost = LoopGuard::read(settings, request.headers(), now).is_some();
    if is_remembered || is_lost || start::at_public_url(settings, request, &query).is_some() {
        return None;
    }
    // Neither a user who is logged in, nor in an outage, nor where it would replace another login of the browser.
    if !matches!(worker.login(request).await, Ok(None)) || worker.may_have_login(request).await {
        return None;
    }
    let host = worker.last_host(request).unwrap_or_else(|| settings.default_host.clone());
    let return_to = info.return_to()?;
    if !supports_immediate(&host) {
        return None;
    }
    let options = AuthorizeOptions::new(settings.scopes.clone()).immediate(true);
    let options = options.state_note(note(settings, &return_to)?);
    let options = match login_hint(request).filter(|hint| start::is_login_hint(hint)) {
        Some(hint) => options.login_hint(hint),
        None => options,
    };
    let start = Start { is_silent: true, ..Start::new(host, return_to, options) };
    let started = start::begin(&worker, request, start);
    started.inspect_err(|error| tracing::error!(?error, "a silent login did not start")).ok()
}

/// Returns whether a login host knows `immediate=true`: not an Experience Cloud site, which may have its own domain
/// (Salesforce Help "OAuth 2.0 Web Server Flow").
fn supports_immediate(host: &LoginHost) -> bool {
    let url = host.as_url();
    let is_my_domain = || url.host_str().is_some_and(|host| host.ends_with(".my.salesforce.com"));
    url.path() == "/" && (host.is_shared() || host.is_loopback() || is_my_domain())
}

fn bound_to(settings: &Settings) -> Vec<u8> {
    [settings.redirect_uri.as_str(), &settings.client_id, &settings.paths.mount].join("\0").into_bytes()
}

/// Seals the page for the `state`.
fn note(settings: &Settings, return_to: &ReturnTo) -> Option<String> {
    let fits = |target: &ReturnTo| target.as_str().len() <= MAX_NOTE_BYTES;
    let target = [return_to.clone(), return_to.without_query()].into_iter().find(fits)?;
    let sealed =
        settings.keys.seal(Purpose::SilentReturn, &bound_to(settings), target.as_str().as_bytes()).ok()?;
    Some(URL_SAFE_NO_PAD.encode(sealed))
}

/// Returns the page in the `state` of a silent login.
pub(super) fn noted_page(settings: &Settings, state: &str) -> Option<ReturnTo> {
    let (_, note) = state.split_once('.')?;
    let sealed = URL_SAFE_NO_PAD.decode(note).ok()?;
    let plain = settings.keys.open(Purpose::SilentReturn, &bound_to(settings), &sealed).ok()?;
    ReturnTo::parse(std::str::from_utf8(&plain).ok()?)
}

/// Returns whether the user has logged out, or in, since a silent login started: it must not undo that.
pub(super) async fn is_overtaken(worker: &WorkerState, request: &HttpRequest) -> bool {
    mark(worker.settings(), request.headers()) == Some(LOGGED_OUT) || worker.may_have_login(request).await
}

/// Returns the value of the cookie.
fn mark<'a>(settings: &Settings, headers: &'a HeaderMap) -> Option<&'a str> {
    cookie_header::only(headers, &settings.scoped_name(COOKIE))
}

/// Goes back to the page of a silent login that failed.
pub(super) fn give_up(
    worker: &WorkerState,
    request: &HttpRequest,
    error: LoginError,
    page: &ReturnTo,
) -> HttpResponse {
    let settings = worker.settings();
    error.log_silent(request);
    let marked = with_mark(page, worker.salesforce().now());
    let mut response = response::see_other(marked.location());
    // A logout is remembered for longer.
    if mark(settings, request.headers()) != Some(LOGGED_OUT) {
        let lifetime = time::Duration::try_from(REMEMBERED).unwrap_or(time::Duration::MINUTE);
        let name = settings.scoped_name(COOKIE);
        add_cookie(&mut response, &cookie::make(settings, name, "failed".to_owned(), lifetime));
    }
    for cookie in error.cookies() {
        add_cookie(&mut response, cookie);
    }
    response
}

/// Returns the cookie after a logout: it stays one until the browser closes, although Salesforce may know the user.
/// `None` if no route logs in silently.
pub(super) fn after_logout(worker: &WorkerState) -> Option<Cookie<'static>> {
    let settings = worker.settings();
    let mark =
        || cookie::until_the_browser_closes(settings, settings.scoped_name(COOKIE), LOGGED_OUT.to_owned());
    worker.has_silent_routes().then(mark)
}

/// Returns the cookie that forgets a failure, if the browser sent one.
pub(super) fn forgotten(settings: &Settings, headers: &HeaderMap) -> Option<Cookie<'static>> {
    let name = settings.scoped_name(COOKIE);
    cookie_header::only(headers, &name).is_some().then(|| cookie::removal(settings, name))
}

fn is_recent(mark: &str, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    mark.parse::<u64>().is_ok_and(|at| {
        at <= now.saturating_add(CLOCK_TOLERANCE) && now.saturating_sub(at) < REMEMBERED.as_secs()
    })
}

/// Returns the page without a mark.
pub(crate) fn without_mark(page: &ReturnTo) -> ReturnTo {
    let (address, fragment) = split(page.as_str(), '#');
    let (path, query) = split(address, '?');
    let is_mark = |pair: &&str| pair.split('=').next() == Some(MARK);
    if !query.trim_start_matches('?').split('&').any(|pair| is_mark(&pair)) {
        return page.clone();
    }
    let rest: Vec<&str> = query.trim_start_matches('?').split('&').filter(|pair| !is_mark(pair)).collect();
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    ReturnTo::parse(&format!("{path}{query}{fragment}")).unwrap_or_else(|| page.without_query())
}

fn with_mark(page: &ReturnTo, now: SystemTime) -> ReturnTo {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()).to_string();
    let marked = |page: &ReturnTo| {
        let (address, fragment) = split(page.as_str(), '#');
        let address = append_query(address, [(MARK, now.as_str())]);
        // One that is too long loses its query, and the mark with it.
        ReturnTo::parse(&format!("{address}{fragment}")).filter(|page| page.has_query())
    };
    let page = without_mark(page);
    marked(&page).or_else(|| marked(&page.without_query())).unwrap_or(page)
}

/// Splits a text before the first `separator`.
fn split(text: &str, separator: char) -> (&str, &str) {
    text.split_at(text.find(separator).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> ReturnTo {
        ReturnTo::parse(text).unwrap()
    }

    #[test]
    fn the_mark_is_added_once_and_taken_away() {
        let now = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        for (plain, marked) in [
            ("/", "/?salesforce_silent=2000000000"),
            ("/a?b=1&c", "/a?b=1&c&salesforce_silent=2000000000"),
            ("/a?b#top", "/a?b&salesforce_silent=2000000000#top"),
            ("/a#top", "/a?salesforce_silent=2000000000#top"),
        ] {
            assert_eq!(with_mark(&page(plain), now).as_str(), marked);
            assert_eq!(with_mark(&page(marked), now).as_str(), marked, "once");
            assert_eq!(without_mark(&page(marked)).as_str(), plain);
            assert_eq!(without_mark(&page(plain)).as_str(), plain);
        }
        let long = page(&format!("/a?{}", "x".repeat(890)));
        assert_eq!(with_mark(&long, now).as_str(), "/a?salesforce_silent=2000000000", "the mark comes first");
    }

    #[test]
    fn a_mark_counts_for_ten_minutes() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (mark, now, recent) in [
            ("10000", 10_000, true),
            ("10000", 10_599, true),
            ("10000", 10_600, false),
            ("10000", 9_900, true),
            ("10000", 9_000, false),
            ("", 10_000, false),
            ("x", 10_000, false),
        ] {
            assert_eq!(is_recent(mark, at(now)), recent, "{mark} at {now}");
        }
    }

    #[test]
    fn sites_are_asked_for_no_silent_login() {
        for (host, supported) in [
            ("https://login.salesforce.com", true),
            ("https://test.salesforce.com", true),
            ("https://acme.my.salesforce.com", true),
            ("http://127.0.0.1:8100", true),
            ("http://127.0.0.1:8100/portal", false),
            ("https://acme.my.site.com", false),
            ("https://acme.my.site.com/portal", false),
            ("https://portal.acme.example", false),
        ] {
            assert_eq!(supports_immediate(&host.parse().unwrap()), supported, "{host}");
        }
    }
}
