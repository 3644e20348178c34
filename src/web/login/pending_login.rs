//! Pending logins: started and not completed yet, one sealed cookie each.
//!
//! The browser stores the pending login, sealed, so that unauthenticated requests cost the server no memory and the
//! callback is bound to the browser that started the login (RFC 9700 section 4.7). The cookie's name is derived from
//! the state, so that parallel tabs do not overwrite each other. The callback records in the store that the state is
//! used.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

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
    grants::OwnedName,
    store::{ConnectionName, Owner},
    web::session::{cookie, cookie_header, former_user},
};
use salesforce_connection::{Secret, UserRef, oauth::LoginHost};

/// Shortest time that the browser stores a pending login, so that a late callback still knows its host and its target:
/// an hour is enough to enrol a second factor or to reset a password.
const SHORTEST_COOKIE: Duration = Duration::from_secs(60 * 60);
/// Number of pending logins per browser. Older ones are evicted.
const MAX_OPEN: usize = 8;
/// Size in bytes of all pending logins in the `Cookie` header, `; ` included. Must leave room for the app's cookies in a
/// header line of 8 KiB, which is the limit of most proxies and load balancers.
const MAX_TOTAL_BYTES: usize = 3_584;
/// Size in bytes of a login cookie without facts. A larger one, and further ones, take from [`MAX_TOTAL_BYTES`].
const USUAL_LOGIN_BYTES: usize = 400;
/// Number of pending logins that one response removes before the new one loses the query of its target. Keeps the head of
/// the response below 3 KiB: nginx accepts 4 KiB (`proxy_buffer_size`), which the app's headers share.
const REMOVALS_WITH_QUERY: usize = 1;
/// Largest number of pending logins that one response removes: further ones go with the next responses. A removal has
/// about 120 bytes. More is needed only for cookies that another port or subdomain has set, and for those of a browser that
/// opened many tabs at once.
const MAX_REMOVALS: usize = 4;
/// Bytes between two cookies in a `Cookie` header, and before the value: `; ` and `=`.
const SEPARATORS: usize = 3;
const NAME: &str = ".attempt.";
/// How far the clock may have been set back since a login began.
pub(super) const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// A login that started and has not completed yet.
#[derive(Debug)]
pub(super) struct PendingLogin {
    /// The client id that it began with, and under which its code is exchanged.
    pub(super) client_id: String,
    pub(super) state: Secret,
    pub(super) verifier: Secret,
    pub(super) nonce: Option<Secret>,
    /// Makes the login's id together with the code, see [`Callback`](crate::grants::Callback).
    pub(super) login_seed: Secret,
    pub(super) host: LoginHost,
    pub(super) return_to: ReturnTo,
    pub(super) started_at: SystemTime,
    /// Number of logins that completed right before this one started, see [`LoopGuard`](super::loop_guard::LoopGuard).
    pub(super) completed_before: u32,
    /// Whether it replaces one whose callback came too late.
    pub(super) replaces_late: bool,
    /// Whether it asked Salesforce for its login page (`prompt=login`).
    pub(super) asks_to_log_in: bool,
    /// Hashes of the users who were logged in when it started. A fresh login counts for these users only.
    pub(super) started_by: Vec<String>,
    /// Whether the browser's other logins stay.
    pub(super) adds: bool,
    /// The owner of the app for whom it connects Salesforce. `None`: it logs the browser in.
    pub(super) connects: Option<OwnedName>,
    /// Whether Salesforce shows no page for it, and its browser returns to the page in any case.
    pub(super) is_silent: bool,
}

/// What is sealed. `Cow`, because a text that JSON escapes cannot be borrowed.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    #[serde(borrow)]
    p: Cow<'a, str>,
    #[serde(borrow)]
    n: Option<Cow<'a, str>>,
    #[serde(borrow)]
    l: Cow<'a, str>,
    #[serde(borrow)]
    h: Cow<'a, str>,
    #[serde(borrow)]
    r: Cow<'a, str>,
    t: u64,
    c: u32,
    #[serde(default)]
    o: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    f: bool,
    /// Separated by spaces.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    u: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    a: bool,
    /// Owner and name of a connection.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    w: Option<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    i: bool,
}

