//! HTTP/1.1 byte by byte, for what no client library would send.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use socket2::SockRef;
use url::Url;

fn connect(url: &str) -> TcpStream {
    let url = Url::parse(url).expect("a URL");
    let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream
}

/// Sends these bytes and gives everything that comes back until the server closes. Blocking: run it where that is fine.
pub fn exchange(url: &str, request: &[u8]) -> String {
    let mut stream = connect(url);
    // A server may respond and close before it has read everything.
    let _ = stream.write_all(request);
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}

/// A GET with exactly these header lines (each ending in CR LF).
pub fn get(url: &str, target: &str, headers: &[u8]) -> String {
    let host = Url::parse(url).unwrap();
    let host = format!("{}:{}", host.host_str().unwrap(), host.port().unwrap());
    let mut request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n").into_bytes();
    request.extend_from_slice(headers);
    request.extend_from_slice(b"\r\n");
    exchange(url, &request)
}

/// Sends a GET and leaves the response to be read.
pub fn begin(url: &str, target: &str, cookie: &str) -> TcpStream {
    let mut stream = connect(url);
    let host = stream.peer_addr().unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n")
        .unwrap();
    stream
}

/// The same with a client whose system keeps little of what it did not read yet.
pub fn begin_reading_little(url: &str, target: &str, cookie: &str) -> TcpStream {
    let address = Url::parse(url).expect("a URL").socket_addrs(|| None).expect("an address")[0];
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    // Before it connects: the window is agreed upon then.
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    socket.connect(&address.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream
}

/// A connection that stays open over many requests.
pub struct Kept(TcpStream);

impl Kept {
    pub fn open(url: &str) -> Self {
        Self(connect(url))
    }

    /// Sends a GET, with a cookie unless it is empty, and gives the status and the body of its response, which has a length.
    pub fn get(&mut self, target: &str, cookie: &str) -> (u16, String) {
        let host = self.0.peer_addr().unwrap();
        let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        write!(self.0, "GET {target} HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n").unwrap();
        let mut response = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = self.0.read(&mut buffer).unwrap();
            assert!(read > 0, "the server closed the connection");
            response.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&response);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let mut length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length: usize = length.next_back().expect("a length").1.parse().unwrap();
            if body.len() >= length {
                return (status(head), body.to_owned());
            }
        }
    }
}

/// The status of a response.
pub fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Cuts a connection with a reset.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Sends a GET and cuts the connection with a reset after `delay`, before the response. A plain close would prove
/// nothing: actix lets a handler finish then.
pub fn get_and_reset(url: &str, target: &str, cookie: &str, delay: Duration) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n");
    send_and_reset(url, request.as_bytes(), delay);
}

/// The same with any request.
pub fn send_and_reset(url: &str, request: &[u8], delay: Duration) {
    let mut stream = connect(url);
    stream.write_all(request).unwrap();
    std::thread::sleep(delay);
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}
