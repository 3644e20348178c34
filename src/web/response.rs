//! The responses of the middleware itself, each with the headers that a login page needs.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use serde_json::json;

use super::pages::{self, Action, ActionKind, LoginFailure, PageKind};

/// Not cached, not framed, not sniffed, no referrer (RFC 9700 sections 4.2 and 4.16).
pub(crate) fn builder(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::CONTENT_SECURITY_POLICY, pages::default_policy()));
    builder
}

/// Redirects by 303 (RFC 9110 section 15.4.4), so that the browser sends a GET.
pub(crate) fn see_other(location: &str) -> HttpResponse {
    match HeaderValue::from_str(location) {
        Ok(location) => builder(StatusCode::SEE_OTHER).insert_header((header::LOCATION, location)).finish(),
        Err(_) => builder(StatusCode::INTERNAL_SERVER_ERROR).finish(),
    }
}

/// Returns a redirect in a form that htmx follows, to other sites too, if htmx sent the request.
pub(crate) fn for_htmx(request: &HttpRequest, mut redirect: HttpResponse) -> HttpResponse {
    if ResponseFormat::of(request.headers()) == ResponseFormat::Htmx
        && let Some(location) = redirect.headers_mut().remove(header::LOCATION).next()
    {
        redirect.headers_mut().insert(HX_REDIRECT, location);
        *redirect.status_mut() = StatusCode::OK;
    }
    redirect
}

pub(crate) fn method_not_allowed(allow: &'static str) -> HttpResponse {
    builder(StatusCode::METHOD_NOT_ALLOWED).insert_header((header::ALLOW, allow)).finish()
}

/// An error for a program: `{"error": …, "message": …}`.
pub(super) fn error_json(kind: &PageKind, actions: &[Action], reference: Option<&str>) -> HttpResponse {
    let mut builder = builder(kind.status());
    if let Some(after) = kind.retry_after() {
        builder.insert_header(retry_after(after));
    }
    let mut body = json!({ "error": kind.code(), "message": pages::json_message(kind) });
    // One that this crate knows, never an arbitrary text.
    if let PageKind::LoginFailed(LoginFailure::Denied { code: Some(code), .. })
    | PageKind::RequestFailed { salesforce_code: Some(code), .. } = kind
    {
        body["code"] = (*code).into();
    }
    if let PageKind::NotAllowed { refusal, username, .. } = kind {
        body["reason"] = refusal.code().into();
        body["username"] = username.clone().into();
    }
    if let PageKind::OrgLoginRequired(org) | PageKind::FreshLoginRequired { organization: Some(org), .. } =
        kind
    {
        body["organization_id"] = org.as_str().into();
    }
    if let Some(reference) = reference {
        body["reference"] = reference.into();
    }
    let href = |kind: ActionKind| actions.iter().find(|action| action.kind() == kind).map(Action::href);
    for (member, kind) in [
        ("login_url", ActionKind::LogIn),
        ("login_url", ActionKind::OtherUser),
        ("logout_url", ActionKind::LogOut),
        ("add_url", ActionKind::AddOrg),
    ] {
        if let Some(href) = href(kind) {
            body[member] = href.into();
        }
    }
    builder.json(body)
}

/// Whole seconds, at least one.
pub(super) fn retry_after(after: Duration) -> (HeaderName, HeaderValue) {
    (header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)))
}

/// Where htmx sends the browser, in a response that is no redirect (htmx documentation "HX-Redirect Response Header").
pub(super) const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");
pub(super) const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The headers of a request that its response depends on.
#[derive(Debug, Default)]
pub(super) struct RequestHeaders<'a> {
    hx_request: Option<&'a HeaderValue>,
    pub(super) hx_current_url: Option<&'a HeaderValue>,
    sec_fetch_mode: Option<&'a HeaderValue>,
    pub(super) sec_fetch_dest: Option<&'a HeaderValue>,
    accept: Option<&'a HeaderValue>,
    pub(super) accept_language: Option<&'a HeaderValue>,
    pub(super) referer: Option<&'a HeaderValue>,
    pub(super) has_cookies: bool,
}

impl<'a> RequestHeaders<'a> {
    /// Finds them in one pass: the middleware does it for each request, and a look-up of each costs a hash.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let header = match name.as_str() {
                "hx-request" => &mut found.hx_request,
                "hx-current-url" => &mut found.hx_current_url,
                "sec-fetch-mode" => &mut found.sec_fetch_mode,
                "sec-fetch-dest" => &mut found.sec_fetch_dest,
                "accept" => &mut found.accept,
                "accept-language" => &mut found.accept_language,
                "referer" => &mut found.referer,
                "cookie" => {
                    found.has_cookies = true;
                    continue;
                }
                _ => continue,
            };
            // Of several values the first counts.
            header.get_or_insert(value);
        }
        found
    }

    /// Reads fetch metadata first (browsers send it, scripts cannot forge it), then `Accept`. The method is irrelevant:
    /// a user who sends a form sees the response in a window, too.
    pub(super) fn format(&self) -> ResponseFormat {
        let text = |value: Option<&'a HeaderValue>| value.and_then(|value| value.to_str().ok());
        if text(self.hx_request) == Some("true") {
            return ResponseFormat::Htmx;
        }
        match (text(self.sec_fetch_mode), text(self.sec_fetch_dest)) {
            (Some("navigate"), None | Some("document" | "iframe" | "frame" | "embed" | "object")) => {
                ResponseFormat::Navigation
            }
            (Some(_), _) => ResponseFormat::Json,
            (None, _) if text(self.accept).is_some_and(|accept| accept.contains("text/html")) => {
                ResponseFormat::Navigation
            }
            (None, _) => ResponseFormat::Json,
        }
    }
}

/// What kind of response the client of a request can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseFormat {
    /// A browser window: pages and redirects.
    Navigation,
    /// htmx: it follows `HX-Redirect`, not a redirect.
    Htmx,
    /// A script or a program: status and JSON, no redirect.
    Json,
}

impl ResponseFormat {
    /// Returns the format for a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        RequestHeaders::of(headers).format()
    }
}

/// Whether a browser loads the page only in case the user wants it later. Such a request must not start anything.
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

    fn format(headers: &[(&str, &str)]) -> ResponseFormat {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        ResponseFormat::of(&map)
    }

    #[test]
    fn a_navigation_is_distinguished_from_requests_of_scripts_and_programs() {
        use ResponseFormat::*;
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
            assert_eq!(format(&headers), expected, "{headers:?}");
        }
    }
}
