//! The middleware: mounts the auth routes, brings or finds the session, and lets extractors find their way.
//!
//! Three services, outermost first: [`SalesforceMiddleware`] prepares the request for the session, actix-session's own
//! service loads and saves it (only in [`SessionMode::Embedded`]), and [`Routed`] answers the auth routes and passes
//! everything else on, without a box and without an allocation of its own.

use std::{
    cell::Cell,
    fmt,
    future::{Ready, ready},
    rc::Rc,
    task::{Context, Poll},
};

use actix_session::{SessionMiddleware, storage::CookieSessionStore};
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
    context::Worker,
    error_rewrite::{Outcome, finish},
    request_info::RequestInfo,
    response, routes, session,
};
use crate::{Salesforce, config::SessionMode};

type EmbeddedSession<S> =
    <SessionMiddleware<CookieSessionStore> as Transform<Routed<S>, ServiceRequest>>::Transform;

impl<S, B> Transform<S, ServiceRequest> for Salesforce
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SalesforceMiddleware<S, EmbeddedSession<S>>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let salesforce = self.clone();
        async move {
            let worker = salesforce.worker().map_err(|error| {
                tracing::error!(%error, "the outbound HTTP client of a worker could not be made");
            })?;
            let cookie = session::SessionCookie::new(salesforce.settings());
            let embedded = match salesforce.settings().session {
                SessionMode::Embedded => Some(session::embedded(salesforce.settings(), &cookie)),
                SessionMode::App => None,
            };
            let routed = Routed::new(service, worker, embedded.is_some());
            let session = match embedded {
                Some(middleware) => Some(middleware.new_transform(routed.clone()).await?),
                None => None,
            };
            Ok(SalesforceMiddleware { cookie, session, routed, checked: Cell::new(false) })
        }
        .boxed_local()
    }
}

/// The service that [`Salesforce`] wraps around an app or a scope.
pub struct SalesforceMiddleware<S, E> {
    cookie: session::SessionCookie,
    session: Option<E>,
    routed: Routed<S>,
    /// Whether the set-up was looked at. It cannot change, so the first request tells.
    checked: Cell<bool>,
}

impl<S, E> fmt::Debug for SalesforceMiddleware<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceMiddleware")
            .field("embedded_session", &self.session.is_some())
            .finish_non_exhaustive()
    }
}

impl<S, E, B> Service<ServiceRequest> for SalesforceMiddleware<S, E>
where
    E: Service<ServiceRequest, Response = ServiceResponse<EitherBody<B>>, Error = Error>,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<E::Future, <Routed<S> as Service<ServiceRequest>>::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.routed.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let outer = request.app_data::<Worker>();
        let nested = outer.is_some();
        if !self.checked.get() {
            self.checked.set(true);
            let outer = outer.cloned();
            self.check(&mut request, outer.as_ref());
        }
        match &self.session {
            // One inside the other: the outer one has a session for both.
            Some(session) if !nested && self.routed.fault.get().is_none() => {
                self.cookie.prepare(&mut request);
                Either::Left(session.call(request))
            }
            _ => Either::Right(self.routed.call(request)),
        }
    }
}

impl<S, E> SalesforceMiddleware<S, E> {
    fn check(&self, request: &mut ServiceRequest, outer: Option<&Worker>) {
        let own = &self.routed.worker;
        let fault = match outer {
            // The same one further out: what it found holds here too.
            Some(outer) if outer.salesforce().is_same(own.salesforce()) => return,
            Some(outer) if outer.settings().paths.mount == own.settings().paths.mount => {
                Some(Fault::SameMount)
            }
            Some(_) => None,
            None => match (&self.session, session::is_prepared(request)) {
                (Some(_), true) => Some(Fault::TwoSessions),
                (None, false) => Some(Fault::NoSession),
                _ => None,
            },
        };
        if let Some(fault) = fault {
            self.routed.report(fault);
        }
        let match_info = request.match_info();
        let mount = match_info.as_str().strip_suffix(match_info.unprocessed());
        if mount.is_some_and(|mount| mount != own.settings().paths.mount) {
            tracing::error!(
                target: "actix_salesforce",
                "Salesforce is wrapped on a scope, and its settings do not say so: set `routes.mount` to the scope's \
                 path, so that the redirect URI and the links to the auth routes lead there"
            );
        }
    }
}

/// A set-up that cannot work. It is answered with 500, and the log says what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    TwoSessions,
    NoSession,
    SameMount,
}

