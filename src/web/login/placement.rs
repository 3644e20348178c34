//! Where a new login goes in its browser, and which of the browser's logins end with it.

use actix_session::SessionExt as _;
use actix_web::{HttpRequest, cookie::Cookie};

use crate::{
    base::seal::SealError,
    config::SessionMode,
    web::{
        session::{BrowserLogin, CurrentLogin, RemoveMainSession, Slot},
        worker::WorkerState,
    },
};
use salesforce_connection::UserRef;

/// The most logins of one browser. Five cookies of logins and a pending one fit into a header line of 8 KiB.
pub(crate) const MAX_LOGINS: usize = 5;
/// The most bytes that the cookies of all logins take, facts included. Pending logins have what is left of as much.
const MAX_BYTES: usize = 3_584;

/// Where a new login goes.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) slot: Slot,
    /// The logins that stay beside it.
    pub(super) staying: Vec<BrowserLogin>,
    /// The logins that it replaces.
    pub(super) replaced: Vec<BrowserLogin>,
    /// Whether it becomes the current one.
    pub(super) is_current: bool,
}

impl Placement {
    /// Decides for a login of the user with this tag. `adds`: the user asked, from a page of this app, to keep the others.
    ///
    /// A user who is known in this browser logs in again: the login takes the place of the former one. Which login is
    /// current stays as it is unless that one has ended (`has_current` is false): any site can link to the login route.
    /// Any other user who logs in gets a browser without the logins of the users before.
    pub(super) fn of(
        adds: bool,
        user: &str,
        logins: Vec<BrowserLogin>,
        current: Option<CurrentLogin>,
        has_current: bool,
    ) -> Self {
        let is_own = |login: &BrowserLogin| login.contents.user.as_deref() == Some(user);
        let known = logins.iter().find(|login| is_own(login)).map(|login| login.slot.clone());
        // The cookie of a login that has ended is gone; the one that says which is current still names its user.
        let named = current.as_ref().filter(|current| current.user.as_deref() == Some(user));
        let ended = named.map(|current| current.slot.clone());

        let slot = match known.or(ended) {
            Some(slot) => slot,
            None if adds && !logins.is_empty() => Slot::Added(user.to_owned()),
            None => {
                return Self { slot: Slot::Main, staying: Vec::new(), replaced: logins, is_current: true };
            }
        };
        let (replaced, staying) = logins.into_iter().partition(|login| is_own(login) || login.slot == slot);
        let is_current = adds || !has_current || current.is_none_or(|current| current.slot == slot);
        Self { slot, staying, replaced, is_current }
    }

