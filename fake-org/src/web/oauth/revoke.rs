//! `/services/oauth2/revoke`: GET or POST, no client authentication.

use crate::auth::error::OauthError;
use crate::web::call::Call;
use crate::web::reply::{self, Reply};

pub(super) async fn revoke(call: Call) -> Reply {
    let now = call.org.clock.now();
    let done = call.param("token").is_some_and(|token| call.org.auth(|auth| auth.revoke(now, token)));
    if !done {
        // Unlike RFC 7009, a token that is unknown or already revoked is an error.
        return reply::oauth_error(&OauthError::new("invalid_token", "invalid token"));
    }
    match call.param("callback") {
        Some(function) if function.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.$".contains(&c)) => {
            reply::of(200, "text/javascript;charset=UTF-8", format!("{function}({{}});"))
        }
        _ => reply::no_store(reply::empty(200)),
    }
}
