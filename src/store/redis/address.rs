//! The address of a Redis server, as `SALESFORCE_STORE` gives it.

use redis::{ConnectionInfo, IntoConnectionInfo as _};
use url::Url;

/// Longer ones only cost memory, with every key.
const MAX_PREFIX: usize = 64;

/// Where the server is and what its keys begin with.
pub(super) struct Address {
    pub(super) info: ConnectionInfo,
    pub(super) prefix: String,
    pub(super) is_tls: bool,
}

/// Why an address cannot be used. Never repeats it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidAddress {
    #[error("give redis://[user:password@]host[:port][/database], or rediss:// for TLS")]
    Form,
    #[error("the prefix in the address is 1 to {MAX_PREFIX} letters, digits and any of -_.:{{}}")]
    Prefix,
}

impl Address {
    pub(super) fn parse(text: &str, prefix: &str) -> Result<Self, InvalidAddress> {
        let mut url = Url::parse(text.trim()).map_err(|_| InvalidAddress::Form)?;
        // A fragment could turn the check of certificates off.
        if !matches!(url.scheme(), "redis" | "rediss") || url.fragment().is_some() {
            return Err(InvalidAddress::Form);
        }
        let (ours, theirs): (Vec<_>, Vec<_>) = url
            .query_pairs()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .partition(|(name, _)| name == "prefix");
        url.set_query(None);
        if !theirs.is_empty() {
            url.query_pairs_mut().extend_pairs(&theirs);
        }
        let prefix = match ours.as_slice() {
            [] => prefix.to_owned(),
            [(_, other)] if is_prefix(other) => other.clone(),
            _ => return Err(InvalidAddress::Prefix),
        };
        let is_tls = url.scheme() == "rediss";
        let info = url.into_connection_info().map_err(|_| InvalidAddress::Form)?;
        Ok(Self { info, prefix, is_tls })
    }
}

fn is_prefix(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:{}".contains(&byte);
    (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_a_user_a_database_and_a_prefix() {
        let address =
            Address::parse("redis://me:p%40ss@redis.example:6380/3?prefix=shop:&protocol=resp3", "usual:")
                .unwrap();
        assert_eq!(address.prefix, "shop:");
        assert!(!address.is_tls);
        let settings = address.info.redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("me"), Some("p@ss"), 3));
        assert_eq!(
            Address::parse("rediss://redis.example", "usual:").map(|it| (it.is_tls, it.prefix)),
            Ok((true, "usual:".into()))
        );
    }

    #[test]
    fn an_address_that_cannot_be_used_is_not_repeated() {
        for (text, error) in [
            ("redis://:hunter2@", InvalidAddress::Form),
            ("http://hunter2.example", InvalidAddress::Form),
            ("rediss://:hunter2@redis.example/#insecure", InvalidAddress::Form),
            ("redis://:hunter2@redis.example/hunter2", InvalidAddress::Form),
            ("redis://:hunter2@redis.example/?prefix=", InvalidAddress::Prefix),
            ("redis://:hunter2@redis.example/?prefix=a%20b", InvalidAddress::Prefix),
            ("redis://:hunter2@redis.example/?prefix=a&prefix=b", InvalidAddress::Prefix),
        ] {
            let refused = Address::parse(text, "").map(|_| ()).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        }
    }
}
