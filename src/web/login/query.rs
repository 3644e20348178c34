//! A strict reader of query strings.

use url::form_urlencoded;

/// The query string is invalid. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadQuery;

/// Largest query string in bytes. A callback of Salesforce has about 2 KiB.
const MAX_BYTES: usize = 16 * 1024;

/// The parameters of a query string, decoded once.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Fails for a string that is too long.
    pub(super) fn parse(raw: &str) -> Result<Self, BadQuery> {
        if raw.len() > MAX_BYTES {
            return Err(BadQuery);
        }
        let pairs = form_urlencoded::parse(raw.as_bytes());
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }

    /// Returns those of these parameters that are well-formed, encoded again.
    pub(super) fn encode_again(&self, names: &[&str]) -> form_urlencoded::Serializer<'static, String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in names {
            if let Some(value) = self.first(name) {
                query.append_pair(name, value);
            }
        }
        query
    }

    /// Returns the parameter `name`, `None` if it is missing or empty. Fails if it comes twice (RFC 6749 section 3.1),
    /// has more than `max` bytes, invalid UTF-8 or control characters.
    pub(super) fn one(&self, name: &str, max: usize) -> Result<Option<&str>, BadQuery> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(BadQuery),
            (Some(value), None) if value.len() > max || !is_clean(value) => Err(BadQuery),
            (value, _) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    /// Returns the first parameter `name`, even if there are several. `None` if it is missing or malformed.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| is_clean(value))
    }
}

/// Whether the text has no control character and no trace of invalid UTF-8.
fn is_clean(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_or_malformed_parameter_is_rejected() {
        let query = Query::parse("code=a%3D%3D&x=1&x=2&empty=").unwrap();
        assert_eq!(query.one("code", 10), Ok(Some("a==")), "decoded exactly once");
        assert_eq!(query.one("code", 2), Err(BadQuery));
        assert_eq!(query.one("x", 10), Err(BadQuery));
        assert_eq!(query.one("empty", 10), Ok(None));
        assert_eq!(query.one("absent", 10), Ok(None));
        for bad in ["a=%00", "a=%0d%0ab", "a=%ff", "a=%09"] {
            let query = Query::parse(bad).unwrap();
            assert_eq!((query.one("a", 10), query.first("a")), (Err(BadQuery), None), "{bad:?}");
        }
        assert!(Query::parse(&"a".repeat(MAX_BYTES + 1)).is_err());
    }
}
