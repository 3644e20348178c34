//! The loop guard: a short-lived sealed cookie with the number of logins that completed in quick succession.
//!
//! A browser that loses the session cookie would be redirected to the login again and again, without a page in between.
//! Each callback increments the number; the login after the third one stops at a page.

use std::time::{Duration, SystemTime};

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::pending_login::millis;
use crate::{
    config::Settings,
    store::{Purpose, SealError},
    web::cookie,
};

const NAME: &str = "sf-landed";

/// Longest time from one login to the next, in seconds, for which they count as one loop. Longer than a redirect loop
/// over a slow connection takes, shorter than a user needs to log in by hand several times.
const LIFETIME: Duration = Duration::from_secs(20);

/// Number of logins in a row, each within [`LIFETIME`] of the one before, that count as a loop.
const MAX_COMPLETED: u32 = 3;

/// The number of logins that completed in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoopGuard {
    completed: u32,
}

impl LoopGuard {
    pub(super) fn of(completed: u32) -> Self {
        Self { completed }
    }

    /// Reads the browser's cookie.
    pub(super) fn read(settings: &Settings, request: &HeaderMap, now: SystemTime) -> Self {
        Self::of(read(settings, request, now).unwrap_or(0))
    }

    pub(super) fn completed(self) -> u32 {
        self.completed
    }

    /// Whether the browser is in a loop.
    pub(super) fn is_loop(self) -> bool {
        self.completed >= MAX_COMPLETED
    }

    /// The guard after one more login.
    pub(super) fn after_login(self) -> Self {
        Self::of(self.completed.saturating_add(1))
    }

    /// The cookie with this number.
    pub(super) fn cookie(self, settings: &Settings, now: SystemTime) -> Result<Cookie<'static>, SealError> {
        let name = name(settings);
        let plain = format!("{} {}", self.completed, millis(now));
        let sealed = settings.keys.seal(Purpose::Landing, name.as_bytes(), plain.as_bytes())?;
        let lifetime = time::Duration::seconds(LIFETIME.as_secs().cast_signed());
        Ok(cookie::make(settings, name, URL_SAFE_NO_PAD.encode(sealed), lifetime))
    }

    /// The cookie that resets the number.
    pub(super) fn removal(settings: &Settings) -> Cookie<'static> {
        cookie::removal(settings, name(settings))
    }
}

fn name(settings: &Settings) -> String {
    cookie::name(settings, &settings.own(NAME))
}

fn read(settings: &Settings, request: &HeaderMap, now: SystemTime) -> Option<u32> {
    let name = name(settings);
    let sealed = URL_SAFE_NO_PAD.decode(cookie::only(request, &name)?).ok()?;
    let plain = settings.keys.open(Purpose::Landing, name.as_bytes(), &sealed).ok()?;
    let (completed, at) = std::str::from_utf8(&plain).ok()?.split_once(' ')?;
    let at: u64 = at.parse().ok()?;
    (u128::from(millis(now).saturating_sub(at)) <= LIFETIME.as_millis()).then(|| completed.parse().ok())?
}
