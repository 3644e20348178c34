//! The actix-session session that handlers use: brought by the middleware in one cookie, or the app's own.

use std::mem;

use actix_session::{
    SessionExt as _, SessionMiddleware, SessionStatus,
    config::{BrowserSession, CookieContentSecurity},
    storage::CookieSessionStore,
};
use actix_web::{
    HttpMessage as _, HttpRequest,
    cookie::{Cookie, CookieJar, Key, SameSite},
    dev::ServiceRequest,
    http::header::HeaderMap,
};
use serde_json::value::RawValue;

use super::{cookie, cookie_header};
use crate::config::Settings;

/// The session that the middleware brings.
pub(crate) type EmbeddedSession = SessionMiddleware<CookieSessionStore>;

/// The embedded session's cookie, and the keys that it may be sealed with.
pub(crate) struct SessionCookie {
    name: String,
    /// What removes the cookie under its name before a rotation of the app's credentials, if that was another one.
    previous: Option<Cookie<'static>>,
    key: Key,
    older: Vec<Key>,
}

/// Marks a request whose session cookie came sealed with an older key, or under its previous name.
struct Resealed;

/// What removes the session's cookie of the previous name, which came with the request.
#[derive(Clone)]
struct Leftover(Cookie<'static>);

impl SessionCookie {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut keys = settings.keys.session_keys().map(|key| Key::from(&*key));
        // A ring holds at least one key.
        let key = keys.next().unwrap_or_else(Key::generate);
        let name = settings.scoped_name(".session");
        let previous = settings.scoped_names(".session").nth(1).map(|(_, name)| name);
        let previous = previous.filter(|previous| *previous != name);
        let previous = previous.map(|name| cookie::removal(settings, name));
        Self { name, previous, key, older: keys.collect() }
    }

    /// Prepares the request's `Cookie` header for actix-session, which reads names leniently, knows one key only and
    /// sees no cookie at all when one byte of the header is not UTF-8. Returns whether the request brings a session.
    pub(crate) fn prepare(&self, request: &mut ServiceRequest) -> bool {
        let has_session = cookie_header::clean(request.headers_mut(), &self.name);
        if self.previous.is_none() && self.older.is_empty() {
            return has_session;
        }
        let headers = request.headers();
        let is_sent = |wanted: &str| cookie_header::all(headers).any(|(name, _)| name == wanted.as_bytes());
        let previous = self.previous.as_ref().filter(|removal| is_sent(removal.name()));
        let name = match previous {
            Some(removal) if !has_session => removal.name(),
            _ => &self.name,
        };
        if (name != self.name || !self.older.is_empty())
            && let Some(value) = self.reseal(name, headers)
        {
            cookie_header::replace(request.headers_mut(), name, &self.name, &value);
            request.extensions_mut().insert(Resealed);
        }
        if let Some(removal) = previous {
            request.extensions_mut().insert(Leftover(removal.clone()));
        }
        cookie_header::only(request.headers(), &self.name).is_some()
    }

    /// The value of the cookie `name` for today's name and under the newest key, if it is not that already.
    fn reseal(&self, name: &str, headers: &HeaderMap) -> Option<String> {
        let sealed = format!("{name}={}", cookie_header::only(headers, name)?);
        let sealed = Cookie::parse_encoded(sealed).ok()?;
        let mut jar = CookieJar::new();
        let newest = jar.private(&self.key).decrypt(sealed.clone());
        if newest.is_some() && name == self.name {
            return None;
        }
        let older = || self.older.iter().find_map(|key| jar.private(key).decrypt(sealed.clone()));
        let mut plain = newest.or_else(older)?;
        plain.set_name(self.name.clone());
        jar.private_mut(&self.key).add(plain);
        jar.get(&self.name).map(|cookie| cookie.value().to_owned())
    }

    /// Returns the middleware that keeps everything of a session in this cookie, encrypted.
    pub(crate) fn middleware(&self, settings: &Settings) -> EmbeddedSession {
        SessionMiddleware::builder(CookieSessionStore::default(), self.key.clone())
            .cookie_name(self.name.clone())
            .cookie_secure(settings.is_https())
            .cookie_http_only(true)
            .cookie_same_site(SameSite::Lax)
            .cookie_path("/".to_owned())
            .cookie_content_security(CookieContentSecurity::Private)
            .session_lifecycle(BrowserSession::default())
            .build()
    }
}

