//! XML in place of JSON, in bodies and responses (REST API guide, "Introduction": JSON is the default).

mod read;
mod write;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};

pub(super) use read::read;
pub(super) use write::document;

/// Whether a request asks for a response in XML. The end of the path wins over `Accept`; where neither names a format,
/// the response has that of the body ("Create Records Using sObject Basic Information", `Content-Type`).
pub(super) fn is_wanted(path: &str, headers: &HeaderMap) -> bool {
    let first = |name| headers.get(name).and_then(|value| value.to_str().ok()?.split([',', ';']).next());
    let path = path.strip_suffix('/').unwrap_or(path);
    match (path.ends_with(".xml"), path.ends_with(".json"), first(ACCEPT).map(str::trim)) {
        (true, ..) => true,
        (_, true, _) => false,
        (.., None | Some("" | "*/*")) => first(CONTENT_TYPE).is_some_and(is_xml),
        (.., Some(accepted)) => is_xml(accepted),
    }
}

/// Whether a media type is XML.
pub(super) fn is_xml(media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    ["application/xml", "text/xml"].iter().any(|xml| media_type.eq_ignore_ascii_case(xml))
}
