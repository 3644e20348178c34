//! [`ResourcePath`]: the path of a request, which can never leave the instance of the access token.

mod cursor;
mod log_name;

use std::fmt;

use url::{Url, form_urlencoded};

pub use self::cursor::Cursor;
use self::log_name::LogName;
use crate::version::ApiVersion;

/// Why a path or a URL is invalid. Never contains the text itself.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// A character that a URL cannot contain, or an invalid percent-encoding.
    #[error("invalid path: it has a character that must be percent-encoded, or an invalid percent-encoding")]
    Character,
    /// An empty segment, a dot segment (`.` or `..`) or a control character, also in encoded form.
    ///
    /// A server could read such a path as another one.
    #[error("invalid path: it has an empty segment, a dot segment or an encoded control character")]
    Segment,
    /// A URL outside of the org's instance, to which the token must not be sent.
    #[error("invalid URL: it is not on this org's instance")]
    Origin,
    /// A path without a slash at its start.
    #[error("invalid path: it must begin with a slash")]
    Relative,
    /// An external id value that a path cannot contain: empty, a dot segment, or with control characters.
    #[error(
        "invalid external id value: a path cannot contain an empty value, `.`, `..` or control characters"
    )]
    Value,
}

crate::debug::debug_as_display!(InvalidPath);

/// A checked absolute path on the instance, with its query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ResourcePath {
    path: String,
    query: String,
    /// Whether the program gave a resource only, and the version comes from the connection.
    is_versioned: bool,
}

impl ResourcePath {
    /// Returns the path of a REST API resource: `sobjects/Account` becomes `/services/data/v66.0/sobjects/Account`.
    pub(crate) fn versioned(version: ApiVersion, resource: &str) -> Result<Self, InvalidPath> {
        let path = Self::checked(&format!("/services/data/v{version}/{resource}"))?;
        Ok(Self { is_versioned: true, ..path })
    }

    /// Parses a URL of the instance, a path of the instance, or a resource of the REST API.
    ///
    /// A path begins with a slash; a resource does not.
    pub(crate) fn parse(text: &str, version: ApiVersion, instance: &Url) -> Result<Self, InvalidPath> {
        let is_url =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        if is_url("https://") || is_url("http://") {
            // Before parsing, because the parser reads `\\` as `/`, drops tabs and resolves dot segments.
            check_characters(text, b"/?")?;
            let url = Url::parse(text).map_err(|_| InvalidPath::Character)?;
            let has_user = !url.username().is_empty() || url.password().is_some();
            if url.origin() != instance.origin() || has_user {
                return Err(InvalidPath::Origin);
            }
            let after_scheme = text.split_once("//").map_or("", |(_, rest)| rest);
            let host_end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
            if host_end == 0 {
                return Err(InvalidPath::Origin);
            }
            // The text, not the parsed path, which is normalized.
            let path = &after_scheme[host_end..];
            let path = below(instance, path).unwrap_or(path);
            if path.starts_with('/') { Self::checked(path) } else { Self::checked(&format!("/{path}")) }
        } else if text.starts_with('/') {
            // With or without the path of the instance.
            Self::checked(below(instance, text).unwrap_or(text))
        } else {
            Self::versioned(version, text)
        }
    }

