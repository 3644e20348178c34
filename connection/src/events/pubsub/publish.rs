//! [`Publisher`]: publishes platform events.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use prost::Message as _;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tonic::Code;

use super::{
    calls::Calls,
    messages::{self, ProducerEvent, PublishRequest, PublishResponse, PublishResult},
    status::PubSubError,
};
use crate::{
    error::{Error, InvalidRequest, Result},
    events::{
        avro::{self, Schema},
        event::EventSchema,
        position::Position,
    },
    random,
    request::finite,
};

/// Most events in one request. Source: Pub/Sub API documentation, "Publish RPC Method".
const MAX_EVENTS: usize = 200;
/// Most bytes in one request: 3 MB are advised, and 4 MB are the limit. Source: the same.
const MAX_BYTES: usize = 3 * 1024 * 1024;
/// Most bytes of one event. Source: Platform Events Developer Guide, "Platform Event Allocations".
const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Publishes events of one kind. Created by [`Connection::publish`](crate::Connection::publish).
///
/// Salesforce does not check what it is sent, and an event of another form is one that no subscriber can read. So each
/// event is checked against the schema of the topic first: required fields, names and types. Dates and times have the form
/// that they have in the REST API. `CreatedDate` and `CreatedById` are filled in: with the id of another user, flows and
/// triggers would not run.
#[derive(Debug)]
#[must_use = "nothing is published before send()"]
pub struct Publisher {
    calls: Calls,
    topic: String,
    schema: Mutex<Option<Arc<EventSchema>>>,
}

/// What became of one event.
#[derive(Debug)]
#[non_exhaustive]
pub struct Published {
    /// The event's id: the caller's, or a random UUID.
    pub id: String,
    /// The event's position in the topic. Salesforce has accepted the event then; it publishes it a moment later.
    pub outcome: Result<Position, NotPublished>,
}

