//! The middleware: mounts the auth routes, brings or finds the session, and lets extractors find their worker.
//!
//! Three services, outermost first: [`SalesforceMiddleware`] prepares the request for the session, actix-session's
//! service loads and saves it (only in [`SessionMode::Embedded`], and only if there is one), and `AuthRoutes` serves the
//! auth routes and passes everything else on. A request takes one of three ways ([`SalesforceMiddleware::call`]):
//!
//! - It brings no session: `AuthRoutes` at once. What a handler put into a session is saved afterwards (`unsent_session`).
//! - Its current login is an added one: that login's session is shown under the main session's name, and its cookie gets its
//!   name back afterwards.
//! - Otherwise: through actix-session's service.

use std::{
    cell::Cell,
    fmt,
    rc::Rc,
    task::{Context, Poll},
};

use actix_session::SessionExt as _;
use actix_web::{
    Error, HttpMessage as _, HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Extensions, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{StatusCode, header},
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::{
    cookie_renewal::CookieRenewal,
    error_rewrite::{Outcome, rewrite_errors},
    frame,
    login::Route,
    origin::is_same_origin,
    pages::{PageKind, Reply},
    request_info::RequestInfo,
    require::rules_of_this_thread,
    response,
    session::{
        self, SessionCookie, app_session, former_user,
        unsent_session::{self, Deliver},
    },
    setup_error::{FoundError, SetupError},
    worker::WorkerState,
};
use crate::{config::SessionMode, salesforce::Salesforce};

impl<S, B> Transform<S, ServiceRequest> for Salesforce
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SalesforceMiddleware<S, B>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let salesforce = self.clone();
        async move {
            let worker = WorkerState::new(salesforce).map_err(|error| {
                tracing::error!(%error, "a worker could not make its HTTP client");
            })?;
            for rule in rules_of_this_thread() {
                worker.salesforce().check_rule(&rule).map_err(|error| {
                    tracing::error!(%error, "the settings lack what an access rule needs: the server does not start");
                })?;
            }
            let settings = worker.settings();
            let is_embedded = settings.session == SessionMode::Embedded;
            let routes = AuthRoutes::new(service, worker.clone(), is_embedded);
            let session: Option<Session<B>> = if is_embedded {
                let cookie = SessionCookie::new(settings);
                let actix_session = cookie.middleware(settings);
                let service = actix_session.new_transform(routes.clone()).await?;
                let save = actix_session.new_transform(Deliver::new()).await?;
                Some(Session { cookie: Rc::new(cookie), service: Box::new(service), save: Rc::new(save) })
            } else {
                None
            };
            Ok(SalesforceMiddleware { session, routes, nested: Cell::new(None) })
        }
        .boxed_local()
    }
}

/// The service that [`Salesforce`] wraps around an app or a scope.
pub struct SalesforceMiddleware<S, B> {
    session: Option<Session<B>>,
    routes: AuthRoutes<S>,
    /// Whether a Salesforce is further out, this one or another, once the set-up was checked. It cannot change, so the
    /// first request shows all.
    nested: Cell<Option<bool>>,
}

/// The session that the middleware brings.
struct Session<B> {
    cookie: Rc<SessionCookie>,
    service: Box<SessionService<B>>,
    /// Saves the session of a request that brought none.
    save: Rc<SessionService<B>>,
}

/// actix-session's service around [`AuthRoutes`] or [`Deliver`]. Its futures are boxed already.
type SessionService<B> = dyn Service<
        ServiceRequest,
        Response = ServiceResponse<EitherBody<B>>,
        Error = Error,
        Future = LocalBoxFuture<'static, Outcome<B>>,
    >;

impl<S, B> fmt::Debug for SalesforceMiddleware<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceMiddleware")
            .field("embedded_session", &self.session.is_some())
            .finish_non_exhaustive()
    }
}

impl<S, B> Service<ServiceRequest> for SalesforceMiddleware<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Outcome<B>>;

    forward_ready!(routes);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let is_nested = self.nested.get().unwrap_or_else(|| self.check(&mut request));
        match &self.session {
            // One inside the other: the outer one has a session for both.
            Some(session) if !is_nested && self.routes.inner.error.is_none() => {
                if !request.headers().contains_key(header::COOKIE) {
                    return self.without_session(session, request);
                }
                // The session of an added login is found under its own name, and given that name back.
                if let Some(tag) = self.routes.inner.worker.shown_session(request.request()) {
                    session.cookie.show(&mut request, &tag);
                    let (response, cookie) = (session.service.call(request), Rc::clone(&session.cookie));
                    return async move {
                        let mut response = response.await?;
                        cookie.restore_name(&mut response, &tag);
                        Ok(response)
                    }
                    .boxed_local();
                }
                if session.cookie.prepare(&mut request) {
                    return session.service.call(request);
                }
                self.without_session(session, request)
            }
            _ => self.routes.call(request),
        }
    }
}

