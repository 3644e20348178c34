//! Logging out: how browsers, and whole grants, stop, whatever the store does meanwhile.

use std::{
    collections::HashSet,
    iter,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;
use tracing::{
    Instrument as _,
    field::{Empty, display},
    info_span,
};

use super::{Engine, GrantKey, LiveGrant, engine::absent_if_corrupt, logins::LATER};
use crate::{
    events::Event,
    store::{EndedLogin, GrantRecord, LoginKey, StoreError},
};
use salesforce_connection::Secret;

/// The longest wait before another try to store a logout: until then other processes know nothing of it.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How many logouts this process tries to store at a time: a store that is back is not stormed.
const MAX_WRITES: usize = 16;

/// The logins whose end is not stored yet. In this process they are over.
///
/// There are no more of them than logins, since an id comes out of a sealed cookie.
pub(super) struct Endings {
    keys: Mutex<HashSet<LoginKey>>,
    writes: Semaphore,
}

impl Default for Endings {
    fn default() -> Self {
        Self { keys: Mutex::default(), writes: Semaphore::new(MAX_WRITES) }
    }
}

impl Endings {
    pub(super) fn has(&self, key: &LoginKey) -> bool {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// `false`: it is there already.
    fn add(&self, key: LoginKey) -> bool {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }

    fn remove(&self, key: &LoginKey) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// How long to wait before each further try to store a logout. It has no end: a logout counts.
fn waits() -> impl Iterator<Item = Duration> {
    LATER.into_iter().take_while(|wait| *wait < MAX_WAIT).chain(iter::repeat(MAX_WAIT))
}

/// A login on its way to its end.
struct Ending {
    key: LoginKey,
    /// Its grant, as it was before: when an answer of the store is lost, only this still has the tokens.
    grant: Option<GrantRecord>,
    /// It was asked for before, and no answer came.
    unsure: bool,
}

/// Goes on behind everybody's back with an ending that is dropped before it is done: its request was cut off, or the
/// store did not take it.
struct GoOn {
    engine: Arc<Engine>,
    ending: Option<Ending>,
}

impl Drop for GoOn {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            let engine = Arc::clone(&self.engine);
            self.engine.parts.background.spawn(async move {
                let key = ending.key;
                engine.end_at_last(ending).await;
                engine.endings.remove(&key);
            });
        }
    }
}

impl Engine {
    /// Ends the login with this id. When it was its grant's last, Salesforce is told afterwards; nobody waits for that.
    ///
    /// # Errors
    /// The store did not take it. It is tried again in the background; in this process the login is over already.
    pub(crate) async fn log_out(self: &Arc<Self>, id: &Secret) -> Result<(), StoreError> {
        self.end_login(LoginKey::of_id(id)).await
    }

    /// Ends a login without anyone waiting.
    pub(crate) fn log_out_later(self: &Arc<Self>, id: Secret) {
        let engine = Arc::clone(self);
        self.parts.background.spawn(async move {
            if let Err(error) = engine.log_out(&id).await {
                tracing::warn!(%error, "a former login could not be ended yet");
            }
        });
    }

    /// Ends the login under this key, as [`log_out`](Self::log_out).
    pub(crate) async fn end_login(self: &Arc<Self>, key: LoginKey) -> Result<(), StoreError> {
        if !self.endings.add(key) {
            // On its way to its end already.
            return Ok(());
        }
        let ending = Ending { key, grant: None, unsure: false };
        let mut go_on = GoOn { engine: Arc::clone(self), ending: None };
        let ended = self.try_to_end(go_on.ending.insert(ending)).await;
        match ended {
            Ok(()) => {
                go_on.ending = None;
                self.endings.remove(&key);
            }
            Err(_) => self.parts.events.tell(&Event::LogoutPending),
        }
        ended
    }

    async fn end_at_last(self: &Arc<Self>, mut ending: Ending) {
        for wait in waits() {
            if !self.parts.background.pause(wait).await {
                tracing::error!(login = ?ending.key, "the program ends before a logout was stored; the login ends when it expires");
                return;
            }
            // The semaphore is never closed.
            let _permit = self.endings.writes.acquire().await;
            match self.try_to_end(&mut ending).await {
                Err(error @ StoreError::Corrupt(_)) => {
                    return tracing::error!(login = ?ending.key, %error, "a login cannot be ended; it counts as absent");
                }
                Err(_) => {}
                Ok(()) => return,
            }
        }
    }

    async fn try_to_end(self: &Arc<Self>, ending: &mut Ending) -> Result<(), StoreError> {
        let key = ending.key;
        if let Some((_, grant)) = absent_if_corrupt(self.parts.store.login(key).await)? {
            ending.grant = Some(grant);
        }
        let was_unsure = std::mem::replace(&mut ending.unsure, true);
        let span = info_span!("salesforce.logout", login = ?key, grant = Empty, outcome = Empty);
        let ended = self.parts.store.end_login(key).instrument(span.clone()).await;
        let done_before =
            ending.grant.as_ref().filter(|_| was_unsure && matches!(ended, Ok(EndedLogin::Absent)));
        if let Some(grant) = done_before {
            // By an earlier try. Whether it was the last login shows in what is left.
            self.forget_if_gone(grant).instrument(span.clone()).await?;
        }
        let _entered = span.enter();
        let outcome = match &ended {
            Ok(EndedLogin::Absent) if done_before.is_none() => "absent",
            Ok(_) => "ended",
            Err(_) => "not stored",
        };
        span.record("outcome", outcome);
        match ended? {
            EndedLogin::Absent => {
                if let Some(grant) = done_before {
                    span.record("grant", display(grant.key));
                    tracing::info!(login = ?key, grant = %grant.key, "logged out");
                    self.parts.events.tell(&Event::LoggedOut(grant.key.into()));
                }
            }
            EndedLogin::OthersRemain(grant) => {
                span.record("grant", display(grant));
                tracing::info!(login = ?key, %grant, "logged out");
                self.parts.events.tell(&Event::LoggedOut(grant.into()));
            }
            EndedLogin::Last(record) => {
                span.record("grant", display(record.key));
                tracing::info!(login = ?key, grant = %record.key, "logged out, the last login of its grant");
                self.parts.events.tell(&Event::LoggedOut(record.key.into()));
                self.forget(&record);
            }
        }
        Ok(())
    }

    /// Ends a grant with all its logins. Whether there was one.
    ///
    /// # Errors
    /// The store did not take it, or did not say so. It is tried again in the background.
    pub(super) async fn end_grant(self: &Arc<Self>, listed: GrantRecord) -> Result<bool, StoreError> {
        let span = info_span!("salesforce.revoke", grant = %listed.key);
        match self.parts.store.end_grant(listed.key, None).instrument(span.clone()).await {
            Ok(None) => Ok(false),
            Ok(Some(record)) => {
                let _entered = span.enter();
                self.ended_grant(record.key);
                self.forget(&record);
                Ok(true)
            }
            Err(error) => {
                self.end_grant_later(listed);
                Err(error)
            }
        }
    }

    /// Ends a grant without anyone waiting, however long it takes.
    pub(super) fn end_grant_later(self: &Arc<Self>, listed: GrantRecord) {
        let engine = Arc::clone(self);
        self.parts.background.spawn(async move {
            for wait in waits() {
                if !engine.parts.background.pause(wait).await {
                    return tracing::error!(grant = %listed.key, "the program ends before the end of a grant was stored");
                }
                // The semaphore is never closed.
                let _permit = engine.endings.writes.acquire().await;
                match engine.end_listed_grant(&listed).await {
                    Ok(()) => return engine.ended_grant(listed.key),
                    Err(error @ StoreError::Corrupt(_)) => {
                        return tracing::error!(grant = %listed.key, %error, "a grant cannot be ended; it counts as absent");
                    }
                    Err(_) => {}
                }
            }
        });
    }

    /// Ends a grant whose end was asked for before, but not one that the person has come to use since.
    async fn end_listed_grant(&self, listed: &GrantRecord) -> Result<(), StoreError> {
        while let Some(stored) = absent_if_corrupt(self.parts.store.grant(listed.key).await)? {
            if stored.version.lineage != listed.version.lineage {
                break;
            }
            if let Some(ended) = self.parts.store.end_grant(listed.key, Some(stored.version)).await? {
                self.forget(&ended);
                return Ok(());
            }
            // Renewed or ended in between.
        }
        self.forget_if_gone(listed).await
    }

    fn ended_grant(&self, key: GrantKey) {
        tracing::info!(grant = %key, "a grant was ended with all of its logins");
        self.parts.events.tell(&Event::LoggedOut(key.into()));
    }

    /// [Forgets](Self::forget) this grant unless the store still has it, or a later one with the same refresh token.
    async fn forget_if_gone(&self, grant: &GrantRecord) -> Result<(), StoreError> {
        let refresh_token = |record: &GrantRecord| {
            LiveGrant::open(&self.parts.keys, record).ok().and_then(|live| live.refresh_token.clone())
        };
        let stored = absent_if_corrupt(self.parts.store.grant(grant.key).await)?;
        let lives_on = stored.is_some_and(|stored| {
            let token = refresh_token(&stored);
            stored.version.lineage == grant.version.lineage
                || (token.is_some() && token == refresh_token(grant))
        });
        if !lives_on {
            self.forget(grant);
        }
        Ok(())
    }

    /// Forgets a grant that the store has ended, and has its newest tokens revoked.
    pub(super) fn forget(&self, record: &GrantRecord) {
        let cell = self.cell(record.key);
        // What this process holds may be newer than what was stored.
        let held = cell.current().filter(|live| live.version.is_after(record.version));
        cell.end(Some(record.version.lineage), self.parts.clock.instant());
        match held {
            Some(live) => self.revoke_later(&live),
            None => {
                if let Ok(live) = LiveGrant::open(&self.parts.keys, record) {
                    self.revoke_later(&live);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However long an outage lasts.
    #[test]
    fn a_logout_is_tried_again_for_as_long_as_it_takes() {
        assert_eq!(waits().next(), Some(LATER[0]));
        assert!(waits().take(100_000).all(|wait| wait <= MAX_WAIT));
        assert_eq!(waits().nth(100_000), Some(MAX_WAIT));
    }
}
