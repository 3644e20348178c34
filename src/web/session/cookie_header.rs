//! Cookies as the browser sent them: the raw `Cookie` header.
//!
//! actix-web's cookie parser decodes percent escapes and trims Unicode white space in *names*: a cookie called
//! `%5F%5FHost-x`, which a sibling subdomain can plant, then passes for `__Host-x`, and the prefix protects nothing.
//! It also gives up at the first byte that is not UTF-8, so that one cookie of another port or subdomain hides all
//! others. Here names are compared byte for byte, a name that comes twice counts as missing, and an unreadable cookie
//! hides only itself.

use std::{borrow::Cow, iter};

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use memchr::memchr;

/// Returns every `name=value` of all `Cookie` headers, as the bytes that came.
pub(crate) fn all(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(header::COOKIE).flat_map(|value| pairs(value.as_bytes()))
}

fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = Some(header);
    iter::from_fn(move || {
        loop {
            let pair = rest?;
            let end = memchr(b';', pair);
            rest = end.map(|end| &pair[end + 1..]);
            let pair = pair[..end.unwrap_or(pair.len())].trim_ascii();
            if let Some(equals) = memchr(b'=', pair) {
                return Some((&pair[..equals], &pair[equals + 1..]));
            }
        }
    })
}

/// Returns the value of the one cookie with exactly this name; `None` if it is missing, sent twice or not UTF-8.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = all(headers).filter(|(key, _)| *key == name.as_bytes());
    let (_, value) = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Removes what a lenient parser must not see: cookies that are not UTF-8, look-alikes of the cookie `name`, and the
/// cookie itself if it came more than once. Returns whether there is a cookie of this name afterwards.
pub(crate) fn clean(headers: &mut HeaderMap, name: &str) -> bool {
    let is_suspicious = |value: &[u8]| !value.is_ascii() || memchr(b'%', value).is_some();
    let odd = headers.get_all(header::COOKIE).any(|value| is_suspicious(value.as_bytes()));
    let (mut exact, mut is_padded) = (0, false);
    for (key, _) in all(headers) {
        exact += usize::from(key == name.as_bytes());
        // `pairs` trims the ends of a pair, not the blank before `=`.
        is_padded |= key.last().is_some_and(u8::is_ascii_whitespace);
    }
    if exact <= 1 && !odd && !is_padded {
        return exact == 1;
    }
    let is_good = |(key, value): &(&[u8], &[u8])| {
        let is_readable = std::str::from_utf8(key).is_ok() && std::str::from_utf8(value).is_ok();
        is_readable && !is_lookalike(key, name) && (exact <= 1 || *key != name.as_bytes())
    };
    // A piece without `=` is no cookie to any parser. It has to go only if its bytes would hide the others.
    let all_utf8 = headers.get_all(header::COOKIE).all(|value| std::str::from_utf8(value.as_bytes()).is_ok());
    if all_utf8 && all(headers).all(|pair| is_good(&pair)) {
        return exact == 1;
    }
    let good = all(headers).filter(is_good).map(|(key, value)| [key, b"=", value].concat());
    let good = good.collect::<Vec<_>>().join(&b"; "[..]);
    headers.remove(header::COOKIE);
    if let Ok(good) = HeaderValue::from_bytes(&good)
        && !good.is_empty()
    {
        headers.insert(header::COOKIE, good);
    }
    all(headers).any(|(key, _)| key == name.as_bytes())
}

/// Removes the cookie `name`.
pub(crate) fn remove(headers: &mut HeaderMap, name: &str) {
    let others = all(headers).filter(|(key, _)| *key != name.as_bytes());
    let others = others.map(|(key, value)| [key, b"=", value].concat()).collect::<Vec<_>>().join(&b"; "[..]);
    headers.remove(header::COOKIE);
    if let Ok(others) = HeaderValue::from_bytes(&others)
        && !others.is_empty()
    {
        headers.insert(header::COOKIE, others);
    }
}

/// Replaces the cookie `name` by the cookie `new_name` with this value.
pub(crate) fn replace(headers: &mut HeaderMap, name: &str, new_name: &str, value: &str) {
    let changed = all(headers)
        .map(|(key, old)| {
            let is_it = key == name.as_bytes();
            let (key, value) = if is_it { (new_name.as_bytes(), value.as_bytes()) } else { (key, old) };
            [key, b"=", value].concat()
        })
        .collect::<Vec<_>>()
        .join(&b"; "[..]);
    if let Ok(changed) = HeaderValue::from_bytes(&changed) {
        headers.insert(header::COOKIE, changed);
    }
}

/// Returns whether a lenient parser takes `key` for `name` although it differs.
fn is_lookalike(key: &[u8], name: &str) -> bool {
    if key == name.as_bytes() {
        return false;
    }
    let decoded = percent_decode(key);
    String::from_utf8_lossy(&decoded).trim() == name || String::from_utf8_lossy(key).trim() == name
}

/// Decodes percent escapes once.
pub(crate) fn percent_decode(bytes: &[u8]) -> Cow<'_, [u8]> {
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
        let is_there = clean(&mut headers, "__Host-sid");
        assert_eq!(is_there, all(&headers).any(|(key, _)| key == b"__Host-sid"));
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
        for planted in [
            "__Host-sid ",
            "__Host-sid\t",
            "%5F%5FHost-sid",
            "__%48ost-sid",
            "\u{a0}__Host-sid",
            "\u{2000}__Host-sid",
            "%5f_Host-sid%20",
        ] {
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
    fn an_unreadable_cookie_hides_only_itself() {
        for (cookie, kept) in [
            (&b"a=\xff; __Host-sid=good"[..], &b"__Host-sid=good"[..]),
            (b"__Host-sid=good; \xc3=1; b=2", b"__Host-sid=good; b=2"),
            (b"\xff; __Host-sid=good", b"__Host-sid=good"),
            (b"__Host-sid=\xff", b""),
            ("a=\u{e4}; __Host-sid=good".as_bytes(), "a=\u{e4}; __Host-sid=good".as_bytes()),
        ] {
            assert_eq!(left(cookie), kept, "{cookie:?}");
            let is_sent = kept.windows(4).any(|bytes| bytes == b"good");
            assert_eq!(only(&headers(cookie), "__Host-sid"), is_sent.then_some("good"), "{cookie:?}");
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