/// The most JSON that a session may hold, in bytes.
///
/// Browsers drop a cookie whose name and value are longer than 4,096 bytes (RFC 6265bis section 5.7), without a word to
/// the server. Sealing adds 28 bytes, base64 a third, and every `/` of it (one character of 64) is written as `%2F`.
/// With the longest name that leaves room for some 2,830 bytes.
const MAX_JSON_BYTES: usize = 2_800;

/// Drops the changes of a request to a session that has outgrown its cookie, and logs that.
///
/// The session stays as it was before the request. An error in place of the response would not undo what the handler
/// did.
pub(crate) fn drop_if_too_large(request: &HttpRequest) {
    let session = request.get_session();
    if session.status() == SessionStatus::Unchanged {
        return;
    }
    let bytes = serde_json::to_vec(&*session.entries()).map_or(0, |json| json.len());
    if bytes > MAX_JSON_BYTES {
        tracing::error!(
            bytes,
            limit = MAX_JSON_BYTES,
            route = request.match_pattern(),
            "session not stored: its data do not fit into a cookie of 4,096 bytes. The session stays as it was before this \
             request. Put less into it, or wrap a session with a separate store around Salesforce (SessionMode::App)"
        );
        replace_with_untouched(request);
    }
}

/// Returns whether the session came under an older key.
pub(crate) fn was_resealed(request: &HttpRequest) -> bool {
    request.extensions().contains::<Resealed>()
}

/// Returns what removes the session's cookie of the previous name, if the browser sent it.
pub(crate) fn leftover(request: &HttpRequest) -> Option<Cookie<'static>> {
    request.extensions().get::<Leftover>().map(|Leftover(removal)| removal.clone())
}

/// Has a session that came under an older key, or its previous name, written under the newest.
pub(crate) fn finish_resealing(request: &HttpRequest) {
    let session = request.get_session();
    if session.status() != SessionStatus::Unchanged {
        return;
    }
    // The same value counts as a change.
    let first = session.entries().iter().next().map(|(key, value)| (key.clone(), value.clone()));
    if let Some((key, value)) = first
        && let Ok(value) = RawValue::from_string(value)
    {
        let _ = session.insert(key, value);
    }
}

/// Returns whether the response will bring the session's cookie.
pub(crate) fn brings_cookie(request: &HttpRequest) -> bool {
    let session = request.get_session();
    match session.status() {
        SessionStatus::Unchanged => false,
        SessionStatus::Changed => !session.entries().is_empty(),
        SessionStatus::Purged | SessionStatus::Renewed => true,
    }
}

/// Returns whether a `SessionMiddleware` further out has prepared a session for this request.
///
/// actix-session cannot be asked: its extractor makes an empty session where there is none, and the type of its state
/// is private. So the request's extensions are put aside, a marked session is made among none, and the real extensions
/// are laid over it: the mark is gone exactly if they brought a session along. Looked at once per worker.
pub(crate) fn is_prepared(request: &mut ServiceRequest) -> bool {
    const MARK: &str = "salesforce.mark";
    let real = mem::take(&mut *request.extensions_mut());
    let marked = request.get_session().insert(MARK, true).is_ok();
    request.extensions_mut().extend(real);
    let prepared = marked && !request.get_session().contains_key(MARK);
    if !prepared {
        replace_with_untouched(request.request());
    }
    prepared
}

/// Puts an untouched session in the place of this request's: its middleware then leaves the browser's cookie as it is.
fn replace_with_untouched(request: &HttpRequest) {
    let mut rest = mem::take(&mut *request.extensions_mut());
    let _untouched = request.get_session();
    rest.extend(mem::take(&mut *request.extensions_mut()));
    *request.extensions_mut() = rest;
}

/// Returns whether handlers have put nothing into the session.
pub(crate) fn is_empty(request: &HttpRequest) -> bool {
    request.get_session().entries().is_empty()
}

/// Returns whether a second `SessionMiddleware` further in took the session's entries, given that there were some.
///
/// Both work on the one session of the request. The inner one takes all entries on its way out, also where it writes
/// nothing; a handler that empties the session changes its status.
pub(crate) fn was_taken(request: &HttpRequest) -> bool {
    let session = request.get_session();
    session.status() == SessionStatus::Unchanged && session.entries().is_empty()
}
