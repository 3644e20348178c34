//! Logs users in: exchanges codes, verifies users, and stores logins.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    AuthEvent, Callback, CallbackPurpose, GrantHandle, GrantManager, GrantTokens, LoginOutcome, Profile,
    admission::{NotDecided, RefusedOrg, VerifiedTokens},
    host_limit::HostPermit,
    manager::absent_if_corrupt,
    undo_login::UndoneLogin,
};
use crate::{
    base::{
        background::{Stopped, detached_span},
        random::{self, NoRandomness},
        seal::SealError,
    },
    store::{AppKey, GrantKey, GrantRecord, GrantVersion, LoginKey, LoginProof, LoginRecord, StoreError},
};
use salesforce_connection::{
    Secret, UserRef,
    oauth::{IdTokenError, InvalidTokenResponse, LoginHost, OAuthClient, OAuthError, TokenResponse},
};
use tracing::{
    Instrument as _,
    field::{Empty, display},
    info_span,
};

/// Why a login did not complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LogInError {
    /// Another callback of the same login did not end in time.
    #[error("another callback of this login is still being completed")]
    NotFinished,
    /// The app does not let users of this org in.
    #[error(transparent)]
    OrgNotAllowed(#[from] RefusedOrg),
    /// The app's function refuses the user, for this reason.
    #[error("the app's function of `on_login` refuses the user")]
    Refused(String),
    /// A function of the app failed or took too long.
    #[error(transparent)]
    NotDecided(#[from] NotDecided),
    /// The callback named another issuer than the tokens (RFC 9207).
    #[error("the callback names another issuer than the login host, the instance and the ID token")]
    Issuer,
    /// Too many logins are being completed. No request was sent to Salesforce.
    #[error("too many logins are being completed")]
    TooManyLogins,
    /// The token endpoint returned no tokens.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// What Salesforce returned about the user is contradictory.
    #[error(transparent)]
    Identity(#[from] IdentityProblem),
    /// Storing the login failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A failure within this process.
    #[error(transparent)]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl LogInError {
    /// Returns the outcome in a few words, for the log.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::TooManyLogins => "too many at once",
            Self::NotFinished => "not finished elsewhere",
            Self::Issuer => "another issuer",
            Self::OrgNotAllowed(_) => "organization not allowed",
            Self::Refused(_) => "refused by the app",
            Self::NotDecided(_) => "not decided by the app",
            Self::OAuth(_) => "no tokens",
            Self::Identity(_) => "not confirmed",
            Self::Store(_) => "not stored",
            Self::Internal(_) => "failed",
        }
    }
}

impl From<LogInError> for salesforce_connection::Error {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::Store(error) => error.into(),
            LogInError::OrgNotAllowed(_) => Self::OrgNotAllowed,
            error => Self::internal(error),
        }
    }
}

impl From<SealError> for LogInError {
    fn from(error: SealError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<NoRandomness> for LogInError {
    fn from(error: NoRandomness) -> Self {
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

/// The settings do not have the client id that a login began with.
#[derive(Debug, thiserror::Error)]
#[error("the login began with a client id that the settings do not have any more")]
struct UnknownApp;

/// What is contradictory about a login.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IdentityProblem {
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    #[error("userinfo names another user or organization than the token response")]
    AnotherUser,
    #[error(
        "the login host, which Salesforce does not run, may not speak for this organization. If it may, name the \
         organization at this host in SALESFORCE_LOGIN_HOSTS"
    )]
    ForeignOrg,
}

impl IdentityProblem {
    /// Returns true if the clock of this machine is the problem, not the user.
    pub(crate) fn is_wrong_clock(&self) -> bool {
        matches!(self, Self::IdToken(IdTokenError::Clock { .. }))
    }
}

/// What new tokens are for, and the id that follows from their callback: that of the login, or one that names the callback.
pub(crate) struct Destination<'a> {
    pub(crate) purpose: &'a CallbackPurpose,
    pub(crate) id: Secret,
}

/// Who a user is, as the ID token and userinfo say.
struct Identified {
    profile: Profile,
    /// The issuer of the ID token.
    issuer: Option<String>,
    auth_time: Option<SystemTime>,
}

