//! One refresh, from the lease to the publication. It runs on the background thread; no request owns it.
//!
//! Salesforce rotates refresh tokens: one that was used is dead, and presenting it again ends the whole family. So one
//! holder of the lease at a time notes that it uses the token, reads the stored grant anew, uses the token, writes the
//! answer under the version it read, and only then lets anyone use it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    Engine, GrantError, LiveGrant,
    cell::{Cell, Renewed},
    engine::random_holder,
    hold,
    machine::Stored,
    note::{self, Note},
    retry::{COOL_DOWN, Failure, Next, Tries, after_failure},
};
use crate::{
    background::follow_up,
    events::Event,
    store::{GrantRecord, LeaseHolder, StoreError, Swap},
};
use salesforce_connection::{UserRef, oauth::TokenResponse};

/// No token call begins later than so long after its refresh. Once begun it has its own time (`SHORT_DEADLINE`) and is
/// heard to the end, whoever still waits: an answer that is not waited for is a token that is spent for nothing. Long
/// enough to take over from a process that was killed: a lease and the grace of a note.
const BEGINS_WITHIN: Duration = Duration::from_secs(9);
/// How long a refresh looks whether another process comes to an end with the same.
const WATCHES: Duration = Duration::from_secs(10);
/// How long a lease lasts unless it is renewed. Renewed three times as often.
const LEASE: Duration = Duration::from_secs(5);
/// How often one who waits for another process looks again.
const POLL: Duration = Duration::from_millis(100);

pub(super) struct Refresh {
    engine: Arc<Engine>,
    cell: Arc<Cell>,
    from: Arc<LiveGrant>,
    result: watch::Sender<Option<Renewed>>,
    holder: LeaseHolder,
    began: Instant,
    span: Span,
    ended: bool,
    left: bool,
}

/// What the token endpoint came to.
enum Answer {
    Tokens(Box<TokenResponse>),
    /// Someone else moved the grant meanwhile.
    Moved(Box<LiveGrant>),
    Refused {
        after_lost_answer: bool,
    },
    /// The answer is about someone else.
    Contradicts(Box<TokenResponse>),
    Failed(GrantError),
}

/// What came of a refresh.
enum Done {
    /// What is stored, whoever put it there.
    Stored(LiveGrant),
    /// New tokens that the store did not take.
    Held(LiveGrant, Box<GrantRecord>),
}

/// Other refreshes, here or in another process, took the time in which this one could have begun.
#[derive(Debug, thiserror::Error)]
#[error("too many tokens are being renewed at once: there was no time left for this one")]
pub(super) struct NoTimeLeft;

/// A call with this token had no answer, and it is not the time for another.
#[derive(Debug, thiserror::Error)]
#[error("the token endpoint did not answer a moment ago, and the token may be spent: it is sent again later")]
struct InDoubt;

/// Another process holds the lease and does not come to an end.
#[derive(Debug, thiserror::Error)]
#[error("another process is refreshing this grant and did not finish in time")]
struct LeaseHeld;

impl Refresh {
    pub(super) fn new(
        engine: Arc<Engine>,
        cell: Arc<Cell>,
        from: Arc<LiveGrant>,
        result: watch::Sender<Option<Renewed>>,
    ) -> Self {
        let holder = cell.lease_holder(random_holder());
        let began = engine.parts.clock.instant();
        let span = info_span!(
            parent: None,
            "salesforce.refresh",
            grant = %from.key,
            revision = from.version.revision,
            outcome = Empty
        );
        let span = follow_up(span);
        Self { engine, cell, from, result, holder, began, span, ended: false, left: false }
    }

    pub(super) fn run(self) -> impl Future<Output = ()> {
        let span = self.span.clone();
        self.renew().instrument(span)
    }

    async fn renew(mut self) {
        let renewed = match self.lease().await {
            Ok(None) => {
                let done = tokio::select! {
                    done = self.under_lease() => done,
                    never = self.keep_lease() => match never {},
                };
                match done {
                    Ok(Done::Held(live, record)) => return self.hold(live, &record).await,
                    Ok(Done::Stored(live)) => self.publish(Ok(live)),
                    Err(error) => self.publish(Err(error)),
                }
                // After the publication, so that nobody else starts before it.
                return self.release().await;
            }
            Ok(Some(moved)) => Ok(moved),
            Err(error) => Err(error),
        };
        self.publish(renewed);
        self.leave();
    }

