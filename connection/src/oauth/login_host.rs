//! [`LoginHost`]: a host with Salesforce's login page and OAuth endpoints.

use std::{fmt, str::FromStr};

use url::Url;

use crate::http::allowed_hosts::is_loopback;

const PRODUCTION: &str = "https://login.salesforce.com";
const SANDBOX: &str = "https://test.salesforce.com";

/// A host with Salesforce's login page and OAuth endpoints: production, sandbox, a My Domain, or an Experience Cloud site.
///
/// Parse a URL, or use one of the constructors.
///
/// ```
/// use salesforce_connection::oauth::LoginHost;
///
/// assert_eq!(LoginHost::my_domain("acme")?.as_url().as_str(), "https://acme.my.salesforce.com/");
/// assert!("https://acme.lightning.force.com".parse::<LoginHost>().is_err());
/// # Ok::<(), salesforce_connection::oauth::InvalidLoginHost>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LoginHost {
    url: Url,
    issuer: String,
}

impl fmt::Debug for LoginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.issuer)
    }
}

/// Why a text is not a login host. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLoginHost {
    /// The text is not a URL of the form `https://host[/site]`.
    #[error(
        "invalid login host. Use a full URL such as https://login.salesforce.com or \
         https://yourcompany.my.salesforce.com"
    )]
    Form,
    /// The URL is http, and its host is not this machine.
    #[error(
        "invalid login host: its scheme is http. Use https; http is for 127.0.0.1, [::1] and localhost only"
    )]
    Plain,
    /// The host is one of Salesforce's user interface.
    #[error(
        "invalid login host: it serves pages only. Use the https://….my.salesforce.com form of your My Domain"
    )]
    UserInterface,
    /// The URL is that of an endpoint.
    #[error("invalid login host: it is the URL of an endpoint. Leave out the path from /services on")]
    Endpoint,
}

impl LoginHost {
    /// Returns `https://login.salesforce.com`, the login host of production and Developer Edition orgs.
    pub fn production() -> Self {
        Self::shared(PRODUCTION)
    }

    /// Returns `https://test.salesforce.com`, the login host of sandboxes.
    pub fn sandbox() -> Self {
        Self::shared(SANDBOX)
    }

    #[allow(clippy::expect_used, reason = "both constants are valid URLs, as a test proves")]
    fn shared(issuer: &'static str) -> Self {
        Self { url: Url::parse(issuer).expect("a valid URL"), issuer: issuer.to_owned() }
    }

    /// Returns a My Domain by its name (`acme`, `acme--dev.sandbox`) or its host.
    ///
    /// # Errors
    /// [`InvalidLoginHost`] if the name has characters other than letters, digits, dots and hyphens, or is a host of the
    /// user interface.
    pub fn my_domain(name: &str) -> Result<Self, InvalidLoginHost> {
        let name = name.to_ascii_lowercase();
        if is_user_interface(&name) {
            return Err(InvalidLoginHost::UserInterface);
        }
        let name = name.strip_suffix(".my.salesforce.com").unwrap_or(&name);
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let are_labels_valid = name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_valid));
        if !are_labels_valid || name.len() > 100 {
            return Err(InvalidLoginHost::Form);
        }
        format!("https://{name}.my.salesforce.com").parse()
    }

    /// Returns whether all orgs share this host, so that it does not say which org is meant.
    pub fn is_shared(&self) -> bool {
        matches!(self.url.host_str(), Some("login.salesforce.com" | "test.salesforce.com"))
    }

    /// Returns whether this host is this machine: a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Returns the URL of the host, with the path of the site if it has one.
    pub fn as_url(&self) -> &Url {
        &self.url
    }

    /// Returns the issuer in tokens of this host: its URL without a trailing slash (Salesforce Help "OpenID Token").
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the URL of an endpoint of this host. `path` begins with a slash.
    pub(crate) fn endpoint(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }
}

impl FromStr for LoginHost {
    type Err = InvalidLoginHost;

