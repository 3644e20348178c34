//! `/fake/…`: what a test in any language needs to drive the org.

mod policy;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::call::Call;
use super::pages::rows;
use super::reply::{self, Reply};
use crate::base::clock::{moment, zulu};
use crate::data::parse_datetime;
use crate::fault::Rule;
use crate::shared::Org;

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
}

fn done() -> Reply {
    reply::json(200, &json!({ "ok": true }))
}

fn wrong(message: &str) -> Reply {
    reply::json(400, &json!({ "ok": false, "error": message }))
}

async fn expire(call: Call) -> Reply {
    call.org.auth(|auth| auth.end_sessions(|_| true));
    done()
}

/// Of one user with `{"username":…}`, else of all.
async fn revoke_all(call: Call) -> Reply {
    let name = object(&call).and_then(|body| Some(body.get("username")?.as_str()?.to_owned()));
    match name {
        None => call.org.auth(|auth| auth.revoke_all(None)),
        Some(name) => {
            let Some(id) = call.org.auth(|auth| auth.user_by_name(&name).map(|user| user.id.clone())) else {
                return wrong("no such user");
            };
            call.org.auth(|auth| auth.revoke_all(Some(&id)));
        }
    }
    done()
}

async fn armed(call: Call) -> Reply {
    reply::json(200, &json!({ "faults": call.org.faults.armed() }))
}

/// One rule, a list of rules, or `{"clear":true}`.
async fn arm(call: Call) -> Reply {
    let body: Value = match serde_json::from_slice(&call.body) {
        Ok(body) => body,
        Err(error) => return wrong(&error.to_string()),
    };
    if body.get("clear") == Some(&json!(true)) {
        call.org.faults.clear();
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
                call.org.faults.add(rule);
            }
            done()
        }
    }
}

async fn clear(call: Call) -> Reply {
    call.org.faults.clear();
    done()
}

/// An array, newest last.
async fn requests(call: Call) -> Reply {
    match serde_json::to_value(call.org.log.all()) {
        Ok(list) => reply::json(200, &list),
        Err(error) => wrong(&error.to_string()),
    }
}

async fn forget(call: Call) -> Reply {
    call.org.log.clear();
    done()
}

async fn counters(call: Call) -> Reply {
    let counters = call.org.auth(|auth| auth.counters.clone());
    reply::json(
        200,
        &json!({
            "token_calls": counters.token_calls,
            "refresh_reuse": counters.refresh_reuse,
            "code_reuse": counters.code_reuse,
            "tokens_in_flight_max": counters.in_flight_max,
            "api_calls": call.org.api_calls(),
        }),
    )
}

async fn reset(call: Call) -> Reply {
    let org = Arc::clone(&call.org);
    match tokio::task::spawn_blocking(move || org.reset()).await {
        Ok(Ok(())) => done(),
        _ => reply::json(500, &json!({ "ok": false })),
    }
}

/// `{"username":…}`: authorize answers at once as that user.
async fn sign_in(call: Call) -> Reply {
    let name = object(&call).and_then(|body| Some(body.get("username")?.as_str()?.to_owned()));
    let Some(name) = name else { return wrong("expected {\"username\":…}") };
    let user = call.org.user_or_new(&name);
    call.org.auth(|auth| auth.signed_in = Some(user.id.clone()));
    reply::json(200, &json!({ "ok": true, "user_id": user.id, "organization_id": user.organization_id }))
}

async fn sign_out(call: Call) -> Reply {
    call.org.auth(|auth| auth.signed_in = None);
    done()
}

/// `{"seconds":n}`: puts the org's clock forward.
async fn advance(call: Call) -> Reply {
    let Some(seconds) = object(&call).and_then(|body| body.get("seconds")?.as_u64()) else {
        return wrong("expected {\"seconds\":n}");
    };
    call.org.clock.advance(std::time::Duration::from_secs(seconds));
    done()
}

async fn clock(call: Call) -> Reply {
    reply::json(200, &json!({ "now": zulu(call.org.clock.now()) }))
}

/// `{"now":"2027-01-31T00:00:00Z"}`: makes it that moment, also an earlier one.
async fn set_clock(call: Call) -> Reply {
    let now = object(&call).and_then(|body| moment(&parse_datetime(body.get("now")?.as_str()?)?));
    let Some(now) = now else { return wrong("expected {\"now\":\"2027-01-31T00:00:00Z\"}") };
    call.org.clock.set(now);
    clock(call).await
}

/// Moves the data to the third origin.
async fn move_instance(call: Call) -> Reply {
    call.org.move_instance();
    reply::json(200, &json!({ "ok": true, "instance_url": call.org.origins().moved_instance }))
}

async fn rotate(call: Call) -> Reply {
    call.org.rotate_key();
    done()
}

/// `{"ids":[…]}`: writes of these records answer `UNABLE_TO_LOCK_ROW`; an empty list unlocks all.
async fn lock_rows(call: Call) -> Reply {
    let ids = object(&call).and_then(|body| body.get("ids")?.as_array().cloned());
    let Some(ids) = ids else { return wrong("expected {\"ids\":[…]}") };
    call.org.lock_rows(&ids.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    done()
}

/// The one-time passwords that would have been sent by e-mail or SMS, newest last.
async fn messages(call: Call) -> Reply {
    let list: Vec<Value> = call.org.auth(|auth| {
        let messages = auth.messages.iter().map(|message| {
            json!({
                "to": message.to, "via": message.via.name(), "purpose": message.purpose, "otp": message.otp,
                "time": zulu(message.at),
            })
        });
        messages.collect()
    });
    reply::json(200, &list.into())
}

fn object(call: &Call) -> Option<serde_json::Map<String, Value>> {
    serde_json::from_slice(&call.body).ok()
}
