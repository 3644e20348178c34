//! The Authorization Code and Credentials flow: a site's own form in place of Salesforce's pages (HEADLESS).

use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::authorize::finish;
use super::request::AuthorizeRequest;
use crate::auth::error::OauthError;
use crate::web::call::Call;
use crate::web::reply::Reply;

/// The `response_type` of the flow.
pub(super) const RESPONSE_TYPE: &str = "code_credentials";

/// Whether it is one: sent to a site, as a POST with the kind of its user.
pub(super) fn is_one(call: &Call) -> bool {
    !call.site.is_empty() && call.headers.contains_key("auth-request-type")
}

/// Username and password come as `Authorization: Basic`, the answer is the redirect with the code. Only
/// `Auth-Request-Type: Named-User` is emulated; the errors' words are unverified.
pub(super) fn authorize(call: &Call) -> Reply {
    let body = String::from_utf8_lossy(&call.body);
    let request = match AuthorizeRequest::read_of(call, &body, RESPONSE_TYPE) {
        Ok(request) => request,
        Err(problem) => return problem.reply(),
    };
    let kind = call.headers.get("auth-request-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.eq_ignore_ascii_case("Named-User") {
        return request.deny(OauthError::new("invalid_request", "auth request type not supported")).reply();
    }
    let Some((username, password)) = credentials(call) else {
        return request
            .deny(OauthError::new("invalid_basic_auth_header", "invalid basic auth header"))
            .reply();
    };
    match call.org.auth(|auth| auth.check_password(&username, &password).cloned()) {
        Ok(user) => finish(&call.org, &request, &user),
        Err(_) => request.deny(OauthError::invalid_grant("authentication failure")).reply(),
    }
}

fn credentials(call: &Call) -> Option<(String, String)> {
    let header = call.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let encoded =
        header.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic ")).and(header.get(6..))?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}
