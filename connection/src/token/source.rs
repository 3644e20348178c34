//! [`TokenSource`]: the seam between a connection and what keeps its token valid.

use std::{error::Error as StdError, fmt, future::ready, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use url::Url;

use super::AccessToken;
use crate::{
    oauth::{
        error::{InvalidTokenResponse, OAuthError},
        scopes::Scopes,
    },
    secret::Secret,
    user_ref::UserRef,
};

/// Provides the access token of a [`Connection`](crate::Connection) and replaces it when Salesforce rejects it.
///
/// Salesforce names no expiry with a token, so a rejected request (401 `INVALID_SESSION_ID`) is the only signal that a
/// new one is needed. A source is shared by all connections of one user.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// Returns the user that the tokens belong to.
    fn user(&self) -> UserRef;

    /// Returns the token to use now. Does no I/O: a source obtains its first token when it is created.
    ///
    /// # Errors
    /// [`TokenError::LoginRequired`] if the login has ended.
    fn token(&self) -> Result<Arc<AccessToken>, TokenError>;

    /// Returns the token to use after Salesforce rejected `rejected`. Concurrent calls share one refresh, and dropping
    /// the future does not cancel it.
    ///
    /// # Errors
    /// A [`TokenError`].
    fn refresh<'a>(
        &'a self,
        rejected: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>>;

    /// Returns whether the login has been revoked. Asked after a fresh token was rejected, since Salesforce's response
    /// does not tell a revoked login from a policy. Default: `false`.
    fn is_revoked(&self) -> BoxFuture<'_, bool> {
        Box::pin(ready(false))
    }
}

/// Why there is no usable token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The login ended or was revoked: the user has to log in again.
    #[error("the login is over")]
    LoginRequired,
    /// The token cannot be renewed at the moment. The login stays valid.
    #[error("the access token cannot be renewed right now")]
    Unavailable {
        /// How long to wait before another request.
        retry_after: Duration,
        /// What failed.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// Salesforce refuses a token to the service user until an administrator changes its settings.
    #[error("Salesforce refuses a token to the service user")]
    Refused(#[source] Arc<OAuthError>),
}

impl TokenError {
    /// Creates [`TokenError::Unavailable`].
    pub fn unavailable(retry_after: Duration, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable { retry_after, source: Arc::new(source) }
    }
}

/// A token that the program obtained itself, for example from the Salesforce CLI. It is never renewed: once Salesforce
/// rejects it, requests fail with [`Error::LoginRequired`](crate::Error::LoginRequired).
#[derive(Debug)]
pub struct FixedToken {
    user: UserRef,
    token: Arc<AccessToken>,
}

impl FixedToken {
    /// Creates a source from a token and the instance it belongs to.
    ///
    /// # Errors
    /// [`InvalidTokenResponse::NoToken`] if the token cannot stand in an HTTP header.
    pub fn new(user: UserRef, instance_url: Url, token: &Secret) -> Result<Self, InvalidTokenResponse> {
        let token = Arc::new(AccessToken::new(token, instance_url, Scopes::default())?);
        Ok(Self { user, token })
    }
}

impl TokenSource for FixedToken {
    fn user(&self) -> UserRef {
        self.user
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        Ok(Arc::clone(&self.token))
    }

    fn refresh<'a>(&'a self, _: &'a AccessToken) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        Box::pin(ready(Err(TokenError::LoginRequired)))
    }
}
