//! What comes before a headless login: `/services/auth/headless/…` of a site sends one-time passwords (HEADLESS). What
//! would have been sent is at `/fake/messages`. Bodies are JSON (MSDK) or forms. reCAPTCHA is not asked for.

use serde_json::{Value, json};

use crate::auth::error::OauthError;
use crate::auth::headless::{NewUser, Purpose, Via};
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};
use crate::web::pages::error_page::no_longer_exists;

/// The members of a body.
struct Body<'a> {
    http: &'a HttpRequest,
    json: Value,
}

impl<'a> Body<'a> {
    fn of(http: &'a HttpRequest) -> Self {
        Self { http, json: serde_json::from_slice(&http.body).unwrap_or_default() }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let member = self.json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        member.or_else(|| self.http.form_param(name))
    }

    fn via(&self) -> Option<Via> {
        self.text("verificationmethod").and_then(Via::parse)
    }
}

/// The texts are unverified.
fn wrong(text: &str) -> HttpResponse {
    http_response::oauth_error(&OauthError::new("invalid_request", text))
}

/// `POST …/init/registration`: `{userdata:{firstName,lastName,email,username}, password, verificationmethod}`; MSDK has
/// the password in `userdata`. The user is made when the one-time password comes to authorize.
pub(super) async fn registration(http: HttpRequest) -> HttpResponse {
    if http.site.is_empty() {
        return no_longer_exists().await;
    }
    let body = Body::of(&http);
    let member = |name: &str| body.json.get("userdata")?.get(name)?.as_str().filter(|text| !text.is_empty());
    let Some((username, email)) = member("username").zip(member("email")) else {
        return wrong("userdata must hold username and email");
    };
    let Some(via) = body.via() else { return wrong("invalid verificationmethod") };
    if http.org.auth(|auth| auth.user_by_name(username).is_some()) {
        return http_response::oauth_error(&OauthError::new("registration_error", "username is taken"));
    }
    let owned = |name: &str| member(name).unwrap_or_default().to_owned();
    let new_user = NewUser {
        username: username.to_owned(),
        email: email.to_owned(),
        first_name: owned("firstName"),
        last_name: owned("lastName"),
        password: member("password").or_else(|| body.text("password")).map(str::to_owned),
    };
    let now = http.org.clock.now();
    let identifier = http.org.auth(|auth| auth.challenge(now, Purpose::Registration(new_user), via, email));
    http_response::no_store(http_response::json(
        200,
        &json!({ "status": "success", "email": email, "identifier": identifier }),
    ))
}

/// `POST …/init/passwordless/login`: `{username, verificationmethod}`. An unknown user gets the same response and no
/// message (unverified). The Mobile SDK reads `identifier`; the rest is unverified.
pub(super) async fn passwordless_login(http: HttpRequest) -> HttpResponse {
    if http.site.is_empty() {
        return no_longer_exists().await;
    }
    let body = Body::of(&http);
    let Some(username) = body.text("username") else { return wrong("username is missing") };
    let Some(via) = body.via() else { return wrong("invalid verificationmethod") };
    let now = http.org.clock.now();
    let identifier = http.org.auth(|auth| {
        let user =
            auth.user_by_name(username).filter(|user| !user.guest && auth.is_active(&user.id)).cloned();
        match user {
            Some(user) => auth.challenge(now, Purpose::Login(user.id), via, &user.email),
            None => crate::base::random::plain(32),
        }
    });
    http_response::no_store(http_response::json(
        200,
        &json!({ "status": "success", "identifier": identifier }),
    ))
}

/// `POST …/forgot_password`: `{username}` sends a one-time password, `{username, otp, newpassword}` brings it back. The
/// response to the second is unverified.
pub(super) async fn forgot_password(http: HttpRequest) -> HttpResponse {
    if http.site.is_empty() {
        return no_longer_exists().await;
    }
    let body = Body::of(&http);
    let Some(username) = body.text("username") else { return wrong("username is missing") };
    let now = http.org.clock.now();
    let user = http.org.auth(|auth| auth.user_by_name(username).filter(|user| !user.guest).cloned());
    let Some((otp, password)) = body.text("otp").zip(body.text("newpassword")) else {
        if let Some(user) = user {
            let purpose = Purpose::Reset(user.id);
            http.org.auth(|auth| auth.challenge(now, purpose, Via::Email, &user.email));
        }
        return http_response::no_store(http_response::json(200, &json!({ "status_code": "otp_sent" })));
    };
    let reset =
        user.is_some_and(|user| http.org.auth(|auth| auth.reset_password(now, &user.id, otp, password)));
    if reset {
        http_response::no_store(http_response::json(200, &json!({ "status_code": "success" })))
    } else {
        http_response::oauth_error(&OauthError::new("invalid_otp", "invalid one-time password"))
    }
}
