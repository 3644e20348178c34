//! Keeps the session data of one user from the next one in the same browser.

use std::{fmt, sync::Arc};

use actix_session::{Session, SessionExt as _, SessionStatus};
use actix_web::HttpRequest;
use sha2::{Digest as _, Sha256};

use super::cookie_contents::{is_tag, user_tag};
use crate::config::SessionMode;
use salesforce_connection::UserRef;

/// The session's entry that names the user who logged in last: by tag in the embedded session of one Salesforce, else, and
/// in those of earlier versions, by a hash. It stays over a logout and an expiry, so that the same user finds drafts again.
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
    /// `is_own`: no other Salesforce uses the session.
    pub(crate) fn separate(&self, request: &HttpRequest, user: UserRef, mode: SessionMode, is_own: bool) {
        // Without the function, the data in the app's own session are the app's concern.
        if mode == SessionMode::App && self.0.is_none() {
            return;
        }
        let session = request.get_session();
        let names = [user_tag(user), hash(user)];
        let last = last_user(&session);
        if last.as_ref().is_some_and(|last| names.contains(last)) {
            let [tag, hash] = names;
            // By its tag the session is told from another user's at each request.
            if is_own && last == Some(hash) {
                name(&session, tag);
            }
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
        let [tag, hash] = names;
        name(&session, if is_own { tag } else { hash });
    }

    /// Names the user, with this tag, of data that a handler stored in a session that names none: the handler emptied it, or
    /// a response that was begun before the login has overwritten it. Without a name they would pass for a visitor's, and
    /// the next user would find them.
    pub(crate) fn name_changed(&self, session: &Session, mode: SessionMode, tag: &str) {
        let is_watched = mode == SessionMode::Embedded || self.0.is_some();
        let is_changed = matches!(session.status(), SessionStatus::Changed | SessionStatus::Renewed);
        if is_watched && is_changed && !session.entries().is_empty() && !session.contains_key(LAST_USER) {
            name(session, tag.to_owned());
        }
    }
}

/// Empties the embedded session if its data belong to another user than the one with this tag, whose login came with it: a
/// slow response that was begun under the former login has written it after the new one.
pub(crate) fn empty_if_foreign(session: &Session, tag: &str) {
    if last_user(session).is_some_and(|last| is_tag(&last) && last != tag) {
        tracing::debug!("session emptied: a response to the former user has written it after the login");
        session.clear();
        name(session, tag.to_owned());
    }
}

fn last_user(session: &Session) -> Option<String> {
    session.get(LAST_USER).ok().flatten()
}

fn name(session: &Session, user: String) {
    if let Err(error) = session.insert(LAST_USER, user) {
        tracing::warn!(%error, "storing the last user in the session failed");
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
