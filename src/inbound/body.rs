//! The bytes of a request's body: bounded in size and in time, as they were sent.

use std::time::Duration;

use actix_web::{
    dev::Payload,
    http::header::{self, HeaderMap},
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt as _;

/// Largest body in bytes: that of an outbound message.
const MAX_BYTES: usize = 5 * 1024 * 1024;
/// Longest time until all of it has come. Salesforce waits no longer than a minute for a response (unverified).
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a body is not read.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum InvalidBody {
    #[error("its body is larger than 5 MiB")]
    TooLarge,
    #[error("its body did not come within 30 seconds, or was cut")]
    Cut,
    #[error("its body is encoded")]
    Encoded,
}

/// Returns the length that the request declares; the server reads no more.
pub(super) fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads the body as it was sent: what is signed is not decoded before.
pub(super) async fn read(headers: &HeaderMap, payload: &mut Payload) -> Result<Bytes, InvalidBody> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(InvalidBody::Encoded);
    }
    if declared(headers).is_some_and(|length| length > MAX_BYTES) {
        return Err(InvalidBody::TooLarge);
    }
    let all = async {
        let mut body = BytesMut::new();
        while let Some(part) = payload.next().await {
            let part = part.map_err(|_| InvalidBody::Cut)?;
            if body.len() + part.len() > MAX_BYTES {
                return Err(InvalidBody::TooLarge);
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(TIMEOUT, all).await.unwrap_or(Err(InvalidBody::Cut))
}