    fn checked(text: &str) -> Result<Self, InvalidPath> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        check_characters(path, b"/")?;
        check_characters(query, b"/?")?;
        let segments = path.strip_prefix('/').ok_or(InvalidPath::Segment)?;
        // The root and a trailing slash are valid.
        let segments = segments.strip_suffix('/').unwrap_or(segments);
        if !segments.is_empty() {
            segments.split('/').try_for_each(check_segment)?;
        }
        Ok(Self { path: path.to_owned(), query: query.to_owned(), is_versioned: false })
    }

    pub(crate) fn is_versioned(&self) -> bool {
        self.is_versioned
    }

    /// Returns the path with another version, if the program did not give one itself.
    pub(crate) fn in_version(mut self, version: ApiVersion) -> Self {
        let resource = self.path.strip_prefix("/services/data/v").and_then(|rest| rest.split_once('/'));
        if let Some((_, resource)) = resource.filter(|_| self.is_versioned) {
            self.path = format!("/services/data/v{version}/{resource}");
        }
        self
    }

    /// Adds a parameter to the query, percent-encoded.
    pub(crate) fn push_query(&mut self, name: &str, value: &str) {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.query.push('=');
        self.query.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }

    /// Returns the URL on `instance`, APIs below its path. Fails if the URL differs from the checked path.
    pub(crate) fn on(&self, instance: &Url) -> Result<Url, InvalidPath> {
        let mut url = instance.clone();
        // An Experience Cloud site may have a path: `https://acme.my.site.com/portal`.
        let site = if self.begins_with("/services/") { path_of(instance) } else { "" };
        let path = format!("{site}{}", self.path);
        url.set_path(&path);
        url.set_query((!self.query.is_empty()).then_some(&self.query));
        url.set_fragment(None);
        if url.origin() == instance.origin() && url.path() == path {
            Ok(url)
        } else {
            Err(InvalidPath::Segment)
        }
    }

    /// Returns whether the path is that of an Apex REST class, which may respond with anything.
    pub(crate) fn is_apex_rest(&self) -> bool {
        self.begins_with("/services/apexrest/")
    }

    /// Returns whether Salesforce itself responds with data: its REST API, or the user's identity.
    pub(crate) fn is_data(&self) -> bool {
        self.begins_with("/services/data/") || self.begins_with("/id/")
    }

    /// Returns the number of the API version in the path: 66 for `/services/data/v66.0/…`.
    pub(crate) fn version(&self) -> Option<u16> {
        let mut segments = self.path.split('/').skip(3);
        let version = segments.next().filter(|_| self.begins_with("/services/data/"))?;
        version.strip_prefix('v')?.strip_suffix(".0")?.parse().ok()
    }

    /// Returns whether the path is that of an API, which redirects no request as long as it serves the org.
    pub(crate) fn is_service(&self) -> bool {
        self.begins_with("/services/") || self.is_data()
    }

    /// Returns whether the response may be a file, whose content is the user's: `sobjects/Attachment/{id}/Body`.
    pub(crate) fn may_be_file(&self) -> bool {
        let mut segments = self.path.split('/').skip(4);
        match segments.next() {
            Some("sobjects") => segments.count() >= 3,
            Some("connect") => true,
            _ => false,
        }
    }

    fn begins_with(&self, start: &str) -> bool {
        self.path.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
    }

    /// Returns whether this path begins with `other`, which ends with a slash.
    #[cfg(feature = "bulk")]
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        self.path.starts_with(&other.path)
    }

    /// Returns the path for logs: Salesforce's words and names of objects, and `{}` for all values. Omits the query.
    pub(crate) fn log_name(&self) -> LogName<'_> {
        LogName(&self.path)
    }

    /// Returns the length of the query in bytes, percent-encoded.
    pub(crate) fn query_bytes(&self) -> usize {
        self.query.len()
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

/// Returns the path of an instance without a slash at its end: empty for almost all of them.
fn path_of(instance: &Url) -> &str {
    instance.path().trim_end_matches('/')
}

/// Returns the rest of a path below the path of an instance, if it is that of an API.
fn below<'a>(instance: &Url, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(path_of(instance))?;
    rest.starts_with("/services/").then_some(rest)
}

/// Checks for the characters of a segment (RFC 3986 section 3.3), percent-encodings, and `extra`.
fn check_characters(text: &str, extra: &[u8]) -> Result<(), InvalidPath> {
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let Some((digits, after)) = after.split_at_checked(2) else { return Err(InvalidPath::Character) };
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(InvalidPath::Character);
            }
            rest = after;
        } else if !byte.is_ascii_alphanumeric()
            && !b"-._~!$&'()*+,;=:@".contains(&byte)
            && !extra.contains(&byte)
        {
            return Err(InvalidPath::Character);
        }
    }
    Ok(())
}