impl GrantManager {
    /// Exchanges a code, verifies the user, and stores the login under `id`. The permit is returned after the token
    /// request.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        callback: &Callback,
        id: Secret,
        permit: HostPermit,
    ) -> Result<LoginOutcome, LogInError> {
        let Callback { client_id, host, redirect_uri, code, verifier, nonce, issuer, purpose, .. } = callback;
        let app = AppKey::from_client_id(client_id);
        let span = info_span!(parent: None, "salesforce.login", host = ?host, grant = Empty, outcome = Empty);
        let span = detached_span(span);
        let exchange = async {
            let oauth = self.config.apps.get(app).ok_or_else(|| LogInError::Internal(UnknownApp.into()))?;
            let tokens = oauth.exchange(host, redirect_uri, code, verifier).await?;
            drop(permit);
            span.record("grant", display(GrantKey::new(app, tokens.identity.user)));
            let destination = Destination { purpose, id };
            self.complete_login(oauth, tokens, host, nonce.as_ref(), issuer.as_deref(), destination).await
        };
        let logged_in = exchange.instrument(span.clone()).await;
        let done = match purpose {
            CallbackPurpose::Login => "logged in",
            CallbackPurpose::Connect(_) => "connected",
        };
        span.record("outcome", logged_in.as_ref().map_or_else(LogInError::outcome, |_| done));
        logged_in
    }

    /// Verifies whose these tokens are, and stores the login, or the connection of an owner.
    ///
    /// `oauth` has the credentials that they were issued to. `issuer` is what the callback named, if it was not the login
    /// host: the origin of the instance, or the issuer of the ID token. Salesforce does not document which one a shared
    /// login host names (unverified).
    pub(crate) async fn complete_login(
        self: &Arc<Self>,
        oauth: &OAuthClient,
        tokens: TokenResponse,
        host: &LoginHost,
        nonce: Option<&Secret>,
        issuer: Option<&str>,
        destination: Destination<'_>,
    ) -> Result<LoginOutcome, LogInError> {
        let Destination { purpose, id } = destination;
        // Before anything is stored or sent to the instance.
        if let Err(refused) = self.admit_org(host, tokens.identity.user.organization_id).await {
            self.revoke_at_host_later(host, tokens);
            return Err(refused);
        }
        match self.may_speak_for(host, tokens.identity.user.organization_id).await {
            Ok(true) => {}
            Ok(false) => {
                self.revoke_tokens_later(tokens);
                return Err(IdentityProblem::ForeignOrg.into());
            }
            Err(error) => {
                self.revoke_tokens_later(tokens);
                return Err(error.into());
            }
        }
        let (profile, auth_time) = match self.identify(oauth, host, &tokens, nonce).await {
            Ok(Identified { profile, issuer: claimed, auth_time }) => {
                let is_instance = |issuer: &str| issuer == tokens.instance_url.origin().ascii_serialization();
                if issuer.is_some_and(|issuer| !is_instance(issuer) && claimed.as_deref() != Some(issuer)) {
                    self.revoke_tokens_later(tokens);
                    return Err(LogInError::Issuer);
                }
                (profile, auth_time)
            }
            Err(problem) => {
                // These tokens will not be used.
                self.revoke_tokens_later(tokens);
                return Err(match problem {
                    // An outage of the key endpoint says nothing about the user.
                    IdentityProblem::IdToken(IdTokenError::Keys(error)) if error.error_code().is_none() => {
                        error.into()
                    }
                    problem => problem.into(),
                });
            }
        };
        let verified = VerifiedTokens {
            user: tokens.identity.user,
            instance_url: &tokens.instance_url,
            scopes: &tokens.scopes,
            access_token: &tokens.access_token,
            host,
            profile: &profile,
        };
        let facts = match self.admit_user(verified, purpose).await {
            Ok(facts) => facts,
            Err(refused) => {
                self.revoke_at_host_later(host, tokens);
                return Err(refused);
            }
        };
        let app = AppKey::from_client_id(&oauth.app().client_id);
        let grant = self.first_version(app, tokens, profile, host)?;
        let user = match purpose {
            CallbackPurpose::Login => self.log_in(grant, id).await?,
            CallbackPurpose::Connect(owned) => self.connect_owner(grant, owned, &id).await?,
        };
        Ok(LoginOutcome { user, auth_time, facts, is_complete: true })
    }

    /// Verifies the ID token if `openid` was granted or a nonce was sent with the request for it, and fetches the user's
    /// names.
    async fn identify(
        &self,
        oauth: &OAuthClient,
        host: &LoginHost,
        tokens: &TokenResponse,
        nonce: Option<&Secret>,
    ) -> Result<Identified, IdentityProblem> {
        let (mut profile, mut issuer, mut auth_time) = (Profile::default(), None, None);
        // A response that leaves `openid` out of its scopes does not get around the ID token: a nonce is sent only with
        // that scope.
        if nonce.is_some() || tokens.scopes.contains("openid") || tokens.id_token.is_some() {
            let claims = oauth.verify_id_token(host, tokens, nonce, self.config.clock.now()).await?;
            issuer = Some(claims.iss);
            auth_time = claims.auth_time.and_then(|time| UNIX_EPOCH.checked_add(Duration::from_secs(time)));
            profile = Profile::new(claims.preferred_username, claims.name);
        }
        match oauth.userinfo(&tokens.instance_url, &tokens.access_token).await {
            Ok(info) => {
                let same = info.user_id == tokens.identity.user.user_id
                    && info.organization_id == tokens.identity.user.organization_id;
                if !same {
                    return Err(IdentityProblem::AnotherUser);
                }
                profile = Profile::new(
                    info.preferred_username.or(profile.username),
                    info.name.or(profile.display_name),
                );
            }
            // The names are for display only, so a login does not depend on them.
            Err(error) => tracing::warn!(%error, "fetching the user's names failed"),
        }
        Ok(Identified { profile, issuer, auth_time })
    }

    pub(super) async fn log_in(
        self: &Arc<Self>,
        grant: GrantTokens,
        id: Secret,
    ) -> Result<UserRef, LogInError> {
        let now = self.config.clock.now();
        let lifetimes = self.config.lifetimes;
        let ends_at = now.checked_add(lifetimes.absolute).unwrap_or(now);
        let record = grant.seal(&self.config.keys, ends_at)?;
        let login = LoginRecord {
            grant: grant.key,
            created_at: now,
            last_used_at: now,
            expires_at: now.checked_add(lifetimes.idle).unwrap_or(now).min(ends_at),
            proof: Some(LoginProof::new(&id, &grant.key)),
        };
        let key = LoginKey::from_login_id(&id);
        let mut former = None;
        let stored = async {
            // If the store's response is lost, only this copy still has the tokens to revoke.
            former = absent_if_corrupt(self.config.store.load_grant(grant.key).await)?;
            // An id that is in use, with a probability of 1 in 2^256, is an error like any other.
            self.config.store.create_login(key, login, record).await
        };
        let replaced = match stored.await {
            Ok(replaced) => replaced,
            Err(error) => {
                self.undo_login_later(UndoneLogin { key, grant: Some(grant), former });
                return Err(error.into());
            }
        };
        tracing::info!(login = ?key, grant = %grant.key, "logged in");
        self.config.events.emit(&AuthEvent::LoggedIn { user: grant.key.user(), login: key });
        let new_token = grant.refresh_token.clone();
        let key = grant.key;
        self.handle_of(grant);
        self.rechecked_by_login(key);
        // A login in a frame replaces nothing.
        if !self.config.apps.is_canvas(key.app()) {
            self.forget_other_broken_grant(key);
        }
        self.revoke_replaced(replaced, new_token.as_ref());
        Ok(key.user())
    }

    /// Revokes the refresh token of a grant that a new one replaced.
    ///
    /// Salesforce keeps five approvals per user and app, and ends the oldest beyond that (Salesforce Help, "Manage OAuth
    /// Access Policies for a Connected App").
    pub(super) fn revoke_replaced(&self, replaced: Option<GrantRecord>, new_token: Option<&Secret>) {
        if let Some(old) = replaced.and_then(|record| GrantTokens::open(&self.config.keys, &record).ok())
            && old.refresh_token.is_some()
            && old.refresh_token.as_ref() != new_token
        {
            self.revoke_later(&old);
        }
    }

    /// Stores tokens without a login.
    pub(crate) async fn save(
        self: &Arc<Self>,
        tokens: TokenResponse,
        profile: Profile,
        host: &LoginHost,
    ) -> Result<GrantHandle, LogInError> {
        let org = tokens.identity.user.organization_id;
        self.check_org_unasked(host, org, &tokens.instance_url)?;
        if !self.config.host_orgs.accepts(host, org) {
            return Err(RefusedOrg::NotNamed.into());
        }
        let grant = self.first_version(self.config.apps.current_key(), tokens, profile, host)?;
        let now = self.config.clock.now();
        let ends_at = now.checked_add(self.config.lifetimes.absolute).unwrap_or(now);
        self.config.store.put_grant(grant.seal(&self.config.keys, ends_at)?).await?;
        let handle = self.handle_of(grant);
        self.rechecked_by_login(handle.key());
        Ok(handle)
    }

    pub(super) fn first_version(
        &self,
        app: AppKey,
        tokens: TokenResponse,
        profile: Profile,
        host: &LoginHost,
    ) -> Result<GrantTokens, LogInError> {
        let version = GrantVersion { epoch: u64::from_be_bytes(random::bytes()?), revision: 0 };
        let key = GrantKey::new(app, tokens.identity.user);
        Ok(GrantTokens::new(key, version, tokens, host.clone(), profile, self.config.clock.now())?)
    }
}
