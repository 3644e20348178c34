//! Which URL a call goes to: always one of the grant's own instance, and only the one that was checked.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Url, form_urlencoded};

use crate::version::ApiVersion;

/// A path or a URL that is refused. Never contains the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// A character that does not belong in a URL, or a broken percent-encoding.
    #[error("the path has a character that must be percent-encoded")]
    Character,
    /// An empty segment, `.` or `..`, encoded or not: the path would name something else than it seems to.
    #[error("the path has an empty segment, a dot segment or an encoded control character")]
    Segment,
    /// A URL of another origin than the grant's instance. The token goes nowhere else.
    #[error("the URL is not on this organization's instance")]
    Origin,
    /// An external id value that no path can carry.
    #[error("an empty value, `.` and `..` cannot be looked up by external id")]
    Value,
}

/// A path on the instance, with its query: checked, and absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    path: String,
    query: String,
}

impl ResourcePath {
    /// A resource of the REST API: `sobjects/Account` becomes `/services/data/v66.0/sobjects/Account`.
    pub(crate) fn versioned(version: ApiVersion, resource: &str) -> Result<Self, InvalidPath> {
        Self::checked(&format!("/services/data/v{version}/{resource}"))
    }

    /// What a user wrote, in one of three forms: a URL of the instance, a path of the instance (with a leading
    /// slash), or a resource of the REST API (without one).
    pub(crate) fn parse(text: &str, version: ApiVersion, instance: &Url) -> Result<Self, InvalidPath> {
        let is_url =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        if is_url("https://") || is_url("http://") {
            // Before parsing: the parser reads `\\` as `/` and drops tabs, and it folds dot segments away.
            check_characters(text, b"/?")?;
            let url = Url::parse(text).map_err(|_| InvalidPath::Character)?;
            let has_user = !url.username().is_empty() || url.password().is_some();
            if url.origin() != instance.origin() || has_user {
                return Err(InvalidPath::Origin);
            }
            let after_scheme = text.split_once("//").map_or("", |(_, rest)| rest);
            let host_ends = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
            if host_ends == 0 {
                return Err(InvalidPath::Origin);
            }
            let written = &after_scheme[host_ends..];
            if written.starts_with('/') {
                Self::checked(written)
            } else {
                Self::checked(&format!("/{written}"))
            }
        } else if text.starts_with('/') {
            Self::checked(text)
        } else {
            Self::versioned(version, text)
        }
    }

    fn checked(text: &str) -> Result<Self, InvalidPath> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        check_characters(path, b"/")?;
        check_characters(query, b"/?")?;
        let segments = path.strip_prefix('/').ok_or(InvalidPath::Segment)?;
        // A trailing slash is fine, and so is the root.
        let segments = segments.strip_suffix('/').unwrap_or(segments);
        if !segments.is_empty() {
            segments.split('/').try_for_each(check_segment)?;
        }
        Ok(Self { path: path.to_owned(), query: query.to_owned() })
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

    /// The URL to ask. An error when the URL is not exactly what was checked.
    pub(crate) fn on(&self, instance: &Url) -> Result<Url, InvalidPath> {
        let mut url = instance.clone();
        url.set_path(&self.path);
        url.set_query((!self.query.is_empty()).then_some(&self.query));
        url.set_fragment(None);
        if url.origin() == instance.origin() && url.path() == self.path {
            Ok(url)
        } else {
            Err(InvalidPath::Segment)
        }
    }

    /// Whether this path begins with that one, which ends with a slash.
    #[cfg(feature = "bulk")]
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        self.path.starts_with(&other.path)
    }

    /// Which resource this is, for the log: what Salesforce calls it, the name of an object, and `{}` for all that a
    /// caller put in. Never the query.
    pub(crate) fn resource(&self) -> Resource<'_> {
        Resource(&self.path)
    }

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

/// See [`ResourcePath::resource`].
pub(crate) struct Resource<'a>(&'a str);

