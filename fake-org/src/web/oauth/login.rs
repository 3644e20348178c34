//! The login form's other side, and the browser session it makes.

use super::admission::at_shared_host;
use super::authorize::finish;
use super::authorize_request::AuthorizeRequest;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{HttpResponse, redirect, with_cookie};

/// The browser's login. Its name holds the port, because cookies do not keep ports apart and an app under test
/// is on the same host.
pub(super) struct LoginCookie;

pub(super) const COOKIE: LoginCookie = LoginCookie;

impl LoginCookie {
    pub(super) fn name(&self, http: &HttpRequest) -> String {
        self.at(&http.origin())
    }

    #[allow(clippy::unused_self, reason = "reads better at the place of use")]
    pub(super) fn at(&self, origin: &str) -> String {
        let port = origin.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        format!("fake_org_sid_{port}")
    }
}

pub(super) async fn submit(http: HttpRequest) -> HttpResponse {
    let request = match AuthorizeRequest::read(&http, http.form_param("request").unwrap_or_default()) {
        Ok(request) => request,
        Err(problem) => return problem.response(),
    };
    let username = http.form_param("username").unwrap_or_default();
    if at_shared_host(&http) && http.org.settings().my_domain_login_only {
        // The sentence is unverified.
        let sentence =
            "Your company requires you to log in at its own domain. Contact your Salesforce administrator.";
        return request.login_form(&http.org, Some((username, sentence)));
    }
    let password = http.form_param("pw").unwrap_or_default();
    match http.org.auth(|auth| auth.browser_login(username, password)) {
        Err(sentence) => request.login_form(&http.org, Some((username, sentence))),
        Ok(cookie) => {
            let now = http.org.clock.now();
            let user = http.org.auth(|auth| auth.browser_user(now, Some(&cookie)).cloned());
            let response = match user {
                Some(user) if http.org.auto_approve => finish(&http, &request, &user, None).await,
                _ => redirect(
                    303,
                    &format!("{}/services/oauth2/authorize?{}", request.site, request.after_login()),
                ),
            };
            with_cookie(response, &self::cookie(&http, &cookie))
        }
    }
}

/// The cookie of a new session.
pub(super) fn cookie(http: &HttpRequest, value: &str) -> String {
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax", COOKIE.name(http))
}

/// The end of a cookie.
pub(super) fn expired_cookie(name: &str) -> String {
    format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}
