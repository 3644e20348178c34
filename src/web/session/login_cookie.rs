//! The cookies that carry a browser's logins, each with a login's opaque id, sealed. Their attributes are in
//! `cookie.rs`, what they say in `cookie_contents.rs`.
//!
//! A browser usually has one. A user who is logged in at several orgs has one per org, and a cookie that says which of
//! them is current. Each login has a cookie to itself, so that no concurrent response can bring back or lose another
//! one: they are written by the callback, the logout, the orgs route and resealing only.
//!
//! A browser sends the same bytes with each request. So a worker remembers which main cookies it has opened, under
//! exactly these bytes: the next request costs one look-up. The cookies of added logins, of which there are few, are
//! opened each time.

use std::{borrow::Cow, cell::RefCell, rc::Rc};

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CookieContents, cookie, cookie_contents::is_tag, cookie_header};
use crate::{
    base::{
        recent_map::RecentMap,
        seal::{Purpose, SealError},
    },
    config::Settings,
    grants::LoginId,
};

/// What stands before the tag of the user in the name of an added login's cookie, behind the stem.
const ADDED: &str = ".org.";
/// What stands behind the stem in the name of the cookie that says which login is current.
const CURRENT: &str = ".current";
/// Number of added logins that are read: far above what the orgs route lets in, so that a header full of cookies costs
/// little.
const MAX_READ: usize = 16;
/// Bytes between two cookies in a `Cookie` header, and before the value: `; ` and `=`.
const SEPARATORS: usize = 3;
/// Half of the number of main cookies that a worker remembers: about 2 MB of those that have no facts.
const REMEMBERED: usize = 1_024;
/// Longest cookie that is remembered, in bytes. Without facts a cookie has about 200.
const MAX_REMEMBERED_BYTES: usize = 1_024;

/// Which of a browser's login cookies one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The one of a login that was not added to another.
    Main,
    /// The one of a login that was added, with the tag of its user.
    Added(String),
}

impl Slot {
    /// Returns the tag of the user of an added login.
    pub(crate) fn added(&self) -> Option<&str> {
        match self {
            Self::Main => None,
            Self::Added(tag) => Some(tag),
        }
    }
}

/// Which login is current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentLogin {
    pub(crate) slot: Slot,
    /// The tag of its user, so that the same user is known after the login has ended. Known if there are several logins.
    pub(crate) user: Option<String>,
}

/// One of the logins that a browser sent. It may have ended.
#[derive(Debug, Clone)]
pub(crate) struct BrowserLogin {
    pub(crate) slot: Slot,
    pub(crate) contents: CookieContents,
    /// What it takes of the `Cookie` header.
    pub(crate) bytes: usize,
}

/// A login cookie that was opened.
#[derive(Debug)]
pub(crate) struct OpenedLogin {
    pub(crate) contents: CookieContents,
    pub(crate) id: LoginId,
}

impl OpenedLogin {
    pub(crate) fn new(contents: CookieContents) -> Rc<Self> {
        let id = LoginId::new(contents.id.clone());
        Rc::new(Self { contents, id })
    }
}

/// The login cookies of one Salesforce, on one worker.
#[derive(Debug)]
pub(crate) struct LoginCookie {
    place: Place,
    /// Where they were before a rotation of the app's credentials.
    previous: Option<Place>,
    /// What was opened lately under the name of the main cookie at `place`, by the value as it came. A value opens
    /// under its own name only, so no other name is looked up here. The keys of a process never change.
    opened: RefCell<RecentMap<Box<str>, Rc<OpenedLogin>>>,
}

/// Where the cookies are.
#[derive(Debug)]
struct Place {
    /// The name of the main one.
    name: String,
    /// The name of the one that says which login is current.
    current: String,
    /// Beside the cookie's name, a value is bound to the app and the mount. Moved elsewhere it does not open.
    app: String,
}

impl Place {
    fn new(client_id: &str, name: String, settings: &Settings) -> Self {
        let app = format!("{client_id}\0{}", settings.paths.mount);
        Self { current: format!("{name}{CURRENT}"), name, app }
    }

