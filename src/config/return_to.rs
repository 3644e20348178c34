//! Return targets: where a browser goes after login or logout. Always a path of this app.
//!
//! A target may be written as an absolute URL of the app's own origin: its path counts.
//!
//! A small grammar decides on the raw bytes which targets are allowed. URL parsers come second, because they differ
//! from browsers and from each other in how they read `/\`, `//`, control characters and dot segments. A target has to
//! pass both; otherwise the caller uses its default page.

use std::fmt;

use url::Url;

/// Largest target in bytes, after percent-encoding. Sealed with the rest of a pending login it becomes a cookie of about
/// 1.7 KiB, of which two fit into what proxies accept as a header line (nginx: 8 KiB for all headers of an app) and
/// one into a response head of 4 KiB (nginx: `proxy_buffer_size`).
const MAX_BYTES: usize = 900;

/// A same-origin absolute path with an optional query, ready to be emitted: ASCII, percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

impl ReturnTo {
    /// Returns the target in `text`, which is decoded once from its form or query encoding: a path, or an absolute URL of
    /// `public_url`'s origin. `None` if it could lead to another origin, and a line in the log then.
    pub(crate) fn of_request(public_url: &Url, text: &str) -> Option<Self> {
        let target = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(public_url.scheme()) => {
                Self::below_own_origin(public_url, text, rest)
            }
            _ => Self::parse(text),
        };
        if target.is_none() {
            tracing::debug!("return target rejected: it is no path of this app, or too long");
        }
        target
    }

    /// Returns what stands behind the authority of an absolute URL, if that is this app's own origin in any spelling.
    /// `rest` is the URL without its scheme.
    fn below_own_origin(public_url: &Url, text: &str, rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // Neither user info nor a byte that browsers and parsers read in different ways.
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        let is_plain = !authority.is_empty() && authority.bytes().all(is_known);
        let is_own = is_plain && Url::parse(text).is_ok_and(|url| url.origin() == public_url.origin());
        if !is_own {
            return None;
        }
        if path.starts_with('/') { Self::parse(path) } else { Self::parse(&format!("/{path}")) }
    }

    /// Returns the target in `text`, a path that is decoded once from its form or query encoding. `None` if it could
    /// lead to another origin.
    ///
    /// A target that is too long loses its query.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.as_bytes().first() != Some(&b'/') {
            return None;
        }
        let bytes = text.as_bytes();
        // `//host` and `/\host` are other origins to a browser; tabs and line breaks vanish before it looks.
        if matches!(bytes.get(1), Some(b'/' | b'\\'))
            || text.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' '))
        {
            return None;
        }
        let path = text.split(['?', '#']).next().unwrap_or_default();
        if path.contains('\\') || path.contains("//") || path.split('/').any(is_dot_segment) {
            return None;
        }
        let mut target = Self(encode(text));
        if target.0.len() > MAX_BYTES {
            target = target.without_query();
            tracing::debug!("return target too long: it loses its query");
        }
        (target.0.len() <= MAX_BYTES && target.stays_on_origin()).then_some(target)
    }

    /// Returns the target as browsers see it if a proxy serves the app below the path `public`.
    pub(crate) fn below(&self, public: &str) -> Option<Self> {
        if public.is_empty() { Some(self.clone()) } else { Self::parse(&format!("{public}{}", self.0)) }
    }

    pub(crate) fn has_query(&self) -> bool {
        self.path().len() < self.0.len()
    }

    /// Returns the path alone.
    pub(crate) fn without_query(&self) -> Self {
        Self(self.path().to_owned())
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
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^' | b'\\')
        {
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
            ("/a b?c d", "/a%20b?c%20d"),
            ("/ /evil.example", "/%20/evil.example"),
            ("/q?path=C:\\x", "/q?path=C:%5Cx"),
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
        assert_eq!(ReturnTo::parse(&format!("/{}", "ä".repeat(400))), None, "too long once it is encoded");
    }

    #[test]
    fn a_long_target_loses_its_query() {
        let long = format!("/records?q={}", "a".repeat(MAX_BYTES));
        assert_eq!(ReturnTo::parse(&long).unwrap().as_str(), "/records");
        let encoded = format!("/records?q={}", "ä".repeat(200));
        assert_eq!(ReturnTo::parse(&encoded).unwrap().as_str(), "/records", "too long once it is encoded");
    }

    #[test]
    fn an_absolute_url_of_the_own_origin_is_its_path() {
        let own = Url::parse("https://app.example/").unwrap();
        let parse = |text: &str| ReturnTo::of_request(&own, text).map(|target| target.as_str().to_owned());
        for (text, path) in [
            ("https://app.example", "/"),
            ("https://app.example/", "/"),
            ("https://app.example/a?b#c", "/a?b#c"),
            ("https://app.example:443/a", "/a"),
            ("HTTPS://APP.example/a", "/a"),
            ("https://app.example?x=1", "/?x=1"),
            ("/a", "/a"),
            ("/a?next=https://other.example/", "/a?next=https://other.example/"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(path), "{text}");
        }
        for text in [
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "https://app.example:8443/",
            "https://app.example//evil.example",
            "https://app.example\\evil.example",
            "http://app.example/",
            "https://app.example:444/",
            "https://app.example:443@evil.example/",
            "https:\\\\app.example/",
            "https://app.exam\tple/",
            "https:///app.example/",
            "https://evil.example?https://app.example/",
            "ht\ttps://app.example/",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
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
