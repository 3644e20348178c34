//! Where a request comes from: a page of this app, or of another origin or site.

use actix_web::http::header::{self, HeaderMap, HeaderName};
use url::Url;

pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request that changes something comes from a page of this app: by `Origin`, else by `Sec-Fetch-Site`.
/// Browsers send at least one of them with every POST; a request with neither is rejected.
///
/// From a page with `Referrer-Policy: no-referrer`, as ours and many apps' are, a form's `Origin` is `null` (Fetch
/// standard, "append a request Origin header"). `Sec-Fetch-Site` decides then.
pub(crate) fn is_same_origin(public_url: &Url, headers: &HeaderMap) -> bool {
    let by_site = || is_site(headers, "same-origin");
    let mut origins = headers.get_all(header::ORIGIN);
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin == "null" => by_site(),
        (Some(origin), None) => {
            origin.to_str().is_ok_and(|origin| origin == public_url.origin().ascii_serialization())
        }
        (Some(_), Some(_)) => false,
        (None, _) => by_site(),
    }
}

/// Whether a request that changes something comes from a page of another origin.
pub(crate) fn is_cross_origin(public_url: &Url, headers: &HeaderMap) -> bool {
    let comes_from_browser = headers.contains_key(header::ORIGIN) || headers.contains_key(SEC_FETCH_SITE);
    comes_from_browser && !is_same_origin(public_url, headers)
}

/// Whether a page of another site sent a request, as far as the browser says (Fetch Metadata).
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    is_site(headers, "cross-site")
}

fn is_site(headers: &HeaderMap, site: &str) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|sent| sent == site)
}
