//! What the `EventSource` of an open page hears (HTML Standard, "Server-sent events").

use std::time::{Duration, Instant};

use serde_json::Value;

/// An open page: what its `EventSource` hears.
pub(super) struct Page {
    pub(super) response: reqwest::Response,
    read: String,
    /// What a browser sends when it reconnects.
    pub(super) last_id: Option<String>,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) kind: String,
    pub(super) data: Value,
}

impl Page {
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self { response, read: String::new(), last_id: None }
    }

    /// Reads what the stream begins with.
    pub(super) async fn opened(mut self) -> Self {
        while self.last_id.is_none() {
            let next = tokio::time::timeout(Duration::from_millis(100), self.read_on()).await;
            assert!(next.is_err(), "no event yet: {next:?}");
        }
        self
    }

    /// The next event; `None` if the stream ends. Comments are left out, as a browser does.
    pub(super) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(Duration::from_secs(20), self.read_on())
            .await
            .expect("an event or the end within 20 seconds")
    }

    async fn read_on(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| {
                    let line = block.lines().find(|line| line.split(':').next() == Some(name))?;
                    Some(line[name.len()..].trim_start_matches(':').trim_start().to_owned())
                };
                if let Some(id) = field("id") {
                    self.last_id = Some(id);
                }
                if let Some(data) = field("data") {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(Event { id: field("id"), kind: field("event").unwrap(), data });
                }
            }
            let chunk = self.response.chunk().await.unwrap_or(None)?;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    pub(super) async fn event(&mut self) -> Event {
        self.next().await.expect("the stream goes on")
    }

    /// How long it takes until the stream ends. No event may come.
    pub(super) async fn until_end(&mut self) -> Duration {
        let started = Instant::now();
        let event = self.next().await;
        assert!(event.is_none(), "{event:?}");
        started.elapsed()
    }
}
