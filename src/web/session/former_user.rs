//! Keeps the session data of one user from the next one in the same browser.

use std::{fmt, sync::Arc};

use actix_session::{Session, SessionExt as _};
use actix_web::HttpRequest;
use sha2::{Digest as _, Sha256};

use crate::config::SessionMode;
use salesforce_connection::UserRef;

/// The session's entry with a hash of the user who logged in last. It stays over a logout and an expiry, so that the
/// same user finds drafts again.
const LAST_USER: &str = "salesforce.last_user";

type OnUserChange = dyn Fn(&Session) + Send + Sync;

/// The app's function for a session with data of a former user. Default: none.
#[derive(Clone, Default)]
pub(crate) struct UserChange(Option<Arc<OnUserChange>>);

impl UserChange {
    pub(crate) fn new(function: impl Fn(&Session) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(function)))
    }

    /// Separates the users of a session: if its data belong to another user than the one who logs in, the embedded
    /// session is emptied, and the app's function is called.
    ///
    /// What a visitor stored before any login stays: it is the visitor's own.
    pub(crate) fn separate(&self, request: &HttpRequest, user: UserRef, mode: SessionMode) {
        // Without the function, the data in the app's own session are the app's concern.
        if mode == SessionMode::App && self.0.is_none() {
            return;
        }
        let session = request.get_session();
        let user = hash(user);
        let last: Option<String> = session.get(LAST_USER).ok().flatten();
        if last.as_ref() == Some(&user) {
            return;
        }
        if last.is_some() {
            if mode == SessionMode::Embedded {
                session.clear();
                tracing::debug!("session emptied: another user logged in");
            }
            if let Some(function) = &self.0 {
                function(&session);
            }
        }
        if let Err(error) = session.insert(LAST_USER, user) {
            tracing::warn!(%error, "storing the last user in the session failed");
        }
    }
}

impl fmt::Debug for UserChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserChange").field(&self.0.is_some()).finish()
    }
}

/// Returns the first half of a hash: enough to tell users apart.
pub(crate) fn hash(user: UserRef) -> String {
    let digest = Sha256::digest(format!("{} {}", user.organization_id, user.user_id));
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