impl<S, B> SalesforceMiddleware<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    /// Handles a request that brings no session.
    fn without_session(
        &self,
        session: &Session<B>,
        request: ServiceRequest,
    ) -> LocalBoxFuture<'static, Outcome<B>> {
        let (inner, save) = (Rc::clone(&self.routes.inner), Rc::clone(&session.save));
        async move {
            let response = inner.handle(request).await?;
            if unsent_session::is_left_empty(&response) {
                return Ok(response);
            }
            save.call(unsent_session::to_deliver(response)).await
        }
        .boxed_local()
    }
}

impl<S, B> SalesforceMiddleware<S, B> {
    /// Checks the set-up by the first request. Returns whether another Salesforce is further out.
    fn check(&self, request: &mut ServiceRequest) -> bool {
        let outer = request.app_data::<WorkerState>().cloned();
        let is_nested = outer.is_some();
        self.nested.set(Some(is_nested));
        let own = &self.routes.inner.worker;
        let error = match outer {
            // The same one further out: what it found holds here too.
            Some(outer) if outer.salesforce().is_same(own.salesforce()) => return is_nested,
            Some(outer) => {
                own.set_nested();
                let same = outer.settings().paths.mount == own.settings().paths.mount;
                same.then_some(SetupError::SameMount)
            }
            None => match (&self.session, app_session::is_prepared(request)) {
                (Some(_), true) => Some(SetupError::TwoSessions),
                (None, false) => Some(SetupError::NoSession),
                _ => None,
            },
        };
        if let Some(error) = error {
            self.routes.inner.error.set(error);
        }
        let match_info = request.match_info();
        let mount = match_info.as_str().strip_suffix(match_info.unprocessed());
        if mount.is_some_and(|mount| mount != own.settings().paths.mount) {
            tracing::error!(
                target: "actix_salesforce",
                "Salesforce is wrapped on a scope that its settings do not name. Set `routes.mount` to the scope's \
                 path, so that the redirect URI and the links to the auth routes lead there"
            );
        }
        is_nested
    }
}

/// Serves the auth routes, passes everything else on, and finishes the responses.
#[derive(Debug)]
struct AuthRoutes<S> {
    inner: Rc<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    service: S,
    worker: WorkerState,
    /// What extractors find: the worker, prepared once.
    data: Rc<Extensions>,
    error: FoundError,
    /// Whether the session is the one that Salesforce brings.
    is_embedded: bool,
    /// Whether a second session further in was reported.
    warned: Cell<bool>,
}

impl<S> Clone for AuthRoutes<S> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<S> AuthRoutes<S> {
    fn new(service: S, worker: WorkerState, is_embedded: bool) -> Self {
        let mut data = Extensions::new();
        data.insert(worker.clone());
        let (data, error, warned) = (Rc::new(data), FoundError::default(), Cell::new(false));
        Self { inner: Rc::new(Inner { service, worker, data, error, is_embedded, warned }) }
    }
}

impl<S, B> Service<ServiceRequest> for AuthRoutes<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Outcome<B>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let inner = Rc::clone(&self.inner);
        async move { inner.handle(request).await }.boxed_local()
    }
}

impl<S> Inner<S> {
    /// Returns the sites that may frame the response, if the request has a login by Canvas. It may have ended.
    fn framed_login(&self, request: &ServiceRequest) -> Option<String> {
        self.worker.framed_login(request.request())?.contents.frame.clone()
    }

    /// Whether a request that changes something comes from a page of another origin. The cookie of a login by Canvas comes
    /// with those, too (`SameSite=None`). What opens a WebSocket is a GET (RFC 6455 section 4.1), and may change all.
    fn is_forged(&self, request: &ServiceRequest) -> bool {
        let (public_url, headers) = (&self.worker.settings().public_url, request.headers());
        let is_safe = request.method().is_safe() && !headers.contains_key(header::UPGRADE);
        !is_safe && !is_same_origin(public_url, headers)
    }

