//! `/services/oauth2/introspect`: the only place an opaque token's remaining time shows.

use axum::http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::answer::id_url;
use super::token::audiences;
use crate::auth::client::Credentials;
use crate::web::call::Call;
use crate::web::reply::{self, Reply};

pub(super) async fn introspect(call: Call) -> Reply {
    let basic = call.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let client = Credentials::read(basic, |name| call.form_param(name));
    let now = call.org.clock.now();
    let (settings, audiences) = (call.org.settings(), audiences(&call));
    let checked = client
        .and_then(|client| client.check(now, &settings, &call.org.app, settings.secret_required, &audiences));
    if let Err(mut error) = checked {
        // 401 is documented, the body's shape is not (unverified).
        error.status = 401;
        error.error = "invalid_client".into();
        return reply::oauth_error(&error);
    }
    let answer = call
        .form_param("token")
        .and_then(|token| describe(&call, token))
        .unwrap_or_else(|| json!({ "active": false }));
    reply::no_store(reply::json(200, &answer))
}

fn describe(call: &Call, token: &str) -> Option<Value> {
    let now = call.org.clock.now();
    let origin = call.origin();
    call.org.auth(|auth| {
        if let Some(session) = auth.live_session(now, token) {
            let user = auth.user(&session.user_id)?;
            return Some(json!({
                "active": true,
                "scope": session.scopes.shuffled(),
                "client_id": call.org.app.client_id,
                "username": user.username,
                "sub": id_url(&origin, user),
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
            "client_id": call.org.app.client_id,
            "username": user.username,
            "sub": id_url(&origin, user),
            "token_type": "refresh_token",
            "iat": family.born / 1_000,
            "nbf": family.born / 1_000,
        }))
    })
}
