//! [`EventLog`]: the events that were published, with their replay ids.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::watch;

use super::change::{self, Transaction, commit_number};
use super::platform::PlatformEventSpec;
use crate::base::clock::Millis;
use crate::base::{lock, random};
use crate::data::changes::RowChange;
use crate::data::schema::Object;

/// How long events are retained: 72 hours (Platform Events Developer Guide, "Event Message Durability").
const RETENTION: Millis = 72 * 60 * 60 * 1_000;
/// The most events that are held; the oldest go first.
const MOST_EVENTS: usize = 100_000;

/// A published event.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    /// API name of the event: `AccountChangeEvent`, `Order_Event__e`.
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) schema_id: String,
    pub(crate) payload: Bytes,
}

/// An id that was given out: to an event, or to a sign of life.
#[derive(Debug)]
struct Entry {
    at: Millis,
    event: Option<Logged>,
}

#[derive(Debug)]
struct Inner {
    last: u64,
    entries: BTreeMap<u64, Entry>,
    /// By event name.
    changes: HashMap<String, Object>,
    platform: HashMap<String, PlatformEventSpec>,
    /// Schemas by id. One that was replaced stays: events that are retained have it.
    schemas: HashMap<String, String>,
    /// The current schema ids by event name.
    current: HashMap<String, String>,
}

/// All events of an org. The order of ids is the order of the writes, and ids are not contiguous.
#[derive(Debug)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
}

/// Which events a topic has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `/data/ChangeEvents`
    AllChanges,
    /// Of one name.
    Changes(String),
    Platform(String),
}

/// Why a position cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPosition {
    Malformed,
    Unknown,
}

impl Default for EventLog {
    fn default() -> Self {
        let inner = Inner {
            // Ids do not begin with 1.
            last: 296_000,
            entries: BTreeMap::new(),
            changes: HashMap::new(),
            platform: HashMap::new(),
            schemas: HashMap::new(),
            current: HashMap::new(),
        };
        Self { inner: Mutex::new(inner), newest: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// Selects an object for change events.
    pub(crate) fn select(&self, object: &Object) {
        let (json, id) = change::schema(object);
        let mut inner = lock(&self.inner);
        let name = change::event_name(object.name);
        inner.changes.insert(name.clone(), *object);
        inner.schemas.insert(id.clone(), json);
        inner.current.insert(name, id);
    }

    /// Declares a platform event, or declares it again with other fields.
    pub(crate) fn declare(&self, event: &PlatformEventSpec) {
        let (json, id) = event.schema();
        let mut inner = lock(&self.inner);
        inner.platform.insert(event.name.clone(), event.clone());
        inner.schemas.insert(id.clone(), json);
        inner.current.insert(event.name.clone(), id);
    }

    /// The topic of a name, if it is one of this org.
    pub(crate) fn topic(&self, name: &str) -> Option<Topic> {
        let inner = lock(&self.inner);
        if name == "/data/ChangeEvents" {
            return Some(Topic::AllChanges);
        }
        if let Some(event) = name.strip_prefix("/data/") {
            return inner.changes.contains_key(event).then(|| Topic::Changes(event.to_owned()));
        }
        let event = name.strip_prefix("/event/")?;
        inner.platform.contains_key(event).then(|| Topic::Platform(event.to_owned()))
    }

    /// The id of a topic's current schema. A channel with events of several kinds has none.
    pub(crate) fn schema_id(&self, topic: &Topic) -> Option<String> {
        match topic {
            Topic::AllChanges => None,
            Topic::Changes(name) | Topic::Platform(name) => lock(&self.inner).current.get(name).cloned(),
        }
    }

    pub(crate) fn schema(&self, id: &str) -> Option<String> {
        lock(&self.inner).schemas.get(id).cloned()
    }

    /// Publishes the changes of one transaction.
    pub(crate) fn record(&self, changes: Vec<RowChange>) {
        if changes.is_empty() {
            return;
        }
        let key = format!("{}-0000", random::plain(8));
        let mut inner = lock(&self.inner);
        for (mut change, sequence) in changes.into_iter().zip(1..) {
            let name = change::event_name(change.object.name);
            let (Some(object), Some(schema_id)) =
                (inner.changes.get(&name), inner.current.get(&name).cloned())
            else {
                continue;
            };
            // What a user with few rights wrote to has few fields; the event has all of them.
            change.object = *object;
            let commit_number = commit_number(change.at, inner.last);
            let payload = change::payload(&change, &Transaction { key: &key, sequence, commit_number });
            // Change events have no UUID. (Unverified: a captured one had one.)
            let event = Logged { name, id: String::new(), schema_id, payload: payload.into() };
            inner.add(change.at, Some(event));
        }
        self.announce(&inner);
    }

    /// Publishes an event as it is, and returns its replay id. Salesforce does not check the data.
    pub(crate) fn publish(&self, now: Millis, event: Logged) -> u64 {
        let mut inner = lock(&self.inner);
        let id = inner.add(now, Some(event));
        self.announce(&inner);
        id
    }

    /// Gives out an id for a sign of life: it is a position, too.
    pub(crate) fn mark(&self, now: Millis) -> u64 {
        lock(&self.inner).add(now, None)
    }

    /// The newest id. Events after it are those of the future.
    pub(crate) fn newest(&self) -> u64 {
        lock(&self.inner).last
    }

    /// Reads a position.
    pub(crate) fn position(&self, bytes: &[u8], now: Millis) -> Result<u64, BadPosition> {
        let (number, rest) = bytes.split_first_chunk::<8>().ok_or(BadPosition::Malformed)?;
        if !matches!(rest, [] | [0, 0]) {
            return Err(BadPosition::Malformed);
        }
        let id = u64::from_be_bytes(*number);
        let inner = lock(&self.inner);
        match inner.entries.get(&id).is_some_and(|entry| entry.at > now - RETENTION) {
            true => Ok(id),
            false => Err(BadPosition::Unknown),
        }
    }

    /// At most so many events of a topic after a position, with the id of each.
    pub(crate) fn after(&self, topic: &Topic, position: u64, most: usize, now: Millis) -> Vec<(u64, Logged)> {
        let inner = lock(&self.inner);
        let later = inner.entries.range((Bound::Excluded(position), Bound::Unbounded));
        let retained = later.filter(|(_, entry)| entry.at > now - RETENTION);
        let events = retained.filter_map(|(id, entry)| Some((*id, entry.event.clone()?)));
        let is_change = |name: &str| inner.changes.contains_key(name);
        events
            .filter(|(_, event)| match topic {
                Topic::AllChanges => is_change(&event.name),
                Topic::Changes(name) | Topic::Platform(name) => event.name == *name,
            })
            .take(most)
            .collect()
    }

    /// Is notified of each new event.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Forgets all events: their positions are unknown then.
    pub(crate) fn forget(&self) {
        lock(&self.inner).entries.clear();
    }

    fn announce(&self, inner: &Inner) {
        self.newest.send_replace(inner.last);
    }
}

impl Inner {
    fn add(&mut self, at: Millis, event: Option<Logged>) -> u64 {
        let step = random::digits(1).parse::<u64>().unwrap_or_default();
        self.last += 1 + step;
        self.entries.insert(self.last, Entry { at, event });
        if self.entries.len() > MOST_EVENTS {
            self.entries.pop_first();
        }
        self.last
    }
}

/// A replay id as it is sent: 10 bytes, of which the last two are zero (captured: pub-sub-api-node-client issue 59).
pub(crate) fn replay_id(id: u64) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[0, 0]].concat()
}
