//! The actix-session session that carries the opaque login id, and the check that there is exactly one.

use std::mem;

use actix_session::{
    Session, SessionExt, SessionMiddleware, SessionStatus,
    config::{BrowserSession, CookieContentSecurity},
    storage::CookieSessionStore,
};
use actix_web::{
    HttpMessage, HttpRequest,
    cookie::{Cookie, CookieJar, Key, SameSite},
    dev::ServiceRequest,
    http::header::HeaderMap,
};

use super::cookie;
use crate::{Secret, config::Settings};

/// What the names of the session members that hold login ids begin with.
const MEMBER: &str = "salesforce.login";

/// The embedded session's cookie, and the keys that it may be sealed with.
pub(crate) struct SessionCookie {
    name: String,
    key: Key,
    older: Vec<Key>,
}

/// Marks a request whose session cookie came sealed with an older key: its answer brings a new one.
struct Resealed;

impl SessionCookie {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut keys = settings.keys.session_keys().map(|key| Key::from(&*key));
        // A ring holds at least one key.
        let key = keys.next().unwrap_or_else(Key::generate);
        Self { name: cookie::name(settings, &settings.scoped_name("salesforce")), key, older: keys.collect() }
    }

    /// Prepares the request's `Cookie` header for actix-session, which reads names leniently and knows one key only.
    pub(crate) fn prepare(&self, request: &mut ServiceRequest) {
        cookie::drop_lookalikes(request.headers_mut(), &self.name);
        if !self.older.is_empty()
            && let Some(value) = self.reseal(request.headers())
        {
            cookie::replace(request.headers_mut(), &self.name, &value);
            request.extensions_mut().insert(Resealed);
        }
    }

    /// The cookie's value under the newest key, if it came under an older one.
    fn reseal(&self, headers: &HeaderMap) -> Option<String> {
        let sealed = format!("{}={}", self.name, cookie::only(headers, &self.name)?);
        let sealed = Cookie::parse_encoded(sealed).ok()?;
        let mut jar = CookieJar::new();
        if jar.private(&self.key).decrypt(sealed.clone()).is_some() {
            return None;
        }
        let plain = self.older.iter().find_map(|key| jar.private(key).decrypt(sealed.clone()))?;
        jar.private_mut(&self.key).add(plain);
        jar.get(&self.name).map(|cookie| cookie.value().to_owned())
    }
}

/// The session member that holds this Salesforce's login id.
pub(crate) fn member(settings: &Settings) -> String {
    settings.scoped_name(MEMBER)
}

/// Has a session that came under an older key written anew.
pub(crate) fn finish_resealing(request: &HttpRequest, member: &str) {
    if request.extensions().contains::<Resealed>()
        && let session = request.get_session()
        && let Some(id) = login_id(&session, member)
    {
        // The same value counts as a change.
        let _ = session.insert(member, id.expose());
    }
}

/// Whether the answer will bring the session's cookie, which must not end up in a shared cache.
pub(crate) fn brings_cookie(request: &HttpRequest) -> bool {
    let session = request.get_session();
    match session.status() {
        SessionStatus::Unchanged => false,
        SessionStatus::Changed => !session.entries().is_empty(),
        SessionStatus::Purged | SessionStatus::Renewed => true,
    }
}

/// The session that the middleware brings: everything in one encrypted cookie.
pub(crate) fn embedded(settings: &Settings, cookie: &SessionCookie) -> SessionMiddleware<CookieSessionStore> {
    SessionMiddleware::builder(CookieSessionStore::default(), cookie.key.clone())
        .cookie_name(cookie.name.clone())
        .cookie_secure(settings.is_https())
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Private)
        .session_lifecycle(BrowserSession::default())
        .build()
}

/// The login id in the session, if there is one.
pub(crate) fn login_id(session: &Session, member: &str) -> Option<Secret> {
    session.get::<String>(member).ok().flatten().map(Secret::new)
}

/// Puts a new login's id into a renewed session (ASVS 7.2.4: no session id survives a login).
pub(crate) fn set_login_id(
    session: &Session,
    id: &Secret,
    member: &str,
) -> Result<(), actix_session::SessionInsertError> {
    session.renew();
    session.insert(member, id.expose())
}

/// Whether a login of another Salesforce is in the same session.
pub(crate) fn is_shared(session: &Session, member: &str) -> bool {
    session.entries().keys().any(|name| name.starts_with(MEMBER) && name != member)
}

/// Takes the login id out.
pub(crate) fn forget_login(session: &Session, member: &str) {
    session.remove(member);
    session.renew();
}

/// Whether a `SessionMiddleware` further out has prepared a session for this request.
///
/// actix-session has no way to ask: its extractor makes a throw-away session when there is none, and its state's type
/// is private. So the request's extensions are put aside, a marked throw-away session is made among none, and the
/// real ones are laid over it: the mark is gone exactly if they brought a session along.
pub(crate) fn is_prepared(request: &mut ServiceRequest) -> bool {
    const MARK: &str = "salesforce.mark";
    let real = mem::take(&mut *request.extensions_mut());
    let marked = request.get_session().insert(MARK, true).is_ok();
    request.extensions_mut().extend(real);
    let prepared = marked && !request.get_session().contains_key(MARK);
    if !prepared {
        leave_alone(request.request());
    }
    prepared
}

/// Whether the session's map has an allocation.
///
/// A second `SessionMiddleware` further in loads its state into ours; on its way out it takes all of it and saves it as
/// its own, leaving an empty map *without* allocation behind. Nothing else does that: clearing and purging keep the
/// allocation. So what was held when a request went in, and is not when its answer comes out, was taken away.
pub(crate) fn is_held(request: &HttpRequest) -> bool {
    request.get_session().entries().capacity() > 0
}

/// Makes sure that the session's map has an allocation to lose.
pub(crate) fn hold(request: &ServiceRequest) {
    let session = request.get_session();
    if session.entries().capacity() == 0 {
        // The entry itself goes at once, so that no handler meets it.
        let _ = session.insert(MEMBER, "canary");
        session.remove(MEMBER);
    }
}

/// Has the session's middleware leave the browser's cookie as it is: an untouched session takes the place of this one.
pub(crate) fn leave_alone(request: &HttpRequest) {
    let mut rest = mem::take(&mut *request.extensions_mut());
    let _untouched = request.get_session();
    rest.extend(mem::take(&mut *request.extensions_mut()));
    *request.extensions_mut() = rest;
}
