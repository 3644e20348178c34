//! The API layer over real sockets: a scripted organization, and the real refresh engine.

mod describe;
mod hostile;
#[cfg(feature = "bulk")]
mod hostile_bulk;
#[cfg(feature = "bulk")]
mod hostile_jobs;
mod pages;
mod records;
mod sending;
pub(super) mod text;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

use super::{ApiManners, ApiShared, ApiVersion, Connection};
use crate::{
    Secret,
    base::{background::BackgroundRuntime, clock::Clock, seal::KeyRing},
    grants::{GrantManager, GrantManagerConfig, Lifetimes, Profile},
    http::{HttpClient, Outbound},
    oauth::{IdentityUrl, OAuthApp, OAuthClient, TokenSet},
    store::{AppKey, MemoryStore},
};

const ORG: &str = "00Dx0000000BV7zEAG";
const USER: &str = "005x00000012Q9PAAU";
const OLD: &str = "Bearer old-canary-token";
const NEW: &str = "Bearer new-canary-token";
const TOKEN: &str = "/services/oauth2/token";

/// A request as the server saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    target: String,
    head: String,
    body: String,
    /// How many requests of this method and target came before.
    nth: usize,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The query parameter `q`, decoded.
    fn soql(&self) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "q")
            .map(|(_, q)| q.into_owned())
    }
}

enum Reply {
    Answer(u16, String),
    With(u16, &'static str, String),
    /// Exactly these bytes.
    Raw(Vec<u8>),
    /// This, and then nothing more, while the connection stays.
    Hang(&'static str),
    /// The connection ends without an answer.
    Hangup,
}

impl From<Value> for Reply {
    fn from(body: Value) -> Self {
        Self::Answer(200, body.to_string())
    }
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    Reply::Answer(status, json!([{ "errorCode": code, "message": message }]).to_string())
}

fn expired() -> Reply {
    refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
}

struct Server {
    origin: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { origin, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and target of each request.
    fn lines(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(start)).count()
    }

    fn token_calls(&self) -> usize {
        self.count(&format!("POST {TOKEN}"))
    }

    /// What the token endpoint says when this server is to be the instance.
    fn tokens(&self) -> Value {
        tokens(&self.origin)
    }
}

fn tokens(instance: &Url) -> Value {
    json!({
        "access_token": "new-canary-token",
        "instance_url": instance.as_str().trim_end_matches('/'),
        "id": format!("{instance}id/{ORG}/{USER}"),
        "token_type": "Bearer",
        "issued_at": "1278448101416",
    })
}

async fn serve(
    mut socket: TcpStream,
    script: Arc<impl Fn(&Seen) -> Reply>,
    log: Arc<Mutex<Vec<Seen>>>,
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
        let nth = log.iter().filter(|seen| seen.method == method && seen.target == target).count();
        let seen = Seen { method, target, head, body: String::from_utf8(body).unwrap(), nth };
        log.push(seen.clone());
        script(&seen)
    };
    let (status, header, body) = match reply {
        Reply::Answer(status, body) => (status, "X-None: 1", body),
        Reply::With(status, header, body) => (status, header, body),
        Reply::Raw(bytes) => return socket.write_all(&bytes).await.ok(),
        Reply::Hang(start) => {
            socket.write_all(start.as_bytes()).await.ok()?;
            return std::future::pending().await;
        }
        Reply::Hangup => return None,
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nSforce-Limit-Info: api-usage=7/100\r\n\
         {header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    socket.write_all(answer.as_bytes()).await.ok()
}

/// A connection whose token is [`OLD`], to a server that is login host and instance.
async fn connect(server: &Server) -> (Connection, BackgroundRuntime) {
    connect_allowing(server, []).await
}

async fn connect_allowing<const N: usize>(
    server: &Server,
    others: [&Server; N],
) -> (Connection, BackgroundRuntime) {
    connect_with(server, others, ApiVersion::CURRENT).await
}

async fn connect_with<const N: usize>(
    server: &Server,
    others: [&Server; N],
    version: ApiVersion,
) -> (Connection, BackgroundRuntime) {
    let (connections, background) = connect_each(server, others, &[(ORG, USER)], &[version]).await;
    (connections.into_iter().next().unwrap(), background)
}

/// Connections of one app: of each of these users in each of these versions.
async fn connect_each<const N: usize>(
    server: &Server,
    others: [&Server; N],
    users: &[(&str, &str)],
    versions: &[ApiVersion],
) -> (Vec<Connection>, BackgroundRuntime) {
    let origins = others.iter().map(|other| other.origin.clone()).chain([server.origin.clone()]);
    let http = HttpClient::new(Arc::new(Outbound::new(origins))).unwrap();
    let background = BackgroundRuntime::start().unwrap();
    let client_id = "test".to_owned();
    let engine = GrantManager::new(GrantManagerConfig {
        app: AppKey::from_client_id(&client_id),
        store: Arc::new(MemoryStore::new()),
        keys: KeyRing::generate().unwrap(),
        oauth: OAuthClient::with_http(OAuthApp::new(client_id, None), http.clone()),
        background: background.spawner(),
        clock: Clock::system(),
        events: Default::default(),
        lifetimes: Lifetimes { idle: Duration::from_secs(60), absolute: Duration::from_secs(60) },
        timing: Default::default(),
    });
    let manners = ApiManners {
        concurrent_calls: 8,
        queue: Duration::from_secs(5),
        optional_until_percent: 80,
        call_options: Default::default(),
    };
    let shared = Arc::new(ApiShared::new(manners));
    let host = server.origin.as_str().parse().unwrap();
    let mut connections = Vec::new();
    for (org, user) in users {
        let tokens = TokenSet {
            access_token: Secret::new("old-canary-token"),
            refresh_token: Some(Secret::new("refresh-canary-token")),
            instance_url: server.origin.clone(),
            identity: IdentityUrl::parse(&format!("{}id/{org}/{user}", server.origin)).unwrap(),
            scopes: "api refresh_token".parse().unwrap(),
            issued_at: None,
            id_token: None,
            community_url: None,
        };
        let grant = engine.save(tokens, Profile::default(), &host).await.unwrap();
        let connect = |version: &ApiVersion| {
            Connection::new(grant.clone(), http.clone(), *version, Arc::clone(&shared))
        };
        connections.extend(versions.iter().map(connect));
    }
    (connections, background)
}