    /// The old token is dead, and the store did not take the new one: it is used, and held until the store has it.
    async fn hold(mut self, live: LiveGrant, record: &GrantRecord) {
        self.cell.hold_lease(self.holder);
        self.publish(Ok(live));
        self.span.record("outcome", "held");
        hold::until_stored(&self.engine, &self.cell, self.from.version, record, || self.renew_lease()).await;
        self.remove_note().await;
        self.release().await;
    }

    /// Gives the lease back, unless something else in this process still needs it.
    async fn release(&mut self) {
        if !self.leave() {
            return;
        }
        if let Err(error) = self.engine.parts.store.release_lease(self.from.key, self.holder).await {
            tracing::warn!(grant = %self.from.key, %error, "a lease could not be given back; it ends by itself");
        }
    }

    fn leave(&mut self) -> bool {
        !std::mem::replace(&mut self.left, true) && self.cell.leave_lease(self.holder)
    }

    fn publish(&mut self, renewed: Result<LiveGrant, GrantError>) {
        match &renewed {
            Ok(live) => {
                self.span.record("outcome", "renewed");
                tracing::info!(grant = %live.key, revision = live.version.revision, "token renewed");
            }
            Err(GrantError::LoginOver) => {
                self.span.record("outcome", "over");
                tracing::warn!(grant = %self.from.key, "the grant is no longer good");
            }
            Err(error @ GrantError::Unavailable { source, .. }) => {
                self.span.record("outcome", "unavailable");
                tracing::error!(grant = %self.from.key, %error, cause = %source, "a token could not be renewed");
                self.engine.parts.events.tell(&Event::RefreshFailed(self.from.key.into()));
            }
        }
        let renewed = self.cell.finish(self.from.version, renewed, self.engine.parts.clock.instant());
        self.ended = true;
        // Everybody may have gone away.
        let _ = self.result.send(Some(renewed));
    }

    /// Takes the lease. Whoever finds the grant moved while waiting for it needs none: that is the outcome.
    async fn lease(&self) -> Result<Option<LiveGrant>, GrantError> {
        loop {
            let store = &self.engine.parts.store;
            if store.acquire_lease(self.from.key, self.holder, LEASE).await.map_err(unavailable)? {
                return Ok(None);
            }
            if let Some(moved) = self.moved().await? {
                return Ok(Some(moved));
            }
            if self.age() >= WATCHES {
                return Err(GrantError::unavailable(COOL_DOWN, LeaseHeld));
            }
            sleep(POLL).await;
        }
    }

    fn age(&self) -> Duration {
        self.engine.parts.clock.instant().saturating_duration_since(self.began)
    }

    /// How much longer a token call may begin.
    fn left(&self) -> Duration {
        BEGINS_WITHIN.saturating_sub(self.age())
    }

    async fn keep_lease(&self) -> std::convert::Infallible {
        loop {
            sleep(LEASE / 3).await;
            self.renew_lease().await;
        }
    }

    async fn renew_lease(&self) {
        // Losing it does no harm: others heed the note, and the write checks the version.
        if let Err(error) = self.engine.parts.store.acquire_lease(self.from.key, self.holder, LEASE).await {
            tracing::warn!(grant = %self.from.key, %error, "a lease could not be renewed");
        }
    }

    async fn remove_note(&self) {
        if let Err(error) = note::remove(&self.engine, self.from.key, self.from.version).await {
            tracing::debug!(grant = %self.from.key, %error, "a note could not be removed; it ends by itself");
        }
    }

    /// The stored grant, if it is another version than the one to refresh. `LoginOver` when there is none.
    async fn moved(&self) -> Result<Option<LiveGrant>, GrantError> {
        let record = match self.engine.parts.store.grant(self.from.key).await {
            Ok(record) => record.ok_or(GrantError::LoginOver)?,
            Err(StoreError::Corrupt(_)) => return Err(GrantError::LoginOver),
            Err(error) => return Err(unavailable(error)),
        };
        match Stored::seen_from(self.from.version, Some(record.version)) {
            Stored::Gone => return Err(GrantError::LoginOver),
            Stored::Ours => return Ok(None),
            Stored::Theirs => {}
        }
        LiveGrant::open(&self.engine.parts.keys, &record).map(Some).map_err(|_| GrantError::LoginOver)
    }

