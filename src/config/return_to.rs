//! Return targets: where a browser goes after login or logout. Always a path of this app.
//!
//! A small grammar decides on the raw bytes which targets are allowed. URL parsers come second, because they differ
//! from browsers and from each other in how they read `/\`, `//`, control characters and dot segments. A target has to
//! pass both; otherwise the caller uses its default page.

use std::fmt;

use url::Url;

/// Largest target in bytes, after percent-encoding. Sealed with the rest of a pending login it has to fit into a
/// cookie, for which browsers allow 4096 bytes (RFC 6265 section 6.1).
const MAX_BYTES: usize = 2048;

/// A same-origin absolute path with an optional query, ready to be emitted: ASCII, percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

impl ReturnTo {
    /// Returns the target in `text`, which is decoded once from its form or query encoding. `None` if it could lead to
    /// another origin.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.first() != Some(&b'/') || bytes.len() > MAX_BYTES {
            return None;
        }
        // `//host` and `/\host` are other origins to a browser; tabs and line breaks vanish before it looks.
        if matches!(bytes.get(1), Some(b'/' | b'\\'))
            || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return None;
        }
        let path = text.split(['?', '#']).next().unwrap_or_default();
        if path.contains('\\') || path.contains("//") || path.split('/').any(is_dot_segment) {
            return None;
        }
        let target = Self(encode(text));
        (target.0.len() <= MAX_BYTES && target.stays_on_origin()).then_some(target)
    }

    /// Returns the value of a `Location` header. Checks the target again, because it may come from a cookie.
    pub(crate) fn location(&self) -> &str {
        match Self::parse(&self.0) {
            Some(_) => &self.0,
            None => "/",
        }
    }

    /// Returns the path without the query.
    pub(crate) fn path(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a URL parser, too, resolves the target to the origin it is relative to.
    fn stays_on_origin(&self) -> bool {
        let Ok(base) = Url::parse("https://app.invalid/") else { return false };
        base.join(&self.0).is_ok_and(|url| url.origin() == base.origin() && !url.path().starts_with("//"))
    }
}

impl fmt::Debug for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// `.` and `..` in any spelling that a URL parser resolves.
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Percent-encodes characters that a `Location` header cannot hold. Existing escapes stay.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^') {
            encoded.push(char::from(byte));
        } else {
            use fmt::Write as _;
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_app_is_allowed() {
        for (text, emitted) in [
            ("/", "/"),
            ("/records?x=1", "/records?x=1"),
            ("/records?next=//evil.example/", "/records?next=//evil.example/"),
            ("/@user/profile", "/@user/profile"),
            ("/%2f%2fevil.example", "/%2f%2fevil.example"),
            ("/%5cevil.example", "/%5cevil.example"),
            ("/münchen?q=ä#top", "/m%C3%BCnchen?q=%C3%A4#top"),
            ("/\u{ff0f}evil.example", "/%EF%BC%8Fevil.example"),
            ("/q?filter={\"a\":1}", "/q?filter=%7B%22a%22:1%7D"),
        ] {
            assert_eq!(
                ReturnTo::parse(text).map(|target| target.location().to_owned()),
                Some(emitted.to_owned())
            );
        }
    }

    #[test]
    fn a_target_that_could_lead_to_another_origin_is_rejected() {
        for text in [
            "",
            "records",
            "?code=a",
            "@evil.example",
            ".evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\\/evil.example",
            "//app.example@evil.example/",
            "//",
            "/\t/evil.example",
            "/\t\\evil.example",
            "\t//evil.example",
            "/\n/evil.example",
            " //evil.example",
            "\u{1}//evil.example",
            "java\tscript:alert(1)",
            "/a\r\nSet-Cookie: injected=1",
            "/\0/evil.example",
            "/ /evil.example",
            "\u{a0}//evil.example",
            "https://evil.example/",
            "https:/evil.example",
            "https:evil.example",
            "http:/\\evil.example",
            "javascript:alert(document.domain)",
            "data:text/html,x",
            "%2f%2fevil.example",
            "/..//evil.example",
            "/.//evil.example",
            "/%2e%2e//evil.example",
            "/./\\evil.example",
            "/a/../b",
            "/a\\b",
            "/a//b",
            "/\u{85}x",
            "/\u{2028}x",
            "/\u{7f}",
        ] {
            assert_eq!(ReturnTo::parse(text), None, "{text:?}");
        }
        assert_eq!(ReturnTo::parse(&format!("/{}", "a".repeat(MAX_BYTES))), None);
        assert_eq!(ReturnTo::parse(&format!("/{}", "ä".repeat(1000))), None, "too long once it is encoded");
    }

    proptest::proptest! {
        #[test]
        fn an_allowed_target_stays_on_the_origin_and_is_allowed_again(text in "(?s)[/\\\\.%a-z2eEfF@:?#\t\n \u{a0}]{0,24}") {
            if let Some(target) = ReturnTo::parse(&text) {
                let base = Url::parse("https://app.example/auth/callback").unwrap();
                let landed = base.join(target.location()).unwrap();
                proptest::prop_assert_eq!(landed.origin(), base.origin());
                proptest::prop_assert!(!landed.path().starts_with("//"));
                proptest::prop_assert_eq!(ReturnTo::parse(target.as_str()), Some(target.clone()));
            }
        }
    }
}
