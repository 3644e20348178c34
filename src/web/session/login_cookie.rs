//! The cookie that carries a login: its opaque id, sealed.
//!
//! It is written by the callback, the logout and resealing only, so that no concurrent response can bring back an older
//! one.
//!
//! A browser sends the same bytes with each request. So a worker remembers what it has opened, under exactly these bytes:
//! the next request costs one look-up.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{cookie, cookie_header};
use crate::{
    base::{
        recent_map::RecentMap,
        seal::{Purpose, SealError},
    },
    config::Settings,
    grants::LoginId,
};
use salesforce_connection::Secret;

/// Half of the number of cookies that a worker remembers: about 2 MB of those that have no facts.
const REMEMBERED: usize = 1_024;
/// Longest cookie that is remembered, in bytes. Without facts a cookie has about 200.
const MAX_REMEMBERED_BYTES: usize = 1_024;

/// The login cookie of one Salesforce, on one worker.
#[derive(Debug)]
pub(crate) struct LoginCookie {
    place: Place,
    /// Where it was before a rotation of the app's credentials.
    previous: Option<Place>,
    /// What was opened lately at `place`, by the cookie's value as it came. The keys of a process never change.
    opened: RefCell<RecentMap<Box<str>, Rc<OpenedLogin>>>,
}

/// A login cookie that was opened.
#[derive(Debug)]
pub(crate) struct OpenedLogin {
    pub(crate) contents: CookieContents,
    pub(crate) id: LoginId,
}

/// Where the cookie is.
#[derive(Debug)]
struct Place {
    name: String,
    /// What the value is bound to: the cookie's name, the app and the mount. Moved elsewhere it does not open.
    bound_to: Vec<u8>,
}

impl Place {
    fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie_header::only(headers, &self.name)
    }

    fn open(&self, settings: &Settings, value: &str) -> Option<Rc<OpenedLogin>> {
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        let plain = settings.keys.open(Purpose::Login, &self.bound_to, &sealed).ok()?;
        let contents = CookieContents::parse(std::str::from_utf8(&plain).ok()?)?;
        let id = LoginId::new(contents.id.clone());
        Some(Rc::new(OpenedLogin { contents, id }))
    }

    fn sealed(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.value(headers)?).ok()
    }
}

/// What the login cookie says.
#[derive(Debug, Clone)]
pub(crate) struct CookieContents {
    /// The opaque id of the login.
    pub(crate) id: Secret,
    /// The URL of the login host, so that a login after this one goes there, too.
    pub(crate) host: String,
    /// Present if the user had to log in at Salesforce for this login.
    pub(crate) fresh: Option<FreshLogin>,
    /// What the app added to the login, as JSON.
    pub(crate) facts: Option<serde_json::Value>,
}

/// A login that asked for Salesforce's login page, and that the user completed for whom it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FreshLogin {
    pub(crate) completed_at: SystemTime,
    /// When the user proved who they are, as the ID token says.
    pub(crate) auth_time: Option<SystemTime>,
}

