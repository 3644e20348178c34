//! [`GrantError`]: why there is no usable token.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use crate::base::background::{Stopped, TaskSpawner};
use salesforce_connection::{Error, oauth::OAuthError, token::TokenError};

/// Why there is no usable token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GrantError {
    /// The grant was deleted or revoked: the user has to log in again.
    #[error("the login has ended")]
    LoginOver,
    /// Salesforce refuses the grant for good, and says why. The grant was deleted, or stays without tokens as a broken one.
    #[error("Salesforce has ended the login")]
    Refused(#[source] Arc<OAuthError>),
    /// Salesforce no longer accepts the credentials that the grant was given to: it ended the overlap of their rotation.
    /// The user has to log in again with the current ones. The grant stays stored, in case the setting is a mistake.
    #[error("Salesforce no longer accepts the previous client id or secret")]
    CredentialsOver,
    /// The token cannot be loaded or refreshed for now. The login stays valid.
    #[error("refreshing the access token failed for now")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// Why.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
}

/// The last refresh failed within the cool-down.
#[derive(Debug, thiserror::Error)]
#[error("the last attempt failed a moment ago")]
struct CoolingDown;

impl GrantError {
    pub(super) fn unavailable(retry_after: Duration, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable { retry_after, source: Arc::new(source) }
    }

    /// A refresh was interrupted: its thread ended, or it panicked.
    pub(super) fn interrupted(retry_after: Duration, background: &TaskSpawner) -> Self {
        if background.is_stopping() {
            Self::unavailable(retry_after, Stopped)
        } else {
            Self::cooling_down(retry_after)
        }
    }

    pub(super) fn cooling_down(retry_after: Duration) -> Self {
        Self::unavailable(retry_after, CoolingDown)
    }
}

impl From<GrantError> for TokenError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::LoginOver | GrantError::CredentialsOver => Self::LoginRequired,
            GrantError::Refused(error) => Self::LoginRefused(error),
            GrantError::Unavailable { retry_after, source } => Self::Unavailable { retry_after, source },
        }
    }
}

impl From<GrantError> for Error {
    fn from(error: GrantError) -> Self {
        TokenError::from(error).into()
    }
}
