//! Reads the form of a POST to an auth route.

use std::time::Duration;

use actix_web::web::{Bytes, Payload};

/// Largest form in bytes, where a route says no other: a return target of 900 bytes, a host, a name and a hint, encoded.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Longest time in which a form has to arrive.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the form. `None` if it has more than `max_bytes`, comes too slowly, or its connection fails.
pub(super) async fn read(payload: Payload, max_bytes: usize) -> Option<Bytes> {
    match tokio::time::timeout(TIMEOUT, payload.to_bytes_limited(max_bytes)).await {
        Ok(Ok(Ok(form))) => Some(form),
        _ => None,
    }
}

/// Returns a form of at most [`MAX_BYTES`] as text.
pub(super) async fn read_text(payload: Payload) -> Option<String> {
    String::from_utf8(read(payload, MAX_BYTES).await?.to_vec()).ok()
}
