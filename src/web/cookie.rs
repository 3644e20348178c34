//! Cookies, read from the raw `Cookie` header and written with fixed attributes.
//!
//! actix-web's cookie parser decodes percent escapes and trims Unicode white space in *names*: a cookie called
//! `%5F%5FHost-x`, which a sibling subdomain can plant, then passes for `__Host-x`, and the prefix protects nothing.
//! So names are compared byte for byte here, and a name that comes twice counts as none.

use std::borrow::Cow;

use actix_web::{
    cookie::{Cookie, SameSite, time},
    http::header::{self, HeaderMap, HeaderValue},
};

use crate::config::Settings;

/// The name of a cookie of ours: with the `__Host-` prefix where the public URL is https, without on http loopback
/// (where some browsers drop such cookies).
pub(crate) fn name(settings: &Settings, name: &str) -> String {
    if settings.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

/// A cookie with the attributes that all of ours have.
pub(crate) fn make(
    settings: &Settings,
    name: String,
    value: String,
    lifetime: time::Duration,
) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(settings.is_https())
        .max_age(lifetime)
        .finish()
}

/// The cookie that removes `name`, with the same attributes.
pub(crate) fn removal(settings: &Settings, name: String) -> Cookie<'static> {
    make(settings, name, String::new(), time::Duration::ZERO)
}

/// Every `name=value` of all `Cookie` headers, as the bytes that came.
pub(crate) fn all(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(header::COOKIE).flat_map(|value| pairs(value.as_bytes()))
}

fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|byte| *byte == b';').filter_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((&pair[..equals], &pair[equals + 1..]))
    })
}

/// The value of the one cookie with exactly this name; `None` when there is none, or more than one.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = all(headers).filter(|(key, _)| *key == name.as_bytes());
    let (_, value) = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Takes look-alikes of the cookie `name` out of the request before a lenient parser sees them, and the cookie
/// itself too when it comes more than once.
pub(crate) fn drop_lookalikes(headers: &mut HeaderMap, name: &str) {
    let suspicious = |byte: &u8| *byte == b'%' || !byte.is_ascii();
    let exact = all(headers).filter(|(key, _)| *key == name.as_bytes()).count();
    let odd = headers.get_all(header::COOKIE).any(|value| value.as_bytes().iter().any(suspicious));
    if exact <= 1 && !(odd && all(headers).any(|(key, _)| is_lookalike(key, name))) {
        return;
    }
    let kept = all(headers)
        .filter(|(key, _)| !is_lookalike(key, name) && (exact <= 1 || *key != name.as_bytes()))
        .map(|(key, value)| [key, b"=", value].concat())
        .collect::<Vec<_>>()
        .join(&b"; "[..]);
    headers.remove(header::COOKIE);
    if let Ok(kept) = HeaderValue::from_bytes(&kept)
        && !kept.is_empty()
    {
        headers.insert(header::COOKIE, kept);
    }
}

/// Puts `value` in place of the value of the one cookie `name`.
pub(crate) fn replace(headers: &mut HeaderMap, name: &str, value: &str) {
    let changed = all(headers)
        .map(|(key, old)| {
            let value = if key == name.as_bytes() { value.as_bytes() } else { old };
            [key, b"=", value].concat()
        })
        .collect::<Vec<_>>()
        .join(&b"; "[..]);
    if let Ok(changed) = HeaderValue::from_bytes(&changed) {
        headers.insert(header::COOKIE, changed);
    }
}

/// Whether `key` is not `name` but a lenient parser takes it for it.
fn is_lookalike(key: &[u8], name: &str) -> bool {
    if key == name.as_bytes() {
        return false;
    }
    let decoded = percent_decode(key);
    String::from_utf8_lossy(&decoded).trim() == name || String::from_utf8_lossy(key).trim() == name
}

fn percent_decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let hex =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        match (first, hex(tail.first()), hex(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_bytes(cookie).unwrap());
        headers
    }

    fn left(cookie: &[u8]) -> Vec<u8> {
        let mut headers = headers(cookie);
        drop_lookalikes(&mut headers, "__Host-sid");
        headers.get(header::COOKIE).map(|value| value.as_bytes().to_vec()).unwrap_or_default()
    }

    #[test]
    fn only_the_exact_name_counts_and_only_once() {
        assert_eq!(only(&headers(b"a=1; __Host-sid=x; b=2"), "__Host-sid"), Some("x"));
        assert_eq!(only(&headers(b"__Host-sid=x; __Host-sid=y"), "__Host-sid"), None);
        assert_eq!(only(&headers(b"%5F%5FHost-sid=x"), "__Host-sid"), None);
        let mut two = headers(b"__Host-sid=x");
        two.append(header::COOKIE, HeaderValue::from_static("__Host-sid=y"));
        assert_eq!(only(&two, "__Host-sid"), None);
    }

    #[test]
    fn a_planted_lookalike_never_reaches_the_session() {
        for planted in
            ["%5F%5FHost-sid", "__%48ost-sid", "\u{a0}__Host-sid", "\u{2000}__Host-sid", "%5f_Host-sid%20"]
        {
            for (cookie, kept) in [
                (format!("{planted}=evil; a=1"), "a=1"),
                (format!("{planted}=evil; __Host-sid=good"), "__Host-sid=good"),
                (format!("__Host-sid=good; {planted}=evil"), "__Host-sid=good"),
            ] {
                assert_eq!(left(cookie.as_bytes()), kept.as_bytes(), "{cookie}");
            }
        }
    }

    #[test]
    fn a_doubled_session_cookie_counts_as_none() {
        assert_eq!(left(b"__Host-sid=a; x=1; __Host-sid=b"), b"x=1");
        assert_eq!(
            left(b"__Host-sid=a; x=%20"),
            b"__Host-sid=a; x=%20",
            "an ordinary header is left as it is"
        );
    }
}
