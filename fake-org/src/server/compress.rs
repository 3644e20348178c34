//! Compressed responses for clients that accept gzip, as Salesforce's edge sends them.

use std::io::Write as _;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;

/// Shorter responses are sent as they are.
const MIN_BYTES: usize = 256;

/// Whether a request takes gzip.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let named = |coding: &str| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && quality.trim() != "q=0"
    };
    headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(named))
}

/// Files are sent as they are.
fn is_text(headers: &HeaderMap) -> bool {
    const TEXTS: [&str; 4] =
        ["text/", "application/json", "application/xml", "application/x-www-form-urlencoded"];
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    TEXTS.iter().any(|text| kind.starts_with(text))
}

/// The response with its body compressed, when it is a text that is long enough. Its entity tag then says so too
/// (`"…--gzip"`).
pub(super) async fn compressed(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    if bytes.len() < MIN_BYTES || !is_text(&parts.headers) || parts.headers.contains_key(CONTENT_ENCODING) {
        return Response::from_parts(parts, Body::from(bytes));
    }
    let plain = bytes.clone();
    // A page of records takes a while, and other requests are handled meanwhile.
    let packed = tokio::task::spawn_blocking(move || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&plain).and_then(|()| encoder.finish())
    });
    // Writing to memory does not fail.
    let Ok(Ok(packed)) = packed.await else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let tag = parts.headers.get(ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"'));
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(&format!("{tag}--gzip\"")).ok()) {
        parts.headers.insert(ETAG, tag);
    }
    Response::from_parts(parts, Body::from(packed))
}
