//! `/einstein/ai-agent/v1/…` (Agentforce guide: Agent API Examples). The login host stands for `api.salesforce.com`.

use axum::Router;
use axum::routing::{delete, post};
use serde_json::{Value, json};
use std::sync::Arc;

use super::http_request::HttpRequest;
use super::http_response::{self, HttpResponse};
use crate::state::Org;

pub(super) fn routes() -> Router<Arc<Org>> {
    Router::new()
        .route("/einstein/ai-agent/v1/agents/{agent}/sessions", post(start))
        .route("/einstein/ai-agent/v1/sessions/{session}/messages", post(message))
        .route("/einstein/ai-agent/v1/sessions/{session}/messages/stream", post(message))
        .route("/einstein/ai-agent/v1/sessions/{session}", delete(end))
}

/// The form of errors is unverified: the guide names `message` and `error` as members.
fn refused(status: u16, error: &str, message: &str) -> HttpResponse {
    http_response::json(status, &json!({ "status": status, "error": error, "message": message }))
}

/// Whether the bearer is the JWT of a live session that is made out to this host.
fn is_admitted(http: &HttpRequest) -> bool {
    let Some(token) = http.bearer().filter(|token| !token.contains('!')) else { return false };
    let now = http.org.clock.now();
    http.org
        .auth(|auth| auth.use_session(now, token))
        .is_some_and(|(_, session)| session.scopes.has("sfap_api"))
}

fn unauthorized() -> HttpResponse {
    refused(401, "Unauthorized", "Unauthorized")
}

fn inform(id: String, text: &str) -> Value {
    json!({
        "type": "Inform", "id": id, "metrics": {}, "feedbackId": "", "planId": "", "isContentSafe": true,
        "message": text, "result": [], "citedReferences": [],
    })
}

fn links(http: &HttpRequest, session: &str, agent: &str) -> Value {
    let base = format!("{}/einstein/ai-agent/v1", http.origin());
    json!({
        "self": null,
        "messages": { "href": format!("{base}/sessions/{session}/messages") },
        "messagesStream": { "href": format!("{base}/sessions/{session}/messages/stream") },
        "session": { "href": format!("{base}/agents/{agent}/sessions") },
        "end": { "href": format!("{base}/sessions/{session}") },
    })
}

/// The segment of the path after this one.
fn after<'a>(http: &'a HttpRequest, name: &str) -> &'a str {
    http.uri.path().split('/').skip_while(|segment| *segment != name).nth(1).unwrap_or_default()
}

async fn start(http: HttpRequest) -> HttpResponse {
    if !is_admitted(&http) {
        return unauthorized();
    }
    let id = after(&http, "agents");
    let Some(agent) = http.org.declared.agents.iter().find(|agent| agent.id == id) else {
        return refused(400, "Bad Request", &format!("{id} is not a valid agent ID"));
    };
    let body: Value = serde_json::from_slice(&http.body).unwrap_or_default();
    if body["instanceConfig"]["endpoint"] != http.org.instance_url() {
        return refused(500, "EngineConfigLookupException", "unknown endpoint");
    }
    if !body["externalSessionKey"].is_string() || !body["bypassUser"].is_boolean() {
        return refused(400, "Bad Request", "a member is missing");
    }
    let (session, message) = http.org.apis(|apis| {
        let session = apis.id();
        apis.sessions.insert(session.clone(), (agent.id.clone(), 0));
        (session, apis.id())
    });
    let response = json!({
        "sessionId": session, "_links": links(&http, &session, &agent.id),
        "messages": [inform(message, &agent.greeting)],
    });
    http_response::json(200, &response)
}

async fn message(http: HttpRequest) -> HttpResponse {
    if !is_admitted(&http) {
        return unauthorized();
    }
    let session = after(&http, "sessions").to_owned();
    let body: Value = serde_json::from_slice(&http.body).unwrap_or_default();
    let (Some(number), Some(text)) =
        (body["message"]["sequenceId"].as_u64(), body["message"]["text"].as_str())
    else {
        return refused(400, "Bad Request", "expected a message with sequenceId and text");
    };
    let agent = http.org.apis(|apis| {
        let (agent, last) = apis.sessions.get_mut(&session)?;
        let is_next = number > *last;
        *last = number.max(*last);
        Some((agent.clone(), is_next))
    });
    let Some((agent, is_next)) = agent else { return refused(404, "Not Found", "no such session") };
    if !is_next {
        return refused(400, "Bad Request", "the sequenceId is not above the last one");
    }
    let spec = http.org.declared.agents.iter().find(|spec| spec.id == agent);
    let reply = spec.and_then(|spec| spec.replies.get(text)).map_or("I do not understand.", String::as_str);
    if http.uri.path().ends_with("/stream") {
        return http_response::of(200, "text/event-stream;charset=UTF-8", events(&http, reply));
    }
    let id = http.org.apis(crate::api_specs::ApiState::id);
    let response = json!({ "messages": [inform(id, reply)], "_links": links(&http, &session, &agent) });
    http_response::json(200, &response)
}

/// The events of a response: each word is a chunk.
fn events(http: &HttpRequest, reply: &str) -> String {
    let now = http.org.clock.now();
    let id = || http.org.apis(crate::api_specs::ApiState::id);
    let mut messages = vec![
        json!({ "type": "ProgressIndicator", "id": id(), "indicatorType": "ACTION", "message": "Working on it" }),
    ];
    for (offset, word) in (1..).zip(reply.split_inclusive(' ')) {
        let chunk = json!({ "type": "TextChunk", "id": id(), "offset": offset, "message": word, "formatType": "Text" });
        messages.push(chunk);
    }
    messages.push(inform(id(), reply));
    messages.push(json!({ "type": "EndOfTurn", "id": id() }));
    let event = |message: Value| {
        let name = message["type"].as_str().unwrap_or_default().to_owned();
        let data = json!({ "timestamp": now, "originEventId": format!("{now}-REQ"), "offset": 0, "message": message });
        // The names of the events are unverified; clients read the type of the message.
        format!("event: {name}\ndata: {data}\n\n")
    };
    messages.into_iter().map(event).collect()
}

async fn end(http: HttpRequest) -> HttpResponse {
    if !is_admitted(&http) {
        return unauthorized();
    }
    let session = after(&http, "sessions").to_owned();
    let Some((agent, _)) = http.org.apis(|apis| apis.sessions.remove(&session)) else {
        return refused(404, "Not Found", "no such session");
    };
    let id = http.org.apis(crate::api_specs::ApiState::id);
    let ended = json!({ "type": "SessionEnded", "id": id, "reason": "ClientRequest", "feedbackId": "" });
    http_response::json(200, &json!({ "messages": [ended], "_links": links(&http, &session, &agent) }))
}