/// Why an event was not published.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotPublished {
    /// Salesforce refused it.
    #[error("Salesforce did not publish the event")]
    Refused {
        /// Salesforce's words, for example `LIMIT_EXCEEDED`.
        message: String,
    },
    /// The request with the event failed. It had no effect.
    #[error("the event was not published")]
    Rejected(#[source] Arc<Error>),
    /// No response came, or none that says whether the event was published. It may have been: sent once more, it has to
    /// have the same id, by which subscribers can drop it.
    #[error("it is unknown whether the event was published")]
    InDoubt(#[source] Arc<Error>),
}

crate::debug::debug_as_display!(NotPublished);

impl From<NotPublished> for Error {
    fn from(error: NotPublished) -> Self {
        PubSubError::from(error).into()
    }
}

impl Publisher {
    pub(super) fn new(calls: Calls, topic: String) -> Self {
        Self { calls, topic, schema: Mutex::default() }
    }

    /// Publishes events, in order, with random ids. Returns one result for each.
    ///
    /// They are sent in requests of at most 200 events and 3 MB. After a request that failed, no further one is sent.
    ///
    /// # Errors
    /// If nothing was published: the topic is unknown, the user may not publish to it ([`PubSubError::NotPublishable`]), or
    /// an event does not fit its schema ([`PubSubError::Unfit`]) or is larger than 1 MB.
    pub async fn send<T: Serialize>(&self, events: &[T]) -> Result<Vec<Published>> {
        let ids = events.iter().map(|_| random::uuid()).collect::<Result<Vec<_>, _>>();
        self.publish(ids.map_err(Error::internal)?, events.iter().collect()).await
    }

    /// As [`send`](Self::send), with ids of the caller: UUIDs, each for one event. Subscribers get them as
    /// [`Delivery::id`](super::super::Delivery::id), if Salesforce keeps them (unverified).
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`PubSubError::DuplicateId`] if two events have the same id: Salesforce's results name
    /// events by their ids.
    pub async fn send_with_ids<T: Serialize>(&self, events: &[(String, T)]) -> Result<Vec<Published>> {
        let mut known = HashSet::new();
        if let Some(index) = events.iter().position(|(id, _)| !known.insert(id)) {
            return Err(PubSubError::DuplicateId { index }.into());
        }
        let ids = events.iter().map(|(id, _)| id.clone()).collect();
        self.publish(ids, events.iter().map(|(_, event)| event).collect()).await
    }

    async fn publish<T: Serialize>(&self, ids: Vec<String>, events: Vec<&T>) -> Result<Vec<Published>> {
        let encoded = self.encode_all(&ids, &events).await?;
        let mut results = Vec::with_capacity(encoded.len());
        let mut failed: Option<Arc<Error>> = None;
        for batch in batches(encoded) {
            let ids: Vec<String> = batch.iter().map(|event| event.id.clone()).collect();
            match &failed {
                Some(error) => {
                    let rejected =
                        |id| Published { id, outcome: Err(NotPublished::Rejected(Arc::clone(error))) };
                    results.extend(ids.into_iter().map(rejected));
                }
                None => match self.request(batch).await {
                    Ok(response) => results.extend(outcomes(ids, response.results)),
                    Err(error) => {
                        let in_doubt = is_in_doubt(&error);
                        let error = Arc::new(error);
                        failed = Some(Arc::clone(&error));
                        results.extend(ids.into_iter().map(|id| {
                            let error = Arc::clone(&error);
                            let outcome = if in_doubt {
                                NotPublished::InDoubt(error)
                            } else {
                                NotPublished::Rejected(error)
                            };
                            Published { id, outcome: Err(outcome) }
                        }));
                    }
                },
            }
        }
        Ok(results)
    }

    /// Checks events against the schema. One that does not fit may be of a newer schema than the one that was fetched
    /// earlier.
    async fn encode_all<T: Serialize>(&self, ids: &[String], events: &[&T]) -> Result<Vec<ProducerEvent>> {
        let mut may_be_old = self.schema.lock().await.is_some();
        loop {
            let schema = self.schema().await?;
            let events = ids.iter().zip(events).enumerate();
            let encoded = events.map(|(index, (id, event))| self.encode(&schema, index, id.clone(), event));
            match encoded.collect() {
                Err(Error::Events(PubSubError::Unfit { .. })) if may_be_old => self.forget_schema().await,
                encoded => return encoded,
            }
            may_be_old = false;
        }
    }

    async fn forget_schema(&self) {
        *self.schema.lock().await = None;
    }

    /// The schema of the topic, fetched once.
    async fn schema(&self) -> Result<Arc<EventSchema>> {
        let mut known = self.schema.lock().await;
        if let Some(schema) = &*known {
            return Ok(Arc::clone(schema));
        }
        let topic = self.calls.topic(&self.topic).await?;
        if !topic.can_publish || topic.schema_id.is_empty() {
            return Err(PubSubError::NotPublishable.into());
        }
        let schema = self.calls.schema(&topic.schema_id).await?;
        Ok(Arc::clone(known.insert(schema)))
    }

    fn encode<T: Serialize>(
        &self,
        schema: &EventSchema,
        index: usize,
        id: String,
        event: &T,
    ) -> Result<ProducerEvent> {
        finite::check(event)?;
        let mut event = serde_json::to_value(event).map_err(InvalidRequest::Body)?;
        if let Value::Object(members) = &mut event {
            let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
            let filled = [
                ("CreatedDate", json!(u64::try_from(now).unwrap_or_default())),
                ("CreatedById", json!(self.calls.connection().user_id().to_string())),
            ];
            for (name, value) in filled {
                if has_field(&schema.schema, name) && members.get(name).is_none_or(Value::is_null) {
                    members.insert(name.to_owned(), value);
                }
            }
        }
        let payload = avro::to_bytes(&schema.schema, &event);
        let payload = payload.map_err(|source| PubSubError::Unfit { index, source })?;
        if payload.len() > MAX_EVENT_BYTES {
            return Err(PubSubError::TooLarge { index }.into());
        }
        Ok(ProducerEvent { id, schema_id: schema.id.clone(), payload: Bytes::from(payload) })
    }

    async fn request(&self, events: Vec<ProducerEvent>) -> Result<PublishResponse> {
        let sent_with = events.first().map(|event| event.schema_id.clone());
        let request = PublishRequest { topic_name: self.topic.clone(), events };
        let response: Result<PublishResponse> = self.calls.unary(messages::PUBLISH, request).await;
        let may_be_old = match &response {
            Ok(response) => {
                let is_other =
                    !response.schema_id.is_empty() && Some(&response.schema_id) != sent_with.as_ref();
                is_other || response.results.iter().any(|result| result.error.is_some())
            }
            Err(_) => true,
        };
        // The event's declaration may have been changed: the next call fetches the schema again.
        if may_be_old {
            self.forget_schema().await;
        }
        response
    }
}

