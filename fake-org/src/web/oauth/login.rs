//! The login form's other side, and the browser session it makes.

use super::authorize::finish;
use super::refusal::at_shared_host;
use super::request::AuthorizeRequest;
use crate::web::call::Call;
use crate::web::pages;
use crate::web::reply::{Reply, redirect, with_cookie};

/// The browser's login. Its name holds the port, because cookies do not keep ports apart and an app under test
/// is on the same host.
pub(super) struct LoginCookie;

pub(super) const COOKIE: LoginCookie = LoginCookie;

impl LoginCookie {
    pub(super) fn name(&self, call: &Call) -> String {
        self.at(&call.origin())
    }

    #[allow(clippy::unused_self, reason = "reads better at the place of use")]
    pub(super) fn at(&self, origin: &str) -> String {
        let port = origin.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        format!("fake_org_sid_{port}")
    }
}

pub(super) async fn submit(call: Call) -> Reply {
    let request = match AuthorizeRequest::read(&call, call.form_param("request").unwrap_or_default()) {
        Ok(request) => request,
        Err(problem) => return problem.reply(),
    };
    let username = call.form_param("username").unwrap_or_default();
    if at_shared_host(&call) && call.org.settings().my_domain_login_only {
        // The sentence is unverified.
        let sentence =
            "Your company requires you to log in at its own domain. Contact your Salesforce administrator.";
        return pages::login::show(&call.org, &request, Some((username, sentence)));
    }
    let password = call.form_param("pw").unwrap_or_default();
    match call.org.auth(|auth| auth.browser_login(username, password)) {
        Err(sentence) => pages::login::show(&call.org, &request, Some((username, sentence))),
        Ok(cookie) => {
            let now = call.org.clock.now();
            let user = call.org.auth(|auth| auth.browser_user(now, Some(&cookie)).cloned());
            let reply = match user {
                Some(user) if call.org.auto_approve => finish(&call, &request, &user, None).await,
                _ => redirect(
                    303,
                    &format!("{}/services/oauth2/authorize?{}", request.site, request.after_login()),
                ),
            };
            with_cookie(reply, &self::cookie(&call, &cookie))
        }
    }
}

/// The cookie of a new session.
pub(super) fn cookie(call: &Call, value: &str) -> String {
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax", COOKIE.name(call))
}

/// The end of a cookie.
pub(super) fn expired_cookie(name: &str) -> String {
    format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}
