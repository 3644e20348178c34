//! One refresh, from the lease to the publication. It runs on the background thread; no request owns it.
//!
//! Salesforce rotates refresh tokens: one that was used is dead, and presenting it again ends the whole family. So one
//! holder of the lease at a time reads the stored grant anew, uses its token, writes the answer under the version it
//! read, and only then lets anyone use it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};

use super::{
    Engine, GrantError, LiveGrant, Version,
    cell::{Cell, Renewed},
    machine::Stored,
};
use crate::{
    events::Event,
    oauth::{OAuthError, TokenSet},
    store::{GrantRecord, LeaseHolder, StoreError, Swap},
};

/// What a refresh may take altogether, waiting for another process included.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a lease lasts unless it is renewed. Renewed three times as often.
const LEASE: Duration = Duration::from_secs(6);
/// How often one who waits for another process looks again.
const POLL: Duration = Duration::from_millis(100);
/// How often an answered failure is tried again within one refresh.
const MAX_RETRIES: u32 = 2;
/// After a failure everybody waits so long.
const COOL_DOWN: Duration = Duration::from_secs(2);

pub(super) struct Refresh {
    engine: Arc<Engine>,
    cell: Arc<Cell>,
    from: Arc<LiveGrant>,
    result: watch::Sender<Option<Renewed>>,
    holder: LeaseHolder,
    deadline: Instant,
    ended: bool,
}

/// What the token endpoint came to.
enum Answer {
    Tokens(Box<TokenSet>),
    /// Someone else moved the grant meanwhile.
    Moved(Box<LiveGrant>),
    Refused {
        after_lost_answer: bool,
    },
    Failed(GrantError),
}

