//! [`LoginHost`]: a host with Salesforce's login page and OAuth endpoints.

use std::{fmt, str::FromStr};

use url::Url;

use crate::http::allowed_hosts::is_loopback;

const PRODUCTION: &str = "https://login.salesforce.com";
const SANDBOX: &str = "https://test.salesforce.com";

/// A host with Salesforce's login page and OAuth endpoints: production, sandbox, a My Domain, or an Experience Cloud site.
///
/// Parse a URL, or use one of the constructors. Parsing understands URLs as a browser's address bar has them: without a
/// scheme, with the path of a page or an endpoint, or of an org's user interface.
///
/// ```
/// use salesforce_connection::oauth::LoginHost;
///
/// assert_eq!(LoginHost::my_domain("acme")?.as_url().as_str(), "https://acme.my.salesforce.com/");
/// let copied: LoginHost = "ACME.lightning.force.com/lightning/page/home".parse()?;
/// assert_eq!(copied, LoginHost::my_domain("acme")?);
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
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
}

crate::debug::debug_as_display!(InvalidLoginHost);

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
        let name = name.trim().to_ascii_lowercase();
        let name = my_domain_of_page(&name).unwrap_or(&name);
        let name = name.strip_suffix(MY_DOMAIN).unwrap_or(name);
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
        let text = text.trim();
        let has_valid_characters =
            text.bytes().all(|byte| byte.is_ascii_graphic() && !b"*\\@?#".contains(&byte));
        let mut url = match Url::parse(text) {
            Ok(url) if url.has_host() => url,
            // An address bar hides the scheme.
            _ if !text.contains("://") && text.contains('.') => {
                Url::parse(&format!("https://{text}")).map_err(|_| InvalidLoginHost::Form)?
            }
            _ => return Err(InvalidLoginHost::Form),
        };
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
        if let Some(host) = url.host_str().filter(|host| is_user_interface(host)) {
            let name = my_domain_of_page(host).ok_or(InvalidLoginHost::UserInterface)?;
            return Self::my_domain(name).map_err(|_| InvalidLoginHost::UserInterface);
        }
        let path = site_path(&url);
        url.set_path(&path);
        let issuer = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, issuer })
    }
}

const MY_DOMAIN: &str = ".my.salesforce.com";

/// The hosts of an org's user interface, whose names are those of its My Domain with another ending (Salesforce Help "My
/// Domain URL Formats").
const USER_INTERFACE: [&str; 2] = [".lightning.force.com", ".my.salesforce-setup.com"];

fn is_user_interface(host: &str) -> bool {
    host.ends_with(".lightning.force.com") || host.ends_with(".salesforce-setup.com")
}

/// Returns the name of the My Domain whose user interface has this host.
fn my_domain_of_page(host: &str) -> Option<&str> {
    USER_INTERFACE.iter().find_map(|ending| host.strip_suffix(ending)).filter(|name| !name.is_empty())
}

/// Returns the path of the site without that of a page or an endpoint, which people copy with it. Salesforce's own login
/// hosts have no site.
fn site_path(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    if matches!(host, "login.salesforce.com" | "test.salesforce.com") || host.ends_with(MY_DOMAIN) {
        return "/".to_owned();
    }
    let is_page =
        |segment: &str| ["s", "login", "services"].iter().any(|page| segment.eq_ignore_ascii_case(page));
    let segments = url.path_segments().into_iter().flatten();
    let site: Vec<_> = segments.take_while(|segment| !is_page(segment)).collect();
    format!("/{}", site.join("/").trim_end_matches('/'))
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
        for name in ["acme.lightning.force.com", "acme.my.salesforce-setup.com", " acme "] {
            assert_eq!(LoginHost::my_domain(name), LoginHost::my_domain("acme"), "{name}");
        }
    }

    #[test]
    fn a_url_from_an_address_bar_is_understood() {
        for (copied, url) in [
            ("login.salesforce.com", "https://login.salesforce.com/"),
            ("HTTPS://Test.Salesforce.com/", "https://test.salesforce.com/"),
            ("https://login.salesforce.com/services/oauth2/authorize", "https://login.salesforce.com/"),
            ("acme.my.salesforce.com", "https://acme.my.salesforce.com/"),
            ("https://acme.my.salesforce.com/lightning/page/home", "https://acme.my.salesforce.com/"),
            ("https://acme.my.salesforce.com:443/services/oauth2/token", "https://acme.my.salesforce.com/"),
            ("https://ACME.LIGHTNING.FORCE.COM", "https://acme.my.salesforce.com/"),
            ("acme--dev.sandbox.lightning.force.com/x", "https://acme--dev.sandbox.my.salesforce.com/"),
            ("https://acme.my.salesforce-setup.com/lightning/setup", "https://acme.my.salesforce.com/"),
            ("https://acme.my.site.com/partners/s", "https://acme.my.site.com/partners"),
            ("https://acme.my.site.com/partners/s/login/", "https://acme.my.site.com/partners"),
            ("https://acme.my.site.com/partners/login", "https://acme.my.site.com/partners"),
            ("https://acme.my.site.com/partners/", "https://acme.my.site.com/partners"),
            ("https://acme.my.site.com/s/", "https://acme.my.site.com/"),
            ("portal.customer.example/s/login", "https://portal.customer.example/"),
            (" https://acme.my.salesforce.com\n", "https://acme.my.salesforce.com/"),
            ("http://127.0.0.1:8100/services/oauth2/token", "http://127.0.0.1:8100/"),
        ] {
            let host: LoginHost = copied.parse().unwrap_or_else(|error| panic!("{copied}: {error}"));
            assert_eq!(host.as_url().as_str(), url, "{copied}");
            assert_eq!(host, url.parse().unwrap(), "{copied}");
        }
    }

    #[test]
    fn an_invalid_login_host_is_rejected_with_its_reason() {
        for (text, error) in [
            ("acme", InvalidLoginHost::Form),
            ("login.salesforce.com?x", InvalidLoginHost::Form),
            ("http://login.salesforce.com", InvalidLoginHost::Plain),
            ("https://*.my.salesforce.com", InvalidLoginHost::Form),
            ("https://u:p@login.salesforce.com", InvalidLoginHost::Form),
            ("ftp://login.salesforce.com", InvalidLoginHost::Form),
            ("https://acme.salesforce-setup.com", InvalidLoginHost::UserInterface),
            ("https://.lightning.force.com", InvalidLoginHost::UserInterface),
            ("https://203.0.113.7", InvalidLoginHost::Form),
            ("https://[2001:db8::1]", InvalidLoginHost::Form),
            ("https://login.salesforce.com.", InvalidLoginHost::Form),
            ("https://login.salesforce.com?x", InvalidLoginHost::Form),
            ("https://login.salesforce.com#", InvalidLoginHost::Form),
            ("https:\\\\login.salesforce.com", InvalidLoginHost::Form),
            ("https://login.sal\u{ff53}force.com", InvalidLoginHost::Form),
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
