//! Access tokens: opaque session ids with a sliding time-out.

use super::Auth;
use super::scopes::Scopes;
use super::settings::{AccessTokens, Settings};
use crate::base::clock::{Millis, millis};
use crate::base::random;
use crate::user::User;
use std::time::Duration;

/// One access token.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) family: Option<u64>,
    /// The access token that a hybrid app's session for a domain came with, and ends with.
    pub(crate) parent: Option<String>,
    /// The visitor (UVID) that a guest user's token stands for.
    pub(crate) visitor: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) issued: Millis,
    pub(crate) last_used: Millis,
    pub(crate) ttl: Duration,
    /// Whether use restarts the timer; a JWT says itself when it ends.
    pub(crate) slides: bool,
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
        settings: &Settings,
        user_id: &str,
        scopes: &Scopes,
        family: Option<u64>,
    ) -> String {
        let (ttl, slides) = match settings.access_tokens {
            AccessTokens::Opaque => (settings.session_ttl, true),
            AccessTokens::Jwt(life) => (life, false),
        };
        let org15 = self.organization_id.get(..15).unwrap_or(&self.organization_id);
        let token =
            format!("{org15}!AR8AQ{}.{}_{}", random::opaque(30), random::opaque(30), random::opaque(29));
        self.sessions.insert(
            token.clone(),
            Session {
                user_id: user_id.to_owned(),
                family,
                parent: None,
                visitor: None,
                scopes: scopes.clone(),
                issued: now,
                last_used: now,
                ttl,
                slides,
                ended: false,
            },
        );
        token
    }

    /// Gives the session of a token another one to be known by: a JWT names its own session.
    pub(crate) fn rename_session(&mut self, token: &str, new: &str) {
        if let Some(session) = self.sessions.remove(token) {
            self.sessions.insert(new.to_owned(), session);
        }
        for code in self.codes.values_mut().filter(|code| code.access_token.as_deref() == Some(token)) {
            code.access_token = Some(new.to_owned());
        }
    }

    /// The live session of a token, its inactivity timer restarted. Each use resets it (SOAP guide; whether
    /// Salesforce does so only after half of the window is unverified).
    pub(crate) fn use_session(&mut self, now: Millis, token: &str) -> Option<(User, Session)> {
        self.live_session(now, token)?;
        let session = self.sessions.get_mut(token)?;
        if session.slides {
            session.last_used = now;
        }
        let session = session.clone();
        let user = self.user(&session.user_id).filter(|user| self.is_active(&user.id))?.clone();
        Some((user, session))
    }

    /// The session of a token that works, without using it.
    pub(crate) fn live_session(&self, now: Millis, token: &str) -> Option<&Session> {
        let session = self.sessions.get(token).filter(|session| session.is_live(now))?;
        let parent = session.parent.as_ref().map(|parent| self.sessions.get(parent));
        parent.is_none_or(|parent| parent.is_some_and(|parent| parent.is_live(now))).then_some(session)
    }

    /// The access tokens of a user that work.
    pub(crate) fn live_access_tokens(&self, now: Millis, user_id: &str) -> Vec<String> {
        let mine =
            self.sessions.iter().filter(|(_, session)| session.user_id == user_id && session.is_live(now));
        mine.map(|(token, _)| token.clone()).collect()
    }

    pub(crate) fn end_sessions(&mut self, which: impl Fn(&Session) -> bool) {
        for session in self.sessions.values_mut().filter(|session| which(session)) {
            session.ended = true;
        }
    }
}
