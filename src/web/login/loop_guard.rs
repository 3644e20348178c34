//! The loop guard: a short-lived sealed cookie with the number of logins that completed in quick succession.
//!
//! A browser that loses the login cookie would be redirected to the login again and again, without a page in between.
//! Each callback increments the number; the login after the third one stops at a page.

use std::time::{Duration, SystemTime};

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::pending_login::millis;
use crate::{
    base::seal::{Purpose, SealError},
    config::Settings,
    web::session::{cookie, cookie_header},
};
use salesforce_connection::Secret;

const NAME: &str = ".landed";

/// Longest time from one login to the next, in seconds, for which they count as one loop. Longer than a redirect loop
/// over a slow connection takes, shorter than a user needs to log in by hand several times.
const LIFETIME: Duration = Duration::from_secs(20);

/// Number of logins in a row, each within [`LIFETIME`] of the one before, that count as a loop.
const MAX_COMPLETED: u32 = 3;

/// The same for logins that did not get lost: a link that nests logins, or a page that starts one each time. More than a
/// user does by hand.
const MAX_REPEATED: u32 = 8;

/// The number of logins that completed in a row, and the last of them.
#[derive(Debug, Clone)]
pub(super) struct LoopGuard {
    pub(super) completed: u32,
    /// The id of the last login, so that a login whose cookie never came back can be ended.
    pub(super) login: Secret,
}

/// Returns whether a browser with this number of completed logins is in a loop. `is_lost`: the last of them is gone.
pub(super) fn is_loop(completed: u32, is_lost: bool) -> bool {
    completed >= if is_lost { MAX_COMPLETED } else { MAX_REPEATED }
}

impl LoopGuard {
    /// The guard after one more login.
    pub(super) fn after_login(completed_before: u32, login: &Secret) -> Self {
        Self { completed: completed_before.saturating_add(1), login: login.clone() }
    }

    /// Reads the browser's cookie. `None` if it is missing, invalid or old.
    pub(super) fn read(settings: &Settings, request: &HeaderMap, now: SystemTime) -> Option<Self> {
        let name = settings.scoped_name(NAME);
        let sealed = URL_SAFE_NO_PAD.decode(cookie_header::only(request, &name)?).ok()?;
        let plain = settings.keys.open(Purpose::LoopGuard, name.as_bytes(), &sealed).ok()?;
        let mut members = std::str::from_utf8(&plain).ok()?.splitn(3, ' ');
        let completed = members.next()?.parse().ok()?;
        let at: u64 = members.next()?.parse().ok()?;
        let login = Secret::from(members.next()?);
        (u128::from(millis(now).saturating_sub(at)) <= LIFETIME.as_millis())
            .then_some(Self { completed, login })
    }

    /// Returns the cookie with this number and login.
    pub(super) fn cookie(&self, settings: &Settings, now: SystemTime) -> Result<Cookie<'static>, SealError> {
        let name = settings.scoped_name(NAME);
        let plain = format!("{} {} {}", self.completed, millis(now), self.login.expose());
        let sealed = settings.keys.seal(Purpose::LoopGuard, name.as_bytes(), plain.as_bytes())?;
        let lifetime = time::Duration::seconds(LIFETIME.as_secs().cast_signed());
        Ok(cookie::make(settings, name, URL_SAFE_NO_PAD.encode(sealed), lifetime))
    }

    /// Returns the cookie that resets the number.
    pub(super) fn removal(settings: &Settings) -> Cookie<'static> {
        cookie::removal(settings, settings.scoped_name(NAME))
    }
}
