//! Forward proxies: `CONNECT` (RFC 9110 section 9.3.6), and SOCKS 5 (RFC 1928) with a user and a password (RFC 1929).

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A part of the URL with the password `hunter@2`.
const ENCODED: &str = "me:hunter%402@";
/// The same as HTTP sends it (RFC 7617).
const BASIC: &str = "bWU6aHVudGVyQDI=";
const USER: &[u8] = b"me";
const PASSWORD: &[u8] = b"hunter@2";

/// A forward proxy. It lives on the test's runtime.
pub struct ForwardProxy {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
}

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Connect,
    Socks,
}

/// How a proxy treats its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It serves all.
    Open,
    /// It serves those that know the password.
    Password,
    /// It refuses the password, as if another one were right.
    OtherPassword,
    /// It allows none of the targets.
    Refuses,
    /// It ends each tunnel when the client has sent its first bytes.
    Dies,
}

#[derive(Default)]
struct Seen {
    /// Host, as the client wrote it, and port.
    targets: Vec<(String, u16)>,
    /// What went through the tunnels to the servers.
    bytes: Vec<u8>,
}

impl ForwardProxy {
    pub async fn start(protocol: Protocol, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port");
        let port = listener.local_addr().expect("its address").port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, protocol, manner, Arc::clone(&all)));
            }
        });
        Self { port, seen }
    }

    /// Its URL with the password.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{ENCODED}127.0.0.1:{}", self.port)
    }

    /// Its URL without the password.
    pub fn open_url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The ports that clients asked for.
    pub fn ports(&self) -> Vec<u16> {
        self.seen.lock().unwrap().targets.iter().map(|(_, port)| *port).collect()
    }

    /// The hosts that clients asked for, as they wrote them.
    pub fn hosts(&self) -> Vec<String> {
        self.seen.lock().unwrap().targets.iter().map(|(host, _)| host.clone()).collect()
    }

    /// Whether these bytes went through a tunnel as they are.
    pub fn saw(&self, text: &str) -> bool {
        self.seen.lock().unwrap().bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes())
    }

    /// Whether anything went through.
    pub fn was_used(&self) -> bool {
        !self.seen.lock().unwrap().bytes.is_empty()
    }
}

async fn serve(client: TcpStream, protocol: Protocol, manner: Manner, seen: Arc<Mutex<Seen>>) -> Option<()> {
    let mut client = BufReader::new(client);
    let server = match protocol {
        Protocol::Connect => connect(&mut client, manner, &seen).await?,
        Protocol::Socks => socks(&mut client, manner, &seen).await?,
    };
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            seen.lock().unwrap().bytes.extend_from_slice(&bytes[..length]);
            if manner == Manner::Dies || to_server.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
    Some(())
}

async fn connect(client: &mut BufReader<TcpStream>, manner: Manner, seen: &Mutex<Seen>) -> Option<TcpStream> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        client.read_line(&mut head).await.ok().filter(|length| *length > 0)?;
    }
    let target = head.split(' ').nth(1)?.to_owned();
    let (host, port) = target.rsplit_once(':')?;
    seen.lock()
        .unwrap()
        .targets
        .push((host.to_owned(), port.trim_end_matches('/').parse().unwrap_or_default()));
    let is_known =
        head.lines().any(|line| line.eq_ignore_ascii_case(&format!("proxy-authorization: basic {BASIC}")));
    let refusal = match manner {
        Manner::Password if !is_known => Some("407 Proxy Authentication Required"),
        Manner::OtherPassword => Some("407 Proxy Authentication Required"),
        Manner::Refuses => Some("403 Forbidden"),
        _ if !head.starts_with("CONNECT ") => Some("501 Not Implemented"),
        _ => None,
    };
    if let Some(refusal) = refusal {
        let _ = client.write_all(format!("HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        return None;
    }
    let server = TcpStream::connect(target).await.ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    Some(server)
}

async fn socks(client: &mut BufReader<TcpStream>, manner: Manner, seen: &Mutex<Seen>) -> Option<TcpStream> {
    // Version, and the ways to say who the client is.
    let mut start = [0; 2];
    client.read_exact(&mut start).await.ok()?;
    let mut methods = vec![0; usize::from(start[1])];
    client.read_exact(&mut methods).await.ok()?;
    let needs_password = matches!(manner, Manner::Password | Manner::OtherPassword);
    let method = if needs_password { 2 } else { 0 };
    if !methods.contains(&method) {
        let _ = client.write_all(&[5, 0xff]).await;
        return None;
    }
    client.write_all(&[5, method]).await.ok()?;
    if needs_password {
        let mut version = [0];
        client.read_exact(&mut version).await.ok()?;
        let (user, password) = (text(client).await?, text(client).await?);
        let is_known = manner == Manner::Password && user == USER && password == PASSWORD;
        client.write_all(&[1, u8::from(!is_known)]).await.ok()?;
        if !is_known {
            return None;
        }
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await.ok()?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => String::from_utf8(text(client).await?).ok()?,
        _ => {
            let mut address = [0; 16];
            client.read_exact(&mut address).await.ok()?;
            std::net::Ipv6Addr::from(address).to_string()
        }
    };
    let port = client.read_u16().await.ok()?;
    seen.lock().unwrap().targets.push((host, port));
    let reply = |code: u8| [5, code, 0, 1, 127, 0, 0, 1, 0, 0];
    if manner == Manner::Refuses {
        // "Connection not allowed by ruleset".
        let _ = client.write_all(&reply(2)).await;
        return None;
    }
    let server = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    client.write_all(&reply(0)).await.ok()?;
    Some(server)
}

/// A length, and as many bytes.
async fn text(client: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let length = client.read_u8().await.ok()?;
    let mut bytes = vec![0; length.into()];
    client.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
