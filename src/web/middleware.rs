//! The middleware: mounts the auth routes, brings or finds the session, and lets extractors find their worker.
//!
//! Three services, outermost first: [`SalesforceMiddleware`] prepares the request for the session, actix-session's
//! service loads and saves it (only in [`SessionMode::Embedded`], and only if there is one), and `AuthRoutes` serves the
//! auth routes and passes everything else on.

use std::{
    cell::Cell,
    fmt,
    future::{Ready, ready},
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Extensions, Service, ServiceRequest, ServiceResponse, Transform},
    http::{StatusCode, header},
};
use futures_util::{
    FutureExt as _,
    future::{self, Either, Join, LocalBoxFuture, Then},
};

use super::{
    cookie_renewal::CookieRenewal,
    error_rewrite::{Outcome, finish},
    frame, login as routes,
    origin::is_same_origin,
    pages::{PageKind, Reply},
    request_info::RequestInfo,
    require::rules_of_this_thread,
    response,
    session::{
        self, SessionCookie, app_session,
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
            Ok(SalesforceMiddleware { session, routes, checked: Cell::new(false) })
        }
        .boxed_local()
    }
}

/// The service that [`Salesforce`] wraps around an app or a scope.
pub struct SalesforceMiddleware<S, B> {
    session: Option<Session<B>>,
    routes: AuthRoutes<S>,
    /// Whether the set-up was checked. It cannot change, so the first request shows all.
    checked: Cell<bool>,
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

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.routes.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let outer = request.app_data::<WorkerState>();
        let nested = outer.is_some();
        if !self.checked.get() {
            self.checked.set(true);
            let outer = outer.cloned();
            self.check(&mut request, outer.as_ref());
        }
        match &self.session {
            // One inside the other: the outer one has a session for both.
            Some(session) if !nested && self.routes.error.is_none() => {
                if !request.headers().contains_key(header::COOKIE) {
                    return self.without_session(session, request);
                }
                // The session of an added login is found under its own name, and given that name back.
                if let Some(tag) = self.routes.worker.shown_session(request.request()) {
                    session.cookie.show(&mut request, &tag);
                    let (response, cookie) = (session.service.call(request), Rc::clone(&session.cookie));
                    return async move {
                        let mut response = response.await?;
                        cookie.finish(&mut response, &tag);
                        Ok(response)
                    }
                    .boxed_local();
                }
                if session.cookie.prepare(&mut request) {
                    return session.service.call(request);
                }
                self.without_session(session, request)
            }
            _ => self.routes.call(request).boxed_local(),
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
        let (response, save) = (self.routes.call(request), Rc::clone(&session.save));
        async move {
            let response = response.await?;
            if unsent_session::is_left_empty(&response) {
                return Ok(response);
            }
            save.call(unsent_session::to_deliver(response)).await
        }
        .boxed_local()
    }
}

impl<S, B> SalesforceMiddleware<S, B> {
    fn check(&self, request: &mut ServiceRequest, outer: Option<&WorkerState>) {
        let own = &self.routes.worker;
        let error = match outer {
            // The same one further out: what it found holds here too.
            Some(outer) if outer.salesforce().is_same(own.salesforce()) => return,
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
            self.routes.error.set(error);
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
    }
}

/// Serves the auth routes, passes everything else on, and finishes the responses.
#[derive(Debug)]
struct AuthRoutes<S> {
    service: Rc<S>,
    worker: WorkerState,
    /// What extractors find: the worker, prepared once.
    data: Rc<Extensions>,
    error: FoundError,
    /// Whether the session is the one that Salesforce brings.
    is_embedded: bool,
    /// Whether a second session further in was reported.
    warned: Rc<Cell<bool>>,
}

impl<S> Clone for AuthRoutes<S> {
    fn clone(&self) -> Self {
        Self {
            service: Rc::clone(&self.service),
            worker: self.worker.clone(),
            data: Rc::clone(&self.data),
            error: self.error.clone(),
            is_embedded: self.is_embedded,
            warned: Rc::clone(&self.warned),
        }
    }
}

impl<S> AuthRoutes<S> {
    fn new(service: S, worker: WorkerState, is_embedded: bool) -> Self {
        let mut data = Extensions::new();
        data.insert(worker.clone());
        Self {
            service: Rc::new(service),
            worker,
            data: Rc::new(data),
            error: FoundError::default(),
            is_embedded,
            warned: Rc::new(Cell::new(false)),
        }
    }

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

