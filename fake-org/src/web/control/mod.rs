//! `/fake/…`: what a test in any language needs to drive the org.

mod call;
mod outbound;
mod policy;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::http_request::HttpRequest;
use super::http_response::{self, HttpResponse};
use super::pages::rows;
use crate::base::clock::{moment, zulu};
use crate::data::parse_datetime;
use crate::fault::Rule;
use crate::state::Org;

pub(super) fn routes() -> Router<Arc<Org>> {
    Router::new()
        .route("/fake/expire-access-tokens", post(expire))
        .route("/fake/revoke-all", post(revoke_all))
        .route("/fake/faults", get(armed).post(arm).delete(clear))
        .route("/fake/requests", get(requests).delete(forget))
        .route("/fake/counters", get(counters))
        .route("/fake/reset", post(reset))
        .route("/fake/sign-in", post(sign_in))
        .route("/fake/sign-out", post(sign_out))
        .route("/fake/advance", post(advance))
        .route("/fake/clock", get(clock).post(set_clock))
        .route("/fake/rows/{object}", get(rows::show))
        .route("/fake/move-instance", post(move_instance))
        .route("/fake/rotate-signing-key", post(rotate))
        .route("/fake/lock-rows", post(lock_rows))
        .route("/fake/policy", get(policy::show).post(policy::change))
        .route("/fake/messages", get(messages))
        .route("/fake/org", get(facts))
        .route("/fake/users", get(users::list).post(users::find_or_create))
        .route("/fake/user-access", post(users::set_access))
        .route("/fake/activate-user", post(users::activate))
        .route("/fake/deactivate-user", post(users::deactivate))
        .route("/fake/issue-tokens", post(users::issue))
        .route("/fake/live-tokens", post(users::live_tokens))
        .route("/fake/close-cursors", post(close_cursors))
        .route("/fake/sign-id-token", post(sign_id_token))
        .route("/fake/call", post(call::sign))
        .route("/fake/outbound-messages", get(outbound::waiting).post(outbound::queue))
        .route("/fake/outbound-messages/deliver", post(outbound::deliver))
}

fn done() -> HttpResponse {
    http_response::json(200, &json!({ "ok": true }))
}

fn wrong(message: &str) -> HttpResponse {
    http_response::json(400, &json!({ "ok": false, "error": message }))
}

/// Of one user with `{"username":…}`, else of all.
async fn expire(http: HttpRequest) -> HttpResponse {
    match of_user(&http) {
        Ok(id) => {
            let mine = |user: &str| id.as_ref().is_none_or(|id| id == user);
            http.org.auth(|auth| auth.end_sessions(|session| mine(&session.user_id)));
            done()
        }
        Err(message) => wrong(message),
    }
}

/// Of one user with `{"username":…}`, else of all.
async fn revoke_all(http: HttpRequest) -> HttpResponse {
    match of_user(&http) {
        Ok(id) => {
            http.org.auth(|auth| auth.revoke_all(id.as_deref()));
            done()
        }
        Err(message) => wrong(message),
    }
}

/// The id of the user that the body names; `None` for all users.
fn of_user(http: &HttpRequest) -> Result<Option<String>, &'static str> {
    let name = object(http).and_then(|body| Some(body.get("username")?.as_str()?.to_owned()));
    let Some(name) = name else { return Ok(None) };
    let found = http.org.auth(|auth| auth.user_by_name(&name).map(|user| user.id.clone()));
    found.map(Some).ok_or("no such user")
}

/// What an app and a test must know of the org.
async fn facts(http: HttpRequest) -> HttpResponse {
    let (origins, app) = (http.org.origins(), &http.org.app);
    let variables: serde_json::Map<String, Value> = http
        .org
        .environment()
        .variables()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    http_response::json(
        200,
        &json!({
            "login_url": origins.login,
            "instance_url": http.org.instance_url(),
            "first_instance_url": origins.instance,
            "moved_instance_url": origins.moved_instance,
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "organization_id": http.org.organization_id(),
            "environment": variables,
        }),
    )
}

/// Further pages of all open queries fail with `INVALID_QUERY_LOCATOR`.
async fn close_cursors(http: HttpRequest) -> HttpResponse {
    http.org.cursors.close_all();
    done()
}

/// `{"claims":{…}}`: a JWS signed with the current key; with `"forged":true` with another one.
async fn sign_id_token(http: HttpRequest) -> HttpResponse {
    let body = object(&http).unwrap_or_default();
    let Some(claims) = body.get("claims").filter(|claims| claims.is_object()).cloned() else {
        return wrong("expected {\"claims\":{…}}");
    };
    let (signer, forged) = (http.org.signer(), body.get("forged") == Some(&json!(true)));
    // Signing keys take a moment to make, and that must not hold up other connections.
    let work = tokio::task::spawn_blocking(
        move || if forged { signer.forge(&claims) } else { signer.sign(&claims) },
    );
    match work.await {
        Ok(Some(token)) => http_response::json(200, &json!({ "id_token": token })),
        _ => http_response::empty(500),
    }
}

async fn armed(http: HttpRequest) -> HttpResponse {
    http_response::json(200, &json!({ "faults": http.org.faults.armed() }))
}

