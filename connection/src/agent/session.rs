//! [`AgentSession`]: one conversation with an agent.

use std::{fmt, time::Duration};

use reqwest::{
    Method,
    header::{ACCEPT, ACCEPT_ENCODING, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};

use super::{
    events::AgentEvents,
    message::{AgentMessage, Messages},
};
use crate::{
    api_host::ApiHost,
    error::{Error, InvalidResponse, Result},
    http::{event_stream::EventStream, response::Response},
    id::SalesforceId,
    random,
    request::{decode, path::ResourcePath, send::ApiRequest},
};

const BASE: &str = "/einstein/ai-agent/v1";
/// The Agent API's own limit, after which it responds with status 500: the connection's timeout must not be shorter.
const AGENT_TIMEOUT: Duration = Duration::from_secs(125);
const END_REASON: HeaderName = HeaderName::from_static("x-session-end-reason");
/// Longest response that is not a stream, in bytes.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

impl ApiHost {
    /// Starts a conversation with an agent. `id` is that of the agent (`0Xx…`, the id of its `BotDefinition`).
    ///
    /// The agent must not be of the type "Agentforce (Default)". Conversations use up credits.
    pub fn agent(&self, id: SalesforceId) -> StartAgentSession {
        StartAgentSession { host: self.clone(), agent: id, as_agent_user: false }
    }
}

/// A conversation that is to begin, made by [`ApiHost::agent`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `start` is called"]
pub struct StartAgentSession {
    host: ApiHost,
    agent: SalesforceId,
    as_agent_user: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    external_session_key: String,
    instance_config: InstanceConfig<'a>,
    streaming_capabilities: StreamingCapabilities,
    bypass_user: bool,
}

#[derive(Serialize)]
struct InstanceConfig<'a> {
    endpoint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamingCapabilities {
    chunk_types: [&'static str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    session_id: String,
    #[serde(flatten)]
    rest: Messages,
}

impl StartAgentSession {
    /// Lets the agent work as the user that is assigned to it (`bypassUser`). Default: as the user of the connection.
    ///
    /// Client credentials usually need it: their user is no user of the agent.
    pub fn as_agent_user(mut self) -> Self {
        self.as_agent_user = true;
        self
    }

    /// Starts the conversation. Not retried after a lost response, since each start makes a session.
    ///
    /// # Errors
    /// [`Error::ApiHostDenied`](crate::Error::ApiHostDenied) if the access token is not for this host, before anything is
    /// sent; otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send). Status 400 or 500 for an unknown
    /// agent.
    pub async fn start(self) -> Result<AgentSession> {
        let instance = self.host.connection.instance_url()?;
        let start = Start {
            external_session_key: random::uuid().map_err(Error::internal)?,
            instance_config: InstanceConfig { endpoint: instance.as_str().trim_end_matches('/') },
            streaming_capabilities: StreamingCapabilities { chunk_types: ["Text"] },
            bypass_user: self.as_agent_user,
        };
        let path = format!("{BASE}/agents/{}/sessions", self.agent);
        let request = request(&self.host, Method::POST, &path)?.json(decode::body(&start)?).no_retry();
        let response = send(&self.host, request).await?;
        let started: Started = decode::response(&response)?;
        let is_id = |id: &str| {
            !id.is_empty()
                && id.len() <= 100
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_id(&started.session_id) {
            return Err(InvalidResponse::Unexpected("a session of an agent without a valid id").into());
        }
        let greeting = started.rest.messages;
        Ok(AgentSession { host: self.host, id: started.session_id, sequence: 0, greeting })
    }
}

/// A conversation with an agent. It stays at Salesforce until [`end`](Self::end) or its timeout there.
pub struct AgentSession {
    host: ApiHost,
    id: String,
    /// The number of the last message.
    sequence: u64,
    greeting: Vec<AgentMessage>,
}

impl fmt::Debug for AgentSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentSession").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    message: OwnMessage<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnMessage<'a> {
    sequence_id: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

impl AgentSession {
    /// Returns the session's id at Salesforce.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns what the agent said when the session started.
    pub fn greeting(&self) -> &[AgentMessage] {
        &self.greeting
    }

    /// Sends a message and returns the whole response. Not retried once it may have been received.
    ///
    /// Salesforce takes one message of a session at a time, and 120 seconds at most.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send). Status 423 if the response to an earlier message is
    /// not complete, 404 if the session has ended.
    pub async fn send(&mut self, text: &str) -> Result<Vec<AgentMessage>> {
        let request = self.message("messages", text)?;
        let messages: Messages = decode::response(&send(&self.host, request).await?)?;
        Ok(messages.messages)
    }

    /// Sends a message and returns the response as a stream of events.
    ///
    /// Read it to its end before the next message. The connection's timeout, at least 125 seconds here, limits each wait
    /// for an event, and not the whole stream.
    ///
    /// # Errors
    /// As [`send`](Self::send); the stream's last item is an error if the connection breaks.
    pub async fn send_streaming(&mut self, text: &str) -> Result<AgentEvents> {
        let mut request = self.message("messages/stream", text)?;
        request.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        // A compressed stream would hold events back.
        request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request.unread = true;
        request.is_event_stream = true;
        let Response { headers, unread, .. } = send(&self.host, request).await?;
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
        let is_events = content_type.is_some_and(|value| value.trim_start().starts_with("text/event-stream"));
        match unread {
            Some(body) if is_events => Ok(AgentEvents::new(EventStream::new(body))),
            _ => Err(InvalidResponse::Unexpected("no event stream").into()),
        }
    }

    /// Ends the conversation.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn end(self) -> Result<()> {
        let path = format!("{BASE}/sessions/{}", self.id);
        let mut request = request(&self.host, Method::DELETE, &path)?;
        request.headers.insert(END_REASON, HeaderValue::from_static("UserRequest"));
        send(&self.host, request).await.map(drop)
    }

    fn message(&mut self, resource: &str, text: &str) -> Result<ApiRequest> {
        let path = format!("{BASE}/sessions/{}/{resource}", self.id);
        self.sequence += 1;
        let message = OwnMessage { sequence_id: self.sequence, kind: "Text", text };
        Ok(request(&self.host, Method::POST, &path)?.json(decode::body(&Envelope { message })?).no_retry())
    }
}

fn request(host: &ApiHost, method: Method, path: &str) -> Result<ApiRequest> {
    let path = ResourcePath::parse(path, host.connection.api_version(), &host.origin)?;
    let mut request = ApiRequest::new(method, path);
    request.api_host = Some(host.origin.clone());
    request.max_bytes = MAX_RESPONSE_BYTES;
    Ok(request)
}

async fn send(host: &ApiHost, request: ApiRequest) -> Result<Response> {
    let connection = host.connection.with_timeout(host.connection.timeout().max(AGENT_TIMEOUT));
    connection.send(request).await
}
