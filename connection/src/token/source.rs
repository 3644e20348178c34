//! [`TokenSource`]: provides and refreshes the access token of a connection.

use std::{error::Error as StdError, fmt, future::ready, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use url::Url;

use super::{AccessToken, BrokenConnection};
use crate::{
    http::InvalidApiHost,
    oauth::{
        error::{InvalidTokenResponse, OAuthError},
        scopes::Scopes,
    },
    secret::Secret,
    user_ref::UserRef,
};

/// Provides the access token of a [`Connection`](crate::Connection) and replaces it when Salesforce rejects it.
///
/// Salesforce reports no expiry with a token, so that a rejected request (401 `INVALID_SESSION_ID`) is the only signal that
/// a new one is needed. All connections of one user share one source.
///
/// A source of a program that gets its tokens from another one:
///
/// ```
/// use std::sync::{Arc, RwLock};
///
/// use futures_util::{FutureExt, future::BoxFuture};
/// use salesforce_connection::{UserRef, token::{AccessToken, TokenError, TokenSource}};
///
/// #[derive(Debug)]
/// struct SharedToken {
///     user: UserRef,
///     /// Another task replaces it.
///     current: RwLock<Arc<AccessToken>>,
/// }
///
/// impl TokenSource for SharedToken {
///     fn user(&self) -> UserRef {
///         self.user
///     }
///
///     fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
///         let current = self.current.read().map_err(|_| TokenError::LoginRequired)?;
///         Ok(Arc::clone(&current))
///     }
///
///     fn refresh<'a>(&'a self, _: &'a AccessToken) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
///         // A newer token may be there already; otherwise the request fails with 401.
///         async { self.token() }.boxed()
///     }
/// }
/// ```
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// Returns the user that the tokens belong to.
    fn user(&self) -> UserRef;

    /// Returns the token to use now. Does no I/O: a source fetches its first token when it is created.
    ///
    /// # Errors
    /// [`TokenError::LoginRequired`] if the login has ended.
    fn token(&self) -> Result<Arc<AccessToken>, TokenError>;

    /// Returns the token to use after Salesforce rejected `rejected`.
    ///
    /// If the source already has a newer token, it returns that one. It returns `rejected` itself if a refresh would not
    /// help, because tokens that were new were rejected a moment ago. Concurrent calls must share one refresh, and dropping
    /// the future must not cancel it.
    ///
    /// # Errors
    /// [`TokenError::LoginRequired`] if the login has ended, [`TokenError::Unavailable`] for transient failures, and
    /// [`TokenError::LoginRefused`] or [`TokenError::Refused`] if only an administrator can fix the cause,
    /// [`TokenError::NeedsReconnecting`] if a job's grant was refused for good, [`TokenError::ApiHost`] if the token is for
    /// another host.
    fn refresh<'a>(
        &'a self,
        rejected: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>>;

    /// Reports that Salesforce rejected a token that [`refresh`](Self::refresh) returned. Default: nothing happens.
    ///
    /// A source can refrain from further refreshes then. The failed request waits for it, so that a source of several
    /// processes can tell the others before the next request.
    fn rejected_again<'a>(&'a self, _fresh: &'a AccessToken) -> BoxFuture<'a, ()> {
        Box::pin(ready(()))
    }

    /// Returns whether the login has been revoked. Default: `false`.
    ///
    /// Called after a new token was rejected, since Salesforce rejects both a revoked login and one against a policy with
    /// the same response.
    fn is_revoked(&self) -> BoxFuture<'_, bool> {
        Box::pin(ready(false))
    }
}

/// Why a [`TokenSource`] has no valid token.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The login has ended or was revoked: the user has to log in again.
    #[error("the login has ended")]
    LoginRequired,
    /// The token cannot be refreshed at the moment. The login stays valid.
    #[error("the access token cannot be refreshed at the moment")]
    Unavailable {
        /// How long to wait before another request.
        retry_after: Duration,
        /// What failed.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// Salesforce ended the user's login, and said why. A new login fails in the same way until an administrator changes
    /// the cause.
    #[error("Salesforce refuses the user's login")]
    LoginRefused(#[source] Arc<OAuthError>),
    /// Salesforce ended the connection of a user for whom a job works: the user has to log in again.
    #[error(transparent)]
    NeedsReconnecting(Arc<BrokenConnection>),
    /// Salesforce refuses a token to the service user until an administrator changes its settings.
    #[error("Salesforce refuses a token to the service user")]
    Refused(#[source] Arc<OAuthError>),
    /// The new token is for a host that the client does not name. See
    /// [`data360_direct`](crate::Connection::data360_direct).
    #[error(transparent)]
    ApiHost(InvalidApiHost),
}

crate::debug::debug_as_display!(TokenError);

impl TokenError {
    /// Creates [`TokenError::Unavailable`].
    pub fn unavailable(retry_after: Duration, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable { retry_after, source: Arc::new(source) }
    }
}

/// A source for a token that the program already has, for example from the Salesforce CLI.
///
/// The token is never refreshed: once Salesforce rejects it, requests fail with
/// [`Error::LoginRequired`](crate::Error::LoginRequired).
///
/// ```no_run
/// use std::sync::Arc;
///
/// use salesforce_connection::{Client, Connection, Secret, UserRef, token::FixedToken};
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// // From `sf org auth show-access-token` and `sf org display`, except for the user's id.
/// let user = UserRef::new("00Dx0000000BV7z".parse()?, "005x00000012Q9P".parse()?);
/// let token = Secret::new(std::env::var("SF_ACCESS_TOKEN")?);
/// let source = FixedToken::new(user, "https://acme.my.salesforce.com".parse()?, &token)?;
/// let sf = Connection::new(&Client::builder().build()?, Arc::new(source));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FixedToken {
    user: UserRef,
    token: Arc<AccessToken>,
}

impl FixedToken {
    /// Creates a source from a token and the instance that it belongs to.
    ///
    /// # Errors
    /// [`InvalidTokenResponse::NoToken`] if the token has characters that an HTTP header cannot contain.
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