/// What stands behind the id and the host, if anything does: cookies of earlier versions end there.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Extra {
    /// [`FreshLogin`], in seconds since 1970.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    facts: Option<serde_json::Value>,
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn time_of(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

impl CookieContents {
    fn parse(plain: &str) -> Option<Self> {
        let (id, rest) = plain.split_once(' ')?;
        let (host, extra) = rest.split_once(' ').unwrap_or((rest, "{}"));
        let extra: Extra = serde_json::from_str(extra).ok()?;
        let fresh = extra
            .completed_at
            .and_then(time_of)
            .map(|completed_at| FreshLogin { completed_at, auth_time: extra.auth_time.and_then(time_of) });
        Some(Self { id: Secret::from(id), host: host.to_owned(), fresh, facts: extra.facts })
    }

    fn plain(&self) -> Result<Zeroizing<String>, SealError> {
        let mut plain = Zeroizing::new(format!("{} {}", self.id.expose(), self.host));
        if self.fresh.is_some() || self.facts.is_some() {
            let extra = Extra {
                completed_at: self.fresh.map(|fresh| seconds(fresh.completed_at)),
                auth_time: self.fresh.and_then(|fresh| fresh.auth_time).map(seconds),
                facts: self.facts.clone(),
            };
            plain.push(' ');
            plain.push_str(&serde_json::to_string(&extra).map_err(|_| SealError)?);
        }
        Ok(plain)
    }
}

impl LoginCookie {
    pub(crate) fn new(settings: &Settings) -> Self {
        let place = |(client_id, name): (&str, String)| {
            let bound_to = [&*name, client_id, &settings.paths.mount].join("\0").into_bytes();
            Place { name, bound_to }
        };
        let place_now = place((&settings.client_id, settings.scoped_name("")));
        let previous = settings.scoped_names("").nth(1).map(place);
        Self { place: place_now, previous, opened: RefCell::new(RecentMap::new(REMEMBERED)) }
    }

    /// Returns the login that the browser sent; `None` if the cookie is missing, sent twice or does not open.
    pub(crate) fn read(&self, settings: &Settings, headers: &HeaderMap) -> Option<Rc<OpenedLogin>> {
        let previous = || {
            let previous = self.previous.as_ref()?;
            previous.open(settings, previous.value(headers)?)
        };
        self.read_current(settings, headers).or_else(previous)
    }

    fn read_current(&self, settings: &Settings, headers: &HeaderMap) -> Option<Rc<OpenedLogin>> {
        let value = self.place.value(headers)?;
        if let Some(opened) = self.opened.borrow_mut().get(value) {
            return Some(opened);
        }
        let opened = self.place.open(settings, value)?;
        if value.len() <= MAX_REMEMBERED_BYTES {
            self.opened.borrow_mut().insert(value.into(), Rc::clone(&opened));
        }
        Some(opened)
    }

    /// Returns whether the browser's cookie has to be written again: it is sealed under a key that is not the newest, or
    /// is where it was before a rotation of the app's credentials. It may still not open.
    pub(crate) fn is_stale(&self, settings: &Settings, headers: &HeaderMap) -> bool {
        let is_under_older =
            |sealed: Option<Vec<u8>>| sealed.is_some_and(|sealed| !settings.keys.is_under_newest(&sealed));
        let is_previous = |previous: &Place| {
            previous.sealed(headers).is_some() && self.read_current(settings, headers).is_none()
        };
        // Only while keys or credentials rotate: otherwise the cookie is not even looked at.
        settings.keys.has_older() && is_under_older(self.place.sealed(headers))
            || self.previous.as_ref().is_some_and(is_previous)
    }

    /// Returns the cookie that removes the one of the previous credentials, if the browser sent it under another name.
    pub(crate) fn leftover(&self, settings: &Settings, headers: &HeaderMap) -> Option<Cookie<'static>> {
        let previous = self.previous.as_ref().filter(|previous| previous.name != self.place.name)?;
        let is_sent = cookie_header::all(headers).any(|(name, _)| name == previous.name.as_bytes());
        is_sent.then(|| cookie::removal(settings, previous.name.clone()))
    }

    /// Returns the cookie that gives the browser this login.
    pub(crate) fn make(
        &self,
        settings: &Settings,
        login: &CookieContents,
    ) -> Result<Cookie<'static>, SealError> {
        let plain = login.plain()?;
        let sealed = settings.keys.seal(Purpose::Login, &self.place.bound_to, plain.as_bytes())?;
        let (name, value) = (self.place.name.clone(), URL_SAFE_NO_PAD.encode(sealed));
        let lifetime = settings.remember.and_then(|lifetime| time::Duration::try_from(lifetime).ok());
        Ok(match lifetime {
            Some(lifetime) => cookie::make(settings, name, value, lifetime),
            None => cookie::until_the_browser_closes(settings, name, value),
        })
    }

    /// Returns the cookie that takes the login from the browser.
    pub(crate) fn removal(&self, settings: &Settings) -> Cookie<'static> {
        cookie::removal(settings, self.place.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{self, HeaderValue};

    use super::*;
    use crate::{Config, config::Settings};

    const OLD: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
    const NEW: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";

    fn settings(change: impl FnOnce(&mut Config)) -> Settings {
        let mut config = Config {
            client_id: "3MVG9".to_owned(),
            keys: Some(OLD.into()),
            cookie_name: Some("app".to_owned()),
            ..Config::default()
        };
        change(&mut config);
        config.check(false).unwrap()
    }

    fn contents() -> CookieContents {
        CookieContents {
            id: "id".into(),
            host: "https://login.salesforce.com/".to_owned(),
            fresh: None,
            facts: None,
        }
    }

    /// What a browser with this cookie sends to an app with these settings.
    fn sent(cookie: &Cookie<'_>, settings: &Settings) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let pair = format!("{}={}", settings.scoped_name(""), cookie.value());
        headers.insert(header::COOKIE, HeaderValue::from_str(&pair).unwrap());
        headers
    }

    #[test]
    fn only_the_same_app_at_the_same_place_reads_a_login() {
        let own = settings(|_| {});
        let cookie = LoginCookie::new(&own).make(&own, &contents()).unwrap();
        assert_eq!(cookie.name(), "app");
        let read = |other: &Settings| LoginCookie::new(other).read(other, &sent(&cookie, other));
        assert_eq!(read(&own).unwrap().contents.id.expose(), "id");
        assert!(read(&settings(|config| config.client_id = "3MVG8".to_owned())).is_none());
        assert!(read(&settings(|config| config.routes.mount = "/two".to_owned())).is_none());
        assert!(read(&settings(|config| config.cookie_name = Some("other".to_owned()))).is_none());
        assert!(read(&settings(|config| config.keys = Some(NEW.into()))).is_none());
    }

    #[test]
    fn a_login_of_an_earlier_version_is_read() {
        let own = settings(|_| {});
        let login = LoginCookie::new(&own);
        let plain = b"id https://login.salesforce.com/";
        let sealed = own.keys.seal(Purpose::Login, &login.place.bound_to, plain).unwrap();
        let cookie = Cookie::new("app", URL_SAFE_NO_PAD.encode(sealed));
        let read = login.read(&own, &sent(&cookie, &own)).unwrap().contents.clone();
        assert_eq!(
            (read.id.expose(), &*read.host, read.fresh),
            ("id", "https://login.salesforce.com/", None)
        );
        assert_eq!(&*contents().plain().unwrap(), "id https://login.salesforce.com/");
    }

    #[test]
    fn a_fresh_login_keeps_its_times() {
        let own = settings(|_| {});
        let completed_at = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        for auth_time in [None, Some(completed_at - Duration::from_secs(9))] {
            let fresh = Some(FreshLogin { completed_at, auth_time });
            let cookie = LoginCookie::new(&own).make(&own, &CookieContents { fresh, ..contents() }).unwrap();
            let read = LoginCookie::new(&own).read(&own, &sent(&cookie, &own)).unwrap();
            assert_eq!(read.contents.fresh, fresh);
        }
    }

    #[test]
    fn the_cookie_outlives_the_browser_for_as_long_as_the_settings_say() {
        for (remember, lifetime) in [(None, None), (Some("8h"), Some(time::Duration::hours(8)))] {
            let settings = settings(|config| config.remember = remember.map(str::to_owned));
            let cookie = LoginCookie::new(&settings).make(&settings, &contents()).unwrap();
            assert_eq!(cookie.max_age(), lifetime);
        }
    }

    #[test]
    fn a_cookie_under_an_older_key_is_read_and_known_as_stale() {
        let (old, new) =
            (settings(|_| {}), settings(|config| config.keys = Some(format!("{NEW},{OLD}").into())));
        let of = |settings: &Settings| LoginCookie::new(settings).make(settings, &contents()).unwrap();
        for (cookie, stale) in [(of(&old), true), (of(&new), false)] {
            let (login, headers) = (LoginCookie::new(&new), sent(&cookie, &new));
            assert_eq!(login.is_stale(&new, &headers), stale);
            assert_eq!(login.read(&new, &headers).unwrap().contents.id.expose(), "id");
        }
        assert!(!LoginCookie::new(&old).is_stale(&old, &sent(&of(&old), &old)));
    }

    #[test]
    fn a_remembered_cookie_is_read_under_exactly_its_bytes() {
        let own = settings(|_| {});
        let login = LoginCookie::new(&own);
        let of = |id: &str| login.make(&own, &CookieContents { id: id.into(), ..contents() }).unwrap();
        let read = |cookie: &Cookie<'_>| login.read(&own, &sent(cookie, &own));
        let (ada, ben) = (of("ada"), of("ben"));
        // The same user again: other bytes, as each seal has a nonce.
        let again = of("ada");
        for _ in 0..3 {
            for (cookie, id) in [(&ada, "ada"), (&ben, "ben"), (&again, "ada")] {
                assert_eq!(read(cookie).unwrap().contents.id.expose(), id);
            }
            for position in 0..ada.value().len() {
                let mut value = ada.value().to_owned().into_bytes();
                value[position] = if value[position] == b'A' { b'B' } else { b'A' };
                let changed = Cookie::new("app", String::from_utf8(value).unwrap());
                let opened = read(&changed);
                // The last character of base64 has bits that count for nothing.
                assert!(opened.is_none() || position + 1 == ada.value().len(), "{position}");
            }
        }
        let first = read(&ada).unwrap();
        assert!(Rc::ptr_eq(&first, &read(&ada).unwrap()), "opened once");
        assert!(!Rc::ptr_eq(&first, &read(&again).unwrap()));
    }
}