    /// Returns the cookies beside the one of the login: they take the replaced logins with their sessions from the browser,
    /// and say which login is current.
    pub(super) fn other_cookies(
        &self,
        worker: &WorkerState,
        request: &HttpRequest,
        user: &str,
    ) -> Result<Vec<Cookie<'static>>, SealError> {
        let mut cookies = Vec::new();
        for login in self.replaced.iter().filter(|login| login.slot != self.slot) {
            cookies.push(worker.login_removal(&login.slot));
        }
        if !self.is_current {
            // What says so stays.
        } else if self.slot != Slot::Main || !self.staying.is_empty() {
            cookies.push(worker.current_cookie(&self.slot, user)?);
        } else if worker.names_current(request) {
            cookies.push(worker.current_removal());
        }
        if self.staying.is_empty() && self.slot == Slot::Main {
            cookies.extend(worker.added_session_removals(request));
        }
        Ok(cookies)
    }

    /// Renews the session, and keeps the data of other users from this one.
    pub(super) fn separate_sessions(&self, worker: &WorkerState, request: &HttpRequest, user: UserRef) {
        let session = request.get_session();
        let is_own = worker.settings().session == SessionMode::Embedded && !worker.is_nested();
        let shown = worker.shown_session(request);
        if is_own && shown.as_deref() != self.slot.added() {
            // The session of this request is that of another login, which stays as it is, or ends.
            if self.staying.is_empty() && self.slot == Slot::Main {
                session.purge();
                RemoveMainSession::mark(request);
            }
            return;
        }
        // The app's session gets a new id, so that an id from before the login is worth nothing after it (ASVS 7.2.4).
        session.renew();
        let mode = worker.settings().session;
        if self.is_current && (mode == SessionMode::App || self.slot == Slot::Main) {
            worker.salesforce().functions().user_change.separate(request, user, mode, is_own);
        }
    }

    /// Returns whether the browser has room for this login, whose cookie has so many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let staying: usize = self.staying.iter().map(|login| login.bytes).sum();
        self.staying.is_empty() || (self.staying.len() < MAX_LOGINS && staying + bytes <= MAX_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::session::CookieContents;

    fn login(slot: Slot, user: Option<&str>) -> BrowserLogin {
        let contents = CookieContents {
            id: "id".into(),
            host: String::new(),
            user: user.map(str::to_owned),
            fresh: None,
            facts: None,
            frame: None,
        };
        BrowserLogin { slot, contents, bytes: 300 }
    }

    fn added(user: &str) -> Slot {
        Slot::Added(user.to_owned())
    }

    fn current(slot: Slot, user: Option<&str>) -> Option<CurrentLogin> {
        Some(CurrentLogin { slot, user: user.map(str::to_owned) })
    }

    /// The slot, and how many logins stay and end.
    fn decide(
        adds: bool,
        user: &str,
        logins: &[BrowserLogin],
        current: Option<CurrentLogin>,
    ) -> (Slot, usize, usize) {
        let placement = Placement::of(adds, user, logins.to_vec(), current, true);
        (placement.slot, placement.staying.len(), placement.replaced.len())
    }

    #[test]
    fn an_ordinary_login_leaves_no_login_of_another_user() {
        let (main, two) = (login(Slot::Main, Some("a")), login(added("b"), Some("b")));
        assert_eq!(decide(false, "a", &[], current(Slot::Main, None)), (Slot::Main, 0, 0));
        for logins in [vec![main.clone()], vec![main, two.clone()], vec![two], vec![login(Slot::Main, None)]]
        {
            let ended = logins.len();
            assert_eq!(decide(false, "c", &logins, current(added("b"), Some("b"))), (Slot::Main, 0, ended));
        }
    }

    #[test]
    fn a_user_who_logs_in_again_takes_the_own_place_and_the_others_stay() {
        let (main, two) = (login(Slot::Main, Some("a")), login(added("b"), Some("b")));
        for adds in [false, true] {
            let both = [main.clone(), two.clone()];
            let now = || current(added("b"), Some("b"));
            assert_eq!(decide(adds, "a", &both, now()), (Slot::Main, 1, 1));
            assert_eq!(decide(adds, "b", &both, now()), (added("b"), 1, 1));
            // The former login has ended, and its cookie is gone.
            assert_eq!(decide(adds, "b", std::slice::from_ref(&main), now()), (added("b"), 1, 0));
            let two = std::slice::from_ref(&two);
            assert_eq!(decide(adds, "a", two, current(Slot::Main, Some("a"))), (Slot::Main, 1, 0));
            assert_eq!(decide(adds, "b", two, now()), (added("b"), 0, 1), "its session stays its own");
            assert_eq!(
                decide(adds, "a", std::slice::from_ref(&main), current(Slot::Main, None)),
                (Slot::Main, 0, 1)
            );
        }
    }

    #[test]
    fn an_added_login_leaves_the_others_as_far_as_there_is_room() {
        let main = login(Slot::Main, Some("a"));
        assert_eq!(
            decide(true, "b", std::slice::from_ref(&main), current(Slot::Main, None)),
            (added("b"), 1, 0)
        );
        assert_eq!(decide(true, "b", &[], current(Slot::Main, None)), (Slot::Main, 0, 0), "the first one");
        let of = |count: usize| {
            let more = (1..count).map(|n| login(added(&n.to_string()), Some(&n.to_string())));
            let logins = std::iter::once(main.clone()).chain(more).collect();
            Placement::of(true, "new", logins, current(Slot::Main, Some("a")), true)
        };
        assert!(of(4).has_room(300) && !of(5).has_room(300));
        assert!(!of(1).has_room(MAX_BYTES - 299) && of(1).has_room(MAX_BYTES - 300));
        let alone = Placement::of(false, "new", vec![main], current(Slot::Main, None), true);
        assert!(alone.has_room(4_000), "an ordinary login has no such limit");
    }

    /// Any site can link to the login route.
    #[test]
    fn a_login_that_is_not_added_changes_the_current_one_only_if_that_has_ended() {
        let logins = || vec![login(Slot::Main, Some("a")), login(added("b"), Some("b"))];
        let becomes_current = |adds, user, has_current| {
            Placement::of(adds, user, logins(), current(Slot::Main, Some("a")), has_current).is_current
        };
        assert!(!becomes_current(false, "b", true));
        assert!(becomes_current(false, "b", false), "the current one has ended");
        assert!(becomes_current(true, "b", true), "the user asked for it");
        assert!(becomes_current(false, "a", true) && becomes_current(false, "c", true));
    }
}
