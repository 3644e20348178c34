//! What an answer of the app passes on its way out.

use actix_web::{
    Error, HttpResponse, ResponseError as _,
    body::{EitherBody, MessageBody},
    dev::ServiceResponse,
    error::InternalError,
    http::header::{self, HeaderName},
};

use super::error::Asked;

pub(crate) type Outcome<B> = Result<ServiceResponse<EitherBody<B>>, Error>;

/// Our errors become the answer that the request can use.
pub(crate) fn finish<B: MessageBody + 'static>(
    (outcome, asked): (Result<ServiceResponse<B>, Error>, Asked),
) -> Outcome<B> {
    let response = outcome.map_err(|error| of_other_middleware(error, &asked))?;
    if let Some(answer) = better_answer(&response, &asked) {
        return Ok(response.into_response(answer).map_into_right_body());
    }
    Ok(response.map_into_left_body())
}

/// One of our errors that a middleware further in gave, for example one of `from_fn` that asks for an extractor. It has
/// lost its request, so what it is answered with goes along.
fn of_other_middleware(error: Error, asked: &Asked) -> Error {
    let answer = error.as_error::<crate::Error>().map(|error| asked.answer(error, None));
    match answer {
        Some(answer) => InternalError::from_response(error, answer).into(),
        None => error,
    }
}

/// What to answer instead of the plain JSON of one of our errors; `None` when it is none, or when the app answers such
/// errors itself.
fn better_answer<B: MessageBody>(response: &ServiceResponse<B>, asked: &Asked) -> Option<HttpResponse> {
    let error = response.response().error()?.as_error::<crate::Error>()?;
    let headers = response.headers();
    let plain = error.error_response();
    // Compressed, a body has another size; that it is still JSON has to do then.
    let is_plain = headers.get(header::CONTENT_TYPE) == plain.headers().get(header::CONTENT_TYPE)
        && (headers.contains_key(header::CONTENT_ENCODING)
            || response.response().body().size() == plain.body().size());
    if !is_plain && !error.needs_login() {
        return None;
    }
    let mut answer = asked.answer(error, response.request().match_pattern().as_deref());
    // What was added on the way stays, except what describes the former body.
    let was_added =
        |name: &&HeaderName| !DESCRIBE_BODY.contains(name) && !plain.headers().contains_key(*name);
    for name in headers.keys().filter(was_added) {
        if !answer.headers().contains_key(name) {
            for value in headers.get_all(name) {
                answer.headers_mut().append(name.clone(), value.clone());
            }
        }
    }
    Some(answer)
}

const DESCRIBE_BODY: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::TRANSFER_ENCODING];
