//! What belongs to one worker, and the login of one request.

use std::{
    any::TypeId,
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use actix_web::{
    HttpMessage as _, HttpRequest,
    cookie::Cookie,
    http::{Method, header},
};
use futures_util::future;

use super::{
    look_up::{LookUp, Waiting},
    require::RequireLogin,
    session::{
        BrowserLogin, CookieContents, CurrentLogin, LoginCookie, OpenedLogin, Slot, app_session,
        canvas_cookie, last_host,
    },
    silent_login,
};
use crate::{
    base::seal::SealError,
    config::Settings,
    grants::{FoundLogin, GrantHandle, GrantManager, LoginId},
    salesforce::Salesforce,
    store::StoreError,
};
use salesforce_connection::{
    Client, Connection, Error, Result, Secret, UserRef, http::HttpError, oauth::LoginHost, token::TokenSource,
};

/// What one worker holds: the shared handle, and a separate HTTP client (one for all workers would make each wait for
/// the others).
#[derive(Debug, Clone)]
pub(crate) struct WorkerState(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    salesforce: Salesforce,
    client: Client,
    login_cookie: LoginCookie,
    /// Whether another Salesforce than this one is wrapped further out: it brings the session for both. The first request
    /// shows it.
    nested: Cell<bool>,
    /// Whether a route of this worker logs in silently.
    has_silent_routes: bool,
    /// The rules that handlers name by their types.
    rules: RefCell<HashMap<TypeId, Rc<RequireLogin>>>,
}

impl WorkerState {
    pub(crate) fn new(salesforce: Salesforce) -> Result<Self, HttpError> {
        let client = salesforce.worker_client()?;
        let login_cookie = LoginCookie::new(salesforce.settings());
        Ok(Self(Rc::new(Inner {
            salesforce,
            client,
            login_cookie,
            nested: Cell::new(false),
            has_silent_routes: silent_login::is_wrapped_on_this_thread(),
            rules: RefCell::default(),
        })))
    }

    /// Returns the worker that handles this request.
    ///
    /// # Errors
    /// The middleware is missing.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self> {
        request.app_data::<Self>().cloned().ok_or_else(|| {
            tracing::error!(
                target: "actix_salesforce",
                // Not the path: it may have a secret in it.
                route = request.match_pattern(),
                "a handler uses Salesforce, but the middleware is missing. Add `.wrap(salesforce.clone())` to the \
                 App or to a scope around this route. If `RequireLogin` uses it: register it before Salesforce, \
                 `.wrap(RequireLogin::new()).wrap(salesforce)`; the last one registered is outermost"
            );
            Error::MiddlewareMissing
        })
    }

    pub(crate) fn salesforce(&self) -> &Salesforce {
        &self.0.salesforce
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.0.salesforce.settings()
    }

    pub(crate) fn grants(&self) -> &Arc<GrantManager> {
        self.0.salesforce.grants()
    }

    pub(crate) fn connection(&self, grant: GrantHandle) -> Connection {
        self.connection_from(Arc::new(grant))
    }

    pub(crate) fn connection_from(&self, source: Arc<dyn TokenSource>) -> Connection {
        Connection::new(&self.0.client, source)
    }

    /// Returns the rule of a type, if it was used before.
    pub(crate) fn rule(&self, of: TypeId) -> Option<Rc<RequireLogin>> {
        self.0.rules.borrow().get(&of).cloned()
    }

    pub(crate) fn store_rule(&self, of: TypeId, rule: &Rc<RequireLogin>) {
        self.0.rules.borrow_mut().insert(of, Rc::clone(rule));
    }

    /// Returns whether a route of this worker logs in silently.
    pub(crate) fn has_silent_routes(&self) -> bool {
        self.0.has_silent_routes
    }

    pub(crate) fn is_nested(&self) -> bool {
        self.0.nested.get()
    }

    pub(crate) fn set_nested(&self) {
        self.0.nested.set(true);
    }

    /// Returns the cookie that gives the browser this login.
    pub(crate) fn login_cookie(
        &self,
        slot: &Slot,
        login: &CookieContents,
    ) -> Result<Cookie<'static>, SealError> {
        self.0.login_cookie.make(self.settings(), slot, login)
    }

    /// Returns the cookie that says which login is current.
    pub(crate) fn current_cookie(&self, slot: &Slot, user: &str) -> Result<Cookie<'static>, SealError> {
        self.0.login_cookie.make_current(self.settings(), slot, user)
    }

    /// Returns what the cookie of the browser's current login says. The login may have ended.
    pub(crate) fn cookie_contents(&self, request: &HttpRequest) -> Option<CookieContents> {
        self.opened_cookie(request).map(|login| login.contents.clone())
    }

    /// Returns the login host of the browser's current login, which may have ended, else of its last one. `None`: users may
    /// not choose it any more, or the browser has logged in nowhere yet.
    pub(crate) fn last_host(&self, request: &HttpRequest) -> Option<LoginHost> {
        let current = self.cookie_contents(request);
        let current = current.and_then(|login| self.settings().offered_host(&login.host));
        current.or_else(|| last_host::read(self.settings(), request.headers()))
    }

    fn opened_cookie(&self, request: &HttpRequest) -> Option<Rc<OpenedLogin>> {
        self.0.login_cookie.read(self.settings(), request.headers())
    }

    /// Returns all logins that the browser sent. They may have ended.
    pub(crate) fn browser_logins(&self, request: &HttpRequest) -> Vec<BrowserLogin> {
        self.0.login_cookie.read_all(self.settings(), request.headers())
    }

    /// Returns which of the browser's logins is current; `None` if that cannot be read.
    pub(crate) fn current_login(&self, request: &HttpRequest) -> Option<CurrentLogin> {
        self.0.login_cookie.current(self.settings(), request.headers())
    }

    /// Returns whether the browser sent a cookie that says which login is current.
    pub(crate) fn names_current(&self, request: &HttpRequest) -> bool {
        self.0.login_cookie.names_current(request.headers())
    }

    /// Returns the tag of the user whose embedded session this request has. `None`: the session of the main login.
    pub(crate) fn shown_session(&self, request: &HttpRequest) -> Option<String> {
        self.current_login(request)?.slot.added().map(str::to_owned)
    }

    /// Returns the tag of the user to whom new data in the session of this request belong. The login may have ended. `None`:
    /// there is none, its cookie is one of an earlier version, or the session is not that of the main login alone.
    pub(crate) fn session_user(&self, request: &HttpRequest) -> Option<String> {
        if self.is_nested() || self.shown_session(request).is_some() {
            return None;
        }
        self.opened_cookie(request)?.contents.user.clone()
    }

    /// Returns the cookie that takes a login from the browser.
    pub(crate) fn login_removal(&self, slot: &Slot) -> Cookie<'static> {
        self.0.login_cookie.removal(self.settings(), slot)
    }

    /// Returns the cookie that takes the current login from the browser. The one that says which login is current stays:
    /// another login in its place would be another user.
    pub(crate) fn current_login_removal(&self, request: &HttpRequest) -> Cookie<'static> {
        let current = self.current_login(request).map_or(Slot::Main, |current| current.slot);
        self.login_removal(&current)
    }

    /// Returns the cookie that makes the main login the current one.
    pub(crate) fn current_removal(&self) -> Cookie<'static> {
        self.0.login_cookie.current_removal(self.settings())
    }

    /// Returns the cookies that remove the sessions of added logins.
    pub(crate) fn added_session_removals(&self, request: &HttpRequest) -> Vec<Cookie<'static>> {
        app_session::added_removals(self.settings(), request.headers())
    }

    /// Returns the cookies that take all added logins and their sessions from the browser.
    pub(crate) fn further_removals(&self, request: &HttpRequest) -> Vec<Cookie<'static>> {
        let logins = self.browser_logins(request);
        let added = logins.iter().filter(|login| login.slot != Slot::Main);
        let mut removals: Vec<_> = added.map(|login| self.login_removal(&login.slot)).collect();
        removals.extend(self.names_current(request).then(|| self.current_removal()));
        removals.extend(self.added_session_removals(request));
        removals
    }

    /// Returns what the browser's cookie of a login by Canvas says, in a request where it counts. The login may have ended.
    fn canvas_login(&self, request: &HttpRequest) -> Option<Rc<OpenedLogin>> {
        canvas_cookie::read(self.settings(), request.headers()).map(OpenedLogin::new)
    }

    /// Returns the login of a request if it is one by Canvas. It may have ended.
    pub(crate) fn framed_login(&self, request: &HttpRequest) -> Option<Rc<OpenedLogin>> {
        if !canvas_cookie::is_sent(self.settings(), request.headers()) {
            return None;
        }
        // An ordinary login counts first.
        self.opened_login(request).filter(|login| login.contents.frame.is_some())
    }

    /// Returns whether a login of the browser may be valid: not if each that it sent is known to have ended. A cookie that
    /// does not open may be that of a login which another process knows.
    pub(crate) async fn may_have_login(&self, request: &HttpRequest) -> bool {
        if self.0.login_cookie.is_unreadable(self.settings(), request.headers()) {
            return true;
        }
        let ids = self.browser_logins(request).into_iter().map(|login| LoginId::new(login.contents.id));
        let ids: Vec<_> = ids.collect();
        let found = future::join_all(ids.iter().map(|id| self.grants().find_login_beside(id, true))).await;
        !found.iter().all(|found| matches!(found, Ok(FoundLogin::Over)))
    }

    /// Returns the cookies that remove what a browser still has under the names of the app's previous credentials.
    pub(crate) fn leftovers(&self, request: &HttpRequest) -> Vec<Cookie<'static>> {
        self.login_leftovers(request).into_iter().chain(app_session::leftover(request)).collect()
    }

    /// Returns the cookies that remove the logins from their names under the previous credentials, as far as they came with
    /// the request.
    pub(crate) fn login_leftovers(&self, request: &HttpRequest) -> Vec<Cookie<'static>> {
        self.0.login_cookie.leftovers(self.settings(), request.headers())
    }

    /// Returns whether a login cookie that the browser sent has to be written again.
    pub(crate) fn has_stale_login(&self, request: &HttpRequest) -> bool {
        self.0.login_cookie.is_stale(self.settings(), request.headers())
    }

    /// Returns what the browser's login cookie says, opened once per request. The login may have ended.
    pub(crate) fn opened_login(&self, request: &HttpRequest) -> Option<Rc<OpenedLogin>> {
        CachedLogin::of(self, request).map(|login| Rc::clone(&login.0.opened))
    }

    /// Returns the opaque id of the login that the browser sent. The login may have ended.
    pub(crate) fn login_id(&self, request: &HttpRequest) -> Option<Secret> {
        CachedLogin::of(self, request).map(|login| login.0.opened.contents.id.clone())
    }

    /// Returns what the browser's login cookie says, if this request has looked the login up and the store said that it
    /// has ended or expired.
    pub(crate) fn ended_login(&self, request: &HttpRequest) -> Option<CookieContents> {
        let CachedLogin(login) = CachedLogin::of(self, request)?;
        matches!(login.found.result(), Some(Ok(FoundLogin::Over))).then(|| login.opened.contents.clone())
    }

    /// Returns why this request has no login: the reason of Salesforce, if that has just ended it.
    ///
    /// [`login`](Self::login) was called before.
    pub(crate) fn why_logged_out(&self, request: &HttpRequest) -> Error {
        let login = CachedLogin::of(self, request);
        match login.and_then(|CachedLogin(login)| login.found.result()) {
            Some(Ok(FoundLogin::Refused(error))) => Error::LoginRefused(error),
            _ => Error::LoginRequired,
        }
    }

    /// Returns the grant of the logged-in user; `None` if the request has no valid login. Asks the store once per
    /// request.
    ///
    /// # Errors
    /// The store is down, or the org that has to say whether it is a sandbox.
    pub(crate) async fn login(&self, request: &HttpRequest) -> Result<Option<GrantHandle>> {
        let Some(login) = CachedLogin::of(self, request) else { return Ok(None) };
        grant(login.start(self, request).await)
    }

    /// Returns the user of the browser's current login. Unlike [`login`](Self::login), also while the user's org cannot say
    /// whether it is a sandbox: that login stays.
    ///
    /// # Errors
    /// The store is down.
    pub(crate) async fn current_user(&self, request: &HttpRequest) -> Result<Option<UserRef>> {
        let Some(login) = CachedLogin::of(self, request) else { return Ok(None) };
        match login.start(self, request).await {
            Ok(FoundLogin::Undecided(user, _)) => Ok(Some(user)),
            found => Ok(grant(found)?.map(|grant| grant.key().user())),
        }
    }

    /// As [`login`](Self::login), if the store responds at once.
    pub(crate) fn login_now(&self, request: &HttpRequest) -> Option<Result<Option<GrantHandle>>> {
        let Some(login) = CachedLogin::of(self, request) else { return Some(Ok(None)) };
        login.start(self, request).now().map(grant)
    }
}

