//! `/services/a360/token`, and `/api/v2/query` on the host of the data, which the login host stands for (Data 360 guide:
//! Request Data With Query V2; Help: Sample Exchange Access Token for Data 360 Token Request and Response).

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::http_request::HttpRequest;
use super::http_response::{self, HttpResponse};
use crate::api_specs::Data360Spec;
use crate::auth::error::OauthError;
use crate::state::Org;

pub(super) fn tokens() -> Router<Arc<Org>> {
    Router::new().route("/services/a360/token", post(token))
}

pub(super) fn queries() -> Router<Arc<Org>> {
    Router::new().route("/api/v2/query", post(query)).route("/api/v2/query/{batch}", get(batch))
}

async fn token(http: HttpRequest) -> HttpResponse {
    let is_exchange = http.form_param("grant_type") == Some("urn:salesforce:grant-type:external:cdp")
        && http.form_param("subject_token_type") == Some("urn:ietf:params:oauth:token-type:access_token");
    if !is_exchange {
        return http_response::oauth_error(&OauthError::flow_off());
    }
    let subject = http.form_param("subject_token").unwrap_or_default();
    let now = http.org.clock.now();
    if http.org.auth(|auth| auth.use_session(now, subject)).is_none() {
        // The text is unverified.
        return http_response::oauth_error(&OauthError::invalid_grant("invalid subject token"));
    }
    let token = http.org.apis(|apis| {
        let token = format!("data360-{}", apis.id());
        apis.tokens.insert(token.clone(), subject.to_owned());
        token
    });
    let response = json!({
        "access_token": token,
        // Without a scheme at Salesforce; here it is http.
        "instance_url": http.org.origins().login,
        "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "expires_in": 7_200,
    });
    http_response::no_store(http_response::json(200, &response))
}

/// An exchanged token lasts as long as the one that it is for. (Two hours at Salesforce.)
fn is_admitted(http: &HttpRequest) -> bool {
    let now = http.org.clock.now();
    let subject = http.bearer().and_then(|token| http.org.apis(|apis| apis.tokens.get(token).cloned()));
    subject.is_some_and(|subject| http.org.auth(|auth| auth.live_session(now, &subject).is_some()))
}

/// The form of errors is unverified.
fn refused(status: u16, error: &str, message: &str) -> HttpResponse {
    http_response::json(status, &json!({ "error": error, "message": message }))
}

async fn query(http: HttpRequest) -> HttpResponse {
    if !is_admitted(&http) {
        return refused(401, "UNAUTHORIZED", "invalid token");
    }
    let body: Value = serde_json::from_slice(&http.body).unwrap_or_default();
    let declared = &http.org.declared.data360_queries;
    match declared.iter().position(|spec| body["sql"] == spec.sql.as_str()) {
        Some(number) => page(&declared[number], number, 0),
        None => refused(400, "BAD_REQUEST", "syntax error"),
    }
}

async fn batch(http: HttpRequest) -> HttpResponse {
    if !is_admitted(&http) {
        return refused(401, "UNAUTHORIZED", "invalid token");
    }
    let id = http.uri.path().rsplit('/').next().unwrap_or_default();
    let place =
        id.split_once('-').and_then(|(number, offset)| Some((number.parse().ok()?, offset.parse().ok()?)));
    let spec = place.and_then(|(number, _): (usize, usize)| http.org.declared.data360_queries.get(number));
    match (place, spec) {
        (Some((number, offset)), Some(spec)) => page(spec, number, offset),
        _ => refused(404, "NOT_FOUND", "no such batch"),
    }
}

fn page(spec: &Data360Spec, number: usize, offset: usize) -> HttpResponse {
    let rows: Vec<_> = spec.rows.iter().skip(offset).take(spec.page).collect();
    let end = offset + rows.len();
    let columns = spec.columns.iter().zip(0..).map(|(column, place): (_, usize)| {
        (column.name.clone(), json!({ "type": column.kind, "placeInOrder": place, "typeCode": 12 }))
    });
    let mut response = json!({
        "data": rows, "metadata": columns.collect::<Map<_, _>>(), "done": end == spec.rows.len(), "rowCount": rows.len(),
        "startTime": "2026-01-01T00:00:00.000Z", "endTime": "2026-01-01T00:00:01.000Z", "queryId": number.to_string(),
    });
    if end < spec.rows.len() {
        response["nextBatchId"] = json!(format!("{number}-{end}"));
    }
    http_response::json(200, &response)
}
