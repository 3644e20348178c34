//! A query string, read strictly.

use url::form_urlencoded;

/// Why a query string is refused. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadQuery;

/// The longest query string that is read.
const MAX_BYTES: usize = 16 * 1024;

/// The members of a query string, decoded once.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Refuses what is too long, is not UTF-8, or holds control characters.
    pub(super) fn parse(raw: &str) -> Result<Self, BadQuery> {
        if raw.len() > MAX_BYTES {
            return Err(BadQuery);
        }
        let clean = |text: &str| !text.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER);
        form_urlencoded::parse(raw.as_bytes())
            .map(|(name, value)| {
                (clean(&name) && clean(&value))
                    .then(|| (name.into_owned(), value.into_owned()))
                    .ok_or(BadQuery)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The member `name`, `None` when absent or empty. Twice is an error (RFC 6749 section 3.1), and so is a value of
    /// more than `max` bytes.
    pub(super) fn one(&self, name: &str, max: usize) -> Result<Option<&str>, BadQuery> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(BadQuery),
            (Some(value), None) if value.len() > max => Err(BadQuery),
            (value, _) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    /// The first member `name`, whatever else there is.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_given_twice_or_malformed_is_refused() {
        let query = Query::parse("code=a%3D%3D&x=1&x=2&empty=").unwrap();
        assert_eq!(query.one("code", 10), Ok(Some("a==")), "decoded exactly once");
        assert_eq!(query.one("code", 2), Err(BadQuery));
        assert_eq!(query.one("x", 10), Err(BadQuery));
        assert_eq!(query.one("empty", 10), Ok(None));
        assert_eq!(query.one("absent", 10), Ok(None));
        for bad in ["a=%00", "a=%0d%0ab", "a=%ff", "%ff=a", &"a".repeat(MAX_BYTES + 1)] {
            assert!(Query::parse(bad).is_err(), "{bad:?}");
        }
    }
}
