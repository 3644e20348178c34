//! [`EventStream`]: the events of a feed for one browser.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::{sync::watch, time::Instant};

use super::{
    Feed,
    message::{self, KEEP_ALIVE, Reset},
    places::Place,
    ring::Cursor,
    visible::Visibility,
};
use crate::{SalesforceUser, grants::LoginWatch};

/// How often a silent stream says that it is there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Events are sent if the login was seen valid at most this long ago.
const LOGIN_MAX_AGE: Duration = Duration::from_secs(1);

/// How long a stream goes on while the store does not say whether its login is valid. Events wait meanwhile.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(30);

/// How long a stream lasts at least, and how much longer it lasts at most: so that not all pages reconnect at once. The browser goes
/// on with the next event, and the rules of the route are checked again.
const MIN_AGE: Duration = Duration::from_secs(540);
const SPREAD: Duration = Duration::from_secs(120);

/// The events of a feed for one browser.
pub(super) struct EventStream {
    feed: Feed,
    cursor: Cursor,
    changes: watch::Receiver<()>,
    login: LoginWatch,
    user: SalesforceUser,
    /// Set if the page gets the ids of readable records only.
    visibility: Option<Visibility>,
    opening: Option<Bytes>,
    /// When the login was seen valid.
    valid_at: Instant,
    ends_at: Instant,
    _place: Place,
}

impl EventStream {
    /// Starts after the event with this id if the browser has one, else with the next event.
    pub(super) fn new(
        feed: Feed,
        login: LoginWatch,
        (user, visibility): (SalesforceUser, Option<Visibility>),
        place: Place,
        last_event_id: Option<&str>,
    ) -> Self {
        let changes = feed.shared().changes();
        let known = last_event_id.map(|id| (feed.shared().place(id), id));
        let (cursor, opening) = match known {
            Some((Some(cursor), id)) => (cursor, message::opening(id)),
            known => {
                let (cursor, id) = feed.shared().end();
                let mut opening = message::opening(&id);
                // Of another process, or too long ago.
                if known.is_some() {
                    opening.push_str(&String::from_utf8_lossy(&Reset::Lagged.frame(&id)));
                }
                (cursor, opening)
            }
        };
        let now = Instant::now();
        let [share, ..] = *login.key().as_bytes();
        let ends_at = now + MIN_AGE + SPREAD.mul_f64(f64::from(share) / 255.0);
        Self {
            feed,
            cursor,
            changes,
            login,
            user,
            visibility,
            opening: Some(opening.into()),
            valid_at: now,
            ends_at,
            _place: place,
        }
    }

    /// Returns it as the body of a response.
    pub(super) fn into_body(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut stream| async move { stream.next().await.map(|bytes| (Ok(bytes), stream)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        let keep_alive_at = Instant::now() + KEEP_ALIVE_INTERVAL;
        loop {
            // A reader that is always behind never waits below.
            if self.feed.is_closed() || Instant::now() >= self.ends_at {
                return None;
            }
            // Before the ring is read: a message that comes meanwhile wakes this again.
            self.changes.mark_unchanged();
            if self.feed.shared().has_more(self.cursor) {
                if self.visibility.is_some() && !self.has_asked().await {
                    return None;
                }
                // After the question, which may have taken a while.
                if !self.has_valid_login(LOGIN_MAX_AGE).await {
                    return None;
                }
                let (map, shared) = (self.feed.map.as_deref(), self.feed.shared());
                if let Some(chunk) = shared.read(&mut self.cursor, &self.user, map, self.visibility.as_ref())
                {
                    return Some(chunk);
                }
                continue;
            }
            tokio::select! {
                () = self.feed.closed() => return None,
                () = self.login.ended() => return None,
                () = tokio::time::sleep_until(self.ends_at) => return None,
                changed = self.changes.changed() => changed.ok()?,
                () = tokio::time::sleep_until(keep_alive_at) => {
                    return self.has_valid_login(Duration::ZERO).await.then_some(KEEP_ALIVE);
                }
            }
        }
    }

    /// Asks which of the next records the user may read. False if the stream has to end: the browser comes back.
    async fn has_asked(&mut self) -> bool {
        let (feed, login) = (&self.feed, &mut self.login);
        let Some(visibility) = &mut self.visibility else { return true };
        let messages = feed.shared().next(self.cursor);
        tokio::select! {
            () = feed.closed() => false,
            () = login.ended() => false,
            asked = visibility.ask(&messages) => match asked {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "event stream closed: which records its user may read is unknown");
                    false
                }
            },
        }
    }

    /// Returns whether the login is valid, or was so a moment ago. Waits while the store does not say.
    async fn has_valid_login(&mut self, max_age: Duration) -> bool {
        loop {
            let age = self.valid_at.elapsed();
            if age < max_age {
                return true;
            }
            match self.login.is_valid().await {
                Ok(true) => {
                    self.valid_at = Instant::now();
                    return true;
                }
                Ok(false) => return false,
                Err(error) if age > OUTAGE_PATIENCE => {
                    tracing::warn!(%error, "event stream closed: whether the browser's login is valid is unknown, because the store is unavailable");
                    return false;
                }
                Err(_) => tokio::select! {
                    () = self.feed.closed() => return false,
                    () = self.login.ended() => return false,
                    () = tokio::time::sleep(LOGIN_MAX_AGE) => {}
                },
            }
        }
    }
}
