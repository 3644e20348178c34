//! [`GrantsHealth`]: what this process knows about its store, its keys and its tokens, for health checks.

use std::{
    error::Error as StdError,
    sync::{Mutex, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

use super::GrantManager;
use crate::{
    base::lock::lock,
    store::{LoginKey, StoreError},
};
use salesforce_connection::{oauth::OAuthError, token::TokenError};

/// Maximum time of the read that checks the store. A health check must be quick even if the store hangs.
const STORE_CHECK: Duration = Duration::from_millis(50);

/// What the grants of this process report: a part of [`Health`](crate::admin::Health).
#[derive(Debug, Serialize)]
pub(crate) struct GrantsHealth {
    pub(crate) store: StoreHealth,
    pub(crate) keys: KeyHealth,
    pub(crate) pending: PendingWork,
    pub(crate) last_token_outage: Option<TokenOutage>,
}

/// The state of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreHealth {
    /// Whether a read succeeded just now.
    pub status: StoreStatus,
    /// How long the read took, in microseconds.
    pub latency_micros: u64,
}

/// Whether the store is reachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreStatus {
    /// A read succeeded.
    Reachable,
    /// A read failed.
    Unavailable,
    /// A read did not end within 50 ms.
    TimedOut,
}

/// The keys that seal tokens and cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyHealth {
    /// The number of keys. More than one while keys are being rotated.
    pub count: usize,
    /// Whether this process has opened a grant that was sealed with another key than the newest. While this is true
    /// after a restart, removing the older keys would end logins.
    pub older_key_seen: bool,
}

/// Work of this process that failed and is being retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PendingWork {
    /// Refreshed tokens that are not stored yet. They are lost if the process ends.
    pub token_writes: usize,
    /// Logouts that are not stored yet. Other processes still accept these logins.
    pub logouts: usize,
}

/// A token could not be loaded or refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenOutage {
    /// When.
    #[serde(serialize_with = "unix_seconds")]
    pub at: SystemTime,
    /// Why.
    pub kind: OutageKind,
}

/// Why a token could not be loaded or refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutageKind {
    /// The token endpoint failed, or did not respond.
    TokenEndpoint,
    /// Salesforce does not allow the address of this machine, or not at this hour ("ip restricted").
    IpRestricted,
    /// The store failed, or did not respond.
    Store,
    /// Salesforce refuses a token for the service user.
    ServiceUserRefused,
    /// Another reason, for example too many refreshes at once.
    Other,
}

pub(crate) fn unix_seconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).serialize(serializer)
}

impl OutageKind {
    fn of(error: &TokenError) -> Option<Self> {
        let source: &(dyn StdError + 'static) = match error {
            TokenError::LoginRequired | TokenError::LoginRefused(_) | TokenError::NeedsReconnecting(_) => {
                return None;
            }
            TokenError::Refused(_) => return Some(Self::ServiceUserRefused),
            TokenError::Unavailable { source, .. } => &**source,
            _ => return Some(Self::Other),
        };
        if source.downcast_ref().is_some_and(OAuthError::is_ip_restricted) {
            return Some(Self::IpRestricted);
        }
        Some(if source.is::<OAuthError>() || source.is::<super::refresh::InDoubt>() {
            Self::TokenEndpoint
        } else if source.is::<StoreError>() {
            Self::Store
        } else {
            Self::Other
        })
    }
}

/// The last token outage.
#[derive(Debug, Default)]
pub(super) struct LastOutage(Mutex<Option<TokenOutage>>);

impl LastOutage {
    /// Records a failure to refresh a token, unless the reason is that the login ended.
    pub(super) fn record(&self, error: &TokenError, at: SystemTime) {
        if let Some(kind) = OutageKind::of(error) {
            *lock(&self.0) = Some(TokenOutage { at, kind });
        }
    }

    fn get(&self) -> Option<TokenOutage> {
        *lock(&self.0)
    }
}

impl GrantManager {
    /// Reports the state of this process within 50 ms, without a request to Salesforce.
    pub(crate) async fn health(&self) -> GrantsHealth {
        GrantsHealth {
            store: self.store_health().await,
            keys: KeyHealth {
                count: self.config.keys.len(),
                older_key_seen: self.config.keys.has_opened_with_older_key(),
            },
            pending: PendingWork {
                token_writes: self.pending_write_count.load(Ordering::Relaxed),
                logouts: self.pending_logouts.len(),
            },
            last_token_outage: self.last_outage.get(),
        }
    }

    /// Reads a login that does not exist: the cheapest operation that reaches the records.
    async fn store_health(&self) -> StoreHealth {
        let started = self.config.clock.instant();
        let read = self.config.store.load_login(LoginKey::from_bytes([0; 32]));
        let status = match tokio::time::timeout(STORE_CHECK, read).await {
            Ok(Ok(_) | Err(StoreError::Corrupt(_))) => StoreStatus::Reachable,
            Ok(Err(_)) => StoreStatus::Unavailable,
            Err(_) => StoreStatus::TimedOut,
        };
        let latency = self.config.clock.instant().saturating_duration_since(started);
        StoreHealth { status, latency_micros: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX) }
    }
}
