//! Pages the browser does not come back from.

use super::{EMBLEM, layout};
use crate::auth::error::OauthError;
use crate::web::html::escape;
use crate::web::http_response::{HttpResponse, html};

/// A client id or redirect URI that cannot be trusted: said here, not at the callback.
pub(crate) fn oauth_error(error: &OauthError) -> HttpResponse {
    let content = format!(
        "<main>{EMBLEM}<div class=\"card\"><h1>OAuth Error</h1>\
         <p class=\"problem\" role=\"alert\">error={}&amp;error_description={}</p>\
         <p class=\"hint\">The app that sent you here asked for something this org does not know, so you cannot be \
         sent back to it.</p></div></main>",
        escape(&error.error),
        escape(&error.description)
    );
    // The status is unverified.
    html(400, layout("OAuth Error", "narrow", &content))
}

/// Where the user-agent flow ends for apps without a callback: the tokens are in the address.
pub(crate) fn success() -> HttpResponse {
    let content = format!(
        "<main>{EMBLEM}<div class=\"card\"><h1>Access allowed</h1>\
         <p>You can go back to the app now.</p></div></main>"
    );
    html(200, layout("Access allowed", "narrow", &content))
}

/// Unknown paths outside the APIs.
pub(crate) async fn no_longer_exists() -> HttpResponse {
    let content = format!(
        "<main>{EMBLEM}<div class=\"card\"><h1>URL No Longer Exists</h1>\
         <p>You have attempted to reach a URL that no longer exists.</p>\
         <p><a href=\"/\">What this org has</a></p></div></main>"
    );
    html(404, layout("URL No Longer Exists", "narrow", &content))
}
