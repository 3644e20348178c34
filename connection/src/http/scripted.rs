//! A server on loopback that sends exactly the bytes that a test sets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and target, for example `POST /services/oauth2/token`.
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The bytes to send, and what to do after them.
pub(crate) struct Reply(pub(crate) Vec<u8>, pub(crate) Then);

pub(crate) enum Then {
    Close,
    /// An RST instead of a FIN.
    Reset,
    /// Sends nothing more and keeps the connection open.
    Hang,
    /// Sends the same bytes until the client disconnects.
    Repeat,
    /// Sends one byte after each of these waits, and letters after the last one until the client disconnects.
    Drip(Duration),
}

impl Reply {
    pub(crate) fn new(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}").into_bytes();
        bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
        bytes.extend(body);
        Self(bytes, Then::Close)
    }

    pub(crate) fn json(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self::new(status, "Content-Type: application/json;charset=UTF-8\r\n", body)
    }
}

pub(crate) struct Scripted {
    pub(crate) origin: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let origin = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&seen), Arc::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&script)));
            }
        });
        Self { origin, seen, task }
    }

    /// Starts a server that must never be contacted.
    pub(crate) async fn untrusted() -> Self {
        Self::start(|_| Reply::json(200, "{}")).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<Seen>>>,
    script: Arc<impl Fn(&Seen) -> Reply + Send + Sync + 'static>,
) {
    let Some(seen) = read(&mut stream).await else { return };
    log.lock().unwrap().push(seen.clone());
    let Reply(bytes, then) = script(&seen);
    if let Then::Drip(wait) = then {
        for byte in bytes.iter().copied().chain(std::iter::repeat(b'x')) {
            tokio::time::sleep(wait).await;
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    }
    let _ = stream.write_all(&bytes).await;
    match then {
        Then::Close => drop(stream.shutdown().await),
        Then::Reset => {
            // Lets the bytes arrive before the reset discards them.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger().unwrap();
        }
        Then::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
        Then::Drip(_) => {}
        Then::Repeat => while stream.write_all(&bytes).await.is_ok() {},
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
                return Some(Seen {
                    line,
                    head,
                    body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned(),
                });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
