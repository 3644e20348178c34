//! Login hosts: where people log in, and where the OAuth endpoints are.

use std::{fmt, str::FromStr};

use url::Url;

/// A host with Salesforce's OAuth endpoints: production, sandbox, a My Domain, or an Experience Cloud site.
///
/// ```
/// use actix_salesforce::oauth::LoginHost;
///
/// assert_eq!(LoginHost::my_domain("acme")?.as_url().as_str(), "https://acme.my.salesforce.com/");
/// assert!("https://acme.lightning.force.com".parse::<LoginHost>().is_err());
/// # Ok::<(), actix_salesforce::oauth::InvalidLoginHost>(())
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
    /// Not an URL of the form `https://host[/site]`.
    #[error("give a whole URL such as https://login.salesforce.com or https://yourcompany.my.salesforce.com")]
    Form,
    /// Not https, and not this machine.
    #[error("use https; plain http is for 127.0.0.1, [::1] and localhost only")]
    Plain,
    /// A host of Salesforce's user interface.
    #[error("this host shows pages only; use the https://….my.salesforce.com form of your My Domain")]
    UserInterface,
}

impl LoginHost {
    /// `https://login.salesforce.com`: production and Developer Edition organizations.
    pub fn production() -> Result<Self, InvalidLoginHost> {
        "https://login.salesforce.com".parse()
    }

    /// `https://test.salesforce.com`: sandboxes.
    pub fn sandbox() -> Result<Self, InvalidLoginHost> {
        "https://test.salesforce.com".parse()
    }

    /// A My Domain, by its name (`acme`, `acme--dev.sandbox`) or its host.
    ///
    /// # Errors
    /// When the name is not made of letters, digits, dots and hyphens.
    pub fn my_domain(name: &str) -> Result<Self, InvalidLoginHost> {
        let name = name.strip_suffix(".my.salesforce.com").unwrap_or(name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let labels_are_plain = name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain));
        if !labels_are_plain || name.len() > 100 {
            return Err(InvalidLoginHost::Form);
        }
        format!("https://{name}.my.salesforce.com").parse()
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
        let url = Url::parse(text).map_err(|_| InvalidLoginHost::Form)?;
        let Some(host) = url.host_str() else { return Err(InvalidLoginHost::Form) };
        if text.contains(['*', '\\'])
            || host.is_empty()
            || !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(InvalidLoginHost::Form);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(InvalidLoginHost::Plain),
            _ => return Err(InvalidLoginHost::Form),
        }
        if host.ends_with(".lightning.force.com") || host.ends_with(".salesforce-setup.com") {
            return Err(InvalidLoginHost::UserInterface);
        }
        let issuer = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, issuer })
    }
}

/// Whether the host can only be this machine (RFC 8252 section 8.3, plus `localhost`).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
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
        ] {
            let host: LoginHost = text.parse().unwrap();
            assert_eq!(host.endpoint("/services/oauth2/token").as_str(), token);
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
        ] {
            assert_eq!(text.parse::<LoginHost>(), Err(error), "{text}");
        }
        for name in ["evil.example/", "a@b", "a..b", "", "a:1", "acme.my.salesforce.com.evil.example/x"] {
            assert!(LoginHost::my_domain(name).is_err(), "{name}");
        }
    }
}
