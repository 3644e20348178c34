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
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderValue},
};
use serde_json::value::RawValue;

use super::{cookie, cookie_contents::is_tag, cookie_header};
use crate::config::Settings;

/// The session that the middleware brings.
pub(crate) type EmbeddedSession = SessionMiddleware<CookieSessionStore>;

/// The embedded session's cookie, and the keys that it may be sealed with.
pub(crate) struct SessionCookie {
    name: String,
    /// What removes the cookie under its name before a rotation of the app's credentials, if that was another one.
    previous: Option<Cookie<'static>>,
    main_removal: Cookie<'static>,
    key: Key,
    older: Vec<Key>,
}

/// Marks a request that ends the main login while the session of another one is shown: its session ends with it.
pub(crate) struct RemoveMainSession;

impl RemoveMainSession {
    pub(crate) fn mark(request: &HttpRequest) {
        request.extensions_mut().insert(Self);
    }
}

/// The bytes that the sessions of the browser's other logins take in the `Cookie` header.
#[derive(Clone, Copy)]
struct OtherSessions(usize);

/// Returns the cookies that remove the sessions of added logins.
pub(crate) fn added_removals(settings: &Settings, headers: &HeaderMap) -> Vec<Cookie<'static>> {
    let prefix = settings.scoped_name(".session.");
    let names = cookie_header::all(headers).filter_map(|(name, _)| std::str::from_utf8(name).ok());
    let names = names.filter(|name| name.strip_prefix(&*prefix).is_some_and(is_tag));
    names.map(|name| cookie::removal(settings, name.to_owned())).collect()
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
        let main_removal = cookie::removal(settings, name.clone());
        Self { name, previous, main_removal, key, older: keys.collect() }
    }

    /// Prepares the request's `Cookie` header for actix-session, which reads names leniently, knows one key only and
    /// sees no cookie at all when one byte of the header is not UTF-8. Returns whether the request brings a session.
    pub(crate) fn prepare(&self, request: &mut ServiceRequest) -> bool {
        let has_session = cookie_header::clean(request.headers_mut(), &self.name);
        self.note_others(request, &self.name);
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

    /// Returns whether this is the name of a session of this app.
    fn is_session(&self, name: &[u8]) -> bool {
        let rest = name.strip_prefix(self.name.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    }

    fn name_of(&self, tag: &str) -> String {
        format!("{}.{tag}", self.name)
    }

    /// Has the session say what room the browser's other ones take, if there are any.
    fn note_others(&self, request: &ServiceRequest, name: &str) {
        let others = cookie_header::all(request.headers());
        let others = others.filter(|(sent, _)| self.is_session(sent) && *sent != name.as_bytes());
        let bytes: usize = others.map(|(_, value)| value.len()).sum();
        if bytes > 0 {
            request.extensions_mut().insert(OtherSessions(bytes));
        }
    }

    /// Prepares a request as [`prepare`](Self::prepare) does, and puts the session of an added login in the place of
    /// the main one. `tag` is that of its user: each login of a browser has a session to itself, in a cookie with the
    /// tag behind the name.
    pub(crate) fn show(&self, request: &mut ServiceRequest, tag: &str) {
        let name = self.name_of(tag);
        cookie_header::clean(request.headers_mut(), &self.name);
        cookie_header::clean(request.headers_mut(), &name);
        self.note_others(request, &name);
        let sealed = cookie_header::only(request.headers(), &name).map(str::to_owned);
        let value = self.reseal(&name, request.headers());
        cookie_header::remove(request.headers_mut(), &self.name);
        let Some((value, sealed)) = value.zip(sealed) else { return };
        if !self.older.is_empty() && !self.is_under_newest(&name, &sealed) {
            request.extensions_mut().insert(Resealed);
        }
        cookie_header::replace(request.headers_mut(), &name, &self.name, &value);
    }

    fn is_under_newest(&self, name: &str, sealed: &str) -> bool {
        let sealed = Cookie::parse_encoded(format!("{name}={sealed}")).ok();
        sealed.is_some_and(|sealed| CookieJar::new().private(&self.key).decrypt(sealed).is_some())
    }

    /// Gives the session of an added login back its name. The main one ends if the request is marked so.
    pub(crate) fn restore_name<B>(&self, response: &mut ServiceResponse<B>, tag: &str) {
        let removes_main = response.request().extensions().contains::<RemoveMainSession>();
        let cookies: Vec<HeaderValue> = response.headers().get_all(header::SET_COOKIE).cloned().collect();
        let is_main = |value: &HeaderValue| {
            let rest = value.as_bytes().strip_prefix(self.name.as_bytes());
            rest.is_some_and(|rest| rest.first() == Some(&b'='))
        };
        if !removes_main && !cookies.iter().any(is_main) {
            return;
        }
        let headers = response.headers_mut();
        headers.remove(header::SET_COOKIE);
        for value in cookies {
            let value = if is_main(&value) { self.renamed(&value, tag) } else { Some(value) };
            if let Some(value) = value {
                headers.append(header::SET_COOKIE, value);
            }
        }
        if removes_main && let Ok(removal) = HeaderValue::from_str(&self.main_removal.to_string()) {
            headers.append(header::SET_COOKIE, removal);
        }
    }

    /// Returns the cookie of the main session as that of an added login: sealed for its name, or its removal.
    fn renamed(&self, value: &HeaderValue, tag: &str) -> Option<HeaderValue> {
        let mut cookie = Cookie::parse_encoded(value.to_str().ok()?.to_owned()).ok()?;
        let name = self.name_of(tag);
        if !cookie.value().is_empty() {
            let mut jar = CookieJar::new();
            let mut plain = jar.private(&self.key).decrypt(cookie.clone())?;
            plain.set_name(name.clone());
            jar.private_mut(&self.key).add(plain);
            cookie.set_value(jar.get(&name)?.value().to_owned());
        }
        cookie.set_name(name);
        HeaderValue::from_str(&cookie.encoded().to_string()).ok()
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
    let bytes = serde_json::to_vec(&*session.entries()).map_or(0, |json| json.len());
    // All sessions of a browser together have the room of one, because they share a header line.
    let others = request.extensions().get::<OtherSessions>().map_or(0, |others| others.0);
    if bytes > MAX_JSON_BYTES.saturating_sub(others / 4 * 3) {
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

/// Returns whether handlers have changed the session.
pub(crate) fn is_changed(request: &HttpRequest) -> bool {
    request.get_session().status() != SessionStatus::Unchanged
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
