//! [`AuthEvent`]: what happened to logins and grants, reported after it was stored.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

#[cfg(feature = "events")]
use super::login_watch::EndedLogins;
use crate::store::{AvailabilityObserver, LoginKey};
use salesforce_connection::UserRef;

/// Something that happened to a login, a grant or the store, reported once it is certain. For audit logs, alarms and
/// counters.
///
/// Never contains a token or a credential. Pass a listener to
/// [`SalesforceBuilder::on_event`](crate::SalesforceBuilder::on_event). With the feature `metrics` each event is also
/// counted through the `metrics` facade, under the name that [`AuthEvent::counter`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthEvent {
    /// A user logged in, and the login is stored.
    #[non_exhaustive]
    LoggedIn {
        /// The user.
        user: UserRef,
        /// The new login. A later [`LoggedOut`](Self::LoggedOut) has the same key.
        login: LoginKey,
    },
    /// A login ended: the user logged out, or an operator ended it.
    #[non_exhaustive]
    LoggedOut {
        /// The user.
        user: UserRef,
        /// The login that ended; `None` if the user's grant was revoked with all of its logins.
        login: Option<LoginKey>,
    },
    /// Storing a logout failed. It is retried until it succeeds, and then reported as [`LoggedOut`](Self::LoggedOut).
    /// Until then this process rejects the login, but other processes accept it.
    LogoutNotStored,
    /// An access token was refreshed and stored.
    #[non_exhaustive]
    Refreshed {
        /// The user.
        user: UserRef,
        /// Whether Salesforce replaced the refresh token too.
        rotated: bool,
    },
    /// Refreshing a token failed for now. The login stays valid.
    RefreshFailed(UserRef),
    /// Salesforce no longer accepts the grant: its logins are deleted, and its user has to log in again.
    #[non_exhaustive]
    GrantRevoked {
        /// The user.
        user: UserRef,
        /// Whether a response of the token endpoint was lost before. Salesforce may have replaced the refresh token then,
        /// with a new one that never arrived.
        response_was_lost: bool,
        /// Why, if Salesforce sent one of its known descriptions, such as `user is inactive`. Never a text that this
        /// crate does not know.
        reason: Option<&'static str>,
        /// Salesforce's error code, such as `invalid_grant`, in lower snake case. `None` if the response named another
        /// user, or the grant has no refresh token.
        code: Option<String>,
        /// Whether [`list_grants`](crate::Salesforce::list_grants) still lists the grant, as one that needs reconnecting:
        /// for `SALESFORCE_KEEP_BROKEN`, or until the user logs in.
        needs_reconnecting: bool,
    },
    /// Salesforce rejected a refresh token that another process had used in spite of the lease. If rotation is on,
    /// Salesforce treats that as theft. Look for processes that share the app but not the store.
    ReuseSuspected(UserRef),
    /// Storing a refreshed token failed. It is used meanwhile, and lost if the process ends before the store recovers.
    TokenWritePending(UserRef),
    /// A refreshed token that could not be stored before is now stored.
    TokenWriteRecovered(UserRef),
    /// An owner, a user of the app itself, connected a Salesforce user.
    #[non_exhaustive]
    OwnerConnected {
        /// The Salesforce user.
        user: UserRef,
    },
    /// A connection of an owner ended: the app ended it, or the owner connected again after a change of credentials.
    #[non_exhaustive]
    OwnerDisconnected {
        /// The Salesforce user.
        user: UserRef,
    },
    /// A token was revoked at Salesforce.
    TokenRevoked,
    /// Revoking a token at Salesforce failed, and is not retried any more.
    RevocationFailed,
    /// No stored grant of this app needs an older key of the key ring any more. Cookies may still need one.
    OlderKeysUnused,
    /// No stored grant needs the app's previous credentials any more: they can be taken out of the settings. Reported again
    /// if a process with the former settings added one meanwhile.
    PreviousCredentialsUnused,
    /// The store became unavailable.
    StoreUnavailable,
    /// The store is available again.
    StoreRecovered,
}

