//! Keeps the session data of one user from the next one in the same browser.

use actix_session::SessionExt as _;
use actix_web::HttpRequest;
use sha2::{Digest as _, Sha256};

use salesforce_connection::UserRef;

/// The session's entry with a hash of the user who logged in last. It stays over a logout and an expiry, so that the
/// same user finds drafts again.
const LAST_USER: &str = "salesforce.last_user";

/// Empties the embedded session if its data belong to another user than the one who logs in.
///
/// What a visitor stored before any login stays: it is the visitor's own. An app's own session is the app's concern.
pub(crate) fn separate(request: &HttpRequest, user: UserRef) {
    let session = request.get_session();
    let user = hash(user);
    let last: Option<String> = session.get(LAST_USER).ok().flatten();
    if last.as_ref() == Some(&user) {
        return;
    }
    if last.is_some() {
        session.clear();
        tracing::debug!("session emptied: another user logged in");
    }
    if let Err(error) = session.insert(LAST_USER, user) {
        tracing::warn!(%error, "storing the last user in the session failed");
    }
}

/// Returns the first half of a hash: enough to tell users apart.
pub(crate) fn hash(user: UserRef) -> String {
    let digest = Sha256::digest(format!("{} {}", user.organization_id, user.user_id));
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
