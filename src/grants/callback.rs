//! Completes a login once, however often its callback comes.
//!
//! A reload, a double tap and a link scanner send a callback again while the first one is still exchanged, and the
//! browser shows the last response. So each callback of a pending login gets the same login, in any process: callbacks
//! take turns under a lease of the store, the first one exchanges the code, and the others find the login that it made.
//! Its id is not stored for that. It follows from a secret of the pending login, which only that browser's sealed cookie
//! has, and from the code.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    GrantManager, LogInError, LoginOutcome, NewLogin, OwnedName, login_id, logout_policy::Ends, manager,
};
use crate::{
    base::{
        evicting_map::EvictingMap,
        lock::lock,
        random::{self, NoRandomness},
    },
    store::{GrantRecord, LeaseHolder, LeaseName, LoginKey, LoginRecord, OneTimeKey, StoreError},
};
use salesforce_connection::{Secret, oauth::LoginHost};

/// How long a callback waits for another one of the same login. Longer than a token request and the key requests behind
/// it usually take, shorter than browsers and proxies wait for a response.
const WAIT: Duration = Duration::from_secs(15);
/// How often a waiting callback looks at the store.
const POLL_INTERVAL: Duration = Duration::from_millis(150);
/// Lifetime of the lease, if its process ends. Longer than an exchange with all its requests takes.
const LEASE_LIFETIME: Duration = Duration::from_secs(45);
/// How long after its creation a login is given to further callbacks.
const OUTCOME_LIFETIME: Duration = Duration::from_secs(60);
/// How long a login that no response took waits for a further callback before it is undone. A browser that reloads
/// sends it at once.
const UNDO_AFTER: Duration = Duration::from_secs(5);

/// A callback that belongs to a pending login of this browser.
#[derive(Debug)]
pub(crate) struct Callback {
    /// The client id that the login began with.
    pub(crate) client_id: String,
    pub(crate) host: LoginHost,
    pub(crate) redirect_uri: Url,
    pub(crate) code: Secret,
    pub(crate) state: Secret,
    pub(crate) verifier: Secret,
    pub(crate) nonce: Option<Secret>,
    /// The secret of the pending login that makes its login's id together with the code.
    pub(crate) login_seed: Secret,
    /// The issuer that the callback names, if it is not the login host (RFC 9207).
    pub(crate) issuer: Option<String>,
    /// How long the pending login counts from now: as long the store has to know that its state is used.
    pub(crate) time_left: Duration,
    pub(crate) purpose: CallbackPurpose,
}

/// What a callback is to do with its tokens.
#[derive(Debug, Clone)]
pub(crate) enum CallbackPurpose {
    /// To log the browser in.
    Login,
    /// To connect an owner of the app. No login is made.
    Connect(OwnedName),
}

impl Callback {
    /// Returns the id of the login that this callback makes.
    fn login_id(&self) -> Secret {
        let mut digest = Sha256::new();
        for part in ["actix-salesforce login id", self.login_seed.expose(), self.code.expose()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        login_id::from_digest(&digest.finalize())
    }

    /// Names the value that is used up once a response has taken the login, or once it is undone.
    fn taken(id: &Secret) -> OneTimeKey {
        OneTimeKey::from_secret(&Secret::new(format!("login taken {}", id.expose())))
    }
}

/// A random secret for [`Callback::login_seed`].
pub(crate) fn random_secret() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?)))
}

/// What a callback led to.
#[derive(Debug)]
pub(crate) enum Completed {
    /// A login.
    Login(NewLogin),
    /// A connection of an owner.
    Connected,
    /// Nothing: the pending login was used before, and no login came of it, or too long ago.
    Used,
}

impl GrantManager {
    /// Exchanges the code and stores the login, or finds the login that another callback with the same code made.
    pub(crate) async fn complete(self: &Arc<Self>, callback: Callback) -> Result<Completed, LogInError> {
        let state = OneTimeKey::from_secret(&callback.state);
        let turn = Turn::wait_for(self, LeaseName::Login(state)).await?;
        let completed = self.complete_in_turn(&callback, state).await;
        turn.end().await;
        completed
    }

    async fn complete_in_turn(
        self: &Arc<Self>,
        callback: &Callback,
        state: OneTimeKey,
    ) -> Result<Completed, LogInError> {
        let id = callback.login_id();
        let permit = self.logins.acquire(&callback.host, self.config.timing.login_queue_timeout).await;
        let permit = permit.ok_or(LogInError::TooManyLogins)?;
        if self.config.store.consume_once(state, callback.time_left).await? {
            let outcome = self.exchange(callback, id.clone(), permit).await?;
            if matches!(callback.purpose, CallbackPurpose::Connect(_)) {
                return Ok(Completed::Connected);
            }
            self.outcomes.remember(&id, &outcome);
            return Ok(Completed::Login(NewLogin::new(id, Arc::clone(self), outcome)));
        }
        drop(permit);
        if let CallbackPurpose::Connect(owned) = &callback.purpose {
            let is_connected = self.has_connected(owned, &id).await?;
            return Ok(if is_connected { Completed::Connected } else { Completed::Used });
        }
        if !self.has_fresh_login(&id).await? {
            return Ok(Completed::Used);
        }
        // Nothing is written for an invented code. From now on the login is not undone; it may just have been.
        self.config.store.consume_once(Callback::taken(&id), OUTCOME_LIFETIME * 2).await?;
        if !self.has_fresh_login(&id).await? {
            return Ok(Completed::Used);
        }
        tracing::debug!(login = ?LoginKey::from_login_id(&id), "callback came again: it gets the same login");
        let Some(outcome) = self.outcome_again(&id, &callback.host).await? else {
            return Ok(Completed::Used);
        };
        Ok(Completed::Login(NewLogin::taken(id, Arc::clone(self), outcome)))
    }