impl PendingLogin {
    /// Returns the cookies to set for a new pending login: its own, and removals of the oldest when there are too many.
    ///
    /// If more would have to be removed than a response has room for, the target loses its query first.
    pub(super) fn cookies(
        mut self,
        settings: &Settings,
        request: &HeaderMap,
    ) -> Result<Vec<Cookie<'static>>, SealError> {
        let (mut name, mut value) = self.seal(settings)?;
        let mut removals = evict(settings, request, name.len() + value.len() + SEPARATORS);
        if removals.len() > REMOVALS_WITH_QUERY && self.return_to.has_query() {
            self.return_to = self.return_to.without_query();
            tracing::debug!("many pending logins: the return target loses its query");
            (name, value) = self.seal(settings)?;
            removals = evict(settings, request, name.len() + value.len() + SEPARATORS);
        }
        let mut cookies: Vec<_> = removals.into_iter().map(|name| cookie::removal(settings, name)).collect();
        let lifetime = settings.login_timeout.max(SHORTEST_COOKIE);
        let lifetime = time::Duration::try_from(lifetime).unwrap_or(time::Duration::HOUR);
        cookies.push(cookie::make(settings, name, value, lifetime));
        Ok(cookies)
    }

    /// Returns the name and the value of the cookie.
    fn seal(&self, settings: &Settings) -> Result<(String, String), SealError> {
        let name = settings.scoped_name(&cookie_kind(self.state.expose()));
        let sealed = serde_json::to_vec(&Sealed {
            s: self.state.expose().into(),
            p: self.verifier.expose().into(),
            n: self.nonce.as_ref().map(|nonce| nonce.expose().into()),
            l: self.login_seed.expose().into(),
            h: self.host.as_url().as_str().into(),
            r: self.return_to.as_str().into(),
            t: millis(self.started_at),
            c: self.completed_before,
            o: self.replaces_late,
            f: self.asks_to_log_in,
            u: (!self.started_by.is_empty()).then(|| self.started_by.join(" ").into()),
            a: self.adds,
            w: (self.connects.as_ref())
                .map(|owned| (owned.owner.as_str().into(), owned.name.as_str().into())),
            i: self.is_silent,
        })
        .map_err(|_| SealError)?;
        let sealed = settings.keys.seal(
            Purpose::PendingLogin,
            &bound_to(settings, &self.client_id, &name),
            &sealed,
        )?;
        Ok((name, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Returns the browser's pending login with this state, if its seal is valid. It may have expired.
    pub(super) fn find(settings: &Settings, request: &HeaderMap, state: &str) -> Option<Self> {
        let pending = settings.scoped_names(&cookie_kind(state)).find_map(|(client_id, name)| {
            open(settings, client_id, &name, cookie_header::only(request, &name)?)
        })?;
        // The name is made from a hash of the state; the state itself is compared too, in constant time.
        (pending.state == Secret::new(state)).then_some(pending)
    }

    /// Returns how long its callback may still come; `None` if it is too late.
    pub(super) fn time_left(&self, settings: &Settings, now: SystemTime) -> Option<Duration> {
        match now.duration_since(self.started_at) {
            Ok(age) => settings.login_timeout.checked_sub(age),
            // Started in the future: the clock was set back. Two minutes are tolerated.
            Err(ahead) => {
                (ahead.duration() <= CLOCK_TOLERANCE).then(|| settings.login_timeout + CLOCK_TOLERANCE)
            }
        }
    }

    /// Returns whether a login of this user proves that the user was there: Salesforce was asked for its login page, and
    /// the browser had either no login when it was, or one of this user.
    pub(super) fn is_fresh_for(&self, user: UserRef) -> bool {
        self.asks_to_log_in
            && (self.started_by.is_empty() || self.started_by.contains(&former_user::hash(user)))
    }

    /// Returns the cookie that removes the pending login from the browser.
    pub(super) fn removal(&self, settings: &Settings) -> Cookie<'static> {
        let kind = cookie_kind(self.state.expose());
        let mut names = settings.scoped_names(&kind);
        let own = names.find(|(client_id, _)| *client_id == self.client_id).map(|(_, name)| name);
        cookie::removal(settings, own.unwrap_or_default())
    }
}

/// Returns what stands behind the stem in the name of the cookie.
fn cookie_kind(state: &str) -> String {
    let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(state.as_bytes())[..12]);
    format!("{NAME}{id}")
}