/// One rule, a list of rules, or `{"clear":true}`.
async fn arm(http: HttpRequest) -> HttpResponse {
    let body: Value = match serde_json::from_slice(&http.body) {
        Ok(body) => body,
        Err(error) => return wrong(&error.to_string()),
    };
    if body.get("clear") == Some(&json!(true)) {
        http.org.faults.clear();
        return done();
    }
    let rules = match body {
        Value::Array(rules) => rules,
        rule => vec![rule],
    };
    let rules: Result<Vec<Rule>, _> = rules.into_iter().map(serde_json::from_value).collect();
    match rules {
        Err(error) => wrong(&error.to_string()),
        Ok(rules) => {
            for rule in rules {
                http.org.faults.add(rule);
            }
            done()
        }
    }
}

async fn clear(http: HttpRequest) -> HttpResponse {
    http.org.faults.clear();
    done()
}

/// An array, newest last.
async fn requests(http: HttpRequest) -> HttpResponse {
    match serde_json::to_value(http.org.log.all()) {
        Ok(list) => http_response::json(200, &list),
        Err(error) => wrong(&error.to_string()),
    }
}

async fn forget(http: HttpRequest) -> HttpResponse {
    http.org.log.clear();
    done()
}

async fn counters(http: HttpRequest) -> HttpResponse {
    let counters = http.org.auth(|auth| auth.counters.clone());
    http_response::json(
        200,
        &json!({
            "token_calls": counters.token_calls,
            "refresh_reuse": counters.refresh_reuse,
            "code_reuse": counters.code_reuse,
            "other_credentials": counters.other_credentials,
            "tokens_in_flight_max": counters.in_flight_max,
            "api_calls": http.org.api_calls(),
        }),
    )
}

async fn reset(http: HttpRequest) -> HttpResponse {
    let org = Arc::clone(&http.org);
    match tokio::task::spawn_blocking(move || org.reset()).await {
        Ok(Ok(())) => done(),
        _ => http_response::json(500, &json!({ "ok": false })),
    }
}

/// `{"username":…}`: authorize responds at once as that user.
async fn sign_in(http: HttpRequest) -> HttpResponse {
    let name = object(&http).and_then(|body| Some(body.get("username")?.as_str()?.to_owned()));
    let Some(name) = name else { return wrong("expected {\"username\":…}") };
    let user = http.org.user_or_new(&name);
    http.org.auth(|auth| auth.signed_in = Some(user.id.clone()));
    http_response::json(
        200,
        &json!({ "ok": true, "user_id": user.id, "organization_id": user.organization_id }),
    )
}

async fn sign_out(http: HttpRequest) -> HttpResponse {
    http.org.auth(|auth| auth.signed_in = None);
    done()
}

/// `{"seconds":n}`: puts the org's clock forward.
async fn advance(http: HttpRequest) -> HttpResponse {
    let Some(seconds) = object(&http).and_then(|body| body.get("seconds")?.as_u64()) else {
        return wrong("expected {\"seconds\":n}");
    };
    http.org.clock.advance(std::time::Duration::from_secs(seconds));
    done()
}

async fn clock(http: HttpRequest) -> HttpResponse {
    http_response::json(200, &json!({ "now": zulu(http.org.clock.now()), "now_ms": http.org.clock.now() }))
}

/// `{"now":"2027-01-31T00:00:00Z"}`, or `{"now_ms":…}`: makes it that moment, also an earlier one.
async fn set_clock(http: HttpRequest) -> HttpResponse {
    let now = object(&http).and_then(|body| match body.get("now_ms") {
        Some(millis) => millis.as_i64(),
        None => moment(&parse_datetime(body.get("now")?.as_str()?)?),
    });
    let Some(now) = now else { return wrong("expected {\"now\":\"2027-01-31T00:00:00Z\"}") };
    http.org.clock.set(now);
    clock(http).await
}

/// Moves the data to the third origin.
async fn move_instance(http: HttpRequest) -> HttpResponse {
    http.org.move_instance();
    http_response::json(200, &json!({ "ok": true, "instance_url": http.org.origins().moved_instance }))
}

async fn rotate(http: HttpRequest) -> HttpResponse {
    http.org.rotate_key();
    done()
}

/// `{"ids":[…]}`: writes of these records fail with `UNABLE_TO_LOCK_ROW`; an empty list unlocks all.
async fn lock_rows(http: HttpRequest) -> HttpResponse {
    let ids = object(&http).and_then(|body| body.get("ids")?.as_array().cloned());
    let Some(ids) = ids else { return wrong("expected {\"ids\":[…]}") };
    http.org.lock_rows(&ids.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    done()
}

/// The one-time passwords that would have been sent by e-mail or SMS, newest last.
async fn messages(http: HttpRequest) -> HttpResponse {
    let list: Vec<Value> = http.org.auth(|auth| {
        let messages = auth.messages.iter().map(|message| {
            json!({
                "to": message.to, "via": message.via.name(), "purpose": message.purpose, "otp": message.otp,
                "time": zulu(message.at),
            })
        });
        messages.collect()
    });
    http_response::json(200, &list.into())
}

fn object(http: &HttpRequest) -> Option<serde_json::Map<String, Value>> {
    serde_json::from_slice(&http.body).ok()
}