    /// Captures what finishing the response of this request needs.
    fn captured(&self, request: &ServiceRequest, has_cookies: bool) -> Captured {
        let is_embedded = self.is_embedded && !self.worker.is_nested();
        let watched =
            is_embedded && has_cookies && !self.warned.get() && !app_session::is_empty(request.request());
        Captured {
            info: RequestInfo::of(request.request()),
            is_embedded,
            warned: watched.then(|| Rc::clone(&self.warned)),
        }
    }
}

/// What is known of a request when its response is there.
struct Captured {
    info: RequestInfo,
    is_embedded: bool,
    /// Present if the session holds entries, which a second session further in would take.
    warned: Option<Rc<Cell<bool>>>,
}

/// The handler's response, and beside it what its request was like.
type Handled<F> = Join<F, Ready<Captured>>;
type Finished<B> = Either<Ready<Outcome<B>>, LocalBoxFuture<'static, Outcome<B>>>;
type Finish<B> = fn((Result<ServiceResponse<B>, Error>, Captured)) -> Finished<B>;

fn outbound<B: MessageBody + 'static>(
    (outcome, captured): (Result<ServiceResponse<B>, Error>, Captured),
) -> Finished<B> {
    let mut response = match finish((outcome, captured.info)) {
        Ok(response) => response,
        Err(error) => return Either::Left(ready(Err(error))),
    };
    if let Some(warned) = captured.warned
        && app_session::was_taken(response.request())
        && !warned.replace(true)
    {
        tracing::error!(
            target: "actix_salesforce",
            route = response.request().match_pattern(),
            "two sessions: a SessionMiddleware is wrapped further in than Salesforce, which brings one too. Each takes \
             what handlers keep in the other; logins are not affected. Remove yours, or build Salesforce with \
             `session(SessionMode::App)` and wrap yours around it"
        );
    }
    session::finish(&mut response, captured.is_embedded);
    #[cfg(feature = "inbound")]
    if let Some(after) = super::after_response::AfterResponse::take(response.request()) {
        return Either::Right(async { Ok(after.finish(response).await) }.boxed_local());
    }
    Either::Left(ready(Ok(response)))
}

impl<S, B> Service<ServiceRequest> for AuthRoutes<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<
        Either<Ready<Outcome<B>>, LocalBoxFuture<'static, Outcome<B>>>,
        Then<Handled<S::Future>, Finished<B>, Finish<B>>,
    >;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let now = |response: HttpResponse, request: ServiceRequest| {
            Either::Left(Either::Left(ready(Ok(request.into_response(response.map_into_right_body())))))
        };
        if !self.error.is_none() {
            return now(response::builder(StatusCode::INTERNAL_SERVER_ERROR).finish(), request);
        }
        let route = routes::Route::find(&self.worker.settings().paths, request.match_info().unprocessed());
        request.add_data_container(Rc::clone(&self.data));
        let has_cookies = request.headers().contains_key(header::COOKIE);
        let renewal = if has_cookies { CookieRenewal::of(&self.worker, request.request()) } else { None };
        match route {
            Some(route) => match route.accept(request.method()) {
                Ok(()) => {
                    let payload = request.take_payload();
                    // The login is at a window's own address, and Canvas says itself who may frame it.
                    let may_be_framed = matches!(route, routes::Route::Logout | routes::Route::Me);
                    let framed = self.framed_login(&request).filter(|_| may_be_framed);
                    let response = async move {
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
                    };
                    Either::Left(Either::Right(response.boxed_local()))
                }
                Err(allow) => now(response::method_not_allowed(allow), request),
            },
            None => {
                let framed = if has_cookies { self.framed_login(&request) } else { None };
                if framed.is_some() && self.is_forged(&request) {
                    let reply = Reply::new(PageKind::CrossOriginRequest);
                    return now(reply.page_or_json(&RequestInfo::of(request.request())), request);
                }
                let captured = self.captured(&request, has_cookies);
                let handled = future::join(self.service.call(request), ready(captured));
                let response = handled.then(outbound::<B> as Finish<B>);
                if renewal.is_none() && framed.is_none() {
                    return Either::Right(response);
                }
                let finished = async move {
                    let mut response = response.await?;
                    if let Some(renewal) = renewal {
                        renewal.apply(&mut response).await;
                    }
                    if let Some(ancestors) = framed {
                        frame::allow(response.headers_mut(), &ancestors);
                    }
                    Ok(response)
                };
                Either::Left(Either::Right(finished.boxed_local()))
            }
        }
    }
}
