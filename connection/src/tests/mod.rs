//! Tests of the whole client over real sockets, against a scripted org.

mod actions;
mod agent;
mod api_hosts;
mod data360;
mod data360_direct;
#[cfg(feature = "bulk")]
mod delimiters;
mod describe;
mod field_reports;
#[cfg(feature = "bulk")]
mod flattened;
mod frontdoor;
mod graphql;
#[cfg(feature = "bulk")]
mod hidden_types;
mod hostile;
#[cfg(feature = "bulk")]
mod large_pages;
mod layers;
mod loading;
#[cfg(feature = "bulk")]
mod lost_pages;
mod lost_results;
mod misdirected;
#[cfg(feature = "bulk")]
mod one_meaning;
mod pages;
#[cfg(feature = "bulk")]
mod recorded;
mod records;
#[cfg(feature = "bulk")]
mod reference_queries;
mod sending;
mod service_token;
#[cfg(feature = "bulk")]
mod spellings;
pub(crate) mod text;
mod token_exchange;
#[cfg(feature = "bulk")]
mod told_errors;
mod ui;
#[cfg(feature = "bulk")]
mod values;
mod versions;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::{
    client::Client,
    connection::Connection,
    http::AllowedHosts,
    oauth::{LoginHost, OAuthApp, OAuthClient},
    secret::Secret,
    token::{AccessToken, Generation, TokenError, TokenSource},
    user_ref::UserRef,
    version::ApiVersion,
};

const ORG: &str = "00Dx0000000BV7zEAG";
const USER: &str = "005x00000012Q9PAAU";
const OLD: &str = "Bearer old-canary-token";
const NEW: &str = "Bearer new-canary-token";
const TOKEN: &str = "/services/oauth2/token";

/// A request as the server received it.
#[derive(Debug, Clone)]
struct ReceivedRequest {
    method: String,
    target: String,
    head: String,
    body: String,
    /// The number of earlier requests with this method and target.
    nth: usize,
}

impl ReceivedRequest {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the query parameter `q`, decoded.
    fn soql(&self) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "q")
            .map(|(_, q)| q.into_owned())
    }
}

enum Reply {
    Body(u16, String),
    WithHeader(u16, &'static str, String),
    /// Sends exactly these bytes.
    Raw(Vec<u8>),
    /// Sends this text and nothing more, and leaves the connection open.
    Stall(&'static str),
    /// Sends these bytes, and closes the connection once the client takes none for a moment.
    Impatient(Vec<u8>),
    /// Closes the connection without a response.
    Disconnect,
}

impl From<Value> for Reply {
    fn from(body: Value) -> Self {
        Self::Body(200, body.to_string())
    }
}

fn api_error(status: u16, code: &str, message: &str) -> Reply {
    Reply::Body(status, json!([{ "errorCode": code, "message": message }]).to_string())
}

fn expired_token() -> Reply {
    api_error(401, "INVALID_SESSION_ID", "Session expired or invalid")
}

struct Server {
    origin: Url,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Server {
    async fn start(script: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { origin, requests }
    }

    fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns method and target of each request.
    fn lines(&self) -> Vec<String> {
        self.requests().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }

    fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(start)).count()
    }

    fn token_requests(&self) -> usize {
        self.count(&format!("POST {TOKEN}"))
    }

    /// Returns a token endpoint's response whose instance is this server.
    fn token_response(&self) -> Value {
        token_response(&self.origin)
    }
}

fn token_response(instance: &Url) -> Value {
    json!({
        "access_token": "new-canary-token",
        "instance_url": instance.as_str().trim_end_matches('/'),
        "id": format!("{instance}id/{ORG}/{USER}"),
        "token_type": "Bearer",
        "issued_at": "1278448101416",
    })
}

/// Returns a response with another token for each request.
fn next_token(request: &ReceivedRequest) -> Reply {
    let mut tokens = token_response(&format!("http://{}", request.header("host").unwrap()).parse().unwrap());
    tokens["access_token"] = format!("new-{}", request.nth).into();
    tokens.into()
}

async fn serve(
    mut socket: TcpStream,
    script: Arc<impl Fn(&ReceivedRequest) -> Reply>,
    log: Arc<Mutex<Vec<ReceivedRequest>>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut chunk = [0; 4096];
        let read = socket.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            break (head.to_owned(), length.unwrap_or(0));
        }
    };
    let mut body = bytes.split_off(head.len() + 4);
    let missing = length - body.len();
    body.resize(length, 0);
    socket.read_exact(&mut body[length - missing..]).await.ok()?;
    let mut line = head.split(' ').map(str::to_owned);
    let (method, target) = (line.next()?, line.next()?);
    let reply = {
        let mut log = log.lock().unwrap();
        let nth = log.iter().filter(|request| request.method == method && request.target == target).count();
        let request =
            ReceivedRequest { method, target, head, body: String::from_utf8_lossy(&body).into_owned(), nth };
        log.push(request.clone());
        script(&request)
    };
    let (status, header, body) = match reply {
        Reply::Body(status, body) => (status, "X-None: 1", body),
        Reply::WithHeader(status, header, body) => (status, header, body),
        Reply::Raw(bytes) => return socket.write_all(&bytes).await.ok(),
        Reply::Stall(start) => {
            socket.write_all(start.as_bytes()).await.ok()?;
            return std::future::pending().await;
        }
        Reply::Impatient(bytes) => {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let written = tokio::time::timeout(Duration::from_millis(250), socket.write(rest)).await;
                rest = &rest[written.ok()?.ok()?..];
            }
            return Some(());
        }
        Reply::Disconnect => return None,
    };
    let length = body.len();
    let response = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nSforce-Limit-Info: api-usage=7/100\r\n\
         {header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    socket.write_all(response.as_bytes()).await.ok()
}