/// Rejects a segment that a server could read as several or as none. Checks its decoded form.
fn check_segment(segment: &str) -> Result<(), InvalidPath> {
    let decoded = decode(segment);
    let is_valid = !decoded.is_empty()
        && !decoded.iter().any(u8::is_ascii_control)
        && !decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| matches!(part, b"." | b".."));
    if is_valid { Ok(()) } else { Err(InvalidPath::Segment) }
}

fn decode(segment: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

/// Returns a value as one percent-encoded segment of a path.
///
/// Control characters and dot segments, also next to a slash, have no safe form and are rejected. A value that ends like a
/// file name (`.json`, `.inc`) is truncated by Salesforce and not found.
pub(crate) fn segment(value: &str) -> Result<String, InvalidPath> {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            const HEX: [char; 16] =
                ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
            encoded.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    check_segment(&encoded).map_err(|_| InvalidPath::Value)?;
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::text::any_text;

    fn instance() -> Url {
        Url::parse("https://acme.my.salesforce.com").unwrap()
    }

    fn url(text: &str) -> Result<String, InvalidPath> {
        let path = ResourcePath::parse(text, ApiVersion::CURRENT, &instance())?;
        path.on(&instance()).map(Into::into)
    }

    #[test]
    fn resources_paths_and_urls_of_the_instance_are_accepted() {
        for (text, expected) in [
            ("limits", "https://acme.my.salesforce.com/services/data/v66.0/limits"),
            ("query/?q=SELECT+Id", "https://acme.my.salesforce.com/services/data/v66.0/query/?q=SELECT+Id"),
            ("@evil.example", "https://acme.my.salesforce.com/services/data/v66.0/@evil.example"),
            ("/services/apexrest/acme/v1", "https://acme.my.salesforce.com/services/apexrest/acme/v1"),
            ("/services/data/", "https://acme.my.salesforce.com/services/data/"),
            (
                "sobjects/A/Ext__c/a%2Fb",
                "https://acme.my.salesforce.com/services/data/v66.0/sobjects/A/Ext__c/a%2Fb",
            ),
            ("HTTPS://ACME.my.salesforce.com/x?y=/z", "https://acme.my.salesforce.com/x?y=/z"),
            ("https://acme.my.salesforce.com:443/x", "https://acme.my.salesforce.com/x"),
            ("https://acme.my.salesforce.com?x=y", "https://acme.my.salesforce.com/?x=y"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_path_of_an_instance_is_kept() {
        for site in ["https://acme.my.site.com/portal", "https://acme.my.site.com/portal/"] {
            let site = Url::parse(site).unwrap();
            let url = |text: &str| {
                let path = ResourcePath::parse(text, ApiVersion::CURRENT, &site)?;
                path.on(&site).map(String::from)
            };
            for (text, expected) in [
                ("limits", "/portal/services/data/v66.0/limits"),
                ("/services/apexrest/x?y=z", "/portal/services/apexrest/x?y=z"),
                ("/portal/services/apexrest/x?y=z", "/portal/services/apexrest/x?y=z"),
                ("https://acme.my.site.com/portal/services/data/", "/portal/services/data/"),
                ("https://acme.my.site.com/portal?x=y", "/portal?x=y"),
                ("/portal/apex/page", "/portal/apex/page"),
                ("/id/00D/005", "/id/00D/005"),
                ("/portals/x", "/portals/x"),
            ] {
                assert_eq!(url(text), Ok(format!("https://acme.my.site.com{expected}")), "{text}");
            }
            for text in ["https://acme.my.site.com.evil.example/x", "/portal/../x"] {
                assert!(url(text).is_err(), "{text}");
            }
            for next in [
                "/services/data/v66.0/query/01gD0000002HU6KIAW-2000",
                "/portal/services/data/v66.0/query/01gD0000002HU6KIAW-2000",
            ] {
                let path = next.parse::<Cursor>().unwrap().into_path();
                let expected =
                    "https://acme.my.site.com/portal/services/data/v66.0/query/01gD0000002HU6KIAW-2000";
                assert_eq!(path.on(&site).unwrap().as_str(), expected);
            }
        }
    }

    #[test]
    fn unsafe_paths_and_foreign_urls_are_rejected() {
        for text in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "..",
            "../x",
            "sobjects/../../x",
            "/services/.",
            "a/%2e%2E/b",
            "a/.%2e",
            "a/..%2f..",
            "a/..%5cb",
            "a//b",
            "/a//",
            "a\r\nX: y",
            "a%0d%0aX: y",
            "a%00",
            "a b",
            "a#b",
            "ä",
            "a%",
            "a%2",
            "a%zz",
            "",
            "https://evil.example/x",
            "http://acme.my.salesforce.com/x",
            "https://acme.my.salesforce.com.evil.example/",
            "https://acme.my.salesforce.com@evil.example/",
            "https://u@acme.my.salesforce.com/x",
            "https://acme.my.salesforce.com:8443/x",
            "https://",
            "https:///x",
            "https://acme.my.salesforce.com/a/../b",
            "https://acme.my.salesforce.com\\x",
            "https://acme.my.salesforce.com\t/x",
            "https:///acme.my.salesforce.com/x",
        ] {
            if text.is_empty() {
                // The root of the versioned API.
                assert!(url(text).is_ok());
            } else {
                assert!(url(text).is_err(), "{text:?} gave {:?}", url(text));
            }
        }
    }

    proptest! {
        #[test]
        fn an_external_id_stays_one_segment_and_decodes_to_the_same_value(value in any_text()) {
            if let Ok(encoded) = segment(&value) {
                let path = format!("sobjects/Account/Ext__c/{encoded}");
                let path = ResourcePath::parse(&path, ApiVersion::CURRENT, &instance()).unwrap();
                let url = path.on(&instance()).unwrap();
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 7);
                prop_assert_eq!(decode(segments[6]), value.as_bytes());
                prop_assert_eq!((url.query(), url.fragment()), (None, None));
            } else {
                let is_dots = value.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
                prop_assert!(value.is_empty() || is_dots || value.contains(|c: char| c.is_ascii_control()));
            }
        }

        /// Ids and names are not encoded, so that each must be one segment.
        #[test]
        fn an_id_or_a_name_is_one_segment(text in prop_oneof![any_text(), "[0-9A-Za-z]{15}", "[0-9A-Za-z_./%]{1,18}", "[A-Z][a-z]{0,5}(__[a-z]{1,2})?"]) {
            let id = text.parse::<crate::id::SalesforceId>().map(|id| id.to_string());
            let name = text.parse::<crate::name::ObjectName>().map(|name| name.to_string());
            for one in [id.ok(), name.ok()].into_iter().flatten() {
                prop_assert_eq!(segment(&one).unwrap(), one.clone(), "no character needs an encoding");
                let path = ResourcePath::versioned(ApiVersion::CURRENT, &format!("sobjects/{one}/x")).unwrap();
                let url = path.on(&instance()).unwrap();
                prop_assert_eq!(url.path_segments().unwrap().collect::<Vec<_>>()[4..].to_vec(), [&one, "x"]);
            }
        }

        #[test]
        fn a_query_parameter_stays_one_parameter(name in any_text(), value in any_text()) {
            let mut path = ResourcePath::versioned(ApiVersion::CURRENT, "query").unwrap();
            path.push_query("q", &value);
            path.push_query(&name, "x");
            let url = path.on(&instance()).unwrap();
            let pairs: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            prop_assert_eq!(pairs, [("q".to_owned(), value), (name, "x".to_owned())]);
            prop_assert_eq!(url.fragment(), None);
        }

        #[test]
        fn an_accepted_path_stays_on_the_instance(text in prop_oneof![any_text(), "[a-z./\\\\%2e@:?#]{0,24}"]) {
            if let Ok(url) = url(&text) {
                prop_assert!(url.starts_with("https://acme.my.salesforce.com/"));
                prop_assert!(!url.contains("/../"));
            }
        }
    }
}
