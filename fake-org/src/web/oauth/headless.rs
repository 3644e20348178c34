//! The Authorization Code and Credentials flow: a site's own form in place of Salesforce's pages (HEADLESS).

use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::authorize::finish;
use super::request::{AuthorizeRequest, ResponseType};
use crate::auth::error::OauthError;
use crate::auth::headless::{Purpose, Via};
use crate::auth::users::User;
use crate::web::call::Call;
use crate::web::reply::Reply;

/// Whether it is one: sent to a site, as a POST with the kind of its user.
pub(super) fn is_one(call: &Call) -> bool {
    !call.site.is_empty() && call.headers.contains_key("auth-request-type")
}

/// The answer is the redirect with the code. Which words refuse is unverified, but for those of guests.
pub(super) async fn authorize(call: &Call) -> Reply {
    let body = String::from_utf8_lossy(&call.body);
    let request = match AuthorizeRequest::read_of(call, &body, |kind| kind == ResponseType::CodeCredentials) {
        Ok(request) => request,
        Err(problem) => return problem.reply(),
    };
    let kind = call.header("auth-request-type").unwrap_or_default().to_ascii_lowercase();
    let found = match kind.as_str() {
        "named-user" => named_user(call).map(|user| (user, None)),
        "passwordless-login" | "user-registration" => one_time(call, &kind).map(|user| (user, None)),
        "guest" => guest(call).map(|(user, visitor)| (user, Some(visitor))),
        // As an org was seen to say of another word.
        _ => Err(OauthError::new("invalid_request", "invalid headers")),
    };
    match found {
        Ok((user, visitor)) => finish(call, &request, &user, visitor).await,
        Err(refusal) => request.deny(refusal).reply(),
    }
}

/// Username and password, as `Authorization: Basic` or in the body.
fn named_user(call: &Call) -> Result<User, OauthError> {
    let in_body = call.form_param("username").zip(call.form_param("password"));
    let (username, password) = match in_body {
        Some((username, password)) => (username.to_owned(), password.to_owned()),
        None if call.org.settings().code_credentials_post_only => return Err(bad_header()),
        None => basic(call).ok_or_else(bad_header)?,
    };
    let found = call.org.auth(|auth| auth.check_password(&username, &password).cloned());
    found.map_err(|_| OauthError::invalid_grant("authentication failure"))
}

/// An identifier that the init endpoints gave, and the one-time password that was sent, as `Authorization: Basic`.
fn one_time(call: &Call, kind: &str) -> Result<User, OauthError> {
    let via = call.header("auth-verification-type").and_then(Via::parse);
    let Some(via) = via else { return Err(OauthError::new("invalid_request", "invalid headers")) };
    let (identifier, otp) = basic(call).ok_or_else(bad_header)?;
    let now = call.org.clock.now();
    let wrong = || OauthError::new("invalid_otp", "invalid one-time password");
    let purpose = call.org.auth(|auth| auth.answer_challenge(now, &identifier, &otp, Some(via)));
    match purpose.ok_or_else(wrong)? {
        Purpose::Login(id) if kind == "passwordless-login" => {
            call.org.auth(|auth| auth.user(&id).cloned()).ok_or_else(wrong)
        }
        Purpose::Registration(newcomer) if kind == "user-registration" => {
            let taken = || OauthError::new("registration_error", "username is taken");
            call.org.register(&newcomer).ok_or_else(taken)
        }
        _ => Err(wrong()),
    }
}

/// The site's guest user, who stands for a visitor: `Uvid-Hint: UVID <uuid>`, or `JWT <access token>` of that visitor,
/// in the header or as `uvid_hint` in the body (live-checked notes of a storefront).
fn guest(call: &Call) -> Result<(User, String), OauthError> {
    let hint = call.header("uvid-hint").or_else(|| call.form_param("uvid_hint")).unwrap_or_default();
    let visitor = match hint.split_once(' ') {
        Some(("UVID", uvid)) if is_uuid_v4(uvid) => Some(uvid.to_owned()),
        Some(("JWT", token)) => {
            let now = call.org.clock.now();
            call.org.auth(|auth| auth.live_session(now, token).and_then(|session| session.visitor.clone()))
        }
        _ => None,
    };
    let visitor = visitor.ok_or_else(OauthError::wrong_visitor)?;
    Ok((call.org.guest(&call.site), visitor))
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

fn basic(call: &Call) -> Option<(String, String)> {
    let header = call.headers.get(AUTHORIZATION)?.to_str().ok()?;
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
