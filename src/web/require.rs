//! [`RequireLogin`]: protects a whole scope, including handlers that take no extractor.

use std::{
    fmt,
    future::{Ready, ready},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::{
    error, extract,
    pages::{PageKind, Reply},
    request_info::RequestInfo,
};
use crate::SalesforceUser;

type Rule = dyn Fn(&SalesforceUser) -> bool + Send + Sync;

/// Protects everything below a scope or an app. A request without a login gets the same response as from
/// [`SalesforceConn`](crate::SalesforceConn), even for a path that does not exist.
///
/// A login proves who the user is, not that the user belongs to you: with a login host that all orgs share
/// (`https://login.salesforce.com`, the default, and `https://test.salesforce.com`) a user of **any** org passes, as far as
/// that org lets its users use the app. Say who may come in: name the orgs in `SALESFORCE_ALLOWED_ORGS`
/// ([`SalesforceBuilder::allowed_orgs`](crate::SalesforceBuilder::allowed_orgs)), and log in at your My Domain
/// (`SALESFORCE_LOGIN_URL`). [`allow_if`](Self::allow_if) decides for one scope.
///
/// Wrap it inside (register it before) [`Salesforce`](crate::Salesforce):
/// `.wrap(RequireLogin::new()).wrap(salesforce)`.
///
/// A CORS preflight carries no cookie and gets 401 here. Wrap `Cors` outermost (register it last, after `Salesforce`):
/// it then responds to preflights itself, and adds its headers to the 401 and 503.
///
/// Exceptions are matched on the path that routing sees, decoded and relative to where this is wrapped, so that no
/// other spelling of a path opens another route.
///
/// ```
/// use actix_salesforce::RequireLogin;
/// use actix_web::web;
///
/// let admin = web::scope("/admin").wrap(
///     RequireLogin::new()
///         .except("/health")
///         .allow_if(|user| user.scopes.contains("api")),
/// );
/// # let _ = admin;
/// ```
#[derive(Clone, Default)]
pub struct RequireLogin {
    except: Vec<String>,
    rules: Vec<Arc<Rule>>,
}

impl RequireLogin {
    /// Protects all paths.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves exactly this path open. It is relative to where this is wrapped, without a query. Default: no exception.
    #[must_use]
    pub fn except(mut self, path: impl Into<String>) -> Self {
        self.except.push(path.into());
        self
    }

    /// Responds with 403 unless `rule` returns `true` for the user. With several rules, all must. Default: no rule.
    #[must_use]
    #[doc(alias = "permission")]
    #[doc(alias = "profile")]
    #[doc(alias = "role")]
    #[doc(alias = "authorize")]
    pub fn allow_if(mut self, rule: impl Fn(&SalesforceUser) -> bool + Send + Sync + 'static) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }
}

impl fmt::Debug for RequireLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireLogin")
            .field("except", &self.except)
            .field("rules", &self.rules.len())
            .finish()
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireLogin
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = RequireLoginMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(RequireLoginMiddleware { service: Rc::new(service), require: Rc::new(self.clone()) }))
    }
}

/// The service that [`RequireLogin`] wraps around a scope.
#[derive(Debug)]
pub struct RequireLoginMiddleware<S> {
    service: Rc<S>,
    require: Rc<RequireLogin>,
}

impl<S, B> Service<ServiceRequest> for RequireLoginMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = Rc::clone(&self.service);
        let require = Rc::clone(&self.require);
        async move {
            let path = request.match_info().unprocessed();
            if require.except.iter().any(|open| open == path) {
                return Ok(service.call(request).await?.map_into_left_body());
            }
            let refused = match decide(&require, request.request()).await {
                Ok(true) => return Ok(service.call(request).await?.map_into_left_body()),
                Ok(false) => {
                    Reply::new(PageKind::NotAllowed).page_or_json(&RequestInfo::of(request.request()))
                }
                Err(error) => error::response(&error, request.request()),
            };
            Ok(request.into_response(refused).map_into_right_body())
        }
        .boxed_local()
    }
}

/// Returns whether the rules allow the user; an error if the login is missing or cannot be looked up.
async fn decide(require: &RequireLogin, request: &HttpRequest) -> salesforce_connection::Result<bool> {
    let (_, grant) = extract::required(request).await?;
    if require.rules.is_empty() {
        return Ok(true);
    }
    let user = SalesforceUser::of(&grant)?;
    Ok(require.rules.iter().all(|rule| rule(&user)))
}