fn has_field(schema: &Schema, name: &str) -> bool {
    schema.record().is_some_and(|record| record.fields.iter().any(|field| field.name == name))
}

/// Returns events in batches that one request may have.
fn batches(events: Vec<ProducerEvent>) -> Vec<Vec<ProducerEvent>> {
    let mut batches: Vec<Vec<ProducerEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        // Tag and length of the event take up to six bytes.
        let length = event.encoded_len() + 6;
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_EVENTS && bytes + length <= MAX_BYTES => {
                bytes += length;
                batch.push(event);
            }
            _ => {
                bytes = length;
                batches.push(vec![event]);
            }
        }
    }
    batches
}

/// Matches results with events by their ids.
fn outcomes(ids: Vec<String>, results: Vec<PublishResult>) -> impl Iterator<Item = Published> {
    let mut results: HashMap<String, PublishResult> =
        results.into_iter().map(|result| (result.correlation_key.clone(), result)).collect();
    ids.into_iter().map(move |id| {
        let outcome = match results.remove(&id) {
            Some(PublishResult { error: Some(error), .. }) => {
                Err(NotPublished::Refused { message: error.msg })
            }
            Some(result) => Position::from_bytes(&result.replay_id).map_err(|_| missing("a replay id")),
            None => Err(missing("the result of an event")),
        };
        Published { id, outcome }
    })
}

fn missing(what: &'static str) -> NotPublished {
    NotPublished::InDoubt(Arc::new(PubSubError::Protocol(what).into()))
}

/// Whether a request that failed may have had an effect.
fn is_in_doubt(error: &Error) -> bool {
    match error {
        // With these Salesforce refuses a request. A proxy, a lost response or a response that is not read causes others.
        Error::Events(PubSubError::Rejected(call)) => !matches!(
            call.status_code(),
            Code::InvalidArgument
                | Code::Unauthenticated
                | Code::PermissionDenied
                | Code::NotFound
                | Code::FailedPrecondition
                | Code::ResourceExhausted
                | Code::Unimplemented
        ),
        Error::Events(_) => true,
        // No valid token, or no client: nothing was sent, or it was refused.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: usize, bytes: usize) -> ProducerEvent {
        ProducerEvent { id: id.to_string(), schema_id: "s".into(), payload: vec![0; bytes].into() }
    }

    #[test]
    fn a_request_has_at_most_200_events_and_3_megabytes() {
        let lengths = |events: Vec<ProducerEvent>| batches(events).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths((0..450).map(|id| event(id, 10)).collect()), [200, 200, 50]);
        assert_eq!(lengths((0..7).map(|id| event(id, 1_000_000)).collect()), [3, 3, 1]);
        assert_eq!(lengths(Vec::new()), [0; 0]);
        for batch in batches((0..900).map(|id| event(id, id * 40)).collect()) {
            let request = PublishRequest { topic_name: String::new(), events: batch };
            assert!(request.encoded_len() <= MAX_BYTES);
        }
    }

    #[test]
    fn each_event_has_the_result_with_its_id() {
        let result = |id: &str, replay_id: &[u8], error: Option<&str>| PublishResult {
            correlation_key: id.into(),
            replay_id: replay_id.to_vec().into(),
            error: error.map(|msg| messages::PublishFault { code: 1, msg: msg.into() }),
        };
        let results =
            vec![result("c", b"3", None), result("a", b"1", None), result("b", b"", Some("LIMIT_EXCEEDED"))];
        let ids = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let outcomes: Vec<Published> = outcomes(ids, results).collect();
        let position = |n: usize| outcomes[n].outcome.as_ref().unwrap().as_bytes().to_vec();
        assert_eq!((position(0), position(2)), (b"1".to_vec(), b"3".to_vec()));
        let refused = outcomes[1].outcome.as_ref().unwrap_err();
        assert!(matches!(refused, NotPublished::Refused { message } if message == "LIMIT_EXCEEDED"));
        assert!(matches!(outcomes[3].outcome, Err(NotPublished::InDoubt(_))));
    }
}