    async fn under_lease(&self) -> Result<Done, GrantError> {
        // Before the note: it says that the token is about to be sent.
        let _permit = tokio::time::timeout(self.left(), self.engine.token_calls.acquire()).await;
        if self.left().is_zero() {
            return self.nothing_sent(NoTimeLeft).await;
        }
        let (key, version) = (self.from.key, self.from.version);
        match note::write(&self.engine, key, version).await.map_err(unavailable)? {
            Note::Ours => {}
            Note::NotNow => return self.nothing_sent(InDoubt).await,
            Note::InDoubt => self.cell.answer_lost(version),
            Note::Theirs => {
                tracing::warn!(grant = %key, revision = version.revision, "another process began to renew this token and did not end");
                self.cell.answer_lost(version);
            }
        }
        let done = self.under_note().await;
        match &done {
            Ok(Done::Held(..)) => {}
            Err(GrantError::Unavailable { .. }) if self.cell.was_answer_lost(version) => {
                if let Err(error) = note::leave_in_doubt(&self.engine, key, version).await {
                    tracing::debug!(grant = %key, %error, "other processes are not told that a token is in doubt");
                }
            }
            _ => self.remove_note().await,
        }
        done
    }

    /// It is not the time to send anything; but whoever was waited for may have left something to use.
    async fn nothing_sent(
        &self,
        why: impl std::error::Error + Send + Sync + 'static,
    ) -> Result<Done, GrantError> {
        let moved = self.moved().await?.map(Done::Stored);
        moved.ok_or_else(|| GrantError::unavailable(COOL_DOWN, why))
    }

    async fn under_note(&self) -> Result<Done, GrantError> {
        // After the note and not before it: the lease may have been lost meanwhile, and someone else have come and
        // gone.
        if let Some(moved) = self.moved().await? {
            return Ok(Done::Stored(moved));
        }
        match self.ask().await {
            Answer::Tokens(tokens) => self.store(*tokens).await,
            Answer::Moved(moved) => Ok(Done::Stored(*moved)),
            Answer::Failed(error) => Err(error),
            Answer::Contradicts(tokens) => self.contradicted(*tokens).await.map(Done::Stored),
            Answer::Refused { after_lost_answer } => self.refused(after_lost_answer).await.map(Done::Stored),
        }
    }

    /// The token is not, or no longer, good.
    async fn refused(&self, after_lost_answer: bool) -> Result<LiveGrant, GrantError> {
        let who = self.from.key.into();
        // Another process may have used the token first; what it stored is the answer then.
        if let Some(moved) = self.moved().await? {
            self.engine.parts.events.tell(&Event::ReuseSuspected(who));
            return Ok(moved);
        }
        let store = &self.engine.parts.store;
        store.end_grant(self.from.key, Some(self.from.version)).await.map_err(unavailable)?;
        self.engine.parts.events.tell(&Event::RefreshRefused { who, after_lost_answer });
        Err(GrantError::LoginOver)
    }

    /// An answer that is about someone else, by its identity or by its ID token, is never used, and ends the login. To
    /// keep the login would be no kindness: its refresh token is as good as spent, so that every later try would fail
    /// too, and the person could not even log in anew. And whoever may be confused with somebody else must not go on as
    /// anybody.
    async fn contradicted(&self, tokens: TokenResponse) -> Result<LiveGrant, GrantError> {
        tracing::error!(grant = %self.from.key, "a refresh answer is about someone else; the login ends");
        self.engine.revoke_tokens_later(tokens);
        // Someone else moved the grant: what they have is another matter, and may share this refresh token.
        if let Some(moved) = self.moved().await? {
            return Ok(moved);
        }
        let store = &self.engine.parts.store;
        let ended = store.end_grant(self.from.key, Some(self.from.version)).await.map_err(unavailable)?;
        if ended.is_some() {
            self.engine.revoke_later(&self.from);
        }
        let who = self.from.key.into();
        self.engine.parts.events.tell(&Event::RefreshRefused { who, after_lost_answer: false });
        Err(GrantError::LoginOver)
    }

