//! The middleware around a scope or a resource.

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::{RequireLogin, check, decide};

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
        let require = Rc::new(self.clone());
        check::register(&require);
        ready(Ok(RequireLoginMiddleware { service: Rc::new(service), require }))
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

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = Rc::clone(&self.service);
        let require = Rc::clone(&self.require);
        async move {
            let path = request.match_info().unprocessed();
            if require.except.iter().any(|open| open == path) {
                return Ok(service.call(request).await?.map_into_left_body());
            }
            match decide::enforce(&require, request.request()).await {
                Ok(_) => Ok(service.call(request).await?.map_into_left_body()),
                Err(denied) => {
                    let response = denied.response(request.request());
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        }
        .boxed_local()
    }
}
