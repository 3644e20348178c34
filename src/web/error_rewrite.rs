//! Better responses for our errors.

use actix_web::{
    Error, HttpResponse, ResponseError as _,
    body::{EitherBody, MessageBody},
    dev::ServiceResponse,
    error::InternalError,
    http::header::{self, HeaderName},
};

use super::request_info::RequestInfo;

pub(crate) type Outcome<B> = Result<ServiceResponse<EitherBody<B>>, Error>;

/// Replaces responses to our errors by a page, a redirect or JSON with a text.
pub(crate) fn rewrite_errors<B: MessageBody + 'static>(
    outcome: Result<ServiceResponse<B>, Error>,
    info: RequestInfo,
) -> Outcome<B> {
    let response = outcome.map_err(|error| with_response(error, &info))?;
    if response.response().error().is_none() {
        return Ok(response.map_into_left_body());
    }
    #[cfg(feature = "inbound")]
    let info = if super::FromSalesforce::is_marked(response.request()) { info.of_program() } else { info };
    if let Some(better) = better_response(&response, &info) {
        return Ok(response.into_response(better).map_into_right_body());
    }
    Ok(response.map_into_left_body())
}

/// Adds the better response to one of our errors that an inner middleware returned, for example one of `from_fn` with
/// an extractor as a parameter. Such an error has no request any more.
fn with_response(error: Error, info: &RequestInfo) -> Error {
    let response =
        error.as_error::<salesforce_connection::Error>().map(|error| info.error_response(error, None, None));
    match response {
        Some(response) => InternalError::from_response(error, response).into(),
        None => error,
    }
}

/// Returns the replacement for the plain JSON of one of our errors. `None` for all other responses, and where the app
/// responds to such errors itself.
fn better_response<B: MessageBody>(
    response: &ServiceResponse<B>,
    info: &RequestInfo,
) -> Option<HttpResponse> {
    let error = response.response().error()?.as_error::<salesforce_connection::Error>()?;
    let headers = response.headers();
    let plain = error.error_response();
    // A compressed body has another size; then the content type decides alone.
    let is_plain = headers.get(header::CONTENT_TYPE) == plain.headers().get(header::CONTENT_TYPE)
        && (headers.contains_key(header::CONTENT_ENCODING)
            || response.response().body().size() == plain.body().size());
    if !is_plain && !error.needs_login() {
        return None;
    }
    let mut better =
        info.error_response(error, Some(response.request()), response.request().match_pattern().as_deref());
    // Headers that middleware added stay, except for those that describe the former body.
    let was_added =
        |name: &&HeaderName| !DESCRIBE_BODY.contains(name) && !plain.headers().contains_key(*name);
    for name in headers.keys().filter(was_added) {
        if !better.headers().contains_key(name) {
            for value in headers.get_all(name) {
                better.headers_mut().append(name.clone(), value.clone());
            }
        }
    }
    Some(better)
}

const DESCRIBE_BODY: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::TRANSFER_ENCODING];
