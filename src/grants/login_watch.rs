//! [`LoginWatch`]: for a response that goes on for as long as its login is valid.

use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use super::{FoundLogin, GrantManager, LoginId};
use crate::store::{LoginKey, StoreError};
use salesforce_connection::{Secret, UserRef};

/// How many logins may end while a watcher is busy. One that missed some asks the store.
const MAX_UNSEEN: usize = 64;

/// A login that has ended; without a key all logins of the user.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndedLogin {
    user: UserRef,
    login: Option<LoginKey>,
}

/// Reports to the watchers of this process that a login has ended.
#[derive(Debug, Clone)]
pub(super) struct EndedLogins(broadcast::Sender<EndedLogin>);

impl Default for EndedLogins {
    fn default() -> Self {
        Self(broadcast::Sender::new(MAX_UNSEEN))
    }
}

impl EndedLogins {
    pub(super) fn report(&self, user: UserRef, login: Option<LoginKey>) {
        // `send` fails where no watcher is.
        let _ = self.0.send(EndedLogin { user, login });
    }
}

/// Watches one login.
#[derive(Debug)]
pub(crate) struct LoginWatch {
    grants: Arc<GrantManager>,
    id: LoginId,
    user: UserRef,
    ended: broadcast::Receiver<EndedLogin>,
    /// Whether ends were missed since the store was asked.
    has_missed: bool,
}

impl GrantManager {
    /// Watches the login with this id, which is one of this user.
    pub(crate) fn watch_login(self: &Arc<Self>, id: Secret, user: UserRef) -> LoginWatch {
        let ended = self.config.events.ended_logins().0.subscribe();
        LoginWatch { grants: Arc::clone(self), id: LoginId::new(id), user, ended, has_missed: false }
    }
}

impl LoginWatch {
    /// Returns the key of the login's record.
    pub(crate) fn key(&self) -> LoginKey {
        self.id.key()
    }

    /// Asks the store whether the login is valid. This is no use of the login: it expires all the same.
    ///
    /// A login whose org is down now was let in when its response began, and stays so.
    pub(crate) async fn is_valid(&self) -> Result<bool, StoreError> {
        let found = self.grants.peek_login(&self.id).await?;
        Ok(matches!(found, FoundLogin::Valid(_) | FoundLogin::Undecided(..)))
    }

    /// Waits until this process ends the login. What other processes do, only the store knows. Dropping the future loses
    /// nothing.
    pub(crate) async fn ended(&mut self) {
        loop {
            if self.has_missed {
                match self.is_valid().await {
                    Ok(false) => return,
                    // A store that is down is asked again before the next event.
                    Ok(true) | Err(_) => self.has_missed = false,
                }
            }
            match self.ended.recv().await {
                Ok(ended)
                    if ended.user == self.user && ended.login.is_none_or(|login| login == self.key()) =>
                {
                    return;
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.has_missed = true,
                Err(RecvError::Closed) => return,
            }
        }
    }
}
