//! [`EventStream`]: the events of a `text/event-stream` response.
//!
//! Source: HTML Living Standard, section 9.2 "Server-sent events".

use bytes::{Buf as _, BytesMut};
use futures_util::TryStreamExt as _;
use memchr::memchr2;

use crate::http::{error::HttpError, streaming_body::StreamingBody};

/// Largest event in bytes, and the most that is held of a stream: a whole message of an agent with its sources has some
/// 100 KiB.
const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Reads events as they arrive, and nothing before the reader asks for it. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct EventStream {
    body: StreamingBody,
    buffer: BytesMut,
    /// The start of the buffer that is known to have no end of line.
    scanned: usize,
    /// A line ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    is_first_line: bool,
    data: Vec<u8>,
    has_data: bool,
}

impl EventStream {
    pub(crate) fn new(body: StreamingBody) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            scanned: 0,
            after_cr: false,
            is_first_line: true,
            data: Vec::new(),
            has_data: false,
        }
    }

    /// Returns the data of the next event; `None` at the end of the body. An event that the end cuts off is dropped, as
    /// the standard says: the caller knows which event is the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        loop {
            while let Some(line) = self.next_line() {
                if let Some(event) = self.take_line(&line)? {
                    return Ok(Some(event));
                }
            }
            match self.body.try_next().await? {
                None => return Ok(None),
                Some(chunk) if self.buffer.len() + chunk.len() > MAX_EVENT_BYTES => {
                    return Err(HttpError::TooLarge);
                }
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
            }
        }
    }

    /// Takes a whole line, without its end, out of the buffer.
    fn next_line(&mut self) -> Option<BytesMut> {
        if self.after_cr && self.buffer.first() == Some(&b'\n') {
            self.buffer.advance(1);
        }
        if !self.buffer.is_empty() {
            self.after_cr = false;
        }
        let Some(end) = memchr2(b'\n', b'\r', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + end;
        self.scanned = 0;
        self.after_cr = self.buffer[end] == b'\r';
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        Some(line)
    }

    /// Adds a line to the event, and returns the event at its end. Names, ids and comments are of no use here.
    fn take_line(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, HttpError> {
        let line = if std::mem::take(&mut self.is_first_line) {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Ok(std::mem::take(&mut self.has_data).then_some(data));
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            _ => return Ok(None),
        };
        if self.data.len() + value.len() > MAX_EVENT_BYTES {
            return Err(HttpError::TooLarge);
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use std::time::Duration;

    use super::*;

    async fn read(chunks: &[&[u8]]) -> Result<Vec<String>, HttpError> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let body = StreamingBody::events_of(stream::iter(chunks), Duration::from_secs(1));
        let mut events = EventStream::new(body);
        let mut all = Vec::new();
        while let Some(event) = events.next().await? {
            all.push(String::from_utf8(event).unwrap());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn events_are_read_as_the_standard_says_wherever_they_are_cut() {
        let text = "\u{feff}: hello\n\nevent: x\nid: 1\ndata: one\n\ndata:two\r\ndata: \r\n\r\ndata\rdata:  three\r\r\
                    retry: 5\ndatabase: no\n\ndata: ä\n\ndata: cut off";
        let expected = ["one", "two\n", "\n three", "ä"];
        assert_eq!(read(&[text.as_bytes()]).await.unwrap(), expected);
        for size in 1..8 {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(read(&chunks).await.unwrap(), expected, "chunks of {size}");
        }
    }

    #[tokio::test]
    async fn an_event_without_end_costs_bounded_memory() {
        let chunk = vec![b'a'; 64 * 1024];
        let line: Vec<&[u8]> = std::iter::once(b"data: ".as_slice()).chain(vec![&*chunk; 20]).collect();
        assert!(matches!(read(&line).await, Err(HttpError::TooLarge)));
        let long = [b"data: ", &*chunk, b"\n"].concat();
        assert!(matches!(read(&vec![&*long; 20]).await, Err(HttpError::TooLarge)), "of many lines");
    }
}
