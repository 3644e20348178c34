//! What happened to logins and grants, told after it was stored.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use crate::grant::GrantKey;
use salesforce_connection::UserRef;

/// Something that happened, told once it is certain: what an audit log, an alarm or a counter wants to know.
///
/// Never holds a token, and nothing that finds a login. Give a listener to
/// [`Builder::on_event`](crate::Builder::on_event). With the feature `metrics` each event is also counted through the
/// `metrics` facade, under the names in [`Event::counter`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A person logged in, and the login is stored.
    LoggedIn(UserRef),
    /// A login ended: logged out, or its grant was ended.
    LoggedOut(UserRef),
    /// The store did not take a logout. It is tried until it does, and told as [`LoggedOut`](Self::LoggedOut) then;
    /// meanwhile the login is over in this process, but not in others.
    LogoutPending,
    /// An access token was renewed and stored.
    #[non_exhaustive]
    Refreshed {
        /// Whose.
        who: UserRef,
        /// Whether Salesforce replaced the refresh token too.
        rotated: bool,
    },
    /// A token could not be renewed for now. The login is kept.
    RefreshFailed(UserRef),
    /// Salesforce no longer accepts the grant: its logins are over.
    #[non_exhaustive]
    RefreshRefused {
        /// Whose.
        who: UserRef,
        /// Whether an answer of the token endpoint was lost just before. Then the refresh token may have been replaced
        /// without anyone learning the new one.
        after_lost_answer: bool,
    },
    /// A refresh token was refused that someone else had used meanwhile, in spite of the lease: with rotation on,
    /// Salesforce takes that for theft. Look for processes that share the app but not the store.
    ReuseSuspected(UserRef),
    /// A renewed token could not be stored. It is used meanwhile, and lost if the process ends before the store is
    /// back.
    TokenHeld(UserRef),
    /// A token that was held is stored now.
    HeldTokenStored(UserRef),
    /// A token was revoked at Salesforce.
    Revoked,
    /// A token could not be revoked at Salesforce, and is not tried again.
    RevocationFailed,
    /// The store stopped answering.
    StoreDown,
    /// The store answers again.
    StoreUp,
}

impl From<GrantKey> for UserRef {
    fn from(key: GrantKey) -> Self {
        Self::new(key.org(), key.user())
    }
}

impl Event {
    /// The counter of this kind of event. There is one name for each kind, and no label: the number of time series does
    /// not grow with users.
    ///
    /// | event | counter |
    /// |---|---|
    /// | `LoggedIn` | `actix_salesforce_logins_total` |
    /// | `LoggedOut` | `actix_salesforce_logouts_total` |
    /// | `LogoutPending` | `actix_salesforce_logouts_pending_total` |
    /// | `Refreshed` | `actix_salesforce_refreshes_total` |
    /// | `RefreshFailed` | `actix_salesforce_refresh_failures_total` |
    /// | `RefreshRefused` | `actix_salesforce_refresh_refusals_total` |
    /// | `ReuseSuspected` | `actix_salesforce_reuse_suspected_total` |
    /// | `TokenHeld` | `actix_salesforce_tokens_held_total` |
    /// | `HeldTokenStored` | `actix_salesforce_held_tokens_stored_total` |
    /// | `Revoked` | `actix_salesforce_revocations_total` |
    /// | `RevocationFailed` | `actix_salesforce_revocation_failures_total` |
    /// | `StoreDown` | `actix_salesforce_store_down_total` |
    /// | `StoreUp` | `actix_salesforce_store_up_total` |
    pub fn counter(&self) -> &'static str {
        match self {
            Self::LoggedIn(_) => "actix_salesforce_logins_total",
            Self::LoggedOut(_) => "actix_salesforce_logouts_total",
            Self::LogoutPending => "actix_salesforce_logouts_pending_total",
            Self::Refreshed { .. } => "actix_salesforce_refreshes_total",
            Self::RefreshFailed(_) => "actix_salesforce_refresh_failures_total",
            Self::RefreshRefused { .. } => "actix_salesforce_refresh_refusals_total",
            Self::ReuseSuspected(_) => "actix_salesforce_reuse_suspected_total",
            Self::TokenHeld(_) => "actix_salesforce_tokens_held_total",
            Self::HeldTokenStored(_) => "actix_salesforce_held_tokens_stored_total",
            Self::Revoked => "actix_salesforce_revocations_total",
            Self::RevocationFailed => "actix_salesforce_revocation_failures_total",
            Self::StoreDown => "actix_salesforce_store_down_total",
            Self::StoreUp => "actix_salesforce_store_up_total",
        }
    }
}

type Listener = dyn Fn(&Event) + Send + Sync;

/// UserRef wants to know.
#[derive(Clone, Default)]
pub(crate) struct Events {
    listener: Option<Arc<Listener>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listener", &self.listener.is_some()).finish()
    }
}

impl Events {
    pub(crate) fn to(listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)) }
    }

    pub(crate) fn tell(&self, event: &Event) {
        #[cfg(feature = "metrics")]
        metrics::counter!(event.counter()).increment(1);
        if let Some(listener) = &self.listener {
            // A listener that panics must not take a refresh with it.
            if panic::catch_unwind(AssertUnwindSafe(|| listener(event))).is_err() {
                tracing::error!("the listener for Salesforce events panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_counter_of_its_own_which_the_docs_name() {
        let who = UserRef {
            organization_id: "00D000000000001EAA".parse().unwrap(),
            user_id: "005000000000001AAA".parse().unwrap(),
        };
        let all = [
            Event::LoggedIn(who),
            Event::LoggedOut(who),
            Event::LogoutPending,
            Event::Refreshed { who, rotated: true },
            Event::RefreshFailed(who),
            Event::RefreshRefused { who, after_lost_answer: false },
            Event::ReuseSuspected(who),
            Event::TokenHeld(who),
            Event::HeldTokenStored(who),
            Event::Revoked,
            Event::RevocationFailed,
            Event::StoreDown,
            Event::StoreUp,
        ];
        let counters: BTreeSet<&str> = all.iter().map(Event::counter).collect();
        assert_eq!(counters.len(), all.len());
        let rows: Vec<&str> = include_str!("events.rs")
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("/// | `"))
            .collect();
        assert_eq!(rows.len(), all.len(), "a kind of event that is not in the table, or not in this test");
        for event in &all {
            let debug = format!("{event:?}");
            let name: String = debug.chars().take_while(char::is_ascii_alphabetic).collect();
            assert!(rows.contains(&format!("{name}` | `{}` |", event.counter()).as_str()), "{name}");
        }
    }
}
