//! Pending logins: started and not completed yet, one sealed cookie each.
//!
//! The browser stores the pending login, sealed, so that unauthenticated requests cost the server no memory and the
//! callback is bound to the browser that started the login (RFC 9700 section 4.7). The cookie's name is derived from
//! the state, so that parallel tabs do not overwrite each other. The callback records in the store that the state is
//! used.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    base::seal::{Purpose, SealError},
    config::{ReturnTo, Settings},
    web::session::{cookie, cookie_header},
};
use salesforce_connection::Secret;

/// Longest time from the start of a login to its callback: enough for a user to find a second factor.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Number of pending logins per browser. Older ones are evicted.
const MAX_OPEN: usize = 8;
/// Size in bytes of all pending logins in the `Cookie` header. Must stay below what a server accepts as the head of a
/// request: 128 KiB with actix-web, less with most proxies.
const MAX_TOTAL_BYTES: usize = 8 * 1024;
const NAME: &str = ".attempt.";

/// A login that started and has not completed yet.
#[derive(Debug)]
pub(super) struct PendingLogin {
    pub(super) state: Secret,
    pub(super) verifier: Secret,
    pub(super) nonce: Option<Secret>,
    /// The login host's URL.
    pub(super) host: String,
    pub(super) return_to: ReturnTo,
    pub(super) started_at: SystemTime,
    /// Number of logins that completed right before this one started, see [`LoopGuard`](super::loop_guard::LoopGuard).
    pub(super) completed_before: u32,
}

#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    s: &'a str,
    p: &'a str,
    n: Option<&'a str>,
    h: &'a str,
    r: &'a str,
    t: u64,
    c: u32,
}

impl PendingLogin {
    /// Returns the cookies to set for a new pending login: its own, and removals of the oldest when there are too many.
    pub(super) fn cookies(
        &self,
        settings: &Settings,
        request: &HeaderMap,
    ) -> Result<Vec<Cookie<'static>>, SealError> {
        let name = cookie_name(settings, self.state.expose());
        let sealed = serde_json::to_vec(&Sealed {
            s: self.state.expose(),
            p: self.verifier.expose(),
            n: self.nonce.as_ref().map(Secret::expose),
            h: &self.host,
            r: self.return_to.as_str(),
            t: millis(self.started_at),
            c: self.completed_before,
        })
        .map_err(|_| SealError)?;
        let sealed = settings.keys.seal(Purpose::Attempt, name.as_bytes(), &sealed)?;
        let value = URL_SAFE_NO_PAD.encode(sealed);

        let mut cookies = evict(settings, request, name.len() + value.len());
        let lifetime = time::Duration::seconds(LIFETIME.as_secs().cast_signed());
        cookies.push(cookie::make(settings, name, value, lifetime));
        Ok(cookies)
    }

    /// Returns the browser's pending login with this state, if its seal is valid. It may have expired.
    pub(super) fn find(settings: &Settings, request: &HeaderMap, state: &str) -> Option<Self> {
        let name = cookie_name(settings, state);
        let pending = open(settings, &name, cookie_header::only(request, &name)?)?;
        // The name is made from a hash of the state; the state itself is compared too, in constant time.
        (pending.state == Secret::new(state)).then_some(pending)
    }

    /// Whether it is older than [`LIFETIME`].
    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        match now.duration_since(self.started_at) {
            Ok(age) => age > LIFETIME,
            // Started in the future: the clock was set back. Two minutes are tolerated.
            Err(ahead) => ahead.duration() > Duration::from_secs(120),
        }
    }

    /// Returns the cookie that removes the pending login with this state from the browser.
    pub(super) fn removal(settings: &Settings, state: &str) -> Cookie<'static> {
        cookie::removal(settings, cookie_name(settings, state))
    }
}

fn cookie_name(settings: &Settings, state: &str) -> String {
    let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(state.as_bytes())[..12]);
    settings.scoped_name(&format!("{NAME}{id}"))
}

fn open(settings: &Settings, name: &str, value: &str) -> Option<PendingLogin> {
    let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
    let plain = settings.keys.open(Purpose::Attempt, name.as_bytes(), &sealed).ok()?;
    let sealed: Sealed<'_> = serde_json::from_slice(&plain).ok()?;
    Some(PendingLogin {
        state: sealed.s.into(),
        verifier: sealed.p.into(),
        nonce: sealed.n.map(Secret::from),
        host: sealed.h.to_owned(),
        return_to: ReturnTo::parse(sealed.r)?,
        started_at: UNIX_EPOCH.checked_add(Duration::from_millis(sealed.t))?,
        completed_before: sealed.c,
    })
}

/// Returns removals of pending logins, invalid ones first, then the oldest, until one more of `new_bytes` fits.
fn evict(settings: &Settings, request: &HeaderMap, new_bytes: usize) -> Vec<Cookie<'static>> {
    let prefix = settings.scoped_name(NAME);
    let mut pending: Vec<(SystemTime, String, usize)> = cookie_header::all(request)
        .filter(|(name, _)| name.starts_with(prefix.as_bytes()))
        .filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            let value = std::str::from_utf8(value).unwrap_or_default();
            let started_at = open(settings, name, value).map_or(UNIX_EPOCH, |pending| pending.started_at);
            Some((started_at, name.to_owned(), name.len() + value.len()))
        })
        .collect();
    pending.sort();
    let mut count = pending.len();
    let mut total: usize = pending.iter().map(|(_, _, bytes)| bytes).sum();
    let mut removals = Vec::new();
    for (_, name, bytes) in pending {
        if count < MAX_OPEN && total + new_bytes <= MAX_TOTAL_BYTES {
            break;
        }
        count -= 1;
        total -= bytes;
        removals.push(cookie::removal(settings, name));
    }
    removals
}

/// Milliseconds since 1970, so that pending logins of one second have an order, too.
pub(super) fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
