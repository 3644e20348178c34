//! Logins by Canvas: a frame in a page of Salesforce, whose signed request has the user's access token.
//!
//! Such a token is stored as a grant apart, under a separate key, so that it never replaces, refreshes or revokes
//! the grant of an ordinary login. While its user has one of those, the login in the frame uses that.

use std::{sync::Arc, time::Duration};

use tracing::{
    Instrument as _,
    field::{Empty, display},
    info_span,
};

use super::{
    CallbackPurpose, FoundLogin, GrantManager, GrantTokens, LogInError, LoginOutcome, NewLogin, Profile,
    StoredGrant, admission::VerifiedTokens, login::IdentityProblem, login_id, tokens::access,
};
use crate::{
    base::{background::detached_span, hex, random},
    store::{AppKey, GrantKey, GrantVersion, OneTimeKey, StoreError},
};
use salesforce_connection::{
    Secret, UserRef,
    oauth::{LoginHost, OAuthError, Scopes, SignedRequest, TokenTypeHint},
};

/// How long a signed request stays used. Longer than its token lives: Salesforce ends sessions after 24 hours at most
/// (Salesforce Help "Modify Session Security Settings").
const USED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a signed request makes no login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanvasError {
    /// It was used before.
    #[error("the signed request was used before")]
    Used,
    /// Its token is not valid any more.
    #[error("the token of the signed request is not valid any more")]
    TokenOver(#[source] OAuthError),
    /// As in a login by code.
    #[error(transparent)]
    Login(#[from] LogInError),
}

impl From<StoreError> for CanvasError {
    fn from(error: StoreError) -> Self {
        Self::Login(error.into())
    }
}

/// Names the app for tokens of signed requests. No client id has a blank.
pub(super) fn canvas_key(client_id: &str) -> AppKey {
    AppKey::from_client_id(&format!("{client_id} canvas"))
}

impl GrantManager {
    /// Makes a login of a verified signed request, which counts once and while its token lives.
    pub(crate) async fn log_in_by_canvas(
        self: &Arc<Self>,
        request: SignedRequest,
    ) -> Result<NewLogin, CanvasError> {
        let span = info_span!(parent: None, "salesforce.login", host = Empty, grant = Empty, outcome = Empty);
        let span = detached_span(span);
        let login = self.canvas_login(request).instrument(span.clone()).await;
        span.record(
            "outcome",
            match &login {
                Ok(_) => "logged in",
                Err(CanvasError::Used) => "used",
                Err(CanvasError::TokenOver(_)) => "token over",
                Err(CanvasError::Login(error)) => error.outcome(),
            },
        );
        login
    }

    async fn canvas_login(self: &Arc<Self>, request: SignedRequest) -> Result<NewLogin, CanvasError> {
        let user = request.user;
        let key = GrantKey::new(self.config.apps.current_canvas_key(), user);
        // The org's own host: it is the one that the signed request speaks for.
        let host: LoginHost = request.instance_url.as_str().parse().map_err(
            |error: salesforce_connection::oauth::InvalidLoginHost| LogInError::Internal(error.into()),
        )?;
        tracing::Span::current().record("host", format!("{host:?}")).record("grant", display(key));

        // Before a request is sent to the instance.
        self.admit_org(&host, user.organization_id).await?;
        if !self.may_speak_for(&host, user.organization_id).await? {
            return Err(LogInError::from(IdentityProblem::ForeignOrg).into());
        }
        let permit = self.logins.acquire(&host, self.config.timing.login_queue_timeout).await;
        let permit = permit.ok_or(LogInError::TooManyLogins)?;
        // The signature, and not the text, of which there are several forms.
        let hex: String = hex::digits(request.signature()).collect();
        let once = OneTimeKey::from_secret(&Secret::new(format!("canvas request {hex}")));
        if !self.config.store.consume_once(once, USED_FOR).await? {
            return Err(CanvasError::Used);
        }
        let profile = self.canvas_profile(&request).await?;
        let scopes = self.canvas_scopes(&host, &request.access_token).await;
        drop(permit);

        let version = GrantVersion {
            epoch: u64::from_be_bytes(random::bytes().map_err(LogInError::from)?),
            revision: 0,
        };
        let mut identity_url = request.instance_url.clone();
        identity_url.set_path(&format!("/id/{}/{}", user.organization_id, user.user_id));
        let grant = GrantTokens {
            key,
            version,
            access: access(&request.access_token, request.instance_url.clone(), scopes, version)
                .map_err(LogInError::from)?,
            access_token: request.access_token,
            refresh_token: None,
            identity_url,
            host,
            profile,
            updated_at: self.config.clock.now(),
        };
        // A user who is refused keeps the token: it is Salesforce's, and nothing was asked for.
        let facts = self.admit_user(VerifiedTokens::of(&grant), &CallbackPurpose::Login).await?;
        let id = login_id::random_login_id().map_err(LogInError::from)?;
        self.log_in(grant, id.clone()).await?;
        let outcome = LoginOutcome { user, auth_time: None, facts, is_complete: true };
        Ok(NewLogin::new(id, Arc::clone(self), outcome))
    }

    /// Asks the instance whose token it is.
    async fn canvas_profile(&self, request: &SignedRequest) -> Result<Profile, CanvasError> {
        let info = self.oauth().userinfo(&request.instance_url, &request.access_token).await;
        let info = info.map_err(|error| match error.is_invalid_token() {
            true => CanvasError::TokenOver(error),
            false => LogInError::OAuth(error).into(),
        })?;
        if UserRef::new(info.organization_id, info.user_id) != request.user {
            return Err(LogInError::from(IdentityProblem::AnotherUser).into());
        }
        let username = info.preferred_username.or_else(|| request.username.clone());
        Ok(Profile::new(username, info.name.or_else(|| request.display_name.clone())))
    }

    /// Asks which scopes the token has: the signed request does not say it. None if Salesforce does not say it either, so
    /// that an access rule that needs one closes its route.
    async fn canvas_scopes(&self, host: &LoginHost, token: &Secret) -> Scopes {
        match self.oauth().introspect(host, token, TokenTypeHint::Access).await {
            Ok(token) => token.scope.and_then(|scope| scope.parse().ok()).unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%error, "the scopes of a token of Canvas are unknown");
                Scopes::default()
            }
        }
    }

    /// Returns the grant that a login in a frame uses: its user's ordinary one if it is valid, else that of the token.
    pub(crate) async fn of_canvas(self: &Arc<Self>, found: FoundLogin) -> Result<FoundLogin, StoreError> {
        let own = match found {
            FoundLogin::Valid(own) => own,
            other => return Ok(other),
        };
        if !self.config.apps.is_canvas(own.key().app()) {
            return Ok(FoundLogin::Unusable(Some(own.key().user())));
        }
        Ok(FoundLogin::Valid(match self.grant_of(own.key().user()).await? {
            StoredGrant::Valid(grant) if grant.current().is_ok() && !grant.needs_other_credentials() => grant,
            _ => own,
        }))
    }
}
