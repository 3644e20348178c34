//! Requests to the hosts of Salesforce's API platform, and conversations with agents.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{StreamExt as _, TryStreamExt as _};
use salesforce_fake_org::{AccessTokens, FakeOrg, Fault};
use tokio::sync::oneshot;

use crate::tests::*;
use crate::{
    agent::{AgentEvent, AgentMessage, AgentSession},
    error::{Error, InvalidRequest, InvalidResponse},
    http::{HttpError, InvalidApiHost},
    request::Retry,
    test_log::logged,
    token::{ApiHostDenied, FixedToken, ServiceTokenSource, ServiceUser},
};

const AGENT: &str = "0XxKa0000000001KAA";

fn jwt(audience: &Url) -> String {
    let claims = json!({ "aud": [audience.as_str()], "canary": "canary-claim" }).to_string();
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

/// Returns a connection to `instance` whose client names `named` as an API host.
fn connect_to(instance: &Server, api: &Server, token: &str, is_named: bool) -> Connection {
    let hosts = AllowedHosts::new([instance.origin.clone(), api.origin.clone()]);
    let builder = Client::builder().allowed_hosts(hosts);
    let builder = if is_named { builder.api_host(api.origin.as_str()) } else { builder };
    let user = UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap());
    let token = FixedToken::new(user, instance.origin.clone(), &Secret::new(token)).unwrap();
    Connection::new(&builder.build().unwrap(), Arc::new(token))
}

#[tokio::test]
async fn a_token_leaves_its_instance_only_for_a_named_host_of_its_audience() {
    let instance = Server::start(|_| json!({}).into()).await;
    let api = Server::start(|_| json!({ "ok": true }).into()).await;
    let name = api.origin.as_str();
    let error = connect_to(&instance, &api, &jwt(&api.origin), false).api_host(name).unwrap_err();
    assert!(
        matches!(error, Error::InvalidRequest(InvalidRequest::ApiHost(InvalidApiHost::NotNamed))),
        "{error:?}"
    );
    for (token, denied) in [
        ("00Dx0000000BV7z!canary".to_owned(), ApiHostDenied::Opaque),
        (jwt(&instance.origin), ApiHostDenied::Audience),
    ] {
        let sf = connect_to(&instance, &api, &token, true);
        let error = sf.api_host(name).unwrap().request("GET", "/x").send().await.unwrap_err();
        assert!(matches!(error, Error::ApiHostDenied(found) if found == denied), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"));
        let error = sf.api_host(name).unwrap().agent(AGENT.parse().unwrap()).start().await.unwrap_err();
        assert!(matches!(error, Error::ApiHostDenied(_)), "{error:?}");
    }
    assert!(api.requests().is_empty(), "{:?}", api.lines());

    let token = jwt(&api.origin);
    let host = connect_to(&instance, &api, &token, true).api_host(name).unwrap();
    for path in ["x", "https://evil.example/x", "//evil.example", "/../x"] {
        let error = host.request("GET", path).send().await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Path(_))), "{path}: {error:?}");
    }
    let (response, log) = logged(host.request("POST", "/platform/canary-id").json(&json!({})).send()).await;
    assert!(response.is_ok() && !log.contains("canary"), "{log}");
    assert_eq!(api.requests()[0].header("authorization"), Some(&*format!("Bearer {token}")));
    assert!(instance.requests().is_empty());
}

#[test]
fn a_client_names_hosts_of_salesforce_only() {
    let error = Client::builder().api_host("evil.example").build().unwrap_err();
    assert!(matches!(error, HttpError::InvalidApiHost(InvalidApiHost::Unknown)), "{error:?}");
    assert!(Client::builder().api_host("api.salesforce.com").build().is_ok());
}

struct WithAgent {
    org: FakeOrg,
    sf: Connection,
}

impl WithAgent {
    async fn start() -> Self {
        let agent = json!({ "agents": [{ "id": AGENT, "replies": { "cases?": "Here are two cases." } }] });
        let org = FakeOrg::builder().declare_json(&agent.to_string()).unwrap().scopes("api sfap_api");
        let org = org.access_tokens(AccessTokens::Jwt(Duration::from_secs(900)));
        let org = org.execution_user("ada@example.com").start().await.unwrap();
        let host: LoginHost = org.instance_url().parse().unwrap();
        let hosts = AllowedHosts::new([host.as_url().clone(), org.api_url().parse().unwrap()]);
        let client = Client::builder().allowed_hosts(hosts).api_host(org.api_url()).build().unwrap();
        let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
        let oauth = OAuthClient::with_client(app, &client);
        let source = ServiceTokenSource::builder(oauth, ServiceUser::client_credentials(host)).build();
        let sf = Connection::new(&client, source.connect().await.unwrap());
        Self { org, sf }
    }