    fn from_str(text: &str) -> Result<Self, InvalidLoginHost> {
        let has_valid_characters =
            text.bytes().all(|byte| byte.is_ascii_graphic() && !b"*\\@?#".contains(&byte));
        let url = Url::parse(text).map_err(|_| InvalidLoginHost::Form)?;
        if !has_valid_characters || !url.has_host() {
            return Err(InvalidLoginHost::Form);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(InvalidLoginHost::Plain),
            _ => return Err(InvalidLoginHost::Form),
        }
        let has_name = url.domain().is_some_and(|host| !host.ends_with('.'));
        if !has_name && !is_loopback(&url) {
            return Err(InvalidLoginHost::Form);
        }
        if url.host_str().is_some_and(is_user_interface) {
            return Err(InvalidLoginHost::UserInterface);
        }
        if url.path_segments().is_some_and(|mut segments| segments.any(|segment| segment == "services")) {
            return Err(InvalidLoginHost::Endpoint);
        }
        let issuer = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, issuer })
    }
}

fn is_user_interface(host: &str) -> bool {
    host.ends_with(".lightning.force.com") || host.ends_with(".salesforce-setup.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_login_host_has_its_endpoints() {
        assert_eq!(LoginHost::production(), PRODUCTION.parse().unwrap());
        assert_eq!(LoginHost::sandbox(), SANDBOX.parse().unwrap());
        for (text, token) in [
            ("https://login.salesforce.com", "https://login.salesforce.com/services/oauth2/token"),
            ("https://acme.my.salesforce.com/", "https://acme.my.salesforce.com/services/oauth2/token"),
            ("https://acme.my.site.com/partners", "https://acme.my.site.com/partners/services/oauth2/token"),
            ("http://127.0.0.1:8100", "http://127.0.0.1:8100/services/oauth2/token"),
            ("https://[::1]:8443", "https://[::1]:8443/services/oauth2/token"),
            ("https://login.customer.example", "https://login.customer.example/services/oauth2/token"),
        ] {
            let host: LoginHost = text.parse().unwrap();
            assert_eq!(host.endpoint("/services/oauth2/token").as_str(), token);
        }
    }

    #[test]
    fn my_domain_accepts_a_name_or_a_host() {
        for (name, url) in [
            ("acme", "https://acme.my.salesforce.com/"),
            ("Acme--Dev.sandbox", "https://acme--dev.sandbox.my.salesforce.com/"),
            ("ACME.MY.SALESFORCE.COM", "https://acme.my.salesforce.com/"),
            ("evil.example", "https://evil.example.my.salesforce.com/"),
        ] {
            assert_eq!(LoginHost::my_domain(name).unwrap().as_url().as_str(), url);
        }
        for name in ["acme.lightning.force.com", "acme.my.salesforce-setup.com"] {
            assert_eq!(LoginHost::my_domain(name), Err(InvalidLoginHost::UserInterface), "{name}");
        }
    }

    #[test]
    fn an_invalid_login_host_is_rejected_with_its_reason() {
        for (text, error) in [
            ("login.salesforce.com", InvalidLoginHost::Form),
            ("http://login.salesforce.com", InvalidLoginHost::Plain),
            ("https://*.my.salesforce.com", InvalidLoginHost::Form),
            ("https://u:p@login.salesforce.com", InvalidLoginHost::Form),
            ("ftp://login.salesforce.com", InvalidLoginHost::Form),
            ("https://acme.lightning.force.com", InvalidLoginHost::UserInterface),
            ("https://acme.my.salesforce-setup.com", InvalidLoginHost::UserInterface),
            ("https://ACME.LIGHTNING.FORCE.COM", InvalidLoginHost::UserInterface),
            ("https://203.0.113.7", InvalidLoginHost::Form),
            ("https://[2001:db8::1]", InvalidLoginHost::Form),
            ("https://login.salesforce.com.", InvalidLoginHost::Form),
            ("https://login.salesforce.com?x", InvalidLoginHost::Form),
            ("https://login.salesforce.com#", InvalidLoginHost::Form),
            ("https:\\\\login.salesforce.com", InvalidLoginHost::Form),
            ("https://login.sal\u{ff53}force.com", InvalidLoginHost::Form),
            ("https://login.salesforce.com/services/oauth2/token", InvalidLoginHost::Endpoint),
            ("http://0.0.0.0:8100", InvalidLoginHost::Plain),
            ("http://localhost.evil.example", InvalidLoginHost::Plain),
            ("", InvalidLoginHost::Form),
        ] {
            assert_eq!(text.parse::<LoginHost>(), Err(error), "{text}");
        }
        for name in ["evil.example/", "a@b", "a..b", "", "a:1", "acme.my.salesforce.com.evil.example/x"] {
            assert!(LoginHost::my_domain(name).is_err(), "{name}");
        }
    }
}
