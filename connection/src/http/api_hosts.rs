//! [`ApiHosts`]: the hosts besides the instance that a token may be sent to.
//!
//! Source: `docs/protocol/api-hosts.md`.

use url::Url;

use super::AllowedHosts;

/// Salesforce's hosts of its API platform, which serve all orgs. A test org's are `test` and `dev`; `gov` is the
/// Government Cloud's.
const API_HOSTS: [&str; 4] = [
    "api.salesforce.com",
    "api.gov.salesforce.com",
    "dev.api.salesforce.com",
    "test.api.salesforce.com",
];

/// The API hosts that a program names. Default: none.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApiHosts(Vec<Url>);

/// Why a name is no API host. Does not repeat it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidApiHost {
    /// The host is not one of Salesforce's API platform, nor an allowed origin on this machine.
    #[error(
        "not an API host of Salesforce: expected api.salesforce.com, api.gov.salesforce.com, dev.api.salesforce.com or \
         test.api.salesforce.com"
    )]
    Unknown,
    /// The program did not name the host.
    #[error(
        "the token may not be sent to this host: the settings do not name it. Call `ClientBuilder::api_host` (for \
         actix-salesforce: SALESFORCE_API_HOSTS)"
    )]
    NotNamed,
}

crate::error::debug::debug_as_display!(InvalidApiHost);

impl ApiHosts {
    /// Creates the list. A name is one of Salesforce's, or the URL of an allowed origin on this machine, for tests.
    pub(crate) fn new(names: &[String], allowed: &AllowedHosts) -> Result<Self, InvalidApiHost> {
        names.iter().map(|name| origin(name, allowed)).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the origin of a named host.
    pub(crate) fn named(&self, name: &str, allowed: &AllowedHosts) -> Result<Url, InvalidApiHost> {
        let url = origin(name, allowed)?;
        if self.0.contains(&url) { Ok(url) } else { Err(InvalidApiHost::NotNamed) }
    }
}

fn origin(name: &str, allowed: &AllowedHosts) -> Result<Url, InvalidApiHost> {
    if API_HOSTS.contains(&name) {
        return Url::parse(&format!("https://{name}")).map_err(|_| InvalidApiHost::Unknown);
    }
    let url = Url::parse(name).map_err(|_| InvalidApiHost::Unknown)?;
    let is_origin = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if is_origin && super::allowed_hosts::is_loopback(&url) && allowed.check(&url).is_ok() {
        Ok(url)
    } else {
        Err(InvalidApiHost::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "http://127.0.0.1:8100";

    fn allowed() -> AllowedHosts {
        AllowedHosts::new([LOCAL, "https://evil.example"].map(|url| url.parse().unwrap()))
    }

    #[test]
    fn only_salesforces_api_hosts_can_be_named() {
        for name in API_HOSTS.into_iter().chain([LOCAL]) {
            let hosts = ApiHosts::new(&[name.to_owned()], &allowed()).unwrap();
            assert!(hosts.named(name, &allowed()).is_ok(), "{name}");
        }
        for name in [
            "",
            "evil.example",
            "https://evil.example",
            "api.salesforce.com.evil.example",
            "https://api.salesforce.com",
            "http://api.salesforce.com",
            "api.salesforce.com:8443",
            "user@api.salesforce.com",
            "api.salesforce.com/",
            "API.salesforce.com",
            "acme.my.salesforce.com",
            "login.salesforce.com",
            "http://127.0.0.1:8101",
            "http://127.0.0.1:8100/path",
            "http://user@127.0.0.1:8100",
        ] {
            let error = ApiHosts::new(&[name.to_owned()], &allowed()).err();
            assert_eq!(error, Some(InvalidApiHost::Unknown), "{name}");
        }
    }

    #[test]
    fn a_host_that_the_settings_do_not_name_gets_no_token() {
        let hosts = ApiHosts::new(&["api.salesforce.com".to_owned()], &allowed()).unwrap();
        for name in ["api.gov.salesforce.com", LOCAL] {
            assert_eq!(hosts.named(name, &allowed()).err(), Some(InvalidApiHost::NotNamed), "{name}");
        }
        let error = ApiHosts::default().named("api.salesforce.com", &allowed()).err();
        assert_eq!(error, Some(InvalidApiHost::NotNamed));
    }
}
