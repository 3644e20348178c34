//! [`Subscription`]: the events of a topic as a stream that reconnects.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use super::engine::{Engine, Openings};
use crate::{
    error::Result,
    events::{
        event::{Delivery, Event, RawEvent},
        position::Position,
    },
};

/// An event that is not read into the caller's type yet.
pub(super) type Item = Result<Delivery<RawEvent>>;

/// The events of a topic. Created by [`Connection::subscribe`](crate::Connection::subscribe).
///
/// A stream of [`Delivery`]s that goes on until an error that waiting does not cure. It reconnects by itself: after a lost
/// connection, after an outage of Salesforce, when Salesforce ends the stream, and when it has been silent for 300 seconds
/// (Salesforce sends a sign of life every 270 seconds). It goes on after the last event that arrived, so that each event
/// is delivered at least once, in order.
///
/// The next events are read when the caller takes them: a slow caller has at most 100 in memory. A dropped subscription is
/// closed at Salesforce.
#[must_use = "nothing is received before the stream is polled"]
pub struct Subscription<E> {
    events: BoxStream<'static, Item>,
    position: Arc<Mutex<Option<Position>>>,
    openings: watch::Receiver<Openings>,
    decode: fn(Delivery<RawEvent>) -> Result<Delivery<E>>,
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("position", &self.position()).finish_non_exhaustive()
    }
}

impl<E> Subscription<E> {
    pub(super) fn new(engine: Engine) -> Self
    where
        E: Event,
    {
        let (position, openings) = (engine.position(), engine.openings());
        let events = stream::unfold(engine, async |mut engine| Some((engine.next().await?, engine)));
        Self { events: events.fuse().boxed(), position, openings, decode: super::decode::<E> }
    }

    /// Returns the position up to which all events were delivered; `None` before the first one.
    ///
    /// It moves on while the topic is quiet, too. A program that stores positions has to store this one once a day: after
    /// 72 hours without an event Salesforce would no longer know the position of the last event.
    pub fn position(&self) -> Option<Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how often a stream was opened, as it changes. A stream is opened while an event is waited for.
    #[doc(hidden)]
    pub fn openings(&self) -> watch::Receiver<Openings> {
        self.openings.clone()
    }

    /// Returns the next event.
    ///
    /// Waits for as long as there is none. After the error
    /// [`PubSubError::Undecodable`](super::PubSubError::Undecodable) the next call goes on with the event after it;
    /// after any other error there are no more: `None`.
    ///
    /// Dropping the future loses no event.
    ///
    /// # Errors
    /// [`Error::Events`](crate::Error::Events) with the reason of Salesforce, or
    /// [`Error::LoginRequired`](crate::Error::LoginRequired) if the login has ended.
    pub async fn try_next(&mut self) -> Result<Option<Delivery<E>>> {
        self.next().await.transpose()
    }
}

impl<E> Stream for Subscription<E> {
    type Item = Result<Delivery<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let decode = self.decode;
        self.events.poll_next_unpin(cx).map(|item| item.map(|item| item.and_then(decode)))
    }
}