/// What a pending login is bound to: a deployment with the same keys, such as staging, cannot open this one's.
fn bound_to(settings: &Settings, client_id: &str, name: &str) -> Vec<u8> {
    [name, client_id, &settings.paths.mount, settings.redirect_uri.as_str()].join("\0").into_bytes()
}

fn open(settings: &Settings, client_id: &str, name: &str, value: &str) -> Option<PendingLogin> {
    let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
    let plain =
        settings.keys.open(Purpose::PendingLogin, &bound_to(settings, client_id, name), &sealed).ok()?;
    let sealed: Sealed<'_> = serde_json::from_slice(&plain).ok()?;
    let connects = match sealed.w {
        Some((owner, name)) => {
            Some(OwnedName { owner: Owner::new(owner).ok()?, name: ConnectionName::new(name).ok()? })
        }
        None => None,
    };
    Some(PendingLogin {
        client_id: client_id.to_owned(),
        state: Secret::from(&*sealed.s),
        verifier: Secret::from(&*sealed.p),
        nonce: sealed.n.map(|nonce| Secret::from(&*nonce)),
        login_seed: Secret::from(&*sealed.l),
        // By the settings of today: a host that was taken out of them gets no code any more.
        host: settings.offered_host(&sealed.h)?,
        return_to: ReturnTo::parse(&sealed.r)?,
        started_at: UNIX_EPOCH.checked_add(Duration::from_millis(sealed.t))?,
        completed_before: sealed.c,
        replaces_late: sealed.o,
        asks_to_log_in: sealed.f,
        started_by: sealed.u.iter().flat_map(|users| users.split(' ')).map(str::to_owned).collect(),
        adds: sealed.a,
        connects,
        is_silent: sealed.i,
    })
}

/// Returns the names of pending logins to remove, invalid ones first, then the oldest, until one more of `new_bytes`
/// fits.
fn evict(settings: &Settings, request: &HeaderMap, new_bytes: usize) -> Vec<String> {
    let prefixes: Vec<(&str, String)> = settings.scoped_names(NAME).collect();
    let mut pending: Vec<(SystemTime, String, usize)> = cookie_header::all(request)
        .filter_map(|(name, value)| {
            let of = prefixes.iter().filter(|(_, prefix)| name.starts_with(prefix.as_bytes()));
            let client_ids: Vec<&str> = of.map(|(client_id, _)| *client_id).collect();
            if client_ids.is_empty() {
                return None;
            }
            let name = std::str::from_utf8(name).ok()?;
            let value = std::str::from_utf8(value).unwrap_or_default();
            let pending = client_ids.iter().find_map(|client_id| open(settings, client_id, name, value));
            let started_at = pending.map_or(UNIX_EPOCH, |pending| pending.started_at);
            Some((started_at, name.to_owned(), name.len() + value.len() + SEPARATORS))
        })
        .collect();
    pending.sort();
    // The names of the cookies of logins begin like those of pending ones, whose kind tells them apart.
    let is_login = |name: &[u8]| {
        let stem = settings.scoped_name("");
        let kind = name.strip_prefix(stem.as_bytes());
        kind.is_some_and(|kind| kind.is_empty() || kind.starts_with(b".org."))
    };
    let logins = cookie_header::all(request).filter(|(name, _)| is_login(name));
    let login: usize = logins.map(|(name, value)| name.len() + value.len()).sum();
    let max_bytes = MAX_TOTAL_BYTES.saturating_sub(login.saturating_sub(USUAL_LOGIN_BYTES));
    let mut count = pending.len();
    let mut total: usize = pending.iter().map(|(_, _, bytes)| bytes).sum();
    let mut removals = Vec::new();
    for (_, name, bytes) in pending {
        let fits = count < MAX_OPEN && total + new_bytes <= max_bytes;
        if fits || removals.len() >= MAX_REMOVALS {
            break;
        }
        count -= 1;
        total -= bytes;
        removals.push(name);
    }
    removals
}

