//! From a token to a browser session: `singleaccess` and `frontdoor.jsp`.

use serde_json::json;

use super::login::cookie;
use crate::web::call::Call;
use crate::web::reply::{self, Reply, with_cookie};

/// `/services/oauth2/singleaccess`: a link that logs a browser in, once and soon. Refusals are 403 and a bare word
/// (sfdx-core; H: Generate a frontdoor.jsp URL).
pub(super) async fn single_access(call: Call) -> Reply {
    let now = call.org.clock.now();
    let token = call.bearer().or_else(|| call.param("access_token")).unwrap_or_default();
    let Some((user, session)) = call.org.auth(|auth| auth.use_session(now, token)) else {
        return reply::word(403, "Bad_OAuth_Token");
    };
    if !session.scopes.web() {
        return reply::word(403, "Invalid_Scope");
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("otp", &call.org.auth(|auth| auth.issue_otp(now, &user.id)));
    // The names of the parameters are unverified.
    query.append_pair("startURL", relative(call.param("redirect_uri")));
    let uri = format!("{}/secur/frontdoor.jsp?{}", call.org.origins().current_instance(), query.finish());
    reply::no_store(reply::json(200, &json!({ "frontdoor_uri": uri })))
}

/// `/secur/frontdoor.jsp`: with a one-time password, or with an access token as `sid`. A JWT is no `sid` (unverified).
pub(super) async fn front_door(call: Call) -> Reply {
    let now = call.org.clock.now();
    let target = relative(call.param("startURL").or_else(|| call.param("retURL"))).to_owned();
    let user_id = match (call.param("otp"), call.param("sid")) {
        (Some(otp), _) => call.org.auth(|auth| auth.take_otp(now, otp)),
        (None, Some(sid)) if sid.contains('!') => {
            let found = call.org.auth(|auth| auth.use_session(now, sid));
            found.filter(|(_, session)| session.scopes.pages()).map(|(user, _)| user.id)
        }
        _ => None,
    };
    match user_id {
        Some(user_id) => {
            let value = call.org.auth(|auth| auth.browser_session(&user_id));
            with_cookie(reply::redirect(302, &target), &cookie(&call, &value))
        }
        // Logged out, as on a second visit: `ec=302` is what Salesforce's login page is sent.
        None => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("ec", "302").append_pair("startURL", &target);
            reply::redirect(302, &format!("/?{}", query.finish()))
        }
    }
}

/// A path of this host, or its root: nobody is sent elsewhere.
fn relative(target: Option<&str>) -> &str {
    let here = |path: &&str| path.starts_with('/') && !path[1..].starts_with(['/', '\\']);
    target.filter(here).unwrap_or("/")
}
