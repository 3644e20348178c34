//! Outbound messages: the queue of notifications, and what an endpoint is sent until it acknowledges (H: Outbound
//! Messages; SOAP API Developer Guide "Outbound Messaging").
//!
//! Unverified: when the first repeat comes. It is a minute here, and doubles up to the two hours that the documentation
//! names.

mod envelope;

use serde::{Deserialize, Serialize};

use crate::base::clock::Millis;
use crate::base::ids;
use crate::state::Org;

/// Most notifications of an envelope.
const MOST: usize = 100;
const MINUTE: Millis = 60_000;
/// The longest time between two tries.
const LONGEST_WAIT: Millis = 120 * MINUTE;
/// How long a notification is repeated.
const GIVEN_UP_AFTER: Millis = 24 * 60 * MINUTE;

/// What Setup has of an outbound message: where to, and which fields of which object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    pub(crate) url: String,
    pub(crate) object: String,
    /// The fields beside `Id`.
    #[serde(default)]
    pub(crate) fields: Vec<String>,
}

/// A notification that was not acknowledged yet.
#[derive(Clone, Debug)]
struct Queued {
    id: String,
    record_id: String,
    definition: usize,
    since: Millis,
    due: Millis,
    tries: u32,
}

/// All notifications of an org, in the order in which their records changed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    definitions: Vec<Definition>,
    waiting: Vec<Queued>,
    next: u64,
    /// Whether later notifications are sent first.
    pub(crate) reversed: bool,
}

/// An envelope to send.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) url: String,
    pub(crate) body: String,
    /// The ids of its notifications.
    pub(crate) ids: Vec<String>,
    pub(crate) record_ids: Vec<String>,
}

impl Queue {
    fn define(&mut self, definition: Definition) -> usize {
        let known = self.definitions.iter().position(|known| *known == definition);
        known.unwrap_or_else(|| {
            self.definitions.push(definition);
            self.definitions.len() - 1
        })
    }

    /// Queues one notification for each record.
    pub(crate) fn add(&mut self, definition: Definition, records: &[String], now: Millis) -> Vec<String> {
        let definition = self.define(definition);
        let mut added = Vec::new();
        for record_id in records {
            self.next += 1;
            let id = ids::make("04l", self.next);
            added.push(id.clone());
            let record_id = record_id.clone();
            self.waiting.push(Queued { id, record_id, definition, since: now, due: now, tries: 0 });
        }
        added
    }

    /// The ids of notifications that wait.
    pub(crate) fn waiting(&self) -> Vec<String> {
        self.waiting.iter().map(|queued| queued.id.clone()).collect()
    }

    /// The endpoint acknowledged, or did not: then the wait grows, and ends after a day.
    pub(crate) fn came_back(&mut self, ids: &[String], acknowledged: bool, now: Millis) {
        self.waiting.retain_mut(|queued| {
            if !ids.contains(&queued.id) {
                return true;
            }
            queued.tries += 1;
            let wait = MINUTE.saturating_mul(1 << (queued.tries - 1).min(10)).min(LONGEST_WAIT);
            queued.due = now.saturating_add(wait);
            !acknowledged && now - queued.since < GIVEN_UP_AFTER
        });
    }
}

impl Org {
    /// The envelopes that are due now, with the latest values of their records. Notifications of records that are gone are
    /// dropped.
    pub(crate) fn due_envelopes(&self) -> Vec<Envelope> {
        let now = self.clock.now();
        let (definitions, mut due) = self.outbound(|queue| {
            let mut due: Vec<Queued> =
                queue.waiting.iter().filter(|queued| queued.due <= now).cloned().collect();
            if queue.reversed {
                due.reverse();
            }
            (queue.definitions.clone(), due)
        });
        let mut envelopes = Vec::new();
        for (place, definition) in definitions.iter().enumerate() {
            let action_id = ids::make("04k", place as u64 + 1);
            let of_this: Vec<Queued> = due.extract_if(.., |queued| queued.definition == place).collect();
            for part in of_this.chunks(MOST) {
                let built: Vec<_> =
                    part.iter().map(|queued| (queued, self.sobject(definition, &queued.record_id))).collect();
                let gone: Vec<String> = built
                    .iter()
                    .filter(|(_, sobject)| sobject.is_none())
                    .map(|(queued, _)| queued.id.clone())
                    .collect();
                self.outbound(|queue| queue.came_back(&gone, true, now));
                let notifications: Vec<_> =
                    built.into_iter().filter_map(|(queued, sobject)| Some((queued, sobject?))).collect();
                if notifications.is_empty() {
                    continue;
                }
                envelopes.push(Envelope {
                    url: definition.url.clone(),
                    body: self.envelope(
                        &action_id,
                        notifications.iter().map(|(queued, sobject)| (&*queued.id, &**sobject)),
                    ),
                    ids: notifications.iter().map(|(queued, _)| queued.id.clone()).collect(),
                    record_ids: notifications.iter().map(|(queued, _)| queued.record_id.clone()).collect(),
                });
            }
        }
        envelopes
    }
}
