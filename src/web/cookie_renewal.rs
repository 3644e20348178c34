//! Cookies that a response brings again: logins under the newest key, and a logout handle that misses a login.

use actix_web::{HttpRequest, body::EitherBody, cookie::Cookie, dev::ServiceResponse};
use futures_util::future;

use super::{
    response::ResponseFormat,
    session::{self, CurrentLogin, logout_handle},
    worker::WorkerState,
};
use crate::grants::{FoundLogin, LoginId};

/// Which of a browser's cookies its response is to bring again.
pub(super) enum CookieRenewal {
    /// Those of the logins, with the handle.
    Logins(WorkerState),
    /// The logout handle.
    LogoutHandle(Cookie<'static>),
}

impl CookieRenewal {
    /// Returns what this request's response is to bring; `None` if all cookies are well.
    pub(super) fn of(worker: &WorkerState, request: &HttpRequest) -> Option<Self> {
        if worker.has_stale_login(request) {
            return Some(Self::Logins(worker.clone()));
        }
        // A login is followed by a navigation.
        let settings = worker.settings();
        if settings.paths.slo.is_none() || ResponseFormat::of(request.headers()) != ResponseFormat::Navigation
        {
            return None;
        }
        let logins = worker.browser_logins(request);
        let ids = || logins.iter().map(|login| &login.contents.id);
        let is_incomplete = logout_handle::misses_any(settings, request.headers(), ids());
        let handle = is_incomplete.then(|| logout_handle::make(settings, ids()).ok().flatten());
        handle.flatten().map(Self::LogoutHandle)
    }

    /// Adds the cookies, unless the response brings one of them already: the routes that change logins have written theirs
    /// themselves.
    pub(super) async fn apply<B>(self, response: &mut ServiceResponse<EitherBody<B>>) {
        if !session::may_reseal(response.request()) {
            return;
        }
        let cookies = match self {
            Self::Logins(worker) => logins(&worker, response.request()).await,
            Self::LogoutHandle(handle) => vec![handle],
        };
        let written: Vec<_> = response.response().cookies().map(|cookie| cookie.name().to_owned()).collect();
        if written.iter().any(|name| cookies.iter().any(|cookie| cookie.name() == name)) {
            return;
        }
        for cookie in cookies {
            match response.response_mut().add_cookie(&cookie) {
                Ok(()) => session::forbid_shared_caching(response.headers_mut()),
                Err(error) => tracing::error!(%error, "a cookie could not be written"),
            }
        }
    }
}

/// Returns the cookies of the browser's logins under the newest key and today's name, as far as the logins still hold.
///
/// One may have ended while the request was handled. A login that replaced it must not be overwritten, so the store is
/// asked once more.
async fn logins(worker: &WorkerState, request: &HttpRequest) -> Vec<Cookie<'static>> {
    let logins = worker.browser_logins(request);
    // The current one has been looked up for the request.
    let found = future::join_all(logins.iter().map(async |login| {
        let id = LoginId::new(login.contents.id.clone());
        worker.grants().find_login_beside(&id, false).await
    }));
    let (mut cookies, mut ids) = (Vec::new(), Vec::new());
    for (login, found) in logins.iter().zip(found.await) {
        if matches!(found, Ok(FoundLogin::Valid(_) | FoundLogin::Undecided(..))) {
            cookies.extend(worker.login_cookie(&login.slot, &login.contents));
            ids.push(login.contents.id.clone());
        }
    }
    if cookies.is_empty() {
        return cookies;
    }
    if let Some(CurrentLogin { slot, user: Some(user) }) = worker.current_login(request) {
        cookies.extend(worker.current_cookie(&slot, &user));
    }
    cookies.extend(worker.login_leftovers(request));
    cookies.extend(logout_handle::make(worker.settings(), &ids).ok().flatten());
    cookies.extend(logout_handle::leftover(worker.settings(), request.headers()));
    cookies
}
