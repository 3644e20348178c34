//! A request to the program: one connection each, over loopback, without an HTTP library.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::ProcessError;

/// Longest wait for a connection's next bytes. A reset with many sample rows takes seconds; a program that hangs
/// must fail the test that drives it.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends a request and returns the response's JSON.
pub(super) fn send(
    origin: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, ProcessError> {
    let (status, text) = exchange(origin, method, path, body)
        .map_err(|source| ProcessError::Request { path: path.to_owned(), source })?;
    let rejected = || ProcessError::Rejected { path: path.to_owned(), status, body: text.clone() };
    if status != 200 {
        return Err(rejected());
    }
    serde_json::from_str(&text).map_err(|_| rejected())
}

fn exchange(origin: &str, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, String)> {
    let host = origin.strip_prefix("http://").ok_or_else(|| io::Error::other("expected an http:// URL"))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_nodelay(true)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    parse(&response).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the response is not HTTP"))
}

/// Status and body. Control responses are sent with their length, so the body is the rest of the connection.
fn parse(response: &[u8]) -> Option<(u16, String)> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(response.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, String::from_utf8_lossy(response.get(end + 4..)?).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_response_is_split_into_status_and_body() {
        assert_eq!(parse(b"HTTP/1.1 400 Bad Request\r\na: b\r\n\r\n{}"), Some((400, "{}".into())));
        for wrong in [&b""[..], b"HTTP/1.1 200", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 \xff00\r\n\r\n"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