    /// Whether the session that the middleware brings holds something, and a second session further in was not reported yet.
    fn watches_session(&self, request: &ServiceRequest) -> bool {
        self.is_embedded
            && !self.worker.is_nested()
            && !self.warned.get()
            && !app_session::is_empty(request.request())
    }

    /// Keeps what another user left in the session from the handler.
    fn empty_foreign_session(&self, request: &HttpRequest) {
        if self.is_embedded
            && !app_session::is_empty(request)
            && let Some(user) = self.worker.session_user(request)
        {
            former_user::empty_if_foreign(&request.get_session(), &user);
        }
    }

    /// Has a session that the handler changed say whose it is.
    fn name_session(&self, request: &HttpRequest) {
        if app_session::is_changed(request)
            && let Some(user) = self.worker.session_user(request)
        {
            let settings = self.worker.settings();
            let user_change = &self.worker.salesforce().functions().user_change;
            user_change.name_changed(&request.get_session(), settings.session, &user);
        }
    }

    fn warn_of_second_session(&self, request: &HttpRequest) {
        if app_session::was_taken(request) && !self.warned.replace(true) {
            tracing::error!(
                target: "actix_salesforce",
                route = request.match_pattern(),
                "two sessions: a SessionMiddleware is wrapped further in than Salesforce, which brings one too. Each takes \
                 what handlers keep in the other; logins are not affected. Remove yours, or build Salesforce with \
                 `session(SessionMode::App)` and wrap yours around it"
            );
        }
    }
}

impl<S, B> Inner<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    /// Handles a request. What is rare is boxed: the future is moved and allocated for each request.
    async fn handle(&self, mut request: ServiceRequest) -> Outcome<B> {
        if !self.error.is_none() {
            return Ok(now(response::builder(StatusCode::INTERNAL_SERVER_ERROR).finish(), request));
        }
        let route = Route::find(&self.worker.settings().paths, request.match_info().unprocessed());
        request.add_data_container(Rc::clone(&self.data));
        if let Some(route) = route {
            return Box::pin(self.serve(route, request)).await;
        }
        let (info, has_cookies) = RequestInfo::captured(request.request(), self.worker.clone());
        let (mut renewal, mut framed, mut watched) = (None, None, false);
        if has_cookies {
            renewal = CookieRenewal::of(&self.worker, request.request()).map(Box::new);
            framed = self.framed_login(&request).map(Box::new);
            watched = self.watches_session(&request);
            self.empty_foreign_session(request.request());
        }
        if framed.is_some() && self.is_forged(&request) {
            let reply = Reply::new(PageKind::CrossOriginRequest);
            return Ok(now(reply.page_or_json(&RequestInfo::of(request.request())), request));
        }
        let mut response = rewrite_errors(self.service.call(request).await, info)?;
        if watched {
            self.warn_of_second_session(response.request());
        }
        self.name_session(response.request());
        session::settle(&mut response, self.is_embedded && !self.worker.is_nested());
        #[cfg(feature = "inbound")]
        if let Some(after) = super::after_response::AfterResponse::take(response.request()) {
            response = Box::pin(after.run(response)).await;
        }
        if let Some(renewal) = renewal {
            Box::pin(renewal.apply(&mut response)).await;
        }
        if let Some(ancestors) = framed {
            frame::allow(response.headers_mut(), &ancestors);
        }
        Ok(response)
    }

    /// Serves one of the auth routes.
    async fn serve(&self, route: Route, mut request: ServiceRequest) -> Outcome<B> {
        if let Err(allow) = route.accept(request.method()) {
            return Ok(now(response::method_not_allowed(allow), request));
        }
        let renewal = CookieRenewal::of(&self.worker, request.request());
        // The login is at a window's own address, and Canvas says itself who may frame it.
        let may_be_framed = matches!(route, Route::Logout | Route::Me);
        let framed = self.framed_login(&request).filter(|_| may_be_framed);
        let payload = request.take_payload();
        let (request, _) = request.into_parts();
        let response = route.serve(request.clone(), payload).await;
        let mut response = ServiceResponse::new(request, response.map_into_right_body());
        if let Some(ancestors) = framed {
            frame::allow(response.headers_mut(), &ancestors);
        }
        if let Some(renewal) = renewal {
            renewal.apply(&mut response).await;
        }
        Ok(response)
    }
}

fn now<B>(response: HttpResponse, request: ServiceRequest) -> ServiceResponse<EitherBody<B>> {
    request.into_response(response.map_into_right_body())
}
