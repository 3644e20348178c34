//! What identity and userinfo have in common: the check of the token, and the links of an org.

use serde_json::{Value, json};

use crate::auth::quirks::ApiAccess;
use crate::auth::sessions::Session;
use crate::user::User;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

/// Returns the user of the token, which may also come as the parameter `oauth_token`. Errors are 403 and a bare
/// word, not 401 and not JSON.
pub(super) fn caller(http: &HttpRequest) -> Result<(User, Session), Box<HttpResponse>> {
    let Some(token) =
        http.bearer().or_else(|| http.param("oauth_token")).or_else(|| http.param("access_token"))
    else {
        // The word is recalled from older documentation (unverified).
        return Err(Box::new(http_response::word(403, "Missing_OAuth_Token")));
    };
    let now = http.org.clock.now();
    let found = http.org.auth(|auth| auth.use_session(now, token));
    let found = found.filter(|_| http.org.settings().api_access != ApiAccess::IpLocked);
    match found {
        Some((user, session)) if session.scopes.identity() => Ok((user, session)),
        _ => Err(Box::new(http_response::word(403, "Bad_OAuth_Token"))),
    }
}

/// The `urls` member. Without `version` the links hold the literal text `{version}`.
pub(super) fn urls(instance: &str, user: &User, version: Option<&str>) -> Value {
    let v = version.unwrap_or("{version}");
    let org15 = user.organization_id.get(..15).unwrap_or(&user.organization_id);
    let data = format!("{instance}/services/data/v{v}");
    json!({
        "enterprise": format!("{instance}/services/Soap/c/{v}/{org15}"),
        "metadata": format!("{instance}/services/Soap/m/{v}/{org15}"),
        "partner": format!("{instance}/services/Soap/u/{v}/{org15}"),
        "rest": format!("{data}/"),
        "sobjects": format!("{data}/sobjects/"),
        "search": format!("{data}/search/"),
        "query": format!("{data}/query/"),
        "recent": format!("{data}/recent/"),
        "tooling_soap": format!("{instance}/services/Soap/T/{v}/{org15}"),
        "tooling_rest": format!("{data}/tooling/"),
        "profile": format!("{instance}/{}", user.id),
        "feeds": format!("{data}/chatter/feeds"),
        "groups": format!("{data}/chatter/groups"),
        "users": format!("{data}/chatter/users"),
        "feed_items": format!("{data}/chatter/feed-items"),
        "feed_elements": format!("{data}/chatter/feed-elements"),
        "custom_domain": instance,
    })
}

/// The `photos` member.
pub(super) fn photos(instance: &str) -> Value {
    json!({
        "picture": format!("{instance}/profilephoto/005/F"),
        "thumbnail": format!("{instance}/profilephoto/005/T"),
    })
}

/// Milliseconds, not seconds or minutes.
pub(super) const UTC_OFFSET: i64 = -28_800_000;
