//! Outbound messages, for a test in any language.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::wrong;
use crate::outbound::Definition;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

#[derive(Deserialize)]
struct Body {
    #[serde(flatten)]
    definition: Definition,
    records: Vec<String>,
}

/// `{"url":…,"object":"Account","fields":["Name"],"records":[…]}`: queues one notification for each record.
pub(super) async fn queue(http: HttpRequest) -> HttpResponse {
    let body: Body = match serde_json::from_slice(&http.body) {
        Ok(body) => body,
        Err(error) => return wrong(&error.to_string()),
    };
    let now = http.org.clock.now();
    let added = http.org.outbound(|queue| queue.add(body.definition, &body.records, now));
    http_response::json(200, &json!({ "notification_ids": added }))
}

/// The notifications that were not acknowledged yet.
pub(super) async fn waiting(http: HttpRequest) -> HttpResponse {
    http_response::json(200, &json!({ "notification_ids": http.org.outbound(|queue| queue.waiting()) }))
}

/// Sends what is due, `{"reversed":true}` the latest first, and says what came back.
pub(super) async fn deliver(http: HttpRequest) -> HttpResponse {
    let reversed = super::object(&http).and_then(|body| body.get("reversed")?.as_bool());
    if let Some(reversed) = reversed {
        http.org.outbound(|queue| queue.reversed = reversed);
    }
    let org = Arc::clone(&http.org);
    match tokio::task::spawn_blocking(move || crate::deliver::deliver(&org)).await {
        Ok(attempts) => http_response::json(200, &json!({ "attempts": attempts })),
        Err(_) => http_response::empty(500),
    }
}