    async fn session(&self) -> AgentSession {
        let host = self.sf.api_host(&self.org.api_url()).unwrap();
        host.agent(AGENT.parse().unwrap()).start().await.unwrap()
    }
}

#[tokio::test]
async fn a_conversation_with_an_agent_is_read_as_messages_and_as_events() {
    let agent = WithAgent::start().await;
    let mut session = agent.session().await;
    assert_eq!(session.greeting()[0].kind, "Inform");
    let messages = session.send("cases?").await.unwrap();
    assert_eq!(messages[0].text.as_deref(), Some("Here are two cases."));
    let events: Vec<AgentEvent> =
        session.send_streaming("cases?").await.unwrap().try_collect().await.unwrap();
    assert!(matches!(&events[0], AgentEvent::Progress(Some(text)) if text == "Working on it"), "{events:?}");
    let text = events.iter().filter_map(|event| match event {
        AgentEvent::TextChunk(text) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(text.collect::<String>(), "Here are two cases.");
    assert!(
        matches!(&events[events.len() - 2], AgentEvent::Message(whole) if whole.is_content_safe == Some(true))
    );
    assert_eq!(events.last(), Some(&AgentEvent::EndOfTurn));
    assert!(!format!("{events:?} {messages:?}").contains("cases"), "what the agent says is in no log");
    session.end().await.unwrap();

    let host = agent.sf.api_host(&agent.org.api_url()).unwrap();
    let error = host.agent("0XxKa0000000009KAA".parse().unwrap()).start().await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error:?}");
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once_at_an_api_host() {
    let agent = WithAgent::start().await;
    let mut session = agent.session().await;
    agent.org.expire_access_tokens();
    session.send("cases?").await.unwrap();
    assert_eq!(agent.org.token_calls("client_credentials"), 2);
}

/// A message whose response was lost may have been received: the agent would do its work twice.
#[tokio::test]
async fn a_message_to_an_agent_is_not_sent_twice() {
    let mut agent = WithAgent::start().await;
    // Whatever the connection says about its other requests.
    agent.sf = agent.sf.with_retry(Retry::default().idempotent(true));
    let is_lost = |error: Error| matches!(error, Error::Http(HttpError::ConnectionLost(_)));
    let count =
        |path: &str| agent.org.requests().iter().filter(|request| request.path.ends_with(path)).count();
    agent.org.faults().path("/einstein/ai-agent/v1/agents", Fault::ResetBeforeResponse);
    let host = agent.sf.api_host(&agent.org.api_url()).unwrap();
    assert!(is_lost(host.agent(AGENT.parse().unwrap()).start().await.unwrap_err()));
    assert_eq!(count("/sessions"), 1, "each start makes a session");
    agent.org.faults().clear();
    let mut session = agent.session().await;
    agent.org.faults().path("/einstein/ai-agent/v1/sessions", Fault::ResetBeforeResponse);
    assert!(is_lost(session.send("cases?").await.unwrap_err()));
    assert!(is_lost(session.send_streaming("cases?").await.unwrap_err()));
    assert_eq!((count("/messages"), count("/messages/stream")), (1, 1));
}

/// What the agent leaves out is not "nothing".
#[test]
fn a_message_tells_what_is_missing_from_what_is_empty() {
    let message = |members: Value| serde_json::from_value::<AgentMessage>(members).unwrap();
    for (members, result) in [
        (json!({ "type": "Inform" }), None),
        (json!({ "type": "Inform", "result": null, "citedReferences": null }), None),
        (json!({ "type": "Inform", "result": [], "citedReferences": [] }), Some(Vec::new())),
        (json!({ "type": "Inform", "result": [1], "citedReferences": [1] }), Some(vec![json!(1)])),
    ] {
        let message = message(members);
        assert_eq!((&message.result, &message.cited_references), (&result, &result));
    }
}

fn stream(body: &str, length: usize) -> Reply {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {length}\r\n\r\n");
    Reply::Raw(format!("{head}{body}").into_bytes())
}

const CHUNK: &str =
    "data: {\"message\":{\"type\":\"TextChunk\",\"message\":\"Hi\",\"offset\":1,\"new\":[]}}\n\n";
const END: &str = "data: {\"message\":{\"type\":\"EndOfTurn\"}}\n\n";

async fn session_at(api: &Server) -> AgentSession {
    let sf = connect_to(api, api, &jwt(&api.origin), true);
    let host = sf.api_host(api.origin.as_str()).unwrap();
    host.agent(AGENT.parse().unwrap()).start().await.unwrap()
}

fn started(request: &ReceivedRequest) -> Option<Reply> {
    let is_start = request.target.ends_with("/sessions");
    is_start.then(|| json!({ "sessionId": "8e7-a1", "messages": [] }).into())
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    for (body, length, is_lost) in [
        (CHUNK.to_owned(), CHUNK.len(), false),
        (CHUNK.to_owned(), CHUNK.len() + 1, true),
        (format!("{CHUNK}data: {{\"mess"), CHUNK.len() + 12, false),
        (format!("{CHUNK}data: no JSON\n\n"), CHUNK.len() + 15, false),
    ] {
        let cut = body.clone();
        let api =
            Server::start(move |request| started(request).unwrap_or_else(|| stream(&body, length))).await;
        let mut events = session_at(&api).await.send_streaming("x").await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap(), AgentEvent::TextChunk("Hi".into()), "{cut}");
        let error = events.next().await.unwrap().unwrap_err();
        let is_expected = match &error {
            Error::Http(HttpError::ConnectionLost(_)) => is_lost,
            Error::InvalidResponse(InvalidResponse::Unexpected(_) | InvalidResponse::Json(_)) => !is_lost,
            _ => false,
        };
        assert!(is_expected, "{cut}: {error:?}");
        assert!(events.next().await.is_none(), "an error is the last item");
    }
    let whole = format!("{CHUNK}{END}{CHUNK}");
    let api =
        Server::start(move |request| started(request).unwrap_or_else(|| stream(&whole, whole.len()))).await;
    let events = session_at(&api).await.send_streaming("x").await.unwrap();
    assert_eq!(events.try_collect::<Vec<_>>().await.unwrap().len(), 2, "nothing follows the end of the turn");
    let api = Server::start(|request| started(request).unwrap_or_else(|| json!({}).into())).await;
    let error = session_at(&api).await.send_streaming("x").await.unwrap_err();
    assert!(matches!(error, Error::InvalidResponse(_)), "{error:?}");
}

/// Most bytes in the buffers of both sockets and of the HTTP client.
const MAX_AHEAD: usize = 16 * 1024 * 1024;

/// Sends events until the client takes no more, reports how many bytes it took, and then when it has gone.
async fn endless_events(listener: TcpListener, taken: oneshot::Sender<usize>, gone: oneshot::Sender<()>) {
    let start = br#"{"sessionId":"1","messages":[]}"#;
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    let _ = socket.read(&mut request).await.unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        start.len()
    );
    socket.write_all(&[head.as_bytes(), start].concat()).await.unwrap();
    let _ = socket.read(&mut request).await.unwrap();
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await.unwrap();
    // Long ones, since the client would be busy reading many short ones.
    let event = CHUNK.replace("Hi", &"Hi".repeat(MAX_AHEAD / 100));
    let mut count = 0;
    while count < 2 * MAX_AHEAD
        && let Ok(done) =
            tokio::time::timeout(Duration::from_millis(300), socket.write_all(event.as_bytes())).await
    {
        done.unwrap();
        count += event.len();
    }
    taken.send(count).unwrap();
    // Only the end of the connection wakes it up.
    while socket.write_all(event.as_bytes()).await.is_ok() {}
    gone.send(()).unwrap();
}

#[tokio::test]
async fn a_stream_is_read_as_far_as_its_reader_and_ends_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (taken, count) = oneshot::channel();
    let (gone, has_gone) = oneshot::channel();
    tokio::spawn(endless_events(listener, taken, gone));
    let api = Server { origin, requests: Arc::default() };
    let mut events = session_at(&api).await.send_streaming("x").await.unwrap();
    assert!(matches!(events.next().await.unwrap().unwrap(), AgentEvent::TextChunk(_)));
    let count = count.await.unwrap();
    assert!(count < MAX_AHEAD, "the client took {count} bytes ahead of its reader");
    drop(events);
    tokio::time::timeout(Duration::from_secs(5), has_gone).await.unwrap().unwrap();
}