/// What the store says about a login, for all extractors of a request.
type Found = Result<FoundLogin, Arc<StoreError>>;

fn grant(found: Found) -> Result<Option<GrantHandle>> {
    match found {
        Ok(FoundLogin::Undecided(_, cause)) => Err(cause.into()),
        Ok(found) => Ok(found.valid()),
        Err(error) => {
            let is_transient = error.is_transient();
            Err(Error::store(error, is_transient))
        }
    }
}

/// Returns whether a browser opens a stream of server-sent events (HTML Standard, section 9.2.4).
fn is_event_stream(request: &HttpRequest) -> bool {
    request.method() == Method::GET
        && request.headers().get(header::ACCEPT).is_some_and(|accept| accept == "text/event-stream")
}

/// The login of a request as one Salesforce knows it. An app may wrap several, one inside the other.
///
/// The first extractor opens the cookie and asks the store. The others, which run beside or after it, get the same
/// result, an outage included.
#[derive(Clone)]
struct CachedLogin(Rc<Login>);

struct Login {
    salesforce: Salesforce,
    opened: Rc<OpenedLogin>,
    found: LookUp<Found>,
}

impl CachedLogin {
    fn of(worker: &WorkerState, request: &HttpRequest) -> Option<Self> {
        if let Some(known) = request.extensions().get::<Self>()
            && known.0.salesforce.is_same(worker.salesforce())
        {
            return Some(known.clone());
        }
        let opened = worker.opened_cookie(request).or_else(|| worker.canvas_login(request))?;
        let salesforce = worker.salesforce().clone();
        let login = Self(Rc::new(Login { salesforce, opened, found: LookUp::new() }));
        request.extensions_mut().insert(login.clone());
        Some(login)
    }

    /// Asks the store for the login, unless an extractor of this request has done so.
    fn start(&self, worker: &WorkerState, request: &HttpRequest) -> Waiting<'_, Found> {
        self.0.found.start(|| {
            let (grants, opened) = (Arc::clone(worker.grants()), Rc::clone(&self.0.opened));
            // A browser reconnects to a stream by itself, so that opening one is no use of the login.
            let is_use = !is_event_stream(request);
            Box::pin(async move { find(&grants, &opened, is_use).await.map_err(Arc::new) })
        })
    }
}

/// Asks the store for a login.
async fn find(
    grants: &Arc<GrantManager>,
    login: &OpenedLogin,
    is_use: bool,
) -> Result<FoundLogin, StoreError> {
    let found = if is_use {
        grants.find_login(&login.id).await?
    } else {
        grants.find_login_without_use(&login.id).await?
    };
    if login.contents.frame.is_none() {
        return Ok(found);
    }
    // A future that is rarely needed would make each look-up larger.
    Box::pin(grants.of_canvas(found)).await
}
