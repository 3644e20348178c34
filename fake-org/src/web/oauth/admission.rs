//! Why an app, or anybody, is not let in: what the org and its hosts refuse before they look at anything else.

use crate::auth::error::OauthError;
use crate::auth::settings::{AppState, Settings};
use crate::request::Host;
use crate::web::http_request::HttpRequest;

/// Why the org does not let the app in.
pub(super) fn login_blocked(settings: &Settings) -> Option<OauthError> {
    if settings.org_locked {
        return Some(OauthError::locked_org());
    }
    match settings.app_state {
        AppState::Installed | AppState::Failing => None,
        AppState::Uninstalled => Some(OauthError::new("invalid_client", "app must be installed into org")),
        AppState::Blocked => Some(OauthError::new("OAUTH_APP_BLOCKED", "this app is blocked by admin")),
    }
}

/// Whether the call came in at the host that all orgs share, neither a My Domain nor a site.
pub(super) fn at_shared_host(http: &HttpRequest) -> bool {
    http.host == Host::Login && http.site.is_empty()
}