impl Fault {
    /// Has the worker answer with 500 from now on, and tells once what to change.
    fn report(self, at: &Cell<Option<Self>>) {
        if at.replace(Some(self)).is_none() {
            tracing::error!(target: "actix_salesforce", "{}", self.fix());
        }
    }

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

/// Answers the auth routes, passes everything else on, and finishes what comes back.
#[derive(Debug)]
pub struct Routed<S> {
    service: Rc<S>,
    worker: Worker,
    /// What extractors find: the worker's handle, prepared once.
    data: Rc<Extensions>,
    fault: Rc<Cell<Option<Fault>>>,
    /// Whether the session is the one that Salesforce brings.
    embedded: bool,
    /// Whether a request went further in.
    begun: Rc<Cell<bool>>,
}

impl<S> Clone for Routed<S> {
    fn clone(&self) -> Self {
        Self {
            service: Rc::clone(&self.service),
            worker: self.worker.clone(),
            data: Rc::clone(&self.data),
            fault: Rc::clone(&self.fault),
            embedded: self.embedded,
            begun: Rc::clone(&self.begun),
        }
    }
}

impl<S> Routed<S> {
    fn new(service: S, worker: Worker, embedded: bool) -> Self {
        let mut data = Extensions::new();
        data.insert(worker.clone());
        Self {
            service: Rc::new(service),
            worker,
            data: Rc::new(data),
            fault: Rc::new(Cell::new(None)),
            embedded,
            begun: Rc::new(Cell::new(false)),
        }
    }

    fn report(&self, fault: Fault) {
        fault.report(&self.fault);
    }

    /// What is to be known of a request when its answer is there.
    fn begin(&self, request: &ServiceRequest) -> Begun {
        let watched = self.embedded && {
            // The first request shows a second session even if it brings no session of its own.
            if !self.begun.replace(true) {
                session::hold(request);
            }
            session::is_held(request.request())
        };
        Begun { asked: RequestInfo::of(request.request()), fault: watched.then(|| Rc::clone(&self.fault)) }
    }
}

/// What is known of a request when its answer is there: what it asked for, and where to report that a second session
/// took away what its session held.
#[derive(Debug)]
pub struct Begun {
    asked: RequestInfo,
    fault: Option<Rc<Cell<Option<Fault>>>>,
}

/// The handler's answer, and beside it what its request was like.
type Answered<F> = Join<F, Ready<Begun>>;
type Finish<B> = fn((Result<ServiceResponse<B>, Error>, Begun)) -> Outcome<B>;

fn end<B: MessageBody + 'static>((outcome, begun): (Result<ServiceResponse<B>, Error>, Begun)) -> Outcome<B> {
    match (outcome, begun.fault) {
        (Ok(response), Some(fault)) if !session::is_held(response.request()) => {
            Fault::TwoSessions.report(&fault);
            // What is left of ours must not go to the browser: it would log the person out.
            session::leave_alone(response.request());
            let error = response::builder(StatusCode::INTERNAL_SERVER_ERROR).finish();
            Ok(response.into_response(error).map_into_right_body())
        }
        (outcome, _) => finish((outcome, begun.asked)),
    }
}

impl<S, B> Service<ServiceRequest> for Routed<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<
        Either<Ready<Outcome<B>>, LocalBoxFuture<'static, Outcome<B>>>,
        Map<Answered<S::Future>, Finish<B>>,
    >;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let now = |response: HttpResponse, request: ServiceRequest| {
            Either::Left(Either::Left(ready(Ok(request.into_response(response.map_into_right_body())))))
        };
        if self.fault.get().is_some() {
            return now(response::builder(StatusCode::INTERNAL_SERVER_ERROR).finish(), request);
        }
        session::finish_resealing(request.request(), self.worker.member());
        let route = routes::Route::find(&self.worker.settings().paths, request.match_info().unprocessed());
        request.add_data_container(Rc::clone(&self.data));
        match route {
            Some(route) => match route.accept(request.method()) {
                Ok(()) => {
                    let payload = request.take_payload();
                    let answered = async move {
                        let (request, _) = request.into_parts();
                        let response = route.answer(request.clone(), payload).await;
                        Ok(ServiceResponse::new(request, response.map_into_right_body()))
                    };
                    Either::Left(Either::Right(answered.boxed_local()))
                }
                Err(allow) => now(response::method_not_allowed(allow), request),
            },
            None => {
                let begun = self.begin(&request);
                let answered = future::join(self.service.call(request), ready(begun));
                Either::Right(answered.map(end::<B> as Finish<B>))
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

    async fn answer(self, request: HttpRequest, mut payload: Payload) -> HttpResponse {
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