impl AuthEvent {
    /// Returns the name of the counter of this kind of event. It has no labels, so that the number of time series does
    /// not grow with the number of users.
    ///
    /// | event | counter |
    /// |---|---|
    /// | `LoggedIn` | `actix_salesforce_logins_total` |
    /// | `LoggedOut` | `actix_salesforce_logouts_total` |
    /// | `LogoutNotStored` | `actix_salesforce_logouts_not_stored_total` |
    /// | `Refreshed` | `actix_salesforce_refreshes_total` |
    /// | `RefreshFailed` | `actix_salesforce_refresh_failures_total` |
    /// | `GrantRevoked` | `actix_salesforce_grants_revoked_total` |
    /// | `ReuseSuspected` | `actix_salesforce_reuse_suspected_total` |
    /// | `TokenWritePending` | `actix_salesforce_token_writes_pending_total` |
    /// | `TokenWriteRecovered` | `actix_salesforce_token_writes_recovered_total` |
    /// | `OwnerConnected` | `actix_salesforce_owners_connected_total` |
    /// | `OwnerDisconnected` | `actix_salesforce_owners_disconnected_total` |
    /// | `TokenRevoked` | `actix_salesforce_tokens_revoked_total` |
    /// | `RevocationFailed` | `actix_salesforce_revocation_failures_total` |
    /// | `OlderKeysUnused` | `actix_salesforce_older_keys_unused_total` |
    /// | `PreviousCredentialsUnused` | `actix_salesforce_previous_credentials_unused_total` |
    /// | `StoreUnavailable` | `actix_salesforce_store_unavailable_total` |
    /// | `StoreRecovered` | `actix_salesforce_store_recovered_total` |
    pub fn counter(&self) -> &'static str {
        match self {
            Self::LoggedIn { .. } => "actix_salesforce_logins_total",
            Self::LoggedOut { .. } => "actix_salesforce_logouts_total",
            Self::LogoutNotStored => "actix_salesforce_logouts_not_stored_total",
            Self::Refreshed { .. } => "actix_salesforce_refreshes_total",
            Self::RefreshFailed(_) => "actix_salesforce_refresh_failures_total",
            Self::GrantRevoked { .. } => "actix_salesforce_grants_revoked_total",
            Self::ReuseSuspected(_) => "actix_salesforce_reuse_suspected_total",
            Self::TokenWritePending(_) => "actix_salesforce_token_writes_pending_total",
            Self::TokenWriteRecovered(_) => "actix_salesforce_token_writes_recovered_total",
            Self::OwnerConnected { .. } => "actix_salesforce_owners_connected_total",
            Self::OwnerDisconnected { .. } => "actix_salesforce_owners_disconnected_total",
            Self::TokenRevoked => "actix_salesforce_tokens_revoked_total",
            Self::RevocationFailed => "actix_salesforce_revocation_failures_total",
            Self::OlderKeysUnused => "actix_salesforce_older_keys_unused_total",
            Self::PreviousCredentialsUnused => "actix_salesforce_previous_credentials_unused_total",
            Self::StoreUnavailable => "actix_salesforce_store_unavailable_total",
            Self::StoreRecovered => "actix_salesforce_store_recovered_total",
        }
    }
}

type Listener = dyn Fn(&AuthEvent) + Send + Sync;

/// Passes events to the app's listener and to the metrics.
#[derive(Clone, Default)]
pub(crate) struct Events {
    listener: Option<Arc<Listener>>,
    #[cfg(feature = "events")]
    ended_logins: EndedLogins,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listener", &self.listener.is_some()).finish()
    }
}

impl Events {
    pub(crate) fn to(listener: impl Fn(&AuthEvent) + Send + Sync + 'static) -> Self {
        Self {
            listener: Some(Arc::new(listener)),
            #[cfg(feature = "events")]
            ended_logins: EndedLogins::default(),
        }
    }

    /// The logins that end in this process.
    #[cfg(feature = "events")]
    pub(super) fn ended_logins(&self) -> &EndedLogins {
        &self.ended_logins
    }

    pub(crate) fn emit(&self, event: &AuthEvent) {
        #[cfg(feature = "metrics")]
        metrics::counter!(event.counter()).increment(1);
        #[cfg(feature = "events")]
        match event {
            AuthEvent::LoggedOut { user, login } => self.ended_logins.report(*user, *login),
            AuthEvent::GrantRevoked { user, .. } => self.ended_logins.report(*user, None),
            _ => {}
        }
        if let Some(listener) = &self.listener {
            // A listener that panics must not end a refresh.
            if panic::catch_unwind(AssertUnwindSafe(|| listener(event))).is_err() {
                tracing::error!("the listener for Salesforce events panicked");
            }
        }
    }
}

impl AvailabilityObserver for Events {
    fn store_unavailable(&self) {
        self.emit(&AuthEvent::StoreUnavailable);
    }

    fn store_recovered(&self) {
        self.emit(&AuthEvent::StoreRecovered);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_separate_counter_which_the_docs_name() {
        let user = UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap());
        let login = LoginKey::from_bytes([7; 32]);
        let all = [
            AuthEvent::LoggedIn { user, login },
            AuthEvent::LoggedOut { user, login: Some(login) },
            AuthEvent::LogoutNotStored,
            AuthEvent::Refreshed { user, rotated: true },
            AuthEvent::RefreshFailed(user),
            AuthEvent::GrantRevoked {
                user,
                response_was_lost: false,
                reason: None,
                code: None,
                needs_reconnecting: true,
            },
            AuthEvent::ReuseSuspected(user),
            AuthEvent::TokenWritePending(user),
            AuthEvent::TokenWriteRecovered(user),
            AuthEvent::OwnerConnected { user },
            AuthEvent::OwnerDisconnected { user },
            AuthEvent::TokenRevoked,
            AuthEvent::RevocationFailed,
            AuthEvent::OlderKeysUnused,
            AuthEvent::PreviousCredentialsUnused,
            AuthEvent::StoreUnavailable,
            AuthEvent::StoreRecovered,
        ];
        let counters: BTreeSet<&str> = all.iter().map(AuthEvent::counter).collect();
        assert_eq!(counters.len(), all.len());
        let rows: Vec<&str> = include_str!("events.rs")
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("/// | `"))
            .collect();
        assert_eq!(rows.len(), all.len(), "a kind of event is missing in the table or in this test");
        for event in &all {
            let debug = format!("{event:?}");
            let name: String = debug.chars().take_while(char::is_ascii_alphabetic).collect();
            assert!(rows.contains(&format!("{name}` | `{}` |", event.counter()).as_str()), "{name}");
        }
    }
}
