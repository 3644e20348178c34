//! The answers of the middleware itself, each with the headers that a login page needs.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use serde_json::json;

use super::{pages, pages::Page};

/// Not cached, not framed, not sniffed, no referrer (RFC 9700 sections 4.2 and 4.16).
pub(crate) fn builder(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::CONTENT_SECURITY_POLICY, pages::content_security_policy()));
    builder
}

pub(crate) fn see_other(location: &str) -> HttpResponse {
    redirect(StatusCode::SEE_OTHER, location)
}

fn redirect(status: StatusCode, location: &str) -> HttpResponse {
    match HeaderValue::from_str(location) {
        Ok(location) => builder(status).insert_header((header::LOCATION, location)).finish(),
        Err(_) => builder(StatusCode::INTERNAL_SERVER_ERROR).finish(),
    }
}

pub(crate) fn page(status: StatusCode, page: &Page<'_>) -> HttpResponse {
    builder(status).content_type("text/html; charset=utf-8").body(page.render())
}

pub(crate) fn method_not_allowed(allow: &'static str) -> HttpResponse {
    builder(StatusCode::METHOD_NOT_ALLOWED).insert_header((header::ALLOW, allow)).finish()
}

/// An error for a program: `{"error": …, "message": …}`.
pub(crate) fn error_json(status: StatusCode, error: &str, message: &str) -> HttpResponse {
    builder(status).json(json!({ "error": error, "message": message }))
}

/// What kind of answer a request can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A person waits in front of a browser window: pages and redirects.
    Navigation,
    /// htmx: it follows `HX-Redirect`, not a redirect.
    Htmx,
    /// A script or a program: status and JSON, no redirect.
    Json,
}

impl Wants {
    /// Fetch metadata first (a browser sends it, a script cannot forge it), then `Accept`. Whatever the method: only a
    /// GET can be sent to log in and come back, but who sends a form looks at a page, too.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let get = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if get(HeaderName::from_static("hx-request")) == Some("true") {
            return Self::Htmx;
        }
        match (get(HeaderName::from_static("sec-fetch-mode")), get(HeaderName::from_static("sec-fetch-dest")))
        {
            (Some("navigate"), None | Some("document" | "iframe" | "frame" | "embed" | "object")) => {
                Self::Navigation
            }
            (Some(_), _) => Self::Json,
            (None, _) if get(header::ACCEPT).is_some_and(|accept| accept.contains("text/html")) => {
                Self::Navigation
            }
            (None, _) => Self::Json,
        }
    }
}

/// Whether a browser only loads the page in case it is wanted later. Nothing may be started for such a request.
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("prefetch") || value.contains("prerender"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(headers: &[(&str, &str)]) -> Wants {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Wants::of(&map)
    }

    #[test]
    fn a_navigation_is_told_from_what_scripts_and_programs_send() {
        use Wants::*;
        let html = ("accept", "text/html,application/xhtml+xml");
        for (headers, expected) in [
            (vec![html], Navigation),
            (vec![html, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], Navigation),
            (vec![html, ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")], Json),
            (vec![("sec-fetch-mode", "navigate")], Navigation),
            (vec![html, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], Json),
            (vec![("accept", "*/*")], Json),
            (vec![], Json),
            (vec![html, ("hx-request", "true")], Htmx),
        ] {
            assert_eq!(wants(&headers), expected, "{headers:?}");
        }
    }
}
