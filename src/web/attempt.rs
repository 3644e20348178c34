//! Attempts: logins on their way, one sealed cookie each.
//!
//! The browser keeps the attempt, sealed, so that strangers cost the server no memory and the answer is bound to the
//! browser that asked (RFC 9700 section 4.7). The cookie's name comes from the state, so parallel tabs do not
//! overwrite each other. That an attempt is used only once is noted in the store when its callback comes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cookie;
use crate::{
    Secret,
    base::seal::{Purpose, SealError},
    config::Settings,
    return_to::ReturnTo,
};

/// How long a person may take to log in.
pub(crate) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How many logins may be open in one browser.
const MAX_OPEN: usize = 8;
/// How many bytes all open attempts may take in the `Cookie` header.
const MAX_TOTAL_BYTES: usize = 8 * 1024;
const NAME: &str = "sf-login-";

/// One login on its way.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) state: Secret,
    pub(crate) verifier: Secret,
    pub(crate) nonce: Option<Secret>,
    /// The login host's URL.
    pub(crate) host: String,
    pub(crate) return_to: ReturnTo,
    pub(crate) born_at: SystemTime,
    /// How many logins were just finished before this one began, see `landing`.
    pub(crate) landings: u32,
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

impl Attempt {
    /// The cookies to set for a new attempt: its own, and removals of the oldest when there are too many.
    pub(crate) fn cookies(
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
            t: millis(self.born_at),
            c: self.landings,
        })
        .map_err(|_| SealError)?;
        let sealed = settings.keys.seal(Purpose::Attempt, name.as_bytes(), &sealed)?;
        let value = URL_SAFE_NO_PAD.encode(sealed);

        let mut cookies = evict(settings, request, name.len() + value.len());
        let lifetime = time::Duration::seconds(LIFETIME.as_secs().cast_signed());
        cookies.push(cookie::make(settings, name, value, lifetime));
        Ok(cookies)
    }

    /// The attempt with this state that the browser brought, if it is one of ours. It may have expired.
    pub(crate) fn find(settings: &Settings, request: &HeaderMap, state: &str) -> Option<Self> {
        let name = cookie_name(settings, state);
        let attempt = open(settings, &name, cookie::only(request, &name)?)?;
        // The name is made from a hash of the state; the state itself is compared too, in constant time.
        (attempt.state == Secret::new(state)).then_some(attempt)
    }

    /// Whether it took the person too long.
    pub(crate) fn has_expired(&self, now: SystemTime) -> bool {
        match now.duration_since(self.born_at) {
            Ok(age) => age > LIFETIME,
            // Born in the future: the clock was set back. A little is tolerated.
            Err(ahead) => ahead.duration() > Duration::from_secs(120),
        }
    }

    /// The cookie that removes the attempt with this state from the browser.
    pub(crate) fn removal(settings: &Settings, state: &str) -> Cookie<'static> {
        cookie::removal(settings, cookie_name(settings, state))
    }
}

fn cookie_name(settings: &Settings, state: &str) -> String {
    let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(state.as_bytes())[..12]);
    cookie::name(settings, &format!("{NAME}{id}"))
}

fn open(settings: &Settings, name: &str, value: &str) -> Option<Attempt> {
    let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
    let plain = settings.keys.open(Purpose::Attempt, name.as_bytes(), &sealed).ok()?;
    let sealed: Sealed<'_> = serde_json::from_slice(&plain).ok()?;
    Some(Attempt {
        state: sealed.s.into(),
        verifier: sealed.p.into(),
        nonce: sealed.n.map(Secret::from),
        host: sealed.h.to_owned(),
        return_to: ReturnTo::parse(sealed.r)?,
        born_at: UNIX_EPOCH.checked_add(Duration::from_millis(sealed.t))?,
        landings: sealed.c,
    })
}

/// Removes open attempts, oldest first (unreadable ones before all), until one more of `new_bytes` fits.
fn evict(settings: &Settings, request: &HeaderMap, new_bytes: usize) -> Vec<Cookie<'static>> {
    let prefix = cookie::name(settings, NAME);
    let mut open_ones: Vec<(SystemTime, String, usize)> = cookie::all(request)
        .filter(|(name, _)| name.starts_with(prefix.as_bytes()))
        .filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            let value = std::str::from_utf8(value).unwrap_or_default();
            let born = open(settings, name, value).map_or(UNIX_EPOCH, |attempt| attempt.born_at);
            Some((born, name.to_owned(), name.len() + value.len()))
        })
        .collect();
    open_ones.sort();
    let mut count = open_ones.len();
    let mut total: usize = open_ones.iter().map(|(_, _, bytes)| bytes).sum();
    let mut removals = Vec::new();
    for (_, name, bytes) in open_ones {
        if count < MAX_OPEN && total + new_bytes <= MAX_TOTAL_BYTES {
            break;
        }
        count -= 1;
        total -= bytes;
        removals.push(cookie::removal(settings, name));
    }
    removals
}

/// Milliseconds since 1970: attempts of one second have an order, too.
fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The loop breaker: a short-lived sealed cookie that counts logins finished in quick succession.
///
/// A browser that loses the session cookie would be sent to log in again and again, without a page to stop at. Each
/// callback counts one up; a login that begins right after the third ends in an explanation.
pub(crate) mod landing {
    use super::*;

    const NAME: &str = "sf-landed";
    const LIFETIME: Duration = Duration::from_secs(20);
    /// So many logins in a row, each within `LIFETIME` of the last, are a loop.
    pub(crate) const TOO_MANY: u32 = 3;

    /// The cookie to set when the `count`th login in a row was finished.
    pub(crate) fn cookie(
        settings: &Settings,
        count: u32,
        now: SystemTime,
    ) -> Result<Cookie<'static>, SealError> {
        let name = cookie::name(settings, &settings.scoped_name(NAME));
        let plain = format!("{count} {}", millis(now));
        let sealed = settings.keys.seal(Purpose::Landing, name.as_bytes(), plain.as_bytes())?;
        let lifetime = time::Duration::seconds(LIFETIME.as_secs().cast_signed());
        Ok(cookie::make(settings, name, URL_SAFE_NO_PAD.encode(sealed), lifetime))
    }

    /// How many logins were finished in a row until now.
    pub(crate) fn count(settings: &Settings, request: &HeaderMap, now: SystemTime) -> u32 {
        read(settings, request, now).unwrap_or(0)
    }

    /// The cookie that ends the count.
    pub(crate) fn removal(settings: &Settings) -> Cookie<'static> {
        cookie::removal(settings, cookie::name(settings, &settings.scoped_name(NAME)))
    }

    fn read(settings: &Settings, request: &HeaderMap, now: SystemTime) -> Option<u32> {
        let name = cookie::name(settings, &settings.scoped_name(NAME));
        let sealed = URL_SAFE_NO_PAD.decode(cookie::only(request, &name)?).ok()?;
        let plain = settings.keys.open(Purpose::Landing, name.as_bytes(), &sealed).ok()?;
        let (count, at) = std::str::from_utf8(&plain).ok()?.split_once(' ')?;
        let at: u64 = at.parse().ok()?;
        (u128::from(millis(now).saturating_sub(at)) <= LIFETIME.as_millis()).then(|| count.parse().ok())?
    }
}
