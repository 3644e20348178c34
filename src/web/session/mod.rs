//! The login's cookies and the session that handlers use: separate cookies, so that neither can overwrite the other.
//!
//! | file | cookie, after the name's stem | contents | who writes it |
//! |---|---|---|---|
//! | `login_cookie` | none, `.org.…`, `.current` | sealed: the logins of a browser | callback, logout, orgs, a change of keys |
//! | `app_session`, `former_user`, `unsent_session` | `.session`, `.session.…` | sealed: what handlers store, and a hash of the last user | handlers, through actix-session |
//! | `canvas_cookie` | `.canvas` | sealed: the login of a frame | the route of signed requests |
//! | `last_host` | `.host` | plain: the last login host | callback |
//! | `logout_handle` | `.slo` | sealed: what Salesforce's single logout may end | callback |
//! | `cookie`, `cookie_header`, `cookie_contents`, `sealed_cookie` | - | no cookie: how cookies are named, read and sealed | - |
//!
//! Lifetimes: `docs/lifetimes.md`, "Cookies". Cookies of logins that have begun: `web/login`.
//!
//! A login travels in a sealed cookie that only the callback, the logout and a change of keys write. The actix-session
//! session holds what handlers put there and a hash of the last user (`former_user`). A slow response that writes the
//! session after a login therefore leaves the login alone, and so does a second `SessionMiddleware` in the app.

pub(crate) mod app_session;
pub(crate) mod canvas_cookie;
pub(crate) mod cookie;
mod cookie_contents;
pub(crate) mod cookie_header;
pub(crate) mod former_user;
pub(crate) mod last_host;
mod login_cookie;
pub(crate) mod logout_handle;
mod sealed_cookie;
pub(crate) mod unsent_session;

pub(crate) use self::{
    app_session::{RemoveMainSession, SessionCookie},
    cookie_contents::{CookieContents, FreshLogin, user_tag},
    former_user::UserChange,
    login_cookie::{BrowserLogin, CurrentLogin, LoginCookie, OpenedLogin, Slot},
};

use actix_web::{
    HttpRequest,
    dev::ServiceResponse,
    http::header::{self, HeaderMap, HeaderValue},
};

use super::{no_store::NoStore, response::ResponseFormat};

/// Returns whether this response may bring a cookie that is only sealed again under a newer key.
///
/// Requests for public assets are left out: their responses are made for caches, and a cookie would forbid caching. A
/// page navigation or a protected route comes soon enough.
pub(crate) fn may_reseal(request: &HttpRequest) -> bool {
    NoStore::is_marked(request) || ResponseFormat::of(request.headers()) == ResponseFormat::Navigation
}

/// Decides what the response brings of the session, and keeps shared caches away from what is for one browser.
///
/// `embedded` says that the session is the one that the middleware brings. The cookie of an app's own session is the
/// app's concern: a `Cache-Control` beside it is left as it is.
pub(crate) fn settle<B>(response: &mut ServiceResponse<B>, embedded: bool) {
    let request = response.request().clone();
    if embedded && app_session::was_resealed(&request) && may_reseal(&request) {
        app_session::finish_resealing(&request);
        if let Some(removal) = app_session::leftover(&request)
            && response.response_mut().add_cookie(&removal).is_ok()
        {
            forbid_shared_caching(response.headers_mut());
        }
    }
    let is_changed = app_session::is_changed(&request);
    if is_changed && embedded {
        app_session::drop_if_too_large(&request);
    }
    let brings_cookie = is_changed && app_session::brings_cookie(&request);
    if brings_cookie && embedded {
        forbid_shared_caching(response.headers_mut());
    } else if brings_cookie || NoStore::is_marked(&request) {
        let headers = response.headers_mut();
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// Replaces a `Cache-Control` that lets a shared cache store the response (RFC 9111 section 3).
///
/// `Set-Cookie` alone does not stop a cache: it would hand one browser's cookie to others.
pub(crate) fn forbid_shared_caching(headers: &mut HeaderMap) {
    let forbids = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| {
            value.split(',').any(|directive| {
                let directive = directive.trim();
                directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("private")
            })
        })
    };
    if !headers.get_all(header::CACHE_CONTROL).any(forbids) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_with_our_cookie_is_never_for_shared_caches() {
        for (given, expected) in [
            (None, "no-store"),
            (Some("public, max-age=60"), "no-store"),
            (Some("max-age=60"), "no-store"),
            (Some("no-cache"), "no-store"),
            (Some("Private, max-age=60"), "Private, max-age=60"),
            (Some("max-age=0, no-store"), "max-age=0, no-store"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(given));
            }
            forbid_shared_caching(&mut headers);
            assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), expected, "{given:?}");
        }
    }
}
