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
    Error, FromRequest as _, HttpMessage as _, HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Extensions, Payload, Service, ServiceRequest, ServiceResponse, Transform},
    http::{Method, StatusCode},
    web,
};
use futures_util::{
    FutureExt as _,
    future::{self, Either, Join, LocalBoxFuture, Map},
};

use super::{
    error_rewrite::{Outcome, finish},
    login as routes,
    request_info::RequestInfo,
    require::rules_of_this_thread,
    response,
    session::{
        self, SessionCookie, app_session,
        unsent_session::{self, Deliver},
    },
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
                Some(Session { cookie, service: Box::new(service), save: Rc::new(save) })
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
    cookie: SessionCookie,
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
                if session.cookie.prepare(&mut request) {
                    return session.service.call(request);
                }
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
            _ => self.routes.call(request).boxed_local(),
        }
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

/// A set-up that cannot work. Every request gets 500, and the log says once what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetupError {
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
struct FoundError(Rc<Cell<Option<SetupError>>>);

impl FoundError {
    fn set(&self, error: SetupError) {
        if self.0.replace(Some(error)).is_none() {
            tracing::error!(target: "actix_salesforce", "{}", error.fix());
        }
    }

    fn is_none(&self) -> bool {
        self.0.get().is_none()
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

    /// Captures what finishing the response of this request needs.
    fn inbound(&self, request: &ServiceRequest) -> Inbound {
        let is_embedded = self.is_embedded && !self.worker.is_nested();
        let watched = is_embedded && !app_session::is_empty(request.request()) && !self.warned.get();
        Inbound {
            info: RequestInfo::of(request.request()),
            is_embedded,
            warned: watched.then(|| Rc::clone(&self.warned)),
        }
    }
}

/// What is known of a request when its response is there.
struct Inbound {
    info: RequestInfo,
    is_embedded: bool,
    /// Present if the session holds entries, which a second session further in would take.
    warned: Option<Rc<Cell<bool>>>,
}

/// The handler's response, and beside it what its request was like.
type Handled<F> = Join<F, Ready<Inbound>>;
type Finish<B> = fn((Result<ServiceResponse<B>, Error>, Inbound)) -> Outcome<B>;

fn outbound<B: MessageBody + 'static>(
    (outcome, inbound): (Result<ServiceResponse<B>, Error>, Inbound),
) -> Outcome<B> {
    let mut response = finish((outcome, inbound.info))?;
    if let Some(warned) = inbound.warned
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
    session::finish(&mut response, inbound.is_embedded);
    Ok(response)
}

/// Adds the login's cookie under the newest key and today's name, if the login still holds.
///
/// It may have ended while the request was handled. A login that replaced it must not be overwritten, so the store is
/// asked once more.
async fn reseal_login<B>(worker: &WorkerState, response: &mut ServiceResponse<EitherBody<B>>) {
    if !session::may_reseal(response.request()) {
        return;
    }
    let Some(login) = worker.cookie_contents(response.request()) else { return };
    if !matches!(worker.grants().login(&login.id).await, Ok(Some(_))) {
        return;
    }
    let Ok(cookie) = worker.login_cookie(&login) else { return };
    // The callback and the logout have written it themselves.
    if response.response().cookies().any(|written| written.name() == cookie.name()) {
        return;
    }
    for cookie in std::iter::once(cookie).chain(worker.login_leftover(response.request())) {
        match response.response_mut().add_cookie(&cookie) {
            Ok(()) => session::forbid_shared_caching(response.headers_mut()),
            Err(error) => tracing::error!(%error, "a cookie could not be written"),
        }
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
    type Future = Either<
        Either<Ready<Outcome<B>>, LocalBoxFuture<'static, Outcome<B>>>,
        Map<Handled<S::Future>, Finish<B>>,
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
        let stale = self.worker.has_stale_login(request.request()).then(|| self.worker.clone());
        match route {
            Some(route) => match route.accept(request.method()) {
                Ok(()) => {
                    let payload = request.take_payload();
                    let response = async move {
                        let (request, _) = request.into_parts();
                        let response = route.serve(request.clone(), payload).await;
                        let mut response = ServiceResponse::new(request, response.map_into_right_body());
                        if let Some(worker) = stale {
                            reseal_login(&worker, &mut response).await;
                        }
                        Ok(response)
                    };
                    Either::Left(Either::Right(response.boxed_local()))
                }
                Err(allow) => now(response::method_not_allowed(allow), request),
            },
            None => {
                let inbound = self.inbound(&request);
                let handled = future::join(self.service.call(request), ready(inbound));
                let response = handled.map(outbound::<B> as Finish<B>);
                let Some(worker) = stale else { return Either::Right(response) };
                let resealed = async move {
                    let mut response = response.await?;
                    reseal_login(&worker, &mut response).await;
                    Ok(response)
                };
                Either::Left(Either::Right(resealed.boxed_local()))
            }
        }
    }
}

/// Which methods each route takes.
impl routes::Route {
    fn accept(self, method: &Method) -> Result<(), &'static str> {
        let (allow, accepted) = match self {
            Self::Login | Self::Callback => ("GET", *method == Method::GET),
            Self::Me => ("GET, HEAD", *method == Method::GET || *method == Method::HEAD),
            Self::Logout => ("GET, POST", *method == Method::GET || *method == Method::POST),
        };
        if accepted { Ok(()) } else { Err(allow) }
    }

    async fn serve(self, request: HttpRequest, mut payload: Payload) -> HttpResponse {
        match self {
            Self::Login => routes::login(request).await,
            Self::Callback => routes::callback(request).await,
            Self::Logout => match web::Payload::from_request(&request, &mut payload).await {
                Ok(payload) => routes::logout(request, payload).await,
                Err(error) => error.error_response(),
            },
            Self::Me => routes::me(request).await,
        }
    }
}
