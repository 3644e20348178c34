//! The way of one request: logged, struck by a fault or handled, responded to.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, COOKIE, DATE};
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode, Uri};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tower::ServiceExt as _;

use super::compress;
use super::corrupt::{self, Outcome, corrupt, replacement};
use super::disconnect::Disconnect;
use super::{body, guard};
use crate::fault::registry::Target;
use crate::fault::route;
use crate::fault::{Fault, Route, Rule};
use crate::request::{self, Host};
use crate::state::Org;
use crate::web;
use crate::web::cors::Cors;

/// The hosts' handlers.
pub(super) struct Hosts {
    org: Arc<Org>,
    login: Router,
    instance: Router,
}

/// The most that a compressed body is read to.
const UNPACKED_LIMIT: u64 = 256 << 20;

/// Salesforce's limit for request line and headers together.
const HEAD_LIMIT: usize = 16_384;

impl Hosts {
    pub(super) fn new(org: Arc<Org>) -> Self {
        Self { login: web::login_host(&org), instance: web::instance_host(&org), org }
    }

    /// Handles one request. The work runs as a separate task: a client that disconnects does not stop it, as it
    /// would not at Salesforce, and a refresh token rotates even if its response is not received.
    pub(super) async fn response(
        self: Arc<Self>,
        host: Host,
        request: Request<Incoming>,
        disconnect: Arc<Disconnect>,
    ) -> Result<Response<Body>, io::Error> {
        let order = Arc::clone(&disconnect);
        match tokio::spawn(async move { self.run(host, request, &order).await }).await {
            Ok(Outcome::Response(response)) => Ok(response),
            Ok(Outcome::Disconnect) => {
                disconnect.reset();
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "reset on order"))
            }
            Err(failed) => Err(io::Error::other(failed)),
        }
    }

    async fn run(&self, host: Host, request: Request<Incoming>, disconnect: &Arc<Disconnect>) -> Outcome {
        let (mut parts, body) = request.into_parts();
        let logged = entry(host, &parts, self.org.clock.now());
        self.enter_site(host, &mut parts);
        let path = parts.uri.path().to_owned();
        if let Some(rejection) = self.rejection(host, &parts) {
            return Outcome::Response(rejection);
        }
        if path == "/fake" || path.starts_with("/fake/") {
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            return Outcome::Response(self.handle(host, parts, body).await);
        }
        let begun = Instant::now();
        let route = route::class(&path);
        let number = self.org.log.enter(logged);
        let _in_flight = (route == Some(Route::Token)).then(|| InFlight::new(&self.org));

        let target = |grant_type| Target { route: route.clone(), path: &path, grant_type, inner: false };
        let early = if self.org.faults.need_body() { None } else { self.org.faults.strike(&target(None)) };
        let outcome = if early.as_ref().is_some_and(|rule| rule.fault == Fault::ResetBeforeRead) {
            self.delayed(early.as_ref()).await;
            self.log_fault(number, early.as_ref());
            Outcome::Disconnect
        } else {
            let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
                return Outcome::Disconnect;
            };
            let Some(body) = unpacked(&parts, body) else {
                return Outcome::Response(status_only(StatusCode::BAD_REQUEST));
            };
            let form = web::http_request::form(&parts.headers, &body);
            self.org.log.body(number, &body, &form);
            let grant_type =
                form.iter().find(|(key, _)| key == "grant_type").map(|(_, value)| value.as_str());
            if route == Some(Route::Token) {
                let kind = grant_type.unwrap_or("").to_owned();
                self.org.auth(|auth| *auth.counters.token_calls.entry(kind).or_insert(0) += 1);
            }
            let rule = early.or_else(|| {
                // With rules that look into the body the choice waits for it.
                self.org.faults.need_body().then(|| self.org.faults.strike(&target(grant_type))).flatten()
            });
            self.log_fault(number, rule.as_ref());
            let refreshing = (route == Some(Route::Token)
                && matches!(grant_type, Some("refresh_token" | "hybrid_refresh")))
            .then(|| form.iter().find(|(key, _)| key == "refresh_token"))
            .flatten()
            .map(|(_, token)| Refreshing::new(&self.org, token));
            let parallel = refreshing.as_ref().is_some_and(|refreshing| !refreshing.first);
            self.carry_out(host, parts, body, route.as_ref(), rule, parallel, disconnect).await
        };
        let status = outcome.status();
        self.org.log.responded(
            number,
            (status != 0).then_some(status),
            u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
        outcome
    }

    /// Returns the response to a request that a page of another origin sent.
    fn rejection(&self, host: Host, parts: &Parts) -> Option<Response<Body>> {
        let origins = self.org.origins();
        let origin = origins.of(host);
        let scheme = origin.split("://").next().unwrap_or_default();
        let text = if !guard::names_listener(parts, origin) {
            guard::FOREIGN_HOST
        } else if guard::is_guarded(&parts.method, parts.uri.path())
            && !guard::is_own(&parts.headers, scheme)
            && Cors::of(&self.org.settings(), host, parts).is_none()
        {
            guard::FOREIGN_ORIGIN
        } else {
            return None;
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::FORBIDDEN;
        Some(response)
    }

    /// Below the path of a site everything is as at its root.
    fn enter_site(&self, host: Host, parts: &mut Parts) {
        if host != Host::Login {
            self.enter_instance_path(parts);
            return;
        }
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        for site in &self.org.app.sites {
            let below = target.strip_prefix(site.as_str());
            // Where a site of Lightning Web Runtime has its configuration (made after Winter '23).
            let of_lwr = below.and_then(|rest| rest.strip_prefix("vforcesite"));
            let of_lwr = of_lwr.filter(|rest| rest.starts_with("/.well-known/openid-configuration"));
            let inner = of_lwr.or(below).filter(|rest| rest.starts_with('/'));
            if let Some(uri) = inner.and_then(|rest| rest.parse().ok()) {
                parts.uri = uri;
                parts.extensions.insert(web::http_request::Site(site.clone()));
                return;
            }
        }
    }

    /// Below the path of the instance URL the data APIs are as at its root.
    fn enter_instance_path(&self, parts: &mut Parts) {
        let settings = self.org.settings();
        let Some(path) = settings.instance_path.as_deref() else { return };
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let inner = target.strip_prefix(path).and_then(|rest| rest.parse::<Uri>().ok());
        if let Some(uri) = inner.filter(|uri| is_data(uri.path())) {
            parts.uri = uri;
            parts.extensions.insert(InstancePath);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call's facts, used here only")]
    async fn carry_out(
        &self,
        host: Host,
        mut parts: Parts,
        body: Bytes,
        route: Option<&Route>,
        rule: Option<Rule>,
        parallel: bool,
        disconnect: &Arc<Disconnect>,
    ) -> Outcome {
        self.delayed(rule.as_ref()).await;
        let fault = rule.as_ref().map(|rule| &rule.fault);
        if let Some(outcome) = fault.and_then(|fault| replacement(fault, route)) {
            self.delayed_after(rule.as_ref(), outcome.status()).await;
            return outcome;
        }
        if let Some(refusal) = too_large(&parts) {
            return Outcome::Response(refusal);
        }
        if parallel {
            parts.extensions.insert(web::http_request::Parallel);
        }
        let packs = fault.is_none() && self.org.settings().compress && compress::is_wanted(&parts.headers);
        let bulk_result = is_bulk_result(parts.uri.path());
        let mut response = self.handle(host, parts, body).await;
        if packs {
            response = compress::compressed(response).await;
        }
        let settings = self.org.settings();
        if let Ok(date) = corrupt::date(settings.date_skew_seconds).parse()
            && settings.date_skew_seconds != 0
        {
            response.headers_mut().insert(DATE, date);
        }
        if let Some(limit) = settings.bulk_read_timeout.filter(|_| bulk_result && fault.is_none()) {
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            response = Response::from_parts(parts, body::read_within(bytes, limit, Arc::clone(disconnect)));
        }
        let outcome = match fault {
            None => Outcome::Response(response),
            Some(fault) => {
                let (parts, body) = response.into_parts();
                let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                corrupt(fault, Response::from_parts(parts, bytes), disconnect)
            }
        };
        self.delayed_after(rule.as_ref(), outcome.status()).await;
        outcome
    }

    async fn handle(&self, host: Host, mut parts: Parts, body: Bytes) -> Response<Body> {
        // Collection resources respond with and without a trailing slash.
        let path = parts.uri.path();
        if path.starts_with("/services/data/")
            && path.ends_with('/')
            && !path.ends_with("//")
            && let Some(uri) = without_last_slash(&parts.uri)
        {
            parts.uri = uri;
        }
        let cors = Cors::of(&self.org.settings(), host, &parts);
        if let Some(response) = cors.as_ref().and_then(Cors::preflight) {
            return response;
        }
        if host != Host::Login && is_data(parts.uri.path()) {
            let settings = self.org.settings();
            if settings.instance_path.is_some() && parts.extensions.get::<InstancePath>().is_none() {
                return web::no_longer_exists().await;
            }
            if host == Host::Instance
                && self.org.origins().has_moved
                && let Some(response) = web::old_instance::response(&self.org, &parts.uri).await
            {
                return response;
            }
        }
        parts.extensions.insert(host);
        let router = if host == Host::Login { &self.login } else { &self.instance };
        match router.clone().oneshot(Request::from_parts(parts, Body::from(body))).await {
            Ok(response) => match cors {
                Some(cors) => cors.allow(response),
                None => response,
            },
            Err(never) => match never {},
        }
    }

    fn log_fault(&self, number: u64, rule: Option<&Rule>) {
        if let Some(rule) = rule {
            let name = match serde_json::to_value(&rule.fault) {
                Ok(serde_json::Value::String(name)) => name,
                Ok(serde_json::Value::Object(members)) => members.keys().next().cloned().unwrap_or_default(),
                _ => "fault".into(),
            };
            self.org.log.fault(number, name);
        }
    }

    async fn delayed(&self, rule: Option<&Rule>) {
        let Some(rule) = rule else { return };
        let more = if let Fault::Delay(delay) = rule.fault { delay } else { Duration::ZERO };
        pause(rule.delay_ms.saturating_add(more)).await;
    }

    async fn delayed_after(&self, rule: Option<&Rule>, status: u16) {
        let Some(rule) = rule else { return };
        if rule.delay_after_status.is_none_or(|wanted| wanted == status) {
            pause(rule.delay_after_ms).await;
        }
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn without_last_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    match uri.query() {
        Some(query) => format!("{path}?{query}").parse().ok(),
        None => path.parse().ok(),
    }
}

/// Marks a request that came in below the path of the instance URL.
#[derive(Clone, Copy)]
struct InstancePath;

/// Whether a path is one of the data APIs.
fn is_data(path: &str) -> bool {
    path == "/services/data" || path.starts_with("/services/data/") || path.starts_with("/services/apexrest/")
}

/// Whether a path is a page of a bulk job's results.
fn is_bulk_result(path: &str) -> bool {
    path.contains("/jobs/")
        && path.split('/').next_back().is_some_and(|last| last.to_ascii_lowercase().ends_with("results"))
}

fn too_large(parts: &Parts) -> Option<Response<Body>> {
    let line = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers: usize =
        parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let status = if line > HEAD_LIMIT {
        StatusCode::URI_TOO_LONG
    } else if line + headers > HEAD_LIMIT {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        return None;
    };
    Some(status_only(status))
}

fn status_only(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Requests may be compressed with gzip; `None`: it says so and is not. (The status for that is unverified.)
fn unpacked(parts: &Parts, body: Bytes) -> Option<Bytes> {
    if parts.headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding != "gzip") {
        return Some(body);
    }
    let mut plain = Vec::new();
    GzDecoder::new(body.as_ref()).take(UNPACKED_LIMIT).read_to_end(&mut plain).ok()?;
    Some(plain.into())
}

fn entry(host: Host, parts: &Parts, now: i64) -> request::Request {
    request::Request {
        number: 0,
        host,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts
            .headers
            .iter()
            // Other apps on this host have cookies, too: browsers do not separate them by port.
            .filter(|(name, _)| *name != COOKIE)
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::new(),
        form: std::collections::BTreeMap::new(),
        status: None,
        time: now,
        took: None,
        fault: None,
    }
}

/// Counts a token request while it lasts, delays included.
struct InFlight<'a>(&'a Org);

impl<'a> InFlight<'a> {
    fn new(org: &'a Org) -> Self {
        org.auth(|auth| {
            auth.counters.in_flight += 1;
            auth.counters.in_flight_max = auth.counters.in_flight_max.max(auth.counters.in_flight);
        });
        Self(org)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.auth(|auth| auth.counters.in_flight = auth.counters.in_flight.saturating_sub(1));
    }
}

/// Marks a refresh token as being worked on.
struct Refreshing<'a> {
    org: &'a Org,
    token: String,
    first: bool,
}

impl<'a> Refreshing<'a> {
    fn new(org: &'a Org, token: &str) -> Self {
        let first = org.auth(|auth| auth.refreshing.insert(token.to_owned()));
        Self { org, token: token.to_owned(), first }
    }
}

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        if self.first {
            self.org.auth(|auth| auth.refreshing.remove(&self.token));
        }
    }
}
