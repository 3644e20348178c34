//! The private parsers of this crate, for the fuzz targets. Exempt from semantic versioning.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use url::Url;

use crate::{config::ReturnTo, web::session::cookie_header};

/// Returns the value of the `Location` header for a return target in a request, if it is accepted.
pub fn return_target(public_url: &Url, text: &str) -> Option<String> {
    ReturnTo::of_request(public_url, text).map(|target| target.location().to_owned())
}

/// Returns the value of the cookie `name`, and the `Cookie` header that other parsers see instead of this one.
pub fn cookies(header: &[u8], name: &str) -> Option<(Option<String>, Vec<u8>)> {
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_bytes(header).ok()?);
    let value = cookie_header::only(&headers, name).map(str::to_owned);
    cookie_header::clean(&mut headers, name);
    let cleaned = headers.get(header::COOKIE).map(|value| value.as_bytes().to_vec());
    Some((value, cleaned.unwrap_or_default()))
}
