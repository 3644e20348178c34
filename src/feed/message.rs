//! [`Message`]: an event as browsers get it, in the form of server-sent events (HTML Standard, section 9.2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use salesforce_connection::{
    OrgId,
    events::{ChangeKind, Delivery, Position, RawEvent},
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{MapFunction, visible::Visibility};
use crate::SalesforceUser;

/// A comment: what keeps proxies from closing a silent connection.
pub(super) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// After how many milliseconds a browser reconnects.
const RETRY: u32 = 3_000;

/// Returns what a stream begins with. `id` is the place at which it begins: a browser that has received no event since has it
/// for the next time, too.
pub(super) fn opening(id: &str) -> String {
    format!("retry: {RETRY}\nid: {id}\n: open\n\n")
}

/// Bytes of an event's id.
const ID_BYTES: usize = 16;

/// Why a page has to load its data again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    /// The browser was too slow, or was away for too long.
    Lagged,
    /// Salesforce has no details of a change, or the details cannot be read.
    Gap,
    /// The events of Salesforce were interrupted: some may be missing.
    Interrupted,
}

impl Reset {
    /// `id` is the place after it.
    pub(super) fn frame(self, id: &str) -> Bytes {
        let reason = match self {
            Self::Lagged => "lagged",
            Self::Gap => "gap",
            Self::Interrupted => "interrupted",
        };
        Bytes::from(format!("id: {id}\nevent: reset\ndata: {{\"reason\":\"{reason}\"}}\n\n"))
    }
}

/// An event or a reset.
#[derive(Debug)]
pub(super) enum Message {
    Event { id: String, frame: Bytes, delivery: Box<Delivery<RawEvent>> },
    Reset { id: String, reset: Reset },
}

impl Message {
    /// Reads an event. One that says that changes are missing is a reset.
    pub(super) fn of(org: OrgId, topic: &str, delivery: Delivery<RawEvent>) -> Self {
        let id = id(org, topic, &delivery.position);
        let ids = delivery.header.as_ref().map_or(&[][..], |header| &header.record_ids);
        let Some(data) = without_values(&delivery, ids) else { return Self::Reset { id, reset: Reset::Gap } };
        Self::Event { frame: frame(&id, &delivery, &data), id, delivery: Box::new(delivery) }
    }

    /// Returns how much memory it takes, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Event { id, frame, delivery } => id.len() + frame.len() + delivery.event.size(),
            Self::Reset { id, .. } => id.len(),
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Event { id, .. } | Self::Reset { id, .. } => id,
        }
    }

    /// Returns the object and the ids of the records of an event, for changes without a gap.
    pub(super) fn records(&self) -> Option<(&str, ChangeKind, &[String])> {
        let Self::Event { delivery, .. } = self else { return None };
        let header = delivery.header.as_ref()?;
        Some((&header.object, header.kind, &header.record_ids))
    }

    /// Returns what a browser gets whose user may not read each record.
    pub(super) fn readable_frame_for(
        &self,
        user: &SalesforceUser,
        map: Option<&MapFunction>,
        visibility: &Visibility,
    ) -> Option<Bytes> {
        let (Self::Event { id, delivery, .. }, Some((_, kind, all))) = (self, self.records()) else {
            return self.frame_for(user, map);
        };
        let readable: Vec<String> = all.iter().filter(|id| visibility.is_readable(id)).cloned().collect();
        if readable.len() == all.len() {
            return self.frame_for(user, map);
        }
        if kind == ChangeKind::Delete {
            return Some(Reset::Gap.frame(id));
        }
        if readable.is_empty() || map.is_some() {
            return None;
        }
        without_values(delivery, &readable).map(|data| frame(id, delivery, &data))
    }

    /// Returns what a browser of this user gets; `None` if the app's function keeps the event from it.
    pub(super) fn frame_for(&self, user: &SalesforceUser, map: Option<&MapFunction>) -> Option<Bytes> {
        match (self, map) {
            (Self::Reset { id, reset }, _) => Some(reset.frame(id)),
            (Self::Event { frame, .. }, None) => Some(frame.clone()),
            (Self::Event { id, delivery, .. }, Some(map)) => {
                map(user, delivery).map(|data| frame(id, delivery, &data))
            }
        }
    }
}

/// Returns the id of an event: the same in each process, so that a browser may reconnect to another one. It says nothing of
/// the position, which counts the events of the org.
fn id(org: OrgId, topic: &str, position: &Position) -> String {
    hashed(&[org.to_string().as_bytes(), topic.as_bytes(), position.as_bytes()])
}

/// Returns the id of a place without an event, which this process alone knows.
pub(super) fn own_id(feed: &str, number: u64) -> String {
    hashed(&[feed.as_bytes(), &number.to_be_bytes()])
}

pub(super) fn hashed(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..ID_BYTES])
}

/// The data is one line: `Value` is written without line breaks.
fn frame(id: &str, delivery: &Delivery<RawEvent>, data: &Value) -> Bytes {
    let kind = if delivery.header.is_some() { "change" } else { "published" };
    Bytes::from(format!("id: {id}\nevent: {kind}\ndata: {data}\n\n"))
}

/// Returns what any user may know of an event: which records changed, and how, without a value. `None` for a change without
/// details.
fn without_values(delivery: &Delivery<RawEvent>, ids: &[String]) -> Option<Value> {
    #[derive(Serialize)]
    struct Change<'a> {
        object: &'a str,
        change: ChangeKind,
        ids: &'a [String],
        fields: &'a [String],
    }
    #[derive(Serialize)]
    struct Published<'a> {
        event: &'a str,
    }
    let data = match &delivery.header {
        None => serde_json::to_value(Published { event: delivery.event.name() }),
        Some(header) => match header.kind {
            ChangeKind::Create | ChangeKind::Update | ChangeKind::Delete | ChangeKind::Undelete => {
                serde_json::to_value(Change {
                    object: &header.object,
                    change: header.kind,
                    ids,
                    fields: &header.changed_fields,
                })
            }
            _ => return None,
        },
    };
    data.ok()
}
