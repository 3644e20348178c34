//! [`SilentLogin`]: logs visitors in without a page of Salesforce.

use std::{
    cell::Cell,
    fmt,
    future::{Ready, ready},
    rc::Rc,
    sync::Arc,
};

use actix_web::{
    Error, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::login::silent;

thread_local! {
    /// Whether a route was wrapped on this thread since the last Salesforce. A scope is made before the Salesforce around
    /// it, on the thread of the same worker.
    static WRAPPED: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether a route was wrapped on this thread since the last call.
pub(crate) fn is_wrapped_on_this_thread() -> bool {
    WRAPPED.take()
}

type LoginHint = dyn Fn(&HttpRequest) -> Option<String> + Send + Sync;

/// Logs visitors of a route in without a page of Salesforce, if they have a session there and have allowed the app before.
///
/// For pages that are public and show more to a user who is logged in. Wrap it around a resource or a scope, inside of
/// (registered before) [`Salesforce`](crate::Salesforce):
///
/// ```
/// use actix_salesforce::{MaybeSalesforceConn, SilentLogin};
/// use actix_web::{Responder, web};
///
/// async fn home(sf: MaybeSalesforceConn) -> impl Responder {
///     if sf.is_some() { "Welcome back." } else { "Welcome. You can log in." }
/// }
///
/// let home = web::resource("/").wrap(SilentLogin::new()).route(web::get().to(home));
/// # let _ = home;
/// ```
///
/// A page that a browser opens by GET without a login is sent to Salesforce once, with `immediate=true`. Salesforce
/// shows no page: the browser comes back at once, logged in or not. A failure is remembered for ten minutes, by a
/// cookie and by the parameter `salesforce_silent` in the page's address, so that a client without cookies, such as a
/// crawler, is sent once, too. After a logout no visitor is sent until the browser closes or the user logs in. In an
/// outage, in frames, for other requests, and where the login host is an Experience Cloud site, which does not support
/// it, the request goes on as it is.
///
/// A failure is no error: whatever goes wrong, the visitor sees the page. Only what Salesforce itself shows instead of a
/// redirect, because it does not know the client id or the callback URL, stays at Salesforce.
///
/// Each silent login costs one of the user's approvals for the app, as each login does.
#[derive(Clone, Default)]
pub struct SilentLogin {
    login_hint: Option<Arc<LoginHint>>,
}

impl fmt::Debug for SilentLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SilentLogin").field("login_hint", &self.login_hint.is_some()).finish()
    }
}

impl SilentLogin {
    /// Logs in whichever user has a session at Salesforce.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the function that returns the user name to send as `login_hint`, for example from the app's own session: at
    /// most 256 bytes. Salesforce ignores it while a session is active (Salesforce Help "OAuth 2.0 Web Server Flow").
    /// It is called where a silent login starts, and for no other request. Default: none.
    #[must_use]
    pub fn login_hint(
        mut self,
        hint: impl Fn(&HttpRequest) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.login_hint = Some(Arc::new(hint));
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for SilentLogin
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SilentLoginMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        WRAPPED.set(true);
        ready(Ok(SilentLoginMiddleware { service: Rc::new(service), login_hint: self.login_hint.clone() }))
    }
}

/// The service that [`SilentLogin`] wraps around a route.
pub struct SilentLoginMiddleware<S> {
    service: Rc<S>,
    login_hint: Option<Arc<LoginHint>>,
}

impl<S> fmt::Debug for SilentLoginMiddleware<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SilentLoginMiddleware").finish_non_exhaustive()
    }
}

impl<S, B> Service<ServiceRequest> for SilentLoginMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = Rc::clone(&self.service);
        let login_hint = self.login_hint.clone();
        async move {
            let hint = |request: &HttpRequest| login_hint.and_then(|hint| hint(request));
            match silent::begin(request.request(), hint).await {
                Some(response) => Ok(request.into_response(response).map_into_right_body()),
                None => Ok(service.call(request).await?.map_into_left_body()),
            }
        }
        .boxed_local()
    }
}