/// Milliseconds since 1970, so that pending logins of one second have an order, too.
pub(super) fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{self, HeaderValue};

    use super::*;
    use crate::{Config, base::random};

    fn settings(change: impl FnOnce(&mut Config)) -> Settings {
        let mut config = Config {
            client_id: "3MVG9".to_owned(),
            keys: Some("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=".into()),
            cookie_name: Some("app".to_owned()),
            ..Config::default()
        };
        change(&mut config);
        config.check(false).unwrap()
    }

    fn pending(settings: &Settings, target: ReturnTo) -> PendingLogin {
        let secret = || Secret::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>().unwrap()));
        PendingLogin {
            client_id: settings.client_id.clone(),
            state: secret(),
            verifier: secret(),
            nonce: Some(secret()),
            login_seed: secret(),
            host: settings.default_host.clone(),
            return_to: target,
            started_at: SystemTime::now(),
            completed_before: 0,
            replaces_late: false,
            asks_to_log_in: false,
            started_by: Vec::new(),
            adds: false,
            connects: None,
            is_silent: false,
        }
    }

    /// Seals a pending login to this target and opens it as the callback does.
    fn sealed_and_opened(sealing: &Settings, opening: &Settings, target: &ReturnTo) -> Option<ReturnTo> {
        let pending = pending(sealing, target.clone());
        let state = pending.state.clone();
        let cookie = pending.cookies(sealing, &HeaderMap::new()).unwrap().pop().unwrap();
        let mut headers = HeaderMap::new();
        let pair = HeaderValue::from_str(&format!("{}={}", cookie.name(), cookie.value())).unwrap();
        headers.insert(header::COOKIE, pair);
        Some(PendingLogin::find(opening, &headers, state.expose())?.return_to)
    }

    proptest::proptest! {
        #[test]
        fn what_the_start_accepts_the_callback_accepts(text in "/[ -~\u{a1}-\u{17f}\u{4e00}-\u{4e20}\u{1f600}]{0,80}") {
            let settings = settings(|_| {});
            if let Some(target) = ReturnTo::parse(&text) {
                proptest::prop_assert_eq!(sealed_and_opened(&settings, &settings, &target), Some(target));
            }
        }
    }

    #[test]
    fn only_the_same_deployment_opens_a_pending_login() {
        let own = settings(|_| {});
        let target = ReturnTo::parse("/x").unwrap();
        assert_eq!(sealed_and_opened(&own, &own, &target), Some(target.clone()));
        let others: [fn(&mut Config); 4] = [
            |config| config.client_id = "3MVG8".to_owned(),
            |config| config.public_url = "http://127.0.0.1:8081".to_owned(),
            |config| config.routes.prefix = "/sign-in".to_owned(),
            |config| config.login_url = "https://test.salesforce.com".to_owned(),
        ];
        for other in others {
            assert_eq!(sealed_and_opened(&own, &settings(other), &target), None);
        }
    }
}
