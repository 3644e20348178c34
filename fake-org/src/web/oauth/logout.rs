//! Ending a browser session: `logout.jsp`, and OpenID Connect single logout.

use super::login::{COOKIE, expired_cookie};
use super::refusal::at_shared_host;
use crate::web::call::Call;
use crate::web::pages;
use crate::web::reply::{self, Reply, with_cookie};

pub(super) async fn logout(call: Call) -> Reply {
    end(&call);
    with_cookie(reply::redirect(302, "/"), &expired_cookie(&COOKIE.name(&call)))
}

/// `/services/auth/idp/oidc/logout`: ends the session and loads the app's Single Logout URL in the same browser. Where
/// the browser goes after it is the org's setting; `post_logout_redirect_uri` is not supported (H: OIDC SLO).
pub(super) async fn single_logout(call: Call) -> Reply {
    if at_shared_host(&call) {
        return pages::stop::no_longer_exists().await;
    }
    let url = end(&call).then(|| call.org.settings().single_logout_url.clone()).flatten();
    let mut reply = pages::logout::show(url.as_deref());
    for name in names(&call) {
        reply = with_cookie(reply, &expired_cookie(&name));
    }
    reply
}

/// Whether there was a session. One on any of the org's hosts is one of the browser, which shares cookies between
/// ports.
fn end(call: &Call) -> bool {
    let (mut was, now) = (false, call.org.clock.now());
    for name in names(call) {
        let cookie = call.cookie(&name);
        call.org.auth(|auth| {
            was |= auth.browser_user(now, cookie).is_some();
            auth.browser_logout(cookie);
        });
    }
    was
}

fn names(call: &Call) -> Vec<String> {
    let origins = call.org.origins();
    [&origins.login, &origins.instance, &origins.moved_instance].map(|origin| COOKIE.at(origin)).to_vec()
}
