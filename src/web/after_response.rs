//! Work that an extractor leaves for the time after the handler: its outcome may replace the response.

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, body::EitherBody, dev::ServiceResponse};
use futures_util::future::LocalBoxFuture;

type Work = dyn FnOnce(&HttpRequest, &HttpResponse<()>) -> LocalBoxFuture<'static, Option<HttpResponse>>;

/// The work. It gets the request and the response's status, and returns another response, or `None` to leave it.
///
/// It is dropped undone if the handler's future is: the client went away.
pub(crate) struct AfterResponse(Box<Work>);

impl AfterResponse {
    /// Leaves work for the middleware. A request has one at most.
    pub(crate) fn leave(
        request: &HttpRequest,
        work: impl FnOnce(&HttpRequest, &HttpResponse<()>) -> LocalBoxFuture<'static, Option<HttpResponse>>
        + 'static,
    ) {
        request.extensions_mut().insert(Self(Box::new(work)));
    }

    pub(super) fn take(request: &HttpRequest) -> Option<Self> {
        request.extensions_mut().remove::<Self>()
    }

    /// Does the work.
    pub(super) async fn run<B>(
        self,
        response: ServiceResponse<EitherBody<B>>,
    ) -> ServiceResponse<EitherBody<B>> {
        let head = HttpResponse::with_body(response.status(), ());
        let work = (self.0)(response.request(), &head);
        match work.await {
            Some(other) => response.into_response(other.map_into_right_body()),
            None => response,
        }
    }
}
