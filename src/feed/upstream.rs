//! [`run`]: reads a topic's events for all browsers of the process.

use std::{convert::Infallible, sync::Arc, time::Duration};

use salesforce_connection::{
    Client, Connection, Error, OrgId, Result,
    events::{PubSubError, RawEvent, StartFrom},
    token::ServiceUser,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{message::Reset, shared::Shared};
use crate::grants::GrantManager;

/// First and longest time before an interrupted feed starts again. The subscription itself waits for all that passes.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long an opened stream has to stay open until its topic counts as read: a topic may be refused right after the head of
/// the response.
const SETTLING: Duration = Duration::from_millis(50);

/// Whether events come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No stream of events is open yet.
    Starting,
    /// Events of this org come in, or are waited for during an outage.
    Running(OrgId),
    /// The topic cannot be read. It is tried again.
    Interrupted,
}

/// What reads the events: the service user.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) grants: Arc<GrantManager>,
    pub(super) client: Client,
    pub(super) user: ServiceUser,
}

/// Reads events until the feed is closed.
pub(super) async fn run(
    shared: Arc<Shared>,
    reader: Reader,
    state: watch::Sender<State>,
    closed: CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    let mut start = StartFrom::Latest;
    loop {
        let started = Instant::now();
        let interrupted = tokio::select! {
            () = closed.cancelled() => return,
            interrupted = read(&shared, &reader, &state, &mut start) => interrupted,
        };
        let Err(error) = interrupted;
        tracing::error!(topic = shared.topic(), %error, "a feed was interrupted, and is tried again");
        state.send_replace(State::Interrupted);
        if started.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = closed.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Reads events until an error that waiting does not cure, and says where to go on.
async fn read(
    shared: &Shared,
    reader: &Reader,
    state: &watch::Sender<State>,
    start: &mut StartFrom,
) -> Result<Infallible> {
    let source = reader.grants.service(&reader.user).await?;
    let connection = Connection::new(&reader.client, source);
    let org = connection.organization_id();
    let is_first = *state.borrow() == State::Starting;
    let mut events = connection.subscribe::<RawEvent>(shared.topic(), start.clone());
    let mut openings = events.openings();
    // What happened before the first stream of the first subscription, no page has asked for yet.
    let mut known_gaps = u64::from(is_first);
    let error = loop {
        let event = tokio::select! {
            event = events.try_next() => Some(event),
            Ok(()) = openings.changed() => tokio::time::timeout(SETTLING, events.try_next()).await.ok(),
        };
        let event = match event {
            None => None,
            Some(Ok(Some(delivery))) => Some(Ok(delivery)),
            Some(Err(Error::Events(error))) if matches!(error, PubSubError::Undecodable { .. }) => {
                Some(Err(error))
            }
            // A subscription ends with an error.
            Some(Ok(None)) => break PubSubError::Protocol("the subscription has ended").into(),
            Some(Err(error)) => break error,
        };
        // Before the event: a stream was opened before it sent one.
        let opened = *openings.borrow_and_update();
        // Pages load what they show when the topic is being read: after that nothing is missed.
        if opened.all > 0 {
            state.send_if_modified(|state| {
                std::mem::replace(state, State::Running(org)) != State::Running(org)
            });
        }
        if opened.at_latest > known_gaps {
            known_gaps = opened.at_latest;
            shared.reset(Reset::Interrupted);
        }
        match event {
            None => {}
            Some(Ok(delivery)) => shared.push(org, delivery),
            Some(Err(error)) => {
                tracing::warn!(topic = shared.topic(), %error, "an event of a feed cannot be read");
                shared.reset(Reset::Gap);
            }
        }
    };
    *start = match (&error, events.position()) {
        // After this position is an event that never arrives.
        (Error::Events(PubSubError::LostPosition(_) | PubSubError::ResponseTooLarge), _) | (_, None) => {
            StartFrom::Latest
        }
        (_, Some(position)) => StartFrom::After(position),
    };
    Err(error)
}
