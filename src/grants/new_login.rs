//! [`NewLogin`]: a login on its way to the browser.

use std::{fmt, sync::Arc, time::SystemTime};

use super::GrantManager;
use salesforce_connection::{Secret, UserRef};

/// What a login proved about its user.
#[derive(Debug, Clone)]
pub(crate) struct LoginOutcome {
    pub(crate) user: UserRef,
    /// When the user proved who they are, as the ID token says.
    pub(crate) auth_time: Option<SystemTime>,
    /// What the app adds to the login, as JSON.
    pub(crate) facts: Option<Arc<str>>,
    /// Whether this process has seen the ID token. Otherwise another one has completed the login, and `auth_time` is
    /// unknown.
    pub(crate) is_complete: bool,
}

/// A login whose id is not delivered to a browser yet.
///
/// The caller that delivers it calls [`commit`](Self::commit). Otherwise the login is deleted on drop, because no browser
/// could ever log it out.
#[must_use]
pub(crate) struct NewLogin {
    id: Option<Secret>,
    manager: Arc<GrantManager>,
    outcome: LoginOutcome,
    /// Whether this is the response that made the login.
    is_first: bool,
}

/// Without the id.
impl fmt::Debug for NewLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLogin").field("is_first", &self.is_first).finish_non_exhaustive()
    }
}

impl NewLogin {
    pub(crate) fn new(id: Secret, manager: Arc<GrantManager>, outcome: LoginOutcome) -> Self {
        Self { id: Some(id), manager, outcome, is_first: true }
    }

    /// A login that another callback made. It is not undone here.
    pub(crate) fn taken(id: Secret, manager: Arc<GrantManager>, outcome: LoginOutcome) -> Self {
        Self { id: Some(id), manager, outcome, is_first: false }
    }

    /// Returns what the login proved about its user.
    pub(crate) fn outcome(&self) -> &LoginOutcome {
        &self.outcome
    }

    /// Makes the login permanent and returns its opaque id.
    pub(crate) fn commit(mut self) -> Option<Secret> {
        self.id.take()
    }

    /// Returns the opaque id.
    pub(crate) fn id(&self) -> Option<&Secret> {
        self.id.as_ref()
    }
}

impl Drop for NewLogin {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && self.is_first
        {
            self.manager.undo_unless_taken(id);
        }
    }
}
