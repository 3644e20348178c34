//! Access tokens: opaque session ids with a sliding time-out.

use super::Auth;
use super::scopes::Scopes;
use super::users::User;
use crate::base::clock::{Millis, millis};
use crate::base::random;
use std::time::Duration;

/// One access token.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) family: Option<u64>,
    pub(crate) scopes: Scopes,
    pub(crate) issued: Millis,
    pub(crate) last_used: Millis,
    pub(crate) ttl: Duration,
    /// Ended before its time: revoked, expired by hand, family killed.
    pub(crate) ended: bool,
}

impl Session {
    pub(crate) fn expires(&self) -> Millis {
        self.last_used.saturating_add(millis(self.ttl))
    }

    pub(crate) fn is_live(&self, now: Millis) -> bool {
        !self.ended && now < self.expires()
    }
}

impl Auth {
    /// Makes an access token: `<15-character org id>!…`, about 112 characters, with a `.` and a `_` in it so
    /// that no client gets by with a narrower alphabet.
    pub(crate) fn open_session(
        &mut self,
        now: Millis,
        ttl: Duration,
        user_id: &str,
        scopes: &Scopes,
        family: Option<u64>,
    ) -> String {
        let org15 = self.organization_id.get(..15).unwrap_or(&self.organization_id);
        let token =
            format!("{org15}!AR8AQ{}.{}_{}", random::opaque(30), random::opaque(30), random::opaque(29));
        self.sessions.insert(
            token.clone(),
            Session {
                user_id: user_id.to_owned(),
                family,
                scopes: scopes.clone(),
                issued: now,
                last_used: now,
                ttl,
                ended: false,
            },
        );
        token
    }

    /// The live session of a token, its inactivity timer restarted. Each use resets it (SOAP guide; whether
    /// Salesforce does so only after half of the window is unverified).
    pub(crate) fn use_session(&mut self, now: Millis, token: &str) -> Option<(User, Session)> {
        let session = self.sessions.get_mut(token).filter(|session| session.is_live(now))?;
        session.last_used = now;
        let session = session.clone();
        let user = self.user(&session.user_id).filter(|user| self.is_active(&user.id))?.clone();
        Some((user, session))
    }

    pub(crate) fn end_sessions(&mut self, which: impl Fn(&Session) -> bool) {
        for session in self.sessions.values_mut().filter(|session| which(session)) {
            session.ended = true;
        }
    }
}
