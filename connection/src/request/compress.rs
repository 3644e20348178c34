//! Large bodies go out compressed.
//!
//! Source: REST API Developer Guide, "Using Compression": requests may be compressed with gzip. Bulk API 2.0 documents
//! it for answers only, so that CSV goes out as it is.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

use crate::request::send::ApiRequest;

/// Below this, a body goes out in a few packets anyway.
const WORTH_IT: usize = 16 * 1024;
/// Above this, compressing takes longer than a worker's other requests should wait.
const SHORT: usize = 256 * 1024;

/// The call with its body compressed, if it is JSON that is large enough.
pub(crate) async fn call(mut call: ApiRequest) -> ApiRequest {
    let is_json = call.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if call.body.len() < WORTH_IT || !is_json || call.headers.contains_key(CONTENT_ENCODING) {
        return call;
    }
    let body = call.body.clone();
    let packed = if body.len() <= SHORT {
        pack(&body)
    } else {
        tokio::task::spawn_blocking(move || pack(&body)).await.ok().flatten()
    };
    if let Some(packed) = packed.filter(|packed| packed.len() < call.body.len()) {
        call.body = packed;
        call.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    call
}

/// Fast rather than small: records are names that repeat.
fn pack(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
