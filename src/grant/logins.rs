//! Logging in: how browsers come to use a grant.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tracing::{
    Instrument as _,
    field::{Empty, display},
    info_span,
};
use url::Url;

use super::{Engine, GrantHandle, GrantKey, LiveGrant, Profile, Version, engine::absent_if_corrupt, touch};
use crate::{
    background::{Stopped, follow_up},
    events::Event,
    store::{EndedLogin, LoginKey, LoginRecord, OnceKey, SealError, StoreError},
};
use salesforce_connection::{
    Secret,
    oauth::{IdTokenError, InvalidTokenResponse, LoginHost, OAuthError, TokenResponse},
};

/// How long to wait before each further try of something that happens behind a person's back.
pub(super) const LATER: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(30)];

/// How long a login waits for others that are being finished.
const TURN: Duration = Duration::from_secs(5);

/// Why a login did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LogInError {
    /// Too many are being finished at this moment. Nothing was sent.
    #[error("too many logins are being finished at this moment")]
    Crowded,
    /// The token endpoint gave no tokens.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// What was answered about the person does not hold together.
    #[error(transparent)]
    Identity(#[from] IdentityProblem),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something in this process.
    #[error(transparent)]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl LogInError {
    /// In a word, for the log.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Crowded => "too many at once",
            Self::OAuth(_) => "no tokens",
            Self::Identity(_) => "not confirmed",
            Self::Store(_) => "not stored",
            Self::Internal(_) => "failed",
        }
    }
}

impl From<SealError> for LogInError {
    fn from(error: SealError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<Stopped> for LogInError {
    fn from(error: Stopped) -> Self {
        Self::Internal(error.into())
    }
}

impl From<InvalidTokenResponse> for LogInError {
    fn from(fault: InvalidTokenResponse) -> Self {
        Self::OAuth(fault.into())
    }
}

/// What does not hold together about a login.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IdentityProblem {
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    #[error("userinfo names another user or organization than the token answer")]
    AnotherUser,
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes")]
struct NoRandomness;

/// A login that no browser has yet. Whoever gives it to one [keeps](Self::keep) it; dropped before that it ends, since
/// nobody else could ever end it.
#[must_use]
pub(crate) struct NewLogin {
    id: Option<Secret>,
    engine: Arc<Engine>,
}

impl NewLogin {
    pub(crate) fn new(id: Secret, engine: Arc<Engine>) -> Self {
        Self { id: Some(id), engine }
    }

    /// Its opaque id, with which it does not end by itself any more.
    pub(crate) fn keep(mut self) -> Option<Secret> {
        self.id.take()
    }

    /// Its opaque id.
    pub(crate) fn id(&self) -> Option<&Secret> {
        self.id.as_ref()
    }
}

impl Drop for NewLogin {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            tracing::info!("a login that no browser took is undone");
            self.engine.log_out_later(id);
        }
    }
}