    fn name_of(&self, slot: &Slot) -> Cow<'_, str> {
        match slot {
            Slot::Main => Cow::Borrowed(&self.name),
            Slot::Added(tag) => Cow::Owned(format!("{}{ADDED}{tag}", self.name)),
        }
    }

    fn bound_to(&self, name: &str) -> Vec<u8> {
        format!("{name}\0{}", self.app).into_bytes()
    }

    fn open(&self, settings: &Settings, slot: &Slot, name: &str, value: &str) -> Option<CookieContents> {
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        let plain = settings.keys.open(Purpose::Login, &self.bound_to(name), &sealed).ok()?;
        let contents = CookieContents::parse(std::str::from_utf8(&plain).ok()?)?;
        // The name of an added login's cookie says whose it is.
        let is_own = slot.added().is_none_or(|tag| contents.user.as_deref() == Some(tag));
        is_own.then_some(contents)
    }

    fn read(&self, settings: &Settings, headers: &HeaderMap, slot: &Slot) -> Option<BrowserLogin> {
        let name = self.name_of(slot);
        let value = cookie_header::only(headers, &name)?;
        let contents = self.open(settings, slot, &name, value)?;
        let bytes = name.len() + value.len() + SEPARATORS;
        Some(BrowserLogin { slot: slot.clone(), contents, bytes })
    }

    /// Returns the slots of the cookies that the browser sent, the main one first. They may not open.
    fn slots(&self, headers: &HeaderMap) -> Vec<Slot> {
        let names = cookie_header::all(headers).filter_map(|(name, _)| std::str::from_utf8(name).ok());
        let tags = names.filter_map(|name| name.strip_prefix(&*self.name)?.strip_prefix(ADDED));
        let mut tags: Vec<_> = tags.filter(|tag| is_tag(tag)).take(MAX_READ).collect();
        tags.sort_unstable();
        tags.dedup();
        let is_main = |(name, _): (&[u8], &[u8])| name == self.name.as_bytes();
        let main = cookie_header::all(headers).any(is_main).then_some(Slot::Main);
        main.into_iter().chain(tags.into_iter().map(|tag| Slot::Added(tag.to_owned()))).collect()
    }

    fn is_sent(headers: &HeaderMap, wanted: &str) -> bool {
        cookie_header::all(headers).any(|(name, _)| name == wanted.as_bytes())
    }

    /// Returns which login is current; `None` if the cookie that says so does not open. Then none is: another one in its
    /// place would be another user.
    fn current(&self, settings: &Settings, headers: &HeaderMap) -> Option<CurrentLogin> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie_header::only(headers, &self.current)?).ok()?;
        let bound_to = self.bound_to(&self.current);
        let plain = settings.keys.open(Purpose::CurrentLogin, &bound_to, &sealed).ok()?;
        let (kind, tag) = std::str::from_utf8(&plain).ok()?.split_once(' ')?;
        let slot = match kind {
            "main" => Slot::Main,
            "added" => Slot::Added(tag.to_owned()),
            _ => return None,
        };
        Some(CurrentLogin { slot, user: Some(tag.to_owned()) })
    }

    fn is_under_older(&self, settings: &Settings, headers: &HeaderMap) -> bool {
        let slots = self.slots(headers);
        let names = slots.iter().map(|slot| self.name_of(slot)).chain([Cow::Borrowed(&*self.current)]);
        names
            .filter_map(|name| URL_SAFE_NO_PAD.decode(cookie_header::only(headers, &name)?).ok())
            .any(|sealed| !settings.keys.is_under_newest(&sealed))
    }
}

impl LoginCookie {
    pub(crate) fn new(settings: &Settings) -> Self {
        let place = |(client_id, name): (&str, String)| Place::new(client_id, name, settings);
        let place_now = place((&settings.client_id, settings.scoped_name("")));
        let previous = settings.scoped_names("").nth(1).map(place);
        Self { place: place_now, previous, opened: RefCell::new(RecentMap::new(REMEMBERED)) }
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        [&self.place].into_iter().chain(&self.previous)
    }

    /// Returns which of the browser's logins is current; `None` if that cannot be read. The main one, unless a cookie says
    /// otherwise.
    pub(crate) fn current(&self, settings: &Settings, headers: &HeaderMap) -> Option<CurrentLogin> {
        let mut places = self.places().filter(|place| Place::is_sent(headers, &place.current)).peekable();
        if places.peek().is_none() {
            return Some(CurrentLogin { slot: Slot::Main, user: None });
        }
        places.find_map(|place| place.current(settings, headers))
    }

    /// Returns whether the browser sent a cookie that says which login is current.
    pub(crate) fn names_current(&self, headers: &HeaderMap) -> bool {
        self.places().any(|place| Place::is_sent(headers, &place.current))
    }

    /// Returns whether the browser sent a cookie of a login, or one that says which is current, that does not open.
    pub(crate) fn is_unreadable(&self, settings: &Settings, headers: &HeaderMap) -> bool {
        let is_closed = |slot: &Slot| self.read_slot(settings, headers, slot).is_none();
        self.places().flat_map(|place| place.slots(headers)).any(|slot| is_closed(&slot))
            || self.current(settings, headers).is_none()
    }

    /// Returns the current login; `None` if its cookie is missing, sent twice or does not open.
    pub(crate) fn read(&self, settings: &Settings, headers: &HeaderMap) -> Option<Rc<OpenedLogin>> {
        let slot = self.current(settings, headers)?.slot;
        if slot == Slot::Main
            && let Some(opened) = self.read_main(settings, headers)
        {
            return Some(opened);
        }
        self.read_slot(settings, headers, &slot).map(|login| OpenedLogin::new(login.contents))
    }

