//! Why a login is blocked: what the org and its hosts check before anything else.

use crate::auth::error::OauthError;
use crate::auth::settings::{AppState, Settings};
use crate::request::Host;
use crate::web::http_request::HttpRequest;

/// Returns the reason why the org blocks logins of the app.
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

/// Whether the request came in at the host that all orgs share, not a My Domain or a site.
pub(super) fn at_shared_host(http: &HttpRequest) -> bool {
    http.host == Host::Login && http.site.is_empty()
}
