//! `/services/oauth2/revoke`: GET or POST, no client authentication.

use crate::auth::error::OauthError;
use crate::web::format::{formatted_error, script_function};
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

pub(super) async fn revoke(http: HttpRequest) -> HttpResponse {
    let now = http.org.clock.now();
    let done = http.param("token").is_some_and(|token| http.org.auth(|auth| auth.revoke(now, token)));
    if !done {
        // Unlike RFC 7009, a token that is unknown or already revoked is an error.
        return formatted_error(&http, &OauthError::new("invalid_token", "invalid token"));
    }
    match script_function(&http) {
        Some(function) => {
            http_response::of(200, "text/javascript;charset=UTF-8", format!("{function}({{}});"))
        }
        None => http_response::no_store(http_response::empty(200)),
    }
}
