//! The session of a request that brought none.
//!
//! Most of these requests leave it so: a health check, an asset, an API that takes only the login. For each of them
//! actix-session would parse all cookies of the request and make a session. So its service is called only if the session
//! holds something when the response is there, around [`Deliver`], which returns that response.

use std::{
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
};

use actix_session::SessionExt as _;
use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    dev::{Service, ServiceRequest, ServiceResponse, always_ready},
    error::ErrorInternalServerError,
};

/// Returns whether this response leaves a request without a session as it was.
pub(crate) fn is_left_empty<B>(response: &ServiceResponse<B>) -> bool {
    response.request().get_session().entries().is_empty()
}

/// Returns the request of a response for [`Deliver`], which returns the response again.
pub(crate) fn to_deliver<B: 'static>(response: ServiceResponse<B>) -> ServiceRequest {
    let (request, response) = response.into_parts();
    request.extensions_mut().insert(ToDeliver(response));
    ServiceRequest::from_request(request)
}

struct ToDeliver<B>(HttpResponse<B>);

/// Returns the response that [`to_deliver`] put into the request.
pub(crate) struct Deliver<B>(PhantomData<fn() -> B>);

impl<B> Deliver<B> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> fmt::Debug for Deliver<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deliver")
    }
}

impl<B: 'static> Service<ServiceRequest> for Deliver<B> {
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    always_ready!();

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let response = request.extensions_mut().remove::<ToDeliver<B>>();
        ready(match response {
            Some(ToDeliver(response)) => Ok(ServiceResponse::new(request.into_parts().0, response)),
            None => Err(ErrorInternalServerError("no response to deliver")),
        })
    }
}
