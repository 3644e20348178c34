//! From a token to a browser session: `singleaccess` and `frontdoor.jsp`.

use serde_json::json;

use super::login::cookie;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse, with_cookie};

/// `/services/oauth2/singleaccess`: a link that logs a browser in, once and soon. Refusals are 403 and a bare word
/// (sfdx-core; H: Generate a frontdoor.jsp URL).
pub(super) async fn single_access(http: HttpRequest) -> HttpResponse {
    let now = http.org.clock.now();
    let token = http.bearer().or_else(|| http.param("access_token")).unwrap_or_default();
    let Some((user, session)) = http.org.auth(|auth| auth.use_session(now, token)) else {
        return http_response::word(403, "Bad_OAuth_Token");
    };
    if !session.scopes.web() {
        return http_response::word(403, "Invalid_Scope");
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("otp", &http.org.auth(|auth| auth.issue_otp(now, &user.id)));
    // The names of the parameters are unverified.
    query.append_pair("startURL", relative(http.param("redirect_uri")));
    let uri = format!("{}/secur/frontdoor.jsp?{}", http.org.origins().current_instance(), query.finish());
    http_response::no_store(http_response::json(200, &json!({ "frontdoor_uri": uri })))
}

/// `/secur/frontdoor.jsp`: with a one-time password, or with an access token as `sid`. A JWT is no `sid` (unverified).
pub(super) async fn front_door(http: HttpRequest) -> HttpResponse {
    let now = http.org.clock.now();
    let target = relative(http.param("startURL").or_else(|| http.param("retURL"))).to_owned();
    let user_id = match (http.param("otp"), http.param("sid")) {
        (Some(otp), _) => http.org.auth(|auth| auth.take_otp(now, otp)),
        (None, Some(sid)) if sid.contains('!') => {
            let found = http.org.auth(|auth| auth.use_session(now, sid));
            found.filter(|(_, session)| session.scopes.pages()).map(|(user, _)| user.id)
        }
        _ => None,
    };
    match user_id {
        Some(user_id) => {
            let value = http.org.auth(|auth| auth.browser_session(&user_id));
            with_cookie(http_response::redirect(302, &target), &cookie(&http, &value))
        }
        // Logged out, as on a second visit: `ec=302` is what Salesforce's login page is sent.
        None => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("ec", "302").append_pair("startURL", &target);
            http_response::redirect(302, &format!("/?{}", query.finish()))
        }
    }
}

/// Returns a path of this host, else its root: redirects to other hosts are refused.
fn relative(target: Option<&str>) -> &str {
    let here = |path: &&str| path.starts_with('/') && !path[1..].starts_with(['/', '\\']);
    target.filter(here).unwrap_or("/")
}
