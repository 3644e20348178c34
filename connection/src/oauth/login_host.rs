//! Login hosts: where people log in, and where the OAuth endpoints are.

use std::{fmt, str::FromStr};

use url::Url;

use crate::http::allowed_hosts::is_loopback;

/// A host with Salesforce's OAuth endpoints: production, sandbox, a My Domain, or an Experience Cloud site.
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

/// Why a text is no login host. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLoginHost {
    /// Not a URL of the form `https://host[/site]`.
    #[error("give a whole URL such as https://login.salesforce.com or https://yourcompany.my.salesforce.com")]
    Form,
    /// Not https, and not this machine.
    #[error("use https; plain http is for 127.0.0.1, [::1] and localhost only")]
    Plain,
    /// A host of Salesforce's user interface.
    #[error("this host shows pages only; use the https://….my.salesforce.com form of your My Domain")]
    UserInterface,
    /// The URL of an endpoint instead of the host's.
    #[error("leave out the path that begins with /services")]
    Endpoint,
}

impl LoginHost {
    /// `https://login.salesforce.com`: production and Developer Edition organizations.
    ///
    /// # Errors
    /// None in fact: the address is a constant. It is a `Result` because every other way to a login host is one.
    pub fn production() -> Result<Self, InvalidLoginHost> {
        "https://login.salesforce.com".parse()
    }

    /// `https://test.salesforce.com`: sandboxes.
    ///
    /// # Errors
    /// None in fact: the address is a constant. It is a `Result` because every other way to a login host is one.
    pub fn sandbox() -> Result<Self, InvalidLoginHost> {
        "https://test.salesforce.com".parse()
    }

    /// A My Domain, by its name (`acme`, `acme--dev.sandbox`) or its host.
    ///
    /// # Errors
    /// When the name is not made of letters, digits, dots and hyphens.
    pub fn my_domain(name: &str) -> Result<Self, InvalidLoginHost> {
        let name = name.to_ascii_lowercase();
        if is_user_interface(&name) {
            return Err(InvalidLoginHost::UserInterface);
        }
        let name = name.strip_suffix(".my.salesforce.com").unwrap_or(&name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let labels_are_plain = name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain));
        if !labels_are_plain || name.len() > 100 {
            return Err(InvalidLoginHost::Form);
        }
        format!("https://{name}.my.salesforce.com").parse()
    }

    /// Whether all organizations share this host: nothing in it says which one is meant.
    pub fn is_shared(&self) -> bool {
        matches!(self.url.host_str(), Some("login.salesforce.com" | "test.salesforce.com"))
    }

    /// Whether this host is this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The host's URL, with the path of a site if there is one.
    pub fn as_url(&self) -> &Url {
        &self.url
    }

    /// The issuer of tokens made here (Salesforce Help "OpenID Token"): the URL without a slash at its end.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// An endpoint of this host. `path` begins with a slash.
    pub(crate) fn endpoint(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }
}

impl FromStr for LoginHost {
    type Err = InvalidLoginHost;

    fn from_str(text: &str) -> Result<Self, InvalidLoginHost> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"*\\@?#".contains(&byte));
        let url = Url::parse(text).map_err(|_| InvalidLoginHost::Form)?;
        if !plain || !url.has_host() {
            return Err(InvalidLoginHost::Form);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(InvalidLoginHost::Plain),
            _ => return Err(InvalidLoginHost::Form),
        }
        let named = url.domain().is_some_and(|host| !host.ends_with('.'));
        if !named && !is_loopback(&url) {
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
    fn a_my_domain_is_found_by_its_name_or_its_host() {
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
    fn what_is_no_login_host_is_refused_with_its_fix() {
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