/// The words of Salesforce's own paths (REST API, Bulk API 2.0 and Apex REST developer guides). What is not among them
/// may be a value.
const WORDS: &[&str] = &[
    "actions",
    "analytics",
    "apexrest",
    "approvals",
    "batch",
    "batches",
    "chatter",
    "compactLayouts",
    "composite",
    "connect",
    "custom",
    "data",
    "deleted",
    "describe",
    "failedResults",
    "graph",
    "id",
    "ingest",
    "jobs",
    "layouts",
    "limits",
    "listviews",
    "oauth2",
    "parameterizedSearch",
    "process",
    "query",
    "queryAll",
    "quickActions",
    "recent",
    "reports",
    "results",
    "rules",
    "search",
    "services",
    "sobjects",
    "standard",
    "successfulResults",
    "tabs",
    "theme",
    "tooling",
    "tree",
    "ui-api",
    "unprocessedrecords",
    "updated",
    "userinfo",
];

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_version =
            |segment: &str| segment.strip_prefix('v').is_some_and(|rest| rest.parse::<f32>().is_ok());
        let is_name =
            |segment: &str| segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let mut before = "";
        for segment in self.0.split('/').skip(1) {
            let is_ours = match before {
                // Salesforce's, or the name of an object of the organization.
                "sobjects" | "tree" => is_name(segment),
                "data" => is_version(segment),
                _ => WORDS.binary_search(&segment).is_ok(),
            };
            write!(f, "/{}", if is_ours || segment.is_empty() { segment } else { "{}" })?;
            // Words count where Salesforce puts them: what follows a value is not the name of an object.
            before = if is_ours { segment } else { "" };
        }
        Ok(())
    }
}

/// RFC 3986, section 3.3: the characters of a segment, percent-encodings, and `extra`.
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

/// Refuses a segment that a server could read as several, or as none. The decoded segment counts.
fn check_segment(segment: &str) -> Result<(), InvalidPath> {
    let decoded = decode(segment);
    let is_fine = !decoded.is_empty()
        && !decoded.iter().any(u8::is_ascii_control)
        && !decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| matches!(part, b"." | b".."));
    if is_fine { Ok(()) } else { Err(InvalidPath::Segment) }
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

/// A value as one segment of a path, percent-encoded. Control characters and dot segments, also next to a slash, have
/// no safe form and are refused.
///
/// A value that ends like a file name (`.json`, `.inc`) is cut there by Salesforce itself, and not found.
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

/// Where the next page of a query is.
///
/// Goes into a link or a form as text and comes back with `parse`: whoever changes it on the way reaches no other
/// path than one of this API's queries, and no rows but their own.
///
/// ```
/// use salesforce_connection::query::Cursor;
///
/// let cursor: Cursor = "/services/data/v66.0/query/01gD0000002HU6KIAW-2000".parse()?;
/// assert!("https://elsewhere.example/services/data/v66.0/query/01g".parse::<Cursor>().is_err());
/// assert!("/services/data/v66.0/../../../setup".parse::<Cursor>().is_err());
/// # Ok::<(), salesforce_connection::request::InvalidPath>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(ResourcePath);

impl Cursor {
    pub(crate) fn into_path(self) -> ResourcePath {
        self.0
    }
}