impl Engine {
    /// Trades a code, verifies who logged in, and records the login. Gives its opaque id.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        host: &LoginHost,
        redirect_uri: &Url,
        code: &Secret,
        verifier: &Secret,
        nonce: Option<&Secret>,
    ) -> Result<Secret, LogInError> {
        let span = info_span!(parent: None, "salesforce.login", host = ?host, grant = Empty, outcome = Empty);
        let span = follow_up(span);
        let exchange = async {
            let turn = tokio::time::timeout(TURN, self.logins.acquire()).await;
            let Ok(Ok(_turn)) = turn else { return Err(LogInError::Crowded) };
            let tokens = self.oauth().exchange(host, redirect_uri, code, verifier).await?;
            let key = GrantKey::new(
                self.parts.app,
                tokens.identity.user.organization_id,
                tokens.identity.user.user_id,
            );
            span.record("grant", display(key));
            self.admit(tokens, host, nonce).await
        };
        let logged_in = exchange.instrument(span.clone()).await;
        span.record("outcome", logged_in.as_ref().map_or_else(LogInError::outcome, |_| "logged in"));
        logged_in
    }

    /// Verifies who these tokens are of, and records the login. Gives its opaque id.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        tokens: TokenResponse,
        host: &LoginHost,
        nonce: Option<&Secret>,
    ) -> Result<Secret, LogInError> {
        let profile = match self.identify(host, &tokens, nonce).await {
            Ok(profile) => profile,
            Err(problem) => {
                // Nobody will use these tokens.
                self.revoke_tokens_later(tokens);
                return Err(match problem {
                    // An outage says nothing about the person.
                    IdentityProblem::IdToken(IdTokenError::Keys(error)) if error.error_code().is_none() => {
                        error.into()
                    }
                    problem => problem.into(),
                });
            }
        };
        self.log_in(tokens, profile, host).await
    }

    /// Verifies the ID token when `openid` was granted, and asks for the names of the person.
    async fn identify(
        &self,
        host: &LoginHost,
        tokens: &TokenResponse,
        nonce: Option<&Secret>,
    ) -> Result<Profile, IdentityProblem> {
        let mut profile = Profile::default();
        if tokens.scopes.contains("openid") || tokens.id_token.is_some() {
            let claims = self.oauth().verify_id_token(host, tokens, nonce, self.parts.clock.now()).await?;
            profile = Profile { username: claims.preferred_username, display_name: claims.name };
        }
        match self.oauth().userinfo(&tokens.instance_url, &tokens.access_token).await {
            Ok(info) => {
                let same = info.user_id == tokens.identity.user.user_id
                    && info.organization_id == tokens.identity.user.organization_id;
                if !same {
                    return Err(IdentityProblem::AnotherUser);
                }
                profile = Profile {
                    username: info.preferred_username.or(profile.username),
                    display_name: info.name.or(profile.display_name),
                };
            }
            // The names are for people to read; a login does not depend on them.
            Err(error) => tracing::warn!(%error, "the user's names could not be read"),
        }
        Ok(profile)
    }

    pub(super) async fn log_in(
        self: &Arc<Self>,
        tokens: TokenResponse,
        profile: Profile,
        host: &LoginHost,
    ) -> Result<Secret, LogInError> {
        let live = self.first_version(tokens, profile, host)?;
        let now = self.parts.clock.now();
        let lifetimes = self.parts.lifetimes;
        let ends_at = now.checked_add(lifetimes.absolute).unwrap_or(now);
        let record = live.seal(&self.parts.keys, ends_at)?;
        let login = LoginRecord {
            grant: live.key,
            created_at: now,
            seen_at: now,
            expires_at: now.checked_add(lifetimes.idle).unwrap_or(now).min(ends_at),
        };
        let id = Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?));
        let key = LoginKey::of_id(&id);
        // An id that is taken, by a chance of one in 2^256, is an error like any other.
        let stored = self.parts.store.create_login(key, login, record).await;
        let replaced = match stored {
            Ok(replaced) => replaced,
            Err(error) => {
                self.undo_login_later(key, live);
                return Err(error.into());
            }
        };
        tracing::info!(login = ?key, grant = %live.key, "logged in");
        self.parts.events.tell(&Event::LoggedIn(live.key.into()));
        let new_token = live.refresh_token.clone();
        self.handle_of(live);
        // Each approval counts towards Salesforce's five per user and app: the one that was replaced is given back.
        if let Some(old) = replaced.and_then(|record| LiveGrant::open(&self.parts.keys, &record).ok())
            && old.refresh_token.is_some()
            && old.refresh_token != new_token
        {
            self.revoke_later(&old);
        }
        Ok(id)
    }

    /// Ends a login that the store may have taken although it did not say so, or may still take.
    fn undo_login_later(self: &Arc<Self>, key: LoginKey, live: LiveGrant) {
        let engine = Arc::clone(self);
        self.parts.background.spawn(async move {
            let mut waits = LATER.into_iter();
            while engine.undo_login(key, &live).await.is_err() {
                match waits.next() {
                    Some(wait) if engine.parts.background.pause(wait).await => {}
                    _ => {
                        // Not revoked: the person's other logins may have come to use these tokens.
                        tracing::error!(login = ?key, grant = %live.key, "a login that failed could not be undone; its tokens stay good until they expire");
                        return;
                    }
                }
            }
        });
    }

    async fn undo_login(self: &Arc<Self>, key: LoginKey, live: &LiveGrant) -> Result<(), StoreError> {
        if let EndedLogin::Last(record) = self.parts.store.end_login(key).await? {
            self.forget(&record);
            // It may be a later one than ours, which is then nobody's.
            if record.version.lineage == live.version.lineage {
                return Ok(());
            }
        }
        let stored = absent_if_corrupt(self.parts.store.grant(live.key).await)?;
        if stored.is_none_or(|record| record.version.lineage != live.version.lineage) {
            self.revoke_later(live);
        }
        Ok(())
    }

    /// Keeps tokens without a login.
    pub(crate) async fn save(
        self: &Arc<Self>,
        tokens: TokenResponse,
        profile: Profile,
        host: &LoginHost,
    ) -> Result<GrantHandle, LogInError> {
        let live = self.first_version(tokens, profile, host)?;
        let now = self.parts.clock.now();
        let ends_at = now.checked_add(self.parts.lifetimes.absolute).unwrap_or(now);
        self.parts.store.put_grant(live.seal(&self.parts.keys, ends_at)?).await?;
        Ok(self.handle_of(live))
    }

    fn first_version(
        &self,
        tokens: TokenResponse,
        profile: Profile,
        host: &LoginHost,
    ) -> Result<LiveGrant, LogInError> {
        let key =
            GrantKey::new(self.parts.app, tokens.identity.user.organization_id, tokens.identity.user.user_id);
        let version = Version { lineage: u64::from_be_bytes(random()?), revision: 0 };
        Ok(LiveGrant::new(key, version, tokens, host.clone(), profile, self.parts.clock.now())?)
    }

    /// The grant that the login with this id uses; `None` when there is no such login.
    pub(crate) async fn login(self: &Arc<Self>, id: &Secret) -> Result<Option<GrantHandle>, StoreError> {
        let key = LoginKey::of_id(id);
        if self.endings.has(&key) {
            return Ok(None);
        }
        let asked_at = self.parts.clock.instant();
        let Some((login, grant)) = absent_if_corrupt(self.parts.store.login(key).await)? else {
            return Ok(None);
        };
        let Some(handle) = self.handle(&grant, asked_at) else { return Ok(None) };
        // Again: a logout may have begun while the store was asked.
        if self.endings.has(&key) {
            return Ok(None);
        }
        let now = self.parts.clock.now();
        let lifetimes = self.parts.lifetimes;
        let every = touch::interval(lifetimes);
        if now.duration_since(login.seen_at).is_ok_and(|age| age >= every)
            && self.touches.is_due(key, login.seen_at, every, asked_at)
        {
            let ends_at = login.created_at.checked_add(lifetimes.absolute).unwrap_or(now);
            let expires_at = now.checked_add(lifetimes.idle).unwrap_or(now).min(ends_at);
            let store = Arc::clone(&self.parts.store);
            self.parts.background.spawn(async move {
                if let Err(error) = store.touch_login(key, now, expires_at).await {
                    tracing::warn!(login = ?key, %error, "the use of a login could not be noted");
                }
            });
        }
        Ok(Some(handle))
    }

    /// Whether this one-time value was not used before.
    pub(crate) async fn consume(&self, once: &Secret, lifetime: Duration) -> Result<bool, StoreError> {
        self.parts.store.consume(OnceKey::of(once), lifetime).await
    }

    /// Revokes a grant's tokens at Salesforce, with a few tries (RFC 7009 section 2.2.1), without anyone waiting.
    pub(super) fn revoke_later(&self, live: &LiveGrant) {
        let token = live.refresh_token.clone().unwrap_or_else(|| live.access_token.clone());
        self.revoke_token_later(live.access.instance_url().clone(), token);
    }

    pub(super) fn revoke_tokens_later(&self, tokens: TokenResponse) {
        self.revoke_token_later(tokens.instance_url, tokens.refresh_token.unwrap_or(tokens.access_token));
    }

    fn revoke_token_later(&self, origin: Url, token: Secret) {
        let (oauth, background) = (self.parts.oauth.clone(), self.parts.background.clone());
        let (events, turns) = (self.parts.events.clone(), Arc::clone(&self.revocations));
        self.parts.background.spawn(async move {
            let mut waits = LATER.into_iter();
            loop {
                let turn = turns.acquire().await;
                let revoked = oauth.revoke(&origin, &token).await;
                drop(turn);
                match revoked {
                    Ok(()) => return events.tell(&Event::Revoked),
                    Err(error) => tracing::warn!(%error, "a token could not be revoked yet"),
                }
                match waits.next() {
                    Some(wait) if background.pause(wait).await => {}
                    _ => break,
                }
            }
            events.tell(&Event::RevocationFailed);
            tracing::error!(
                "a token could not be revoked; it stays good at Salesforce until it expires there"
            );
        });
    }
}

fn random<const N: usize>() -> Result<[u8; N], LogInError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| LogInError::Internal(NoRandomness.into()))?;
    Ok(bytes)
}
