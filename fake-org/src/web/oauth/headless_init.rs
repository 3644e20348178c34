//! What comes before a headless login: `/services/auth/headless/…` of a site sends one-time passwords (HEADLESS). What
//! would have been sent is at `/fake/messages`. Bodies are JSON (MSDK) or forms. reCAPTCHA is not asked for.

use serde_json::{Value, json};

use crate::auth::error::OauthError;
use crate::auth::headless::{Newcomer, Purpose, Via};
use crate::web::call::Call;
use crate::web::pages::stop::no_longer_exists;
use crate::web::reply::{self, Reply};

/// The members of a body.
struct Body<'a> {
    call: &'a Call,
    json: Value,
}

impl<'a> Body<'a> {
    fn of(call: &'a Call) -> Self {
        Self { call, json: serde_json::from_slice(&call.body).unwrap_or_default() }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let member = self.json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        member.or_else(|| self.call.form_param(name))
    }

    fn via(&self) -> Option<Via> {
        self.text("verificationmethod").and_then(Via::parse)
    }
}

/// The texts are unverified.
fn wrong(text: &str) -> Reply {
    reply::oauth_error(&OauthError::new("invalid_request", text))
}

/// `POST …/init/registration`: `{userdata:{firstName,lastName,email,username}, password, verificationmethod}`; MSDK has
/// the password in `userdata`. The user is made when the one-time password comes to authorize.
pub(super) async fn registration(call: Call) -> Reply {
    if call.site.is_empty() {
        return no_longer_exists().await;
    }
    let body = Body::of(&call);
    let member = |name: &str| body.json.get("userdata")?.get(name)?.as_str().filter(|text| !text.is_empty());
    let Some((username, email)) = member("username").zip(member("email")) else {
        return wrong("userdata must hold username and email");
    };
    let Some(via) = body.via() else { return wrong("invalid verificationmethod") };
    if call.org.auth(|auth| auth.user_by_name(username).is_some()) {
        return reply::oauth_error(&OauthError::new("registration_error", "username is taken"));
    }
    let owned = |name: &str| member(name).unwrap_or_default().to_owned();
    let newcomer = Newcomer {
        username: username.to_owned(),
        email: email.to_owned(),
        first_name: owned("firstName"),
        last_name: owned("lastName"),
        password: member("password").or_else(|| body.text("password")).map(str::to_owned),
    };
    let now = call.org.clock.now();
    let identifier = call.org.auth(|auth| auth.challenge(now, Purpose::Registration(newcomer), via, email));
    reply::no_store(reply::json(
        200,
        &json!({ "status": "success", "email": email, "identifier": identifier }),
    ))
}

/// `POST …/init/passwordless/login`: `{username, verificationmethod}`. Somebody unknown gets the same answer and no
/// message (unverified). The Mobile SDK reads `identifier`; the rest is unverified.
pub(super) async fn passwordless_login(call: Call) -> Reply {
    if call.site.is_empty() {
        return no_longer_exists().await;
    }
    let body = Body::of(&call);
    let Some(username) = body.text("username") else { return wrong("username is missing") };
    let Some(via) = body.via() else { return wrong("invalid verificationmethod") };
    let now = call.org.clock.now();
    let identifier = call.org.auth(|auth| {
        let user =
            auth.user_by_name(username).filter(|user| !user.guest && auth.is_active(&user.id)).cloned();
        match user {
            Some(user) => auth.challenge(now, Purpose::Login(user.id), via, &user.email),
            None => crate::base::random::plain(32),
        }
    });
    reply::no_store(reply::json(200, &json!({ "status": "success", "identifier": identifier })))
}

/// `POST …/forgot_password`: `{username}` sends a one-time password, `{username, otp, newpassword}` brings it back. The
/// answer to the second is unverified.
pub(super) async fn forgot_password(call: Call) -> Reply {
    if call.site.is_empty() {
        return no_longer_exists().await;
    }
    let body = Body::of(&call);
    let Some(username) = body.text("username") else { return wrong("username is missing") };
    let now = call.org.clock.now();
    let user = call.org.auth(|auth| auth.user_by_name(username).filter(|user| !user.guest).cloned());
    let Some((otp, password)) = body.text("otp").zip(body.text("newpassword")) else {
        if let Some(user) = user {
            let purpose = Purpose::Reset(user.id);
            call.org.auth(|auth| auth.challenge(now, purpose, Via::Email, &user.email));
        }
        return reply::no_store(reply::json(200, &json!({ "status_code": "otp_sent" })));
    };
    let reset =
        user.is_some_and(|user| call.org.auth(|auth| auth.reset_password(now, &user.id, otp, password)));
    if reset {
        reply::no_store(reply::json(200, &json!({ "status_code": "success" })))
    } else {
        reply::oauth_error(&OauthError::new("invalid_otp", "invalid one-time password"))
    }
}
