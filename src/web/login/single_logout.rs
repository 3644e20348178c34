//! The route that Salesforce's single logout calls (OpenID Connect Front-Channel Logout 1.0; Salesforce Help "OpenID
//! Connect Single Logout").

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use futures_util::future;

use super::add_cookie;
use crate::{
    base::{evicting_map::EvictingMap, lock::lock},
    store::LoginKey,
    web::{error, frame, response, session::logout_handle, worker::WorkerState},
};

/// Number of calls per login and [`PERIOD`]. The browser loses its handle with the first one; Salesforce's page may be
/// reloaded meanwhile.
const MAX_CALLS: u32 = 5;
/// As long a handle whose login was called too often waits.
const PERIOD: Duration = Duration::from_secs(60);

/// How often each login was called. Its name comes out of a sealed cookie, so a client cannot invent one.
#[derive(Debug, Default)]
pub(crate) struct CallLimit(Mutex<EvictingMap<LoginKey, (Instant, u32)>>);

impl CallLimit {
    /// Counts a call. Returns whether it may go on.
    fn admit(&self, login: LoginKey, now: Instant) -> bool {
        let is_current = |since: Instant| now.saturating_duration_since(since) < PERIOD;
        let mut calls = lock(&self.0);
        let (since, count) = match calls.get(&login) {
            Some((since, count)) if is_current(*since) => (*since, count.saturating_add(1)),
            _ => (now, 1),
        };
        calls.insert(login, (since, count), |(since, _)| is_current(*since));
        count <= MAX_CALLS
    }
}

/// Ends all logins of a browser that logs out at Salesforce, by the cookie with its logout handle. 200 without content,
/// whether there was a login or not; 429 for a handle that is called again and again.
///
/// Salesforce loads this route in a frame of its logout page, so that the cookie comes with `SameSite=None`. Any site can
/// load it as well: it can end this browser's logins, and nothing else. Where a browser blocks cookies of other sites, the
/// call does nothing.
pub async fn single_logout(request: HttpRequest) -> HttpResponse {
    let worker = match WorkerState::of(&request) {
        Ok(worker) => worker,
        Err(error) => return error::response(&error, &request),
    };
    let settings = worker.settings();
    let logins = logout_handle::read(settings, request.headers());
    if logins.is_empty() {
        return empty(StatusCode::OK, &worker);
    }
    let (calls, now) = (worker.salesforce().logout_calls(), worker.salesforce().instant());
    if !logins.iter().all(|login| calls.admit(*login, now)) {
        let mut response = empty(StatusCode::TOO_MANY_REQUESTS, &worker);
        let (name, value) = response::retry_after(PERIOD);
        response.headers_mut().insert(name, value);
        return response;
    }
    // During an outage of the store the grant manager tries again; this process rejects the login from now on.
    let outcomes = future::join_all(logins.iter().map(|login| worker.grants().end_login(*login))).await;
    for (login, outcome) in logins.iter().zip(outcomes) {
        match outcome {
            Ok(()) => tracing::debug!(?login, "login ended by Salesforce's single logout"),
            Err(error) => {
                tracing::error!(%error, "logout not stored yet. It is tried again in the background")
            }
        }
    }
    let mut response = empty(StatusCode::OK, &worker);
    for removal in logout_handle::removals(settings, request.headers()) {
        add_cookie(&mut response, &removal);
    }
    response
}

/// A response without content, which Salesforce's logout page may load in a frame.
fn empty(status: StatusCode, worker: &WorkerState) -> HttpResponse {
    let mut response = response::builder(status).finish();
    frame::allow(response.headers_mut(), &worker.settings().frame_ancestors());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_handle_has_its_calls_per_minute() {
        let (limit, start) = (CallLimit::default(), Instant::now());
        let (one, two) = (LoginKey::from_bytes([1; 32]), LoginKey::from_bytes([2; 32]));
        let admitted = |handle, at| limit.admit(handle, start + Duration::from_secs(at));
        assert!((0..5).all(|at| admitted(one, at)));
        assert!(!admitted(one, 5) && !admitted(one, 59), "the sixth within a minute");
        assert!(admitted(two, 5), "another handle");
        assert!(admitted(one, 60), "a minute after the first one");
    }
}
