//! Why there is no token to use.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use crate::background::{Spawner, Stopped};
use salesforce_connection::{Error, token::TokenError};

/// Why there is no usable token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GrantError {
    /// The grant was ended or is no longer good: the person has to log in again.
    #[error("the login is over")]
    LoginOver,
    /// It cannot be told or renewed right now. The login is kept.
    #[error("the access token cannot be renewed right now")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// Why.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
}

/// The last refresh failed a moment ago.
#[derive(Debug, thiserror::Error)]
#[error("the last attempt failed a moment ago")]
struct CoolingDown;

impl GrantError {
    pub(super) fn unavailable(retry_after: Duration, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable { retry_after, source: Arc::new(source) }
    }

    /// A refresh ended early: its thread did, or it panicked.
    pub(super) fn cut_short(retry_after: Duration, background: &Spawner) -> Self {
        if background.is_ending() {
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
            GrantError::LoginOver => Self::LoginRequired,
            GrantError::Unavailable { retry_after, source } => Self::Unavailable { retry_after, source },
        }
    }
}

impl From<GrantError> for Error {
    fn from(error: GrantError) -> Self {
        TokenError::from(error).into()
    }
}
