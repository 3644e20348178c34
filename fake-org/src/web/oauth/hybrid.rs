//! Hybrid apps: sessions for the web beside the tokens (H: OAuth 2.0 Hybrid App Flow Cookie Management; MSDK).

use serde_json::{Map, Value, json};

use super::login::COOKIE;
use crate::auth::grants::Issued;
use crate::base::random;
use crate::state::Org;

/// The additional members of a hybrid flow's token response. `web` is required for any of it; every domain needs its own
/// own. Here all domains are the instance's host.
pub(super) fn members(org: &Org, issued: &Issued) -> Map<String, Value> {
    let mut response = Map::new();
    if !issued.scopes.web() {
        return response;
    }
    let (now, settings, origins) = (org.clock.now(), org.settings(), org.origins());
    let instance = origins.current_instance();
    let domain = instance.split("://").nth(1).unwrap_or_default();
    let children = org.auth(|auth| auth.open_children(now, &settings, issued));
    let mut put = |name: &str, value: String| {
        response.insert(name.to_owned(), json!(value));
    };
    put("sidCookieName", COOKIE.at(instance));
    // What these two hold is unverified.
    put("cookie-clientSrc", "127.0.0.1".into());
    put("cookie-sid_Client", random::plain(24));
    if let Some(sid) = children.content {
        put("content_domain", domain.to_owned());
        put("content_sid", sid);
    }
    if let Some(sid) = children.lightning {
        put("lightning_domain", domain.to_owned());
        put("lightning_sid", sid);
        put("csrf_token", random::plain(32));
    }
    if let Some(sid) = children.visualforce {
        put("visualforce_domain", domain.to_owned());
        put("visualforce_sid", sid);
    }
    // A JWT is no session id; that it comes with one only then is unverified.
    if let Some(sid) = children.parent {
        put("parent_sid", sid);
    }
    response
}
