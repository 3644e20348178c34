//! An app's own session with `SameSite=Strict`: its cookie does not come with a redirect from Salesforce.
//!
//! The callback renews the session. Without the cookie it would see an empty one and replace the app's session by it. So
//! it first sends the browser to itself by a page of this origin, before the code is used: that request is same-site,
//! and each cookie comes with it.

use actix_session::SessionExt as _;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::ContentType},
};

use super::query::Query;
use crate::{
    config::{SessionMode, Settings},
    web::{origin::is_cross_site, response},
};

/// Marks a callback that comes from this page.
const MARK: &str = "same_site";

/// Returns the page that sends the browser to the callback once more, if the app's session may not have come.
///
/// Which cookie the app's session has is not known here. An empty session in a request from another site is the sign.
pub(super) fn come_again(settings: &Settings, request: &HttpRequest, query: &Query) -> Option<HttpResponse> {
    let is_empty = settings.session == SessionMode::App && request.get_session().entries().is_empty();
    if !is_cross_site(request.headers()) || !is_empty {
        return None;
    }
    if has_come_again(query) {
        tracing::debug!(
            "the app's session did not come with the callback and is replaced by an empty one. If it exists, its cookie \
             is kept back: use SameSite=Lax"
        );
        return None;
    }
    Some(again(query))
}

/// Returns whether a callback comes from the page of [`again`].
pub(super) fn has_come_again(query: &Query) -> bool {
    query.first(MARK).is_some()
}

/// Returns a page that sends the browser to the callback once more, from this site.
pub(super) fn again(query: &Query) -> HttpResponse {
    let again = query.encode_again(&["code", "state", "iss"]).append_pair(MARK, "1").finish();
    // Percent-encoded, so that nothing in it can end the attribute.
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" \
         content=\"0;url=?{}\"><title>Logging in</title></head><body></body></html>",
        again.replace('&', "&amp;")
    );
    response::builder(StatusCode::OK).content_type(ContentType::html()).body(html)
}
