//! Forward proxies: the way out for networks that have only one, and for orgs that accept tokens from fixed addresses only.

use std::{error::Error as StdError, fmt, str::FromStr};

use reqwest::ClientBuilder;
use url::Url;

use crate::{Secret, http::error::HttpError};

/// A forward proxy.
///
/// Requests to `https` addresses pass through it by `CONNECT` (RFC 9110 section 9.3.6): the proxy sees the name of the
/// host, and neither tokens nor data. It sees all of a request to an `http` address.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say when the client is built.
    Environment,
    Url(Url),
}

/// Scheme, host and port, without credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.name())
    }
}

impl Proxy {
    /// Returns scheme, host and port, without credentials.
    fn name(&self) -> String {
        match &self.0 {
            Kind::Environment => "of the environment".to_owned(),
            Kind::Url(url) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
            }
        }
    }
}

/// The text names no proxy. The text is not repeated: it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a proxy is `http://[user:password@]host[:port]`, `socks5://…` or `socks5h://…`, without a path, or `env`"
)]
#[non_exhaustive]
pub struct InvalidProxy;

impl FromStr for Proxy {
    type Err = InvalidProxy;

    /// Reads the URL of a proxy, or `env` for the variables of the environment.
    ///
    /// With `socks5h` the proxy resolves the names of hosts, with `socks5` this machine does.
    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        if text == "env" {
            return Ok(Self(Kind::Environment));
        }
        let url = Url::parse(text).map_err(|_| InvalidProxy)?;
        let is_plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let is_known = matches!(url.scheme(), "http" | "socks5" | "socks5h");
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        if is_plain && is_known && has_host { Ok(Self(Kind::Url(url))) } else { Err(InvalidProxy) }
    }
}

impl TryFrom<&Secret> for Proxy {
    type Error = InvalidProxy;

    fn try_from(text: &Secret) -> Result<Self, InvalidProxy> {
        text.expose().trim().parse()
    }
}

/// The proxies of a client. `None`: requests go out directly, whatever the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    /// For all of `/services/oauth2/`, and for the keys of ID tokens.
    pub(crate) tokens: Option<Proxy>,
    /// For all else.
    pub(crate) api: Option<Proxy>,
}

/// Sets the proxy of an HTTP client.
pub(crate) fn set(builder: ClientBuilder, proxy: Option<&Proxy>) -> Result<ClientBuilder, HttpError> {
    Ok(match proxy.map(|proxy| &proxy.0) {
        Some(Kind::Environment) => builder,
        None => builder.no_proxy(),
        Some(Kind::Url(url)) => {
            let proxy =
                reqwest::Proxy::all(url.clone()).map_err(|_| HttpError::Build(InvalidProxy.into()))?;
            builder.no_proxy().proxy(proxy)
        }
    })
}

/// A request failed on its way through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("through the proxy {}", .0.name())]
pub(crate) struct ThroughProxy(Proxy, #[source] Box<dyn StdError + Send + Sync>);

impl ThroughProxy {
    /// Adds the name of the proxy to an error, if there is one.
    pub(crate) fn name(
        proxy: Option<&Proxy>,
        error: Box<dyn StdError + Send + Sync>,
    ) -> Box<dyn StdError + Send + Sync> {
        match proxy {
            Some(proxy) => Box::new(Self(proxy.clone(), error)),
            None => error,
        }
    }
}

/// The proxy refused to forward a request to an `http` address (RFC 9110 section 15.5.8). Nothing else sends this status.
#[derive(Debug, thiserror::Error)]
#[error("the proxy requires a user and a password, or other ones (status 407)")]
pub(crate) struct ProxyAuthenticationRequired;

/// Returns whether a request is one for tokens or keys. A site has its path before `/services`.
pub(crate) fn is_for_tokens(url: &Url) -> bool {
    url.path().contains("/services/oauth2/") || url.path().ends_with("/id/keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_one_of_three_schemes_or_is_that_of_the_environment() {
        for text in
            ["env", "http://proxy", "http://me:p%40ss@proxy:3128/", "socks5://[::1]:1080", "socks5h://proxy"]
        {
            assert!(text.parse::<Proxy>().is_ok(), "{text}");
        }
        for text in [
            "",
            "proxy",
            "ENV",
            "https://proxy",
            "ftp://proxy",
            "http://proxy/path",
            "http://proxy?a",
            "http://",
        ] {
            assert_eq!(text.parse::<Proxy>(), Err(InvalidProxy), "{text}");
        }
    }

    #[test]
    fn neither_a_proxy_nor_its_error_shows_the_password() {
        let proxy: Proxy = "http://me:hunter2@proxy:3128".parse().unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy:3128)");
        let error = "http://me:hunter2@proxy/path".parse::<Proxy>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn tokens_and_keys_are_told_from_the_api() {
        let of = |path: &str| {
            is_for_tokens(&Url::parse("https://x.my.salesforce.com").unwrap().join(path).unwrap())
        };
        for path in [
            "/services/oauth2/token",
            "/portal/services/oauth2/revoke",
            "/services/oauth2/userinfo",
            "/id/keys",
        ] {
            assert!(of(path), "{path}");
        }
        for path in ["/services/data/v66.0/query", "/id/00D000000000001EAA/005000000000001AAA", "/"] {
            assert!(!of(path), "{path}");
        }
    }
}
