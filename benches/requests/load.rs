//! A client that costs little: requests ready in memory, on kept connections, each response of the same length.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

const CONNECTIONS: usize = 32;

/// When the load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    After(Duration),
    /// Each connection has sent so many requests.
    Sent(u64),
}

/// Asks for `path` over all connections. Returns requests per second, and how many there were.
pub(crate) fn run(port: u16, path: &str, cookie: Option<&str>, until: Until) -> (f64, u64) {
    let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{cookie}\r\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let started = Instant::now();
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(connection(port, request.clone().into_bytes(), started, until));
        }
        let requests: u64 = connections.join_all().await.into_iter().sum();
        (requests as f64 / started.elapsed().as_secs_f64(), requests)
    })
}

async fn connection(port: u16, request: Vec<u8>, started: Instant, until: Until) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 16 * 1024];
    let mut requests = 0;
    let mut length = None;
    let is_over = |requests| match until {
        Until::After(time) => started.elapsed() >= time,
        Until::Sent(most) => requests >= most,
    };
    while !is_over(requests) {
        stream.write_all(&request).await.unwrap();
        let mut read = 0;
        loop {
            let received = stream.read(&mut buffer[read..]).await.unwrap();
            assert!(received > 0, "the server closed the connection");
            read += received;
            let whole = length.or_else(|| whole_length(&buffer[..read]));
            if whole == Some(read) {
                length = whole;
                break;
            }
        }
        requests += 1;
    }
    requests
}

/// Returns the length of a response of status 200 whose head is complete.
fn whole_length(response: &[u8]) -> Option<usize> {
    let head = response.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&response[..head]).unwrap().to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    Some(head + length.trim().parse::<usize>().unwrap())
}
