//! Ending a browser session: `logout.jsp`, and OpenID Connect single logout.

use super::admission::at_shared_host;
use super::login::{COOKIE, expired_cookie};
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse, with_cookie};
use crate::web::pages;

pub(super) async fn logout(http: HttpRequest) -> HttpResponse {
    end(&http);
    with_cookie(http_response::redirect(302, "/"), &expired_cookie(&COOKIE.name(&http)))
}

/// `/services/auth/idp/oidc/logout`: ends the session and loads the app's Single Logout URL in the same browser. Where
/// the browser goes after it is the org's setting; `post_logout_redirect_uri` is not supported (H: OIDC SLO).
pub(super) async fn single_logout(http: HttpRequest) -> HttpResponse {
    if at_shared_host(&http) {
        return pages::error_page::no_longer_exists().await;
    }
    let url = end(&http).then(|| http.org.settings().single_logout_url.clone()).flatten();
    let mut response = pages::logout::show(url.as_deref());
    for name in names(&http) {
        response = with_cookie(response, &expired_cookie(&name));
    }
    response
}

/// Whether there was a session. One on any of the org's hosts is one of the browser, which shares cookies between
/// ports.
fn end(http: &HttpRequest) -> bool {
    let (mut was, now) = (false, http.org.clock.now());
    for name in names(http) {
        let cookie = http.cookie(&name);
        http.org.auth(|auth| {
            was |= auth.browser_user(now, cookie).is_some();
            auth.browser_logout(cookie);
        });
    }
    was
}

fn names(http: &HttpRequest) -> Vec<String> {
    let origins = http.org.origins();
    [&origins.login, &origins.instance, &origins.moved_instance].map(|origin| COOKIE.at(origin)).to_vec()
}
