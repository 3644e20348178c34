//! [`ApiHosts`]: the hosts besides the instance that a token may be sent to.
//!
//! Source: `docs/protocol/api-hosts.md`.

use url::Url;

use super::AllowedHosts;

/// Salesforce's hosts of its API platform, which serve all orgs. A test org's are `test` and `dev`; `gov` is the
/// Government Cloud's.
const API_HOSTS: [&str; 4] =
    ["api.salesforce.com", "api.gov.salesforce.com", "dev.api.salesforce.com", "test.api.salesforce.com"];

/// The ending of the hosts of an org's data in Data 360. Its name without the dot stands for all of them.
const DATA_360: &str = ".c360a.salesforce.com";

/// The API hosts that a program names. Default: none.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApiHosts {
    origins: Vec<Url>,
    has_data_360: bool,
}

/// Why a name is no API host. Does not repeat it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidApiHost {
    /// The host is not one of Salesforce's API platform, nor an allowed origin on this machine.
    #[error(
        "not an API host of Salesforce: expected api.salesforce.com, api.gov.salesforce.com, dev.api.salesforce.com, \
         test.api.salesforce.com or c360a.salesforce.com"
    )]
    Unknown,
    /// The program did not name the host.
    #[error(
        "the token may not be sent to this host: the settings do not name it. Call `ClientBuilder::api_host` (for \
         actix-salesforce: SALESFORCE_API_HOSTS)"
    )]
    NotNamed,
}

crate::debug::debug_as_display!(InvalidApiHost);

impl ApiHosts {
    /// Creates the list. A name is one of Salesforce's, or the URL of an allowed origin on this machine, for tests.
    pub(crate) fn new(names: &[String], allowed: &AllowedHosts) -> Result<Self, InvalidApiHost> {
        let is_data_360 = |name: &&String| DATA_360.strip_prefix('.') == Some(name.as_str());
        let origins = names.iter().filter(|name| !is_data_360(name)).map(|name| origin(name, allowed));
        let origins = origins.collect::<Result<_, _>>()?;
        Ok(Self { origins, has_data_360: names.iter().any(|name| is_data_360(&name)) })
    }

    /// Returns the origin of a named host.
    pub(crate) fn named(&self, name: &str, allowed: &AllowedHosts) -> Result<Url, InvalidApiHost> {
        let url = origin(name, allowed)?;
        if self.origins.contains(&url) { Ok(url) } else { Err(InvalidApiHost::NotNamed) }
    }

    /// Returns the origin of an org's data in Data 360, which a response names: a host name, without a scheme.
    pub(crate) fn of_data_360(&self, name: &str, allowed: &AllowedHosts) -> Result<Url, InvalidApiHost> {
        if name.starts_with("http://") {
            // A test.
            return self.named(name, allowed);
        }
        let name = name.strip_prefix("https://").unwrap_or(name);
        let label = name.strip_suffix(DATA_360).unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_tenant = (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
        match Url::parse(&format!("https://{name}")) {
            Ok(url) if is_tenant && self.has_data_360 => Ok(url),
            _ if is_tenant => Err(InvalidApiHost::NotNamed),
            _ => Err(InvalidApiHost::Unknown),
        }
    }
}

/// Checks a name in settings.
pub fn check_api_host(name: &str, allowed: &AllowedHosts) -> Result<(), InvalidApiHost> {
    ApiHosts::new(&[name.to_owned()], allowed).map(drop)
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
        for name in ["acme-1.c360a.salesforce.com", "https://acme-1.c360a.salesforce.com"] {
            assert_eq!(hosts.of_data_360(name, &allowed()).err(), Some(InvalidApiHost::NotNamed), "{name}");
        }
        let hosts = ApiHosts::new(&["c360a.salesforce.com".to_owned()], &allowed()).unwrap();
        let tenant = hosts.of_data_360("acme-1.c360a.salesforce.com", &allowed()).unwrap();
        assert_eq!(tenant.as_str(), "https://acme-1.c360a.salesforce.com/");
        for name in [
            "",
            ".c360a.salesforce.com",
            "c360a.salesforce.com",
            "a.b.c360a.salesforce.com",
            "evil.example",
            "evil.example/.c360a.salesforce.com",
            "evil.example#.c360a.salesforce.com",
            "acme.c360a.salesforce.com:8443",
            "u@acme.c360a.salesforce.com",
            "acme.c360a.salesforce.com/x",
            LOCAL,
        ] {
            assert!(hosts.of_data_360(name, &allowed()).is_err(), "{name}");
        }
        assert!(hosts.named("c360a.salesforce.com", &allowed()).is_err(), "a name of many hosts is no host");
        let error = ApiHosts::default().named("api.salesforce.com", &allowed()).err();
        assert_eq!(error, Some(InvalidApiHost::NotNamed));
    }
}