/// An answer that is about someone else.
#[derive(Debug, thiserror::Error)]
#[error("the answer names another user or organization than the one that was asked for")]
struct AnotherIdentity;

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
        let mut bytes = [0; 16];
        // Without randomness the holder is zero: two holders would then take each other for themselves, and the
        // versioned write is what keeps them apart.
        let _ = getrandom::fill(&mut bytes);
        let deadline = engine.parts.clock.instant() + DEADLINE;
        Self {
            engine,
            cell,
            from,
            result,
            holder: LeaseHolder(u128::from_be_bytes(bytes)),
            deadline,
            ended: false,
        }
    }

    pub(super) async fn run(mut self) {
        let renewed = match self.lease().await {
            Ok(None) => {
                let renewed = tokio::select! {
                    renewed = self.under_lease() => renewed,
                    never = self.keep_lease() => match never {},
                };
                self.publish(renewed);
                // After the publication, so that nobody else starts before it.
                if let Err(error) = self.engine.parts.store.release_lease(self.from.key, self.holder).await {
                    tracing::warn!(grant = %self.from.key, %error, "a lease could not be given back; it ends by itself");
                }
                return;
            }
            Ok(Some(moved)) => Ok(moved),
            Err(error) => Err(error),
        };
        self.publish(renewed);
    }

    fn publish(&mut self, renewed: Result<LiveGrant, GrantError>) {
        match &renewed {
            Ok(live) => tracing::info!(grant = %live.key, revision = live.version.revision, "token renewed"),
            Err(GrantError::LoginOver | GrantError::ServiceRefused(_)) => {
                tracing::warn!(grant = %self.from.key, "the grant is no longer good")
            }
            Err(error @ GrantError::Unavailable { source, .. }) => {
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
            if self.engine.parts.clock.instant() + POLL >= self.deadline {
                return Err(GrantError::unavailable(COOL_DOWN, LeaseHeld));
            }
            sleep(POLL).await;
        }
    }

    async fn keep_lease(&self) -> std::convert::Infallible {
        loop {
            sleep(LEASE / 3).await;
            // Losing it does no harm: the write checks the version.
            if let Err(error) = self.engine.parts.store.acquire_lease(self.from.key, self.holder, LEASE).await
            {
                tracing::warn!(grant = %self.from.key, %error, "a lease could not be renewed");
            }
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

    async fn under_lease(&self) -> Result<LiveGrant, GrantError> {
        if let Some(moved) = self.moved().await? {
            return Ok(moved);
        }
        match self.ask().await {
            Answer::Tokens(tokens) => self.store(*tokens).await,
            Answer::Moved(moved) => Ok(*moved),
            Answer::Failed(error) => Err(error),
            Answer::Refused { after_lost_answer } => {
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
        }
    }

    /// Asks the token endpoint, with what little repetition is safe.
    async fn ask(&self) -> Answer {
        let Some(refresh_token) = &self.from.refresh_token else {
            return Answer::Refused { after_lost_answer: false };
        };
        let _permit = self.engine.token_calls.acquire().await;
        let mut retries = 0;
        let mut lost = false;
        loop {
            let left = self.deadline.saturating_duration_since(self.engine.parts.clock.instant());
            let call = self.engine.parts.oauth.refresh(&self.from.host, refresh_token);
            let error = match tokio::time::timeout(left, call).await {
                Ok(Ok(tokens)) if tokens.id_token_contradicts(&self.from.host) => {
                    tracing::error!(grant = %self.from.key, "the ID token of a refresh answer is about someone else; the login ends");
                    return Answer::Refused { after_lost_answer: false };
                }
                Ok(Ok(tokens)) if self.is_same_identity(&tokens) => {
                    return Answer::Tokens(Box::new(tokens));
                }
                Ok(Ok(_)) => return Answer::Failed(GrantError::unavailable(COOL_DOWN, AnotherIdentity)),
                Ok(Err(error)) => error,
                Err(_) => OAuthError::Http(crate::http::HttpError::Timeout),
            };
            if error.is_invalid_grant() {
                return Answer::Refused { after_lost_answer: lost };
            }
            let wait = error.retry_after().unwrap_or_else(|| backoff(retries));
            // The token may be spent after a lost answer: one more try with it at most, and not when someone else has
            // moved the grant. An unreadable success is not repeated at all.
            let lost_now = error.is_answer_lost();
            let again = error.is_transient() && retries < MAX_RETRIES && !(lost_now && lost) && wait < left;
            if !again || (lost_now && matches!(error, OAuthError::Answer(_))) {
                return Answer::Failed(GrantError::unavailable(wait.max(COOL_DOWN), error));
            }
            lost |= lost_now;
            retries += 1;
            sleep(wait).await;
            match self.moved().await {
                Ok(None) => {}
                Ok(Some(moved)) => return Answer::Moved(Box::new(moved)),
                Err(error) => return Answer::Failed(error),
            }
        }
    }

    fn is_same_identity(&self, tokens: &TokenSet) -> bool {
        tokens.identity.organization == self.from.key.org() && tokens.identity.user == self.from.key.user()
    }

    /// Writes the new tokens under the version they replace.
    async fn store(&self, tokens: TokenSet) -> Result<LiveGrant, GrantError> {
        let now = self.engine.parts.clock.now();
        let next =
            self.from.renewed(tokens, now).map_err(|fault| GrantError::unavailable(COOL_DOWN, fault))?;
        let expires_at = now.checked_add(self.engine.parts.lifetimes.absolute).unwrap_or(now);
        let record = next
            .seal(&self.engine.parts.keys, expires_at)
            .map_err(|error| GrantError::unavailable(COOL_DOWN, error))?;
        match write(&self.engine, self.from.version, &record).await {
            Ok(Swap::Done) => {
                let rotated = next.refresh_token != self.from.refresh_token;
                self.engine.parts.events.tell(&Event::Refreshed { who: next.key.into(), rotated });
                Ok(next)
            }
            // Logged out meanwhile: nothing may come back, and the new tokens are nobody's.
            Ok(Swap::Gone) => {
                self.engine.revoke_later(&next);
                Err(GrantError::LoginOver)
            }
            // A new login meanwhile.
            Ok(Swap::Moved(stored)) => {
                self.engine.revoke_later(&next);
                LiveGrant::open(&self.engine.parts.keys, &stored).map_err(|_| GrantError::LoginOver)
            }
            // The old token is dead: the new one is used, and held until the store takes it.
            Err(error) => {
                tracing::error!(grant = %next.key, %error, "a renewed token could not be stored; it is held and tried again");
                self.engine.parts.events.tell(&Event::TokenHeld(next.key.into()));
                let hold = hold(Arc::clone(&self.engine), Arc::clone(&self.cell), self.from.version, record);
                self.engine.parts.background.spawn(hold);
                Ok(next)
            }
        }
    }
}

impl Drop for Refresh {
    /// Whatever ends a refresh early (a panic, the end of the runtime), nobody waits for it for ever.
    fn drop(&mut self) {
        if !self.ended {
            let error = GrantError::cooling_down(COOL_DOWN);
            let renewed = self.cell.finish(self.from.version, Err(error), Instant::now());
            let _ = self.result.send(Some(renewed));
        }
    }
}

/// Puts a renewed grant in place of the version it was made from, or of one further behind: a store that fell back to an
/// older state, or that could not take the version in between, holds tokens that are spent.
async fn write(engine: &Engine, from: Version, record: &GrantRecord) -> Result<Swap, StoreError> {
    let mut expected = from;
    loop {
        match engine.parts.store.replace_grant(expected, record.clone()).await? {
            // Each turn needs someone else's write in between, so that this ends.
            Swap::Moved(stored)
                if stored.version != expected
                    && Stored::seen_from(record.version, Some(stored.version)) == Stored::Ours =>
            {
                expected = stored.version;
            }
            swap => return Ok(swap),
        }
    }
}

/// Tries to store a renewed grant until it is stored or no longer wanted. Holding the cell keeps it in memory.
async fn hold(engine: Arc<Engine>, cell: Arc<Cell>, from: Version, record: GrantRecord) {
    let mut wait = Duration::from_millis(200);
    loop {
        sleep(wait).await;
        let asked_at = engine.parts.clock.instant();
        match write(&engine, from, &record).await {
            Ok(Swap::Done) => {
                tracing::info!(grant = %record.key, "a held token is stored now");
                engine.parts.events.tell(&Event::HeldTokenStored(record.key.into()));
                return;
            }
            Ok(Swap::Gone) => {
                if let Some(live) = cell.current().filter(|live| live.version == record.version) {
                    engine.revoke_later(&live);
                    cell.end(Some(record.version.lineage), engine.parts.clock.instant());
                }
                return;
            }
            Ok(Swap::Moved(stored)) => {
                if let Ok(live) = LiveGrant::open(&engine.parts.keys, &stored) {
                    cell.adopt(live, asked_at);
                }
                return;
            }
            Err(_) => wait = (wait * 2).min(Duration::from_secs(15)),
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
