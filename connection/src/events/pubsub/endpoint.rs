//! [`PubSubEndpoint`]: the address of the Pub/Sub API.

use std::{fmt, str::FromStr};

use http::Uri;
use url::Url;

use crate::http::allowed_hosts::is_loopback;

/// The address of the Pub/Sub API. One host serves all orgs, sandboxes as well.
///
/// Default: `https://api.pubsub.salesforce.com`. Orgs of the EU Operating Zone have
/// `https://api.deu.pubsub.salesforce.com`. Port 7443 does the same as 443. Source: Pub/Sub API documentation, "Pub/Sub
/// API Endpoints".
///
/// ```
/// use salesforce_connection::events::PubSubEndpoint;
///
/// let europe: PubSubEndpoint = "https://api.deu.pubsub.salesforce.com".parse()?;
/// // The access token is sent to no other host.
/// assert!("https://pubsub.example.com".parse::<PubSubEndpoint>().is_err());
/// # Ok::<(), salesforce_connection::events::InvalidEndpoint>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PubSubEndpoint(Uri);

/// The text is not an address of the Pub/Sub API. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an address of the Pub/Sub API. It is `https://…pubsub.salesforce.com`, with port 443 or 7443, or an address of \
     this machine"
)]
#[non_exhaustive]
pub struct InvalidEndpoint;

/// What the hosts of the API end in.
const SUFFIX: &str = ".pubsub.salesforce.com";

impl PubSubEndpoint {
    /// The scheme and the host of each call.
    pub(crate) fn origin(&self) -> &Uri {
        &self.0
    }
}

impl Default for PubSubEndpoint {
    fn default() -> Self {
        Self(Uri::from_static("https://api.pubsub.salesforce.com"))
    }
}

impl fmt::Debug for PubSubEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PubSubEndpoint({})", self.0.host().unwrap_or_default())
    }
}

impl FromStr for PubSubEndpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let url = Url::parse(text).map_err(|_| InvalidEndpoint)?;
        let is_bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let host = url.host_str().unwrap_or_default();
        let is_salesforce = url.scheme() == "https"
            && matches!(url.port(), None | Some(7443))
            && host.ends_with(SUFFIX)
            && !host.split('.').any(|label| label.is_empty() || label.starts_with("xn--"));
        let is_local = matches!(url.scheme(), "http" | "https") && is_loopback(&url);
        if is_bare && (is_salesforce || is_local) {
            url.as_str().parse().map(Self).map_err(|_| InvalidEndpoint)
        } else {
            Err(InvalidEndpoint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sent_to_salesforce_or_to_this_machine() {
        for text in [
            "https://api.pubsub.salesforce.com",
            "https://api.pubsub.salesforce.com:7443/",
            "https://api.deu.pubsub.salesforce.com:443",
            "http://127.0.0.1:9100",
            "https://localhost:9100",
        ] {
            assert!(text.parse::<PubSubEndpoint>().is_ok(), "{text}");
        }
        for text in [
            "",
            "api.pubsub.salesforce.com:443",
            "http://api.pubsub.salesforce.com",
            "https://api.pubsub.salesforce.com:8443",
            "https://api.pubsub.salesforce.com/path",
            "https://api.pubsub.salesforce.com.evil.example",
            "https://evil-pubsub.salesforce.com",
            "https://.pubsub.salesforce.com",
            "https://xn--slesforce-46a.pubsub.salesforce.com",
            "https://user@api.pubsub.salesforce.com",
            "http://192.168.0.1:9100",
            "ftp://127.0.0.1",
        ] {
            assert_eq!(text.parse::<PubSubEndpoint>(), Err(InvalidEndpoint), "{text}");
        }
        let default: PubSubEndpoint = "https://api.pubsub.salesforce.com".parse().unwrap();
        assert_eq!(PubSubEndpoint::default(), default);
    }
}
