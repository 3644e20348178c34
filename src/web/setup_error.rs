//! [`SetupError`]: a set-up of the app that cannot work.

use std::{cell::Cell, rc::Rc};

/// A set-up that cannot work. Every request gets 500, and the log says once what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetupError {
    TwoSessions,
    NoSession,
    SameMount,
}

impl SetupError {
    fn fix(self) -> &'static str {
        match self {
            Self::TwoSessions => {
                "two sessions: the app wraps a SessionMiddleware and Salesforce brings one too. Either remove yours, or \
                 build Salesforce with `session(SessionMode::App)` and register yours after it: \
                 `.wrap(salesforce).wrap(session)`"
            }
            Self::NoSession => {
                "no session: Salesforce was built with `session(SessionMode::App)`, but no SessionMiddleware is wrapped \
                 around it. Register yours after it: `.wrap(salesforce).wrap(session)` (the last one registered is \
                 outermost), and take it from `actix_salesforce::actix_session`: the session of another version of \
                 actix-session is not seen. Or leave the session to Salesforce"
            }
            Self::SameMount => {
                "two different Salesforces, one inside the other, at the same place: their routes and logins cannot be told \
                 apart. Wrap the inner one on a scope, and set its `mount` to the scope's path"
            }
        }
    }
}

/// The set-up error of one worker, once the first request has shown it.
#[derive(Debug, Clone, Default)]
pub(super) struct FoundError(Rc<Cell<Option<SetupError>>>);

impl FoundError {
    pub(super) fn set(&self, error: SetupError) {
        if self.0.replace(Some(error)).is_none() {
            tracing::error!(target: "actix_salesforce", "{}", error.fix());
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.get().is_none()
    }
}