    /// Returns the main login, if its cookie is where it is today.
    fn read_main(&self, settings: &Settings, headers: &HeaderMap) -> Option<Rc<OpenedLogin>> {
        let name = &self.place.name;
        let value = cookie_header::only(headers, name)?;
        if let Some(opened) = self.opened.borrow_mut().get(value) {
            return Some(opened);
        }
        let opened = OpenedLogin::new(self.place.open(settings, &Slot::Main, name, value)?);
        if value.len() <= MAX_REMEMBERED_BYTES {
            self.opened.borrow_mut().insert(value.into(), Rc::clone(&opened));
        }
        Some(opened)
    }

    fn read_slot(&self, settings: &Settings, headers: &HeaderMap, slot: &Slot) -> Option<BrowserLogin> {
        self.places().find_map(|place| place.read(settings, headers, slot))
    }

    /// Returns all logins that the browser sent, the main one first.
    pub(crate) fn read_all(&self, settings: &Settings, headers: &HeaderMap) -> Vec<BrowserLogin> {
        let mut slots = self.place.slots(headers);
        if let Some(place) = &self.previous {
            for slot in place.slots(headers) {
                if !slots.contains(&slot) {
                    slots.push(slot);
                }
            }
        }
        slots.iter().filter_map(|slot| self.read_slot(settings, headers, slot)).collect()
    }

    /// Returns whether one of the browser's cookies has to be written again: it is sealed under a key that is not the
    /// newest, or is where it was before a rotation of the app's credentials. It may still not open.
    pub(crate) fn is_stale(&self, settings: &Settings, headers: &HeaderMap) -> bool {
        let is_previous = |previous: &Place| {
            // Under one name the values differ only in what they are bound to.
            let slots = previous.slots(headers);
            slots.iter().any(|slot| match slot {
                Slot::Main => self.read_main(settings, headers).is_none(),
                Slot::Added(_) => self.place.read(settings, headers, slot).is_none(),
            })
        };
        // Only while keys or credentials rotate: otherwise the cookies are not even looked at.
        settings.keys.has_older() && self.place.is_under_older(settings, headers)
            || self.previous.as_ref().is_some_and(is_previous)
    }

    /// Returns the cookies that remove those of the previous credentials which the browser sent under another name.
    pub(crate) fn leftovers(&self, settings: &Settings, headers: &HeaderMap) -> Vec<Cookie<'static>> {
        let Some(previous) = self.previous.as_ref().filter(|previous| previous.name != self.place.name)
        else {
            return Vec::new();
        };
        let logins = previous.slots(headers).into_iter().map(|slot| previous.name_of(&slot).into_owned());
        let current = Place::is_sent(headers, &previous.current).then(|| previous.current.clone());
        logins.chain(current).map(|name| cookie::removal(settings, name)).collect()
    }

    /// Returns the cookie that gives the browser this login.
    pub(crate) fn make(
        &self,
        settings: &Settings,
        slot: &Slot,
        login: &CookieContents,
    ) -> Result<Cookie<'static>, SealError> {
        self.seal(settings, Purpose::Login, self.place.name_of(slot).into_owned(), login.plain()?.as_bytes())
    }

    /// Returns the cookie that says which login is current.
    pub(crate) fn make_current(
        &self,
        settings: &Settings,
        slot: &Slot,
        user: &str,
    ) -> Result<Cookie<'static>, SealError> {
        let kind = if *slot == Slot::Main { "main" } else { "added" };
        let plain = format!("{kind} {user}");
        self.seal(settings, Purpose::CurrentLogin, self.place.current.clone(), plain.as_bytes())
    }

    fn seal(
        &self,
        settings: &Settings,
        purpose: Purpose,
        name: String,
        plain: &[u8],
    ) -> Result<Cookie<'static>, SealError> {
        let sealed = settings.keys.seal(purpose, &self.place.bound_to(&name), plain)?;
        let value = URL_SAFE_NO_PAD.encode(sealed);
        let lifetime = settings.remember.and_then(|lifetime| time::Duration::try_from(lifetime).ok());
        Ok(match lifetime {
            Some(lifetime) => cookie::make(settings, name, value, lifetime),
            None => cookie::until_the_browser_closes(settings, name, value),
        })
    }

    /// Returns the cookie that takes a login from the browser.
    pub(crate) fn removal(&self, settings: &Settings, slot: &Slot) -> Cookie<'static> {
        cookie::removal(settings, self.place.name_of(slot).into_owned())
    }

    /// Returns the cookie that makes the main login the current one again.
    pub(crate) fn current_removal(&self, settings: &Settings) -> Cookie<'static> {
        cookie::removal(settings, self.place.current.clone())
    }
}

#[cfg(test)]
mod tests;
