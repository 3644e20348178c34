//! `/services/oauth2/introspect`: the only place an opaque token's remaining time shows.

use axum::http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::token::audiences;
use crate::auth::client::Credentials;
use crate::auth::grants::Family;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

pub(super) async fn introspect(http: HttpRequest) -> HttpResponse {
    let basic = http.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let client = Credentials::read(basic, |name| http.form_param(name));
    let now = http.org.clock.now();
    let (settings, audiences) = (http.org.settings(), audiences(&http));
    let checked = client
        .and_then(|client| client.check(now, &settings, &http.org.app, settings.secret_required, &audiences));
    if let Err(mut error) = checked {
        // 401 is documented, the body's shape is not (unverified).
        error.status = 401;
        error.error = "invalid_client".into();
        return http_response::oauth_error(&error);
    }
    let response = http
        .form_param("token")
        .and_then(|token| describe(&http, token))
        .unwrap_or_else(|| json!({ "active": false }));
    http_response::no_store(http_response::json(200, &response))
}

fn describe(http: &HttpRequest, token: &str) -> Option<Value> {
    let now = http.org.clock.now();
    let origin = http.origin();
    http.org.auth(|auth| {
        if let Some(session) = auth.live_session(now, token) {
            let user = auth.user(&session.user_id)?;
            return Some(json!({
                "active": true,
                "scope": session.scopes.shuffled(),
                "client_id": client_id(http, session.family.and_then(|number| auth.families.get(&number))),
                "username": user.username,
                "sub": user.identity_url(&origin),
                "token_type": "access_token",
                "iat": session.issued / 1_000,
                "nbf": session.issued / 1_000,
                "exp": session.expires() / 1_000,
            }));
        }
        let family = auth.live_family(token)?;
        let user = auth.user(&family.user_id)?;
        Some(json!({
            "active": true,
            "scope": family.scopes.shuffled(),
            "client_id": client_id(http, Some(family)),
            "username": user.username,
            "sub": user.identity_url(&origin),
            "token_type": "refresh_token",
            "iat": family.born / 1_000,
            "nbf": family.born / 1_000,
        }))
    })
}

/// The client id that tokens of this family were issued to.
fn client_id(http: &HttpRequest, family: Option<&Family>) -> String {
    let set = family.map(|family| family.set).unwrap_or_default();
    http.org.app.credentials(&http.org.settings(), set).client_id
}
