//! `/fake/users` and what is done to one user.

use serde_json::{Value, json};

use super::super::http_request::HttpRequest;
use super::super::http_response::{self, HttpResponse};
use super::super::issue_tokens;
use super::{done, object, wrong};
use crate::user::User;

const EXPECTED: &str = "expected {\"username\":…}";

/// The username that the body names.
fn username(http: &HttpRequest) -> Option<String> {
    Some(object(http)?.get("username")?.as_str()?.to_owned())
}

/// The existing user that the body names.
fn existing(http: &HttpRequest) -> Result<User, &'static str> {
    let name = username(http).ok_or(EXPECTED)?;
    http.org.auth(|auth| auth.user_by_name(&name).cloned()).ok_or("no such user")
}

/// All users, in the order they were created.
pub(super) async fn list(http: HttpRequest) -> HttpResponse {
    shown(&http.org.auth(|auth| auth.users.clone()))
}

/// `{"username":…}`: the user of that name; created if missing.
pub(super) async fn find_or_create(http: HttpRequest) -> HttpResponse {
    let Some(name) = username(&http) else { return wrong(EXPECTED) };
    shown(&http.org.user_or_new(&name))
}

fn shown(users: &impl serde::Serialize) -> HttpResponse {
    match serde_json::to_value(users) {
        Ok(users) => http_response::json(200, &users),
        Err(error) => wrong(&error.to_string()),
    }
}

/// `{"username":…,"profile":…,"user_type":…,"custom_permissions":[…],"permission_sets":[…]}`; what is not named stays.
pub(super) async fn set_access(http: HttpRequest) -> HttpResponse {
    let access = serde_json::from_slice(&http.body).map_err(|error| error.to_string());
    match access.and_then(|access| http.org.set_user_access(&access)) {
        Ok(()) => done(),
        Err(problem) => wrong(&problem),
    }
}

pub(super) async fn activate(http: HttpRequest) -> HttpResponse {
    set_active(&http, true)
}

pub(super) async fn deactivate(http: HttpRequest) -> HttpResponse {
    set_active(&http, false)
}

fn set_active(http: &HttpRequest, active: bool) -> HttpResponse {
    match existing(http) {
        Ok(user) => {
            http.org.auth(|auth| auth.set_active(&user.id, active));
            done()
        }
        Err(message) => wrong(message),
    }
}

/// `{"username":…,"scopes":…}`: tokens as the token endpoint returns them.
pub(super) async fn issue(http: HttpRequest) -> HttpResponse {
    let body = object(&http).unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let Some((name, scopes)) = member("username").zip(member("scopes")) else {
        return wrong("expected {\"username\":…,\"scopes\":…}");
    };
    let (org, name, scopes) = (std::sync::Arc::clone(&http.org), name.to_owned(), scopes.to_owned());
    // Signing keys take a moment to make, and that must not hold up other connections.
    let work = tokio::task::spawn_blocking(move || issue_tokens(&org, &org.user_or_new(&name), &scopes));
    match work.await {
        Ok(tokens) => shown(&tokens),
        Err(_) => http_response::empty(500),
    }
}

/// `{"username":…}`: the tokens of that user that work.
pub(super) async fn live_tokens(http: HttpRequest) -> HttpResponse {
    let user = match existing(&http) {
        Ok(user) => user,
        Err(message) => return wrong(message),
    };
    let now = http.org.clock.now();
    let (access, refresh) =
        http.org.auth(|auth| (auth.live_access_tokens(now, &user.id), auth.live_refresh_tokens(&user.id)));
    http_response::json(200, &json!({ "access": access, "refresh": refresh }))
}
