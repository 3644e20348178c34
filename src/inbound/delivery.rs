//! A request whose repeats are dropped: its ids are held while the handler works, and marked once it succeeded.

use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;

use super::CallError;
use crate::{
    grants::NotNow,
    web::{AfterResponse, WorkerState},
};
use std::time::Duration;

use salesforce_connection::Error;

/// When a request may come again whose id is being handled.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Holds these ids until the request's response. Returns the places of the new ones.
///
/// `is_done` says of the request and its response whether the handler succeeded. If that cannot be stored, the response is
/// replaced by a 503, so that the sender repeats the request.
pub(super) async fn begin(
    worker: &WorkerState,
    request: &HttpRequest,
    ids: Vec<String>,
    is_done: fn(&HttpRequest, &HttpResponse<()>) -> bool,
) -> Result<Vec<usize>, CallError> {
    let delivery = worker.grants().begin_delivery(ids).await.map_err(not_now)?;
    let new = (0..).zip(&delivery.is_new).filter_map(|(place, is_new)| is_new.then_some(place)).collect();
    AfterResponse::leave(request, move |request, response| {
        let is_done = is_done(request, response);
        async move {
            if !is_done {
                // Dropped: its ids are given back.
                return None;
            }
            delivery.handled().await.err().map(|error| {
                tracing::warn!(%error, "what was handled could not be marked: its sender repeats it");
                not_now(error).error_response()
            })
        }
        .boxed_local()
    });
    Ok(new)
}

fn not_now(error: NotNow) -> CallError {
    match error {
        NotNow::Store(error) => Error::from(error).into(),
        error => Error::unavailable(BUSY_RETRY_AFTER, error).into(),
    }
}