    /// Returns what a login proved that another callback made. If another process has made it, the app's function is asked
    /// once more: what it added is stored in that response's cookie only.
    async fn outcome_again(
        self: &Arc<Self>,
        id: &Secret,
        host: &LoginHost,
    ) -> Result<Option<LoginOutcome>, LogInError> {
        if let Some(outcome) = self.outcomes.find(id) {
            return Ok(Some(outcome));
        }
        let Some(grant) = self.login(id).await? else { return Ok(None) };
        let (user, facts) = (grant.key().user(), self.facts_of(grant, host).await?);
        Ok(Some(LoginOutcome { user, auth_time: None, facts, is_complete: false }))
    }

    /// Returns whether a callback made this login just now.
    async fn has_fresh_login(&self, id: &Secret) -> Result<bool, StoreError> {
        let found = self.config.store.load_login(LoginKey::from_login_id(id)).await;
        let now = self.config.clock.now();
        let is_fresh = |(login, _): (LoginRecord, GrantRecord)| {
            // A clock that is behind makes the age an error.
            now.duration_since(login.created_at).is_ok_and(|age| age <= OUTCOME_LIFETIME)
                || login.created_at > now
        };
        Ok(manager::absent_if_corrupt(found)?.is_some_and(is_fresh))
    }

    /// Ends a login that the first response did not deliver, unless a further callback takes it.
    pub(super) fn undo_unless_taken(self: &Arc<Self>, id: Secret) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            manager.config.background.sleep_unless_stopping(UNDO_AFTER).await;
            let mut waits = manager.config.timing.retry_schedule.into_iter();
            loop {
                let once = Callback::taken(&id);
                let error = match manager.config.store.consume_once(once, OUTCOME_LIFETIME * 2).await {
                    Ok(true) => break,
                    Ok(false) => return,
                    // Another callback may have taken it.
                    Err(error) => error,
                };
                match waits.next() {
                    Some(wait) if manager.config.background.sleep_unless_stopping(wait).await => {}
                    _ => {
                        let login = LoginKey::from_login_id(&id);
                        return tracing::error!(
                            ?login,
                            %error,
                            "discarding a login that no response delivered failed; it ends when it expires"
                        );
                    }
                }
            }
            tracing::info!("login discarded: no response with its cookie was delivered");
            // Whatever the settings say: no browser could ever log it out.
            manager.delete_login_later(id, Ends::LastGrant);
        });
    }
}

/// What the logins of this process proved, for as long as a further callback may ask.
#[derive(Debug, Default)]
pub(super) struct Outcomes(Mutex<EvictingMap<LoginKey, (Instant, LoginOutcome)>>);

impl Outcomes {
    fn remember(&self, id: &Secret, outcome: &LoginOutcome) {
        let entry = (Instant::now(), outcome.clone());
        lock(&self.0).insert(LoginKey::from_login_id(id), entry, |(at, _)| at.elapsed() <= OUTCOME_LIFETIME);
    }

    fn find(&self, id: &Secret) -> Option<LoginOutcome> {
        let outcomes = lock(&self.0);
        let (at, outcome) = outcomes.get(&LoginKey::from_login_id(id))?;
        (at.elapsed() <= OUTCOME_LIFETIME).then(|| outcome.clone())
    }
}

/// The right to complete one pending login.
struct Turn {
    manager: Arc<GrantManager>,
    lease: LeaseName,
    holder: LeaseHolder,
}

impl Turn {
    async fn wait_for(manager: &Arc<GrantManager>, lease: LeaseName) -> Result<Self, LogInError> {
        let (store, holder) = (&manager.config.store, manager::random_holder());
        let until = Instant::now() + WAIT;
        while !store.acquire_lease(lease, holder, LEASE_LIFETIME).await? {
            if Instant::now() >= until {
                return Err(LogInError::NotFinished);
            }
            if !manager.config.background.sleep_unless_stopping(POLL_INTERVAL).await {
                return Err(LogInError::NotFinished);
            }
        }
        Ok(Self { manager: Arc::clone(manager), lease, holder })
    }

    async fn end(self) {
        let released: Result<(), StoreError> =
            self.manager.config.store.release_lease(self.lease, self.holder).await;
        if let Err(error) = released {
            tracing::debug!(%error, "releasing the lease of a login failed; it expires by itself");
        }
    }
}
