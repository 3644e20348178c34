//! Compresses large JSON bodies of requests.
//!
//! Source: REST API Developer Guide, "Using Compression": requests may be compressed with gzip. Bulk API 2.0 documents
//! compression for responses only, so that CSV is sent uncompressed.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

use crate::request::send::ApiRequest;

/// Smallest body in bytes that is compressed: a smaller one takes a few packets anyway.
const MIN_BYTES: usize = 16 * 1024;
/// Largest body in bytes that is compressed on the caller's thread. A larger one would delay the thread's other requests.
const MAX_INLINE_BYTES: usize = 256 * 1024;

/// Compresses the body of a request if it is JSON and large enough.
pub(crate) async fn request(mut request: ApiRequest) -> ApiRequest {
    let is_json = request.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if request.body.len() < MIN_BYTES || !is_json || request.headers.contains_key(CONTENT_ENCODING) {
        return request;
    }
    let body = request.body.clone();
    let compressed = if body.len() <= MAX_INLINE_BYTES {
        gzip(&body)
    } else {
        tokio::task::spawn_blocking(move || gzip(&body)).await.ok().flatten()
    };
    if let Some(compressed) = compressed.filter(|compressed| compressed.len() < request.body.len()) {
        request.body = compressed;
        request.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    request
}

/// Compresses fast rather than well: records repeat their field names, so that even the fast level saves most bytes.
fn gzip(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