impl FromStr for Cursor {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        // Salesforce writes it with letters, digits and hyphens only: nothing encoded, no query.
        let path = ResourcePath::checked(text)?;
        let is_ours = text.strip_prefix("/services/data/v").is_some_and(|rest| rest.contains("/query"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
        if is_ours && text.bytes().all(is_plain) { Ok(Self(path)) } else { Err(InvalidPath::Origin) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.path)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.path)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
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
    fn a_path_is_a_resource_a_path_of_the_instance_or_an_url_of_it() {
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
    fn a_path_that_leaves_its_place_is_refused() {
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

    #[test]
    fn the_log_names_the_resource_and_no_value() {
        assert!(WORDS.is_sorted());
        for (path, resource) in [
            ("query?q=SELECT+Id+FROM+Account", "/services/data/v66.0/query"),
            ("query/01gx0-2000", "/services/data/v66.0/query/{}"),
            ("sobjects/Account/001x00000012345AAA", "/services/data/v66.0/sobjects/Account/{}"),
            ("sobjects/Account/Code__c/a%40b.example", "/services/data/v66.0/sobjects/Account/{}/{}"),
            ("sobjects/Account/describe/", "/services/data/v66.0/sobjects/Account/describe/"),
            ("composite/sobjects/Account", "/services/data/v66.0/composite/sobjects/Account"),
            ("composite/tree/Account", "/services/data/v66.0/composite/tree/Account"),
            ("jobs/ingest/750x/batches", "/services/data/v66.0/jobs/ingest/{}/batches"),
            ("/services/apexrest/orders/4711?email=x", "/services/apexrest/{}/{}"),
            ("/001x00000012345AAA", "/{}"),
            ("/", "/"),
        ] {
            let path = ResourcePath::parse(path, ApiVersion::CURRENT, &instance()).unwrap();
            assert_eq!(path.resource().to_string(), resource);
        }
    }

    // A-27 of the threat catalogue.
    #[test]
    fn a_cursor_is_a_query_path_of_this_api() {
        for text in [
            "https://evil.example/services/data/v66.0/query/01g",
            "//evil.example/services/data/v66.0/query/01g",
            "@evil.example/services/data/v66.0/query/01g",
            ".evil.example",
            ":443@evil.example",
            "\\\\evil.example",
            "/\\evil.example",
            "/services/../../x",
            "/services/data/v66.0/query/..%2f..",
            "/services/data/v66.0/query/01g\r\nHost: evil.example",
            "/services/data/v66.0/sobjects/Account",
            "/services/oauth2/userinfo",
            "/services/data/v66.0/query/../../x",
            "",
            "https://acme.my.salesforce.com/services/data/v66.0/query/01g",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_external_id_stays_one_segment_and_reads_back_equal(value in any_text()) {
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

        /// An id or a name is taken as it is, so that it must be one segment by itself.
        #[test]
        fn an_id_or_a_name_is_one_segment(text in prop_oneof![any_text(), "[0-9A-Za-z]{15}", "[0-9A-Za-z_./%]{1,18}", "[A-Z][a-z]{0,5}(__[a-z]{1,2})?"]) {
            let id = text.parse::<crate::id::SalesforceId>().map(|id| id.to_string());
            let name = text.parse::<crate::name::ObjectName>().map(|name| name.to_string());
            for one in [id.ok(), name.ok()].into_iter().flatten() {
                prop_assert_eq!(segment(&one).unwrap(), one.clone(), "nothing in it needs an encoding");
                let path = ResourcePath::versioned(ApiVersion::CURRENT, &format!("sobjects/{one}/x")).unwrap();
                let url = path.on(&instance()).unwrap();
                prop_assert_eq!(url.path_segments().unwrap().collect::<Vec<_>>()[4..].to_vec(), [&one, "x"]);
            }
        }

        #[test]
        fn a_parameter_of_a_query_stays_one(name in any_text(), value in any_text()) {
            let mut path = ResourcePath::versioned(ApiVersion::CURRENT, "query").unwrap();
            path.push_query("q", &value);
            path.push_query(&name, "x");
            let url = path.on(&instance()).unwrap();
            let pairs: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            prop_assert_eq!(pairs, [("q".to_owned(), value), (name, "x".to_owned())]);
            prop_assert_eq!(url.fragment(), None);
        }

        #[test]
        fn whatever_passes_stays_on_the_instance(text in prop_oneof![any_text(), "[a-z./\\\\%2e@:?#]{0,24}"]) {
            if let Ok(url) = url(&text) {
                prop_assert!(url.starts_with("https://acme.my.salesforce.com/"));
                prop_assert!(!url.contains("/../"));
            }
        }
    }
}
