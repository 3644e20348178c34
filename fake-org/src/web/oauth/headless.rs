//! The Authorization Code and Credentials flow: a site's own form in place of Salesforce's pages (HEADLESS).

use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::authorize::finish;
use super::authorize_request::{AuthorizeRequest, ResponseType};
use crate::auth::error::OauthError;
use crate::auth::headless::{Purpose, Via};
use crate::user::User;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::HttpResponse;

/// Whether it is one: sent to a site, as a POST with the kind of its user.
pub(super) fn is_one(http: &HttpRequest) -> bool {
    !http.site.is_empty() && http.headers.contains_key("auth-request-type")
}

/// The response is the redirect with the code. The error texts are unverified, except those for guests.
pub(super) async fn authorize(http: &HttpRequest) -> HttpResponse {
    let body = String::from_utf8_lossy(&http.body);
    let request = match AuthorizeRequest::read_of(http, &body, |kind| kind == ResponseType::CodeCredentials) {
        Ok(request) => request,
        Err(problem) => return problem.response(),
    };
    let kind = http.header("auth-request-type").unwrap_or_default().to_ascii_lowercase();
    let found = match kind.as_str() {
        "named-user" => named_user(http).map(|user| (user, None)),
        "passwordless-login" | "user-registration" => one_time(http, &kind).map(|user| (user, None)),
        "guest" => guest(http).map(|(user, visitor)| (user, Some(visitor))),
        // As an org was seen to say of another word.
        _ => Err(OauthError::new("invalid_request", "invalid headers")),
    };
    match found {
        Ok((user, visitor)) => finish(http, &request, &user, visitor).await,
        Err(refusal) => request.deny(refusal).response(),
    }
}

/// Username and password, as `Authorization: Basic` or in the body.
fn named_user(http: &HttpRequest) -> Result<User, OauthError> {
    let in_body = http.form_param("username").zip(http.form_param("password"));
    let (username, password) = match in_body {
        Some((username, password)) => (username.to_owned(), password.to_owned()),
        None if http.org.settings().code_credentials_post_only => return Err(bad_header()),
        None => basic(http).ok_or_else(bad_header)?,
    };
    let found = http.org.auth(|auth| auth.check_password(&username, &password).cloned());
    found.map_err(|_| OauthError::invalid_grant("authentication failure"))
}

/// An identifier that the init endpoints gave, and the one-time password that was sent, as `Authorization: Basic`.
fn one_time(http: &HttpRequest, kind: &str) -> Result<User, OauthError> {
    let via = http.header("auth-verification-type").and_then(Via::parse);
    let Some(via) = via else { return Err(OauthError::new("invalid_request", "invalid headers")) };
    let (identifier, otp) = basic(http).ok_or_else(bad_header)?;
    let now = http.org.clock.now();
    let wrong = || OauthError::new("invalid_otp", "invalid one-time password");
    let purpose = http.org.auth(|auth| auth.verify_challenge(now, &identifier, &otp, Some(via)));
    match purpose.ok_or_else(wrong)? {
        Purpose::Login(id) if kind == "passwordless-login" => {
            http.org.auth(|auth| auth.user(&id).cloned()).ok_or_else(wrong)
        }
        Purpose::Registration(new_user) if kind == "user-registration" => {
            let taken = || OauthError::new("registration_error", "username is taken");
            http.org.register(&new_user).ok_or_else(taken)
        }
        _ => Err(wrong()),
    }
}

/// The site's guest user, who stands for a visitor: `Uvid-Hint: UVID <uuid>`, or `JWT <access token>` of that visitor,
/// in the header or as `uvid_hint` in the body (live-checked notes of a storefront).
fn guest(http: &HttpRequest) -> Result<(User, String), OauthError> {
    let hint = http.header("uvid-hint").or_else(|| http.form_param("uvid_hint")).unwrap_or_default();
    let visitor = match hint.split_once(' ') {
        Some(("UVID", uvid)) if is_uuid_v4(uvid) => Some(uvid.to_owned()),
        Some(("JWT", token)) => {
            let now = http.org.clock.now();
            http.org.auth(|auth| auth.live_session(now, token).and_then(|session| session.visitor.clone()))
        }
        _ => None,
    };
    let visitor = visitor.ok_or_else(OauthError::wrong_visitor)?;
    Ok((http.org.guest(&http.site), visitor))
}

/// `xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx` (RFC 9562 section 5.4).
fn is_uuid_v4(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, c)| match place {
            8 | 13 | 18 | 23 => c == b'-',
            14 => c == b'4',
            19 => matches!(c.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
            _ => c.is_ascii_hexdigit(),
        })
}

fn bad_header() -> OauthError {
    OauthError::new("invalid_basic_auth_header", "invalid basic auth header")
}

fn basic(http: &HttpRequest) -> Option<(String, String)> {
    let header = http.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let encoded =
        header.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic ")).and(header.get(6..))?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::is_uuid_v4;

    #[test]
    fn visitors_are_random_uuids() {
        assert!(is_uuid_v4("7b9f3c2e-5d41-4a6b-9c8d-0123456789AB"));
        for wrong in [
            "",
            "7b9f3c2e-5d41-1a6b-9c8d-0123456789ab",
            "7b9f3c2e-5d41-4a6b-7c8d-0123456789ab",
            "7b9f3c2e5d414a6b9c8d0123456789ab",
            "7b9f3c2e-5d41-4a6b-9c8d-0123456789ag",
        ] {
            assert!(!is_uuid_v4(wrong), "{wrong}");
        }
    }
}