/// A source whose first token is [`OLD`]. A rejected token is replaced at the server's token endpoint.
#[derive(Debug)]
struct TestSource {
    user: UserRef,
    oauth: OAuthClient,
    host: LoginHost,
    token: Mutex<Arc<AccessToken>>,
    /// The renewed token that was rejected as well, and is not replaced.
    rejected: Mutex<Option<Generation>>,
    refreshing: tokio::sync::Mutex<()>,
}

impl TokenSource for TestSource {
    fn user(&self) -> UserRef {
        self.user
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        Ok(Arc::clone(&self.token.lock().unwrap()))
    }

    fn refresh<'a>(
        &'a self,
        rejected: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        Box::pin(async {
            let _one_at_a_time = self.refreshing.lock().await;
            let current = self.token()?;
            if current.generation() != rejected.generation()
                || *self.rejected.lock().unwrap() == Some(rejected.generation())
            {
                return Ok(current);
            }
            let tokens = match self.oauth.refresh(&self.host, &Secret::new("refresh-canary-token")).await {
                Ok(tokens) if tokens.is_for(&self.user, &self.host) => tokens,
                Err(error) if !error.is_invalid_grant() => {
                    return Err(TokenError::unavailable(Duration::from_secs(2), error));
                }
                _ => return Err(TokenError::LoginRequired),
            };
            let token = AccessToken::new(&tokens.access_token, tokens.instance_url, tokens.scopes).unwrap();
            let token = Arc::new(token.with_generation(Generation(rejected.generation().0 + 1)));
            *self.token.lock().unwrap() = Arc::clone(&token);
            Ok(token)
        })
    }

    fn rejected_again<'a>(&'a self, fresh: &'a AccessToken) -> BoxFuture<'a, ()> {
        *self.rejected.lock().unwrap() = Some(fresh.generation());
        Box::pin(std::future::ready(()))
    }
}

/// Returns a connection with the token [`OLD`] to a server that is login host and instance.
fn connect(server: &Server) -> Connection {
    connect_allowing(server, [])
}

fn connect_allowing<const N: usize>(server: &Server, others: [&Server; N]) -> Connection {
    connect_with(server, others, ApiVersion::CURRENT)
}

fn connect_with<const N: usize>(server: &Server, others: [&Server; N], version: ApiVersion) -> Connection {
    connect_each(server, others, &[(ORG, USER)], &[version]).remove(0)
}

/// Returns connections of one client: for each user one in each version.
fn connect_each<const N: usize>(
    server: &Server,
    others: [&Server; N],
    users: &[(&str, &str)],
    versions: &[ApiVersion],
) -> Vec<Connection> {
    let origins = others.iter().map(|other| other.origin.clone()).chain([server.origin.clone()]);
    let client = Client::builder().allowed_hosts(AllowedHosts::new(origins)).max_concurrent_requests(8);
    // The API host is the instance: the token need not be a JWT.
    let client = client.api_host(server.origin.as_str());
    let client = client.build().unwrap();
    let host: LoginHost = server.origin.as_str().parse().unwrap();
    let mut connections = Vec::new();
    for (org, user) in users {
        let scopes = "api refresh_token web".parse().unwrap();
        let token =
            AccessToken::new(&Secret::new("old-canary-token"), server.origin.clone(), scopes).unwrap();
        let source = Arc::new(TestSource {
            user: UserRef::new(org.parse().unwrap(), user.parse().unwrap()),
            oauth: OAuthClient::with_client(OAuthApp::new("test", None), &client),
            host: host.clone(),
            token: Mutex::new(Arc::new(token)),
            rejected: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        });
        let connection = Connection::new(&client, source);
        connections.extend(versions.iter().map(|version| connection.with_api_version(*version)));
    }
    connections
}