    /// Asks the token endpoint, with what little repetition is safe.
    async fn ask(&self) -> Answer {
        let Some(refresh_token) = &self.from.refresh_token else {
            return Answer::Refused { after_lost_answer: false };
        };
        let version = self.from.version;
        let mut tries = Tries::none(self.cell.was_answer_lost(version));
        loop {
            if self.left().is_zero() {
                return Answer::Failed(GrantError::unavailable(COOL_DOWN, NoTimeLeft));
            }
            let error = match self.engine.parts.oauth.refresh(&self.from.host, refresh_token).await {
                Ok(tokens) if self.is_contradicted_by(&tokens) => {
                    return Answer::Contradicts(Box::new(tokens));
                }
                Ok(tokens) => return Answer::Tokens(Box::new(tokens)),
                Err(error) => error,
            };
            let failure = Failure::of(&error);
            if failure.leaves_doubt() {
                self.cell.answer_lost(version);
            }
            let wait = error.retry_after().unwrap_or_else(|| backoff(tries.retries().into()));
            match after_failure(failure, tries, wait, self.left()) {
                Next::End { after_lost_answer } => return Answer::Refused { after_lost_answer },
                Next::GiveUp { again_in } => {
                    return Answer::Failed(GrantError::unavailable(again_in, error));
                }
                Next::Again { wait, tries: now } => {
                    tries = now;
                    sleep(wait).await;
                }
            }
            match self.moved().await {
                Ok(None) => {}
                Ok(Some(moved)) => return Answer::Moved(Box::new(moved)),
                Err(error) => return Answer::Failed(error),
            }
        }
    }

    fn is_contradicted_by(&self, tokens: &TokenResponse) -> bool {
        !tokens.is_for(&UserRef::new(self.from.key.org(), self.from.key.user()), &self.from.host)
    }

    /// Writes the new tokens under the version they replace.
    async fn store(&self, tokens: TokenResponse) -> Result<Done, GrantError> {
        let now = self.engine.parts.clock.now();
        let next =
            self.from.renewed(tokens, now).map_err(|fault| GrantError::unavailable(COOL_DOWN, fault))?;
        let expires_at = now.checked_add(self.engine.parts.lifetimes.absolute).unwrap_or(now);
        let record = next
            .seal(&self.engine.parts.keys, expires_at)
            .map_err(|error| GrantError::unavailable(COOL_DOWN, error))?;
        match hold::write(&self.engine, self.from.version, &record).await {
            Ok(Swap::Done) => {
                let rotated = next.refresh_token != self.from.refresh_token;
                self.engine.parts.events.tell(&Event::Refreshed { who: next.key.into(), rotated });
                Ok(Done::Stored(next))
            }
            // Logged out meanwhile: nothing may come back, and the new tokens are nobody's.
            Ok(Swap::Gone) => {
                self.engine.revoke_later(&next);
                Err(GrantError::LoginOver)
            }
            // A new login meanwhile, or another process that did the same.
            Ok(Swap::Moved(stored)) => {
                let theirs = LiveGrant::open(&self.engine.parts.keys, &stored);
                // Without rotation every version of a login has the same refresh token, which is theirs now. One that
                // cannot be opened tells nothing; then only a token that was made just now is certainly not theirs.
                let known = match &theirs {
                    Ok(theirs) => theirs,
                    Err(_) => &self.from,
                };
                // (Nor one that was made from the same token as theirs: to revoke it may end both.)
                if next.refresh_token != known.refresh_token && stored.version != next.version {
                    self.engine.revoke_later(&next);
                }
                theirs.map(Done::Stored).map_err(|_| GrantError::LoginOver)
            }
            Err(error) => {
                tracing::error!(grant = %next.key, %error, "a renewed token could not be stored; it is held and tried again");
                self.engine.parts.events.tell(&Event::TokenHeld(next.key.into()));
                Ok(Done::Held(next, Box::new(record)))
            }
        }
    }
}

impl Drop for Refresh {
    /// Whatever ends a refresh early (a panic, the end of the runtime), nobody waits for it for ever.
    fn drop(&mut self) {
        if !self.ended {
            self.span.record("outcome", "cut off");
            let error = GrantError::cut_short(COOL_DOWN, &self.engine.parts.background);
            let renewed = self.cell.finish(self.from.version, Err(error), Instant::now());
            let _ = self.result.send(Some(renewed));
        }
        if !self.left {
            self.leave();
            // The lease ends by itself; the note would keep others waiting for nobody.
            let (engine, key, version) = (Arc::clone(&self.engine), self.from.key, self.from.version);
            self.engine.parts.background.spawn(async move {
                let _ = note::remove(&engine, key, version).await;
            });
        }
    }
}

fn unavailable(error: StoreError) -> GrantError {
    GrantError::unavailable(COOL_DOWN, error)
}

/// 0.2 s, 0.4 s, ... with up to half of it more, so that processes do not march in step.
pub(super) fn backoff(retries: u32) -> Duration {
    let base = Duration::from_millis(200 << retries.min(6));
    let mut random = [0; 1];
    let _ = getrandom::fill(&mut random);
    base + base * u32::from(random[0]) / 512
}
