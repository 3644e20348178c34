//! [`Shared`]: what all browsers of a feed read.

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use salesforce_connection::{
    OrgId,
    events::{Delivery, RawEvent},
};
use tokio::sync::watch;

use super::{
    MapFunction,
    message::{Message, Reset},
    ring::{Cursor, Lagged, Limits, Ring},
};
use crate::{SalesforceUser, base::lock::lock};

const LIMITS: Limits = Limits { messages: 1_000, bytes: 4 * 1024 * 1024 };

/// How many messages a browser gets at once. It asks for more when it has taken those.
const CHUNK: usize = 64;

#[derive(Debug)]
pub(super) struct Shared {
    topic: String,
    ring: Mutex<Ring<Arc<Message>>>,
    /// Changes with each message.
    changed: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(topic: String) -> Self {
        Self { topic, ring: Mutex::new(Ring::new(LIMITS)), changed: watch::Sender::new(()) }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn push(&self, org: OrgId, delivery: Delivery<RawEvent>) {
        self.add(Message::of(org, &self.topic, delivery));
    }

    pub(super) fn reset(&self, reset: Reset) {
        self.add(Message::Reset(reset));
    }

    fn add(&self, message: Message) {
        lock(&self.ring).push(message.size(), Arc::new(message));
        self.changed.send_replace(());
    }

    /// Wakes a browser for each message.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Returns where a browser starts: now.
    pub(super) fn end(&self) -> Cursor {
        lock(&self.ring).end()
    }

    /// Returns where a browser goes on that has the event with this id; `None` if that is not known any more.
    pub(super) fn after(&self, id: &str) -> Option<Cursor> {
        lock(&self.ring).after(|message| message.has_id(id))
    }

    pub(super) fn has_more(&self, cursor: Cursor) -> bool {
        cursor < self.end()
    }

    /// Reads the next messages for a user, and moves the cursor. `None` if there are none for this user.
    pub(super) fn read(
        &self,
        cursor: &mut Cursor,
        user: &SalesforceUser,
        map: Option<&MapFunction>,
    ) -> Option<Bytes> {
        let messages: Vec<_> = {
            let ring = lock(&self.ring);
            match ring.since(*cursor) {
                Ok(messages) => {
                    messages.take(CHUNK).map(|(after, message)| (after, Arc::clone(message))).collect()
                }
                Err(Lagged) => {
                    *cursor = ring.end();
                    return Some(Reset::Lagged.frame());
                }
            }
        };
        // Without the lock: this calls the app's function.
        let mut chunk = BytesMut::new();
        for (after, message) in messages {
            *cursor = after;
            if let Some(frame) = message.frame_for(user, map) {
                chunk.extend_from_slice(&frame);
            }
        }
        (!chunk.is_empty()).then(|| chunk.freeze())
    }
}
