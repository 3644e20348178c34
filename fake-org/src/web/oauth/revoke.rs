//! `/services/oauth2/revoke`: GET or POST, no client authentication.

use crate::auth::error::OauthError;
use crate::web::call::Call;
use crate::web::format::{formatted_error, script_function};
use crate::web::reply::{self, Reply};

pub(super) async fn revoke(call: Call) -> Reply {
    let now = call.org.clock.now();
    let done = call.param("token").is_some_and(|token| call.org.auth(|auth| auth.revoke(now, token)));
    if !done {
        // Unlike RFC 7009, a token that is unknown or already revoked is an error.
        return formatted_error(&call, &OauthError::new("invalid_token", "invalid token"));
    }
    match script_function(&call) {
        Some(function) => reply::of(200, "text/javascript;charset=UTF-8", format!("{function}({{}});")),
        None => reply::no_store(reply::empty(200)),
    }
}
