//! [`Shared`]: what all browsers of a feed read.

use std::{
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use salesforce_connection::{
    OrgId,
    events::{Delivery, RawEvent},
};
use tokio::sync::watch;

use super::{
    MapFunction,
    message::{self, Message, Reset},
    ring::{Cursor, Lagged, Limits, Ring},
    visible::Visibility,
};
use crate::{SalesforceUser, base::lock::lock};

/// What is in memory for all browsers together.
const MAX_MESSAGES: usize = 1_000;
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How many messages a browser gets at once. More follow when it has read those.
const CHUNK: usize = 64;

#[derive(Debug)]
pub(super) struct Shared {
    topic: String,
    /// Names the place before the first message. No other process and no later feed has it.
    start_id: String,
    resets: AtomicU64,
    ring: Mutex<Ring<Arc<Message>>>,
    /// Changes with each message.
    changed: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(topic: String) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let start_id = message::hashed(&[topic.as_bytes(), &process::id().to_be_bytes(), &now.to_be_bytes()]);
        let (ring, changed) = (
            Mutex::new(Ring::new(Limits { messages: MAX_MESSAGES, bytes: MAX_BYTES })),
            watch::Sender::new(()),
        );
        Self { topic, start_id, resets: AtomicU64::new(0), ring, changed }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn push(&self, org: OrgId, delivery: Delivery<RawEvent>) {
        self.add(Message::of(org, &self.topic, delivery));
    }

    pub(super) fn reset(&self, reset: Reset) {
        let id = message::own_id(&self.start_id, self.resets.fetch_add(1, Ordering::Relaxed));
        self.add(Message::Reset { id, reset });
    }

    fn add(&self, message: Message) {
        lock(&self.ring).push(message.size(), Arc::new(message));
        self.changed.send_replace(());
    }

    /// Wakes a browser for each message.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Returns where a browser starts: now. With the id of this place.
    pub(super) fn end(&self) -> (Cursor, String) {
        let ring = lock(&self.ring);
        (ring.end(), self.id_of_end(&ring))
    }

    fn id_of_end(&self, ring: &Ring<Arc<Message>>) -> String {
        ring.newest().map_or(&*self.start_id, |message| message.id()).to_owned()
    }

    /// Returns the place with this id; `None` if that is not known any more.
    pub(super) fn place(&self, id: &str) -> Option<Cursor> {
        let ring = lock(&self.ring);
        if id == self.start_id { ring.beginning() } else { ring.after(|message| message.id() == id) }
    }

    pub(super) fn has_more(&self, cursor: Cursor) -> bool {
        cursor < lock(&self.ring).end()
    }

    /// Returns the messages that [`read`](Self::read) reads next.
    pub(super) fn next(&self, cursor: Cursor) -> Vec<Arc<Message>> {
        let ring = lock(&self.ring);
        let messages = ring.since(cursor);
        messages
            .map(|messages| messages.take(CHUNK).map(|(_, message)| Arc::clone(message)).collect())
            .unwrap_or_default()
    }

    /// Reads the next messages for a user, and moves the cursor. `None` if there are none for this user.
    pub(super) fn read(
        &self,
        cursor: &mut Cursor,
        user: &SalesforceUser,
        map: Option<&MapFunction>,
        visibility: Option<&Visibility>,
    ) -> Option<Bytes> {
        let messages: Vec<_> = {
            let ring = lock(&self.ring);
            match ring.since(*cursor) {
                Ok(messages) => {
                    messages.take(CHUNK).map(|(after, message)| (after, Arc::clone(message))).collect()
                }
                Err(Lagged) => {
                    *cursor = ring.end();
                    return Some(Reset::Lagged.frame(&self.id_of_end(&ring)));
                }
            }
        };
        // Without the lock: this calls the app's function.
        let mut chunk = BytesMut::new();
        for (after, message) in messages {
            let frame = match visibility {
                None => message.frame_for(user, map),
                // What came since it was asked is asked for next.
                Some(visibility) if !visibility.has_asked(&message) => break,
                Some(visibility) => message.readable_frame_for(user, map, visibility),
            };
            *cursor = after;
            if let Some(frame) = frame {
                chunk.extend_from_slice(&frame);
            }
        }
        (!chunk.is_empty()).then(|| chunk.freeze())
    }
}
