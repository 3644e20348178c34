//! [`AllowedHosts`]: the hosts that may be contacted.

use url::{Host, Origin, Url};

/// The login hosts that all orgs share.
const LOGIN_HOSTS: [&str; 2] = ["login.salesforce.com", "test.salesforce.com"];
/// The endings of the hosts of one org or site (Salesforce Help "My Domain URL Formats"). Not all of `salesforce.com`,
/// since its other hosts are not instances and must not receive a token.
const INSTANCE_SUFFIXES: [&str; 2] = [".my.salesforce.com", ".my.site.com"];

/// The allow-list of hosts: Salesforce's domains over https, and origins that the program adds.
///
/// The default allows Salesforce's domains only: `login.salesforce.com`, `test.salesforce.com` and hosts that end in
/// `.my.salesforce.com` or `.my.site.com`. A request to any other host fails before anything is sent.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts {
    extra: Vec<Origin>,
}

/// The error for a host that is not on the allow-list. Does not repeat it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "request to a host outside of Salesforce rejected. If the host is correct, add its origin to the allowed hosts (for \
     actix-salesforce: SALESFORCE_ALLOWED_ORIGINS)"
)]
#[non_exhaustive]
pub struct HostNotAllowed;

crate::debug::debug_as_display!(HostNotAllowed);

impl AllowedHosts {
    /// Allows `origins` in addition to Salesforce's domains. The paths of the URLs are ignored.
    pub fn new(origins: impl IntoIterator<Item = Url>) -> Self {
        Self { extra: origins.into_iter().map(|url| url.origin()).collect() }
    }

    /// Checks whether a request to `url` may be sent.
    ///
    /// # Errors
    /// [`HostNotAllowed`] if its origin is not allowed or the URL contains a user name or password.
    pub fn check(&self, url: &Url) -> Result<(), HostNotAllowed> {
        let has_no_user = url.username().is_empty() && url.password().is_none();
        if has_no_user && (self.extra.contains(&url.origin()) || is_salesforce(url)) {
            Ok(())
        } else {
            Err(HostNotAllowed)
        }
    }

    /// Parses the `instance_url` of a response: an allowed origin, with or without a trailing slash.
    ///
    /// That of an Experience Cloud site may have a path of plain words, below which its API is. (Unverified.)
    pub(crate) fn instance_url(&self, text: &str) -> Result<Url, HostNotAllowed> {
        let mut url = self.site_url(text)?;
        let path = url.path();
        let path = path.strip_suffix('/').unwrap_or(path).to_owned();
        let is_word = |segment: &str| {
            !segment.is_empty()
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        // The text as well, because the parser resolves dot segments.
        if !path.split('/').skip(1).all(is_word)
            || text.contains("..")
            || text.contains("/./")
            || text.contains('%')
        {
            return Err(HostNotAllowed);
        }
        url.set_path(&path);
        Ok(url)
    }

    /// Parses the URL of a site in a response: an allowed origin, optionally with a path.
    pub(crate) fn site_url(&self, text: &str) -> Result<Url, HostNotAllowed> {
        let has_valid_characters = text.len() <= 512
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\@".contains(&byte));
        if !has_valid_characters {
            return Err(HostNotAllowed);
        }
        let url = Url::parse(text).map_err(|_| HostNotAllowed)?;
        self.check(&url)?;
        Ok(url)
    }
}

/// Returns whether a URL is https at the default port of a Salesforce host. Salesforce uses no Punycode labels.
pub(crate) fn is_salesforce(url: &Url) -> bool {
    let Some(Host::Domain(host)) = url.host() else { return false };
    url.scheme() == "https"
        && url.port().is_none()
        && !host.split('.').any(|label| label.starts_with("xn--") || label.is_empty())
        && (LOGIN_HOSTS.contains(&host) || INSTANCE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)))
}

/// Returns whether a URL names this machine: a loopback address (RFC 8252 section 8.3) or `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Returns whether browsers find this URL on their own machine: a [loopback address](is_loopback), or a name below
/// `localhost`, which browsers look up there (RFC 6761 section 6.3).
///
/// Not for URLs that a program itself sends requests to: its resolver may find such a name elsewhere.
pub fn is_on_this_machine(url: &Url) -> bool {
    is_loopback(url) || url.host_str().is_some_and(|host| host.ends_with(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed_hosts() -> AllowedHosts {
        AllowedHosts::new([Url::parse("http://127.0.0.1:8100").unwrap()])
    }

    #[test]
    fn names_below_localhost_are_on_this_machine_for_browsers_only() {
        for (text, here, loopback) in [
            ("http://app.localhost:8080/", true, false),
            ("http://LOCALHOST/", true, true),
            ("http://[::1]/", true, true),
            ("http://127.0.0.2/", true, true),
            ("http://applocalhost/", false, false),
            ("http://localhost.example/", false, false),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((is_on_this_machine(&url), is_loopback(&url)), (here, loopback), "{text}");
        }
    }

    #[test]
    fn salesforce_and_added_origins_are_allowed() {
        for text in [
            "https://acme.my.salesforce.com",
            "https://acme.my.salesforce.com/",
            "HTTPS://ACME.MY.SALESFORCE.COM",
            "https://acme--dev.sandbox.my.salesforce.com",
            "https://acme.my.site.com",
            "https://acme.my.salesforce.com:443",
            "https://acme.my.site.com/portal",
            "https://acme.my.site.com/portal/",
            "https://login.salesforce.com",
            "https://test.salesforce.com",
            "http://127.0.0.1:8100",
        ] {
            assert!(allowed_hosts().instance_url(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn other_hosts_are_rejected() {
        for text in [
            "",
            "http://evil.example",
            "https://evil.example",
            "http://acme.my.salesforce.com",
            "https://x.my.salesforce.com.evil.example",
            "https://evilsalesforce.com",
            "https://x.my.salesforce.com@evil.example",
            "https://user@x.my.salesforce.com",
            "https://x.my.salesforce.com:8443",
            "https://127.0.0.1",
            "https://[::1]",
            "https://169.254.169.254",
            "https://x.my.salesforce.com/path?",
            "https://x.my.salesforce.com/a/../b",
            "https://x.my.salesforce.com/a//b",
            "https://x.my.salesforce.com//",
            "https://x.my.salesforce.com/%2e%2e/b",
            "https://x.my.salesforce.com/a.b",
            "https://x.my.salesforce.com#",
            "https://x.my.salesforce.com?",
            "https://x.my.salesforce.com.",
            "https://my.salesforce.com",
            "https://.my.salesforce.com",
            "https://my.site.com",
            "https://salesforce.com",
            "https://help.salesforce.com",
            "https://xmy.salesforce.com",
            "https://acme.lightning.force.com",
            "https://acme.my.salesforce-setup.com",
            "https://x.my.salesforce.com:0",
            "https://x%00.my.salesforce.com",
            "https://evil.example%2f.my.salesforce.com",
            "https://evil.example/.my.salesforce.com",
            "https://0x7f.1",
            "https://2130706433",
            " https://x.my.salesforce.com",
            "https://x.my.salesforce.com/\n",
            "https://xn--slesforce-46a.my.salesforce.com",
            "https://x.my.\u{ff53}alesforce.com",
            "https:\\\\x.my.salesforce.com",
            "//x.my.salesforce.com",
            "http://127.0.0.1:8101",
            "http://localhost:8100",
            "file:///etc/passwd",
        ] {
            assert!(allowed_hosts().instance_url(text).is_err(), "{text}");
        }
        assert!(
            allowed_hosts()
                .instance_url(&format!("https://{}.my.salesforce.com", "a".repeat(65_536)))
                .is_err()
        );
    }

    proptest::proptest! {
        /// Built from the parts that confuse URL parsers most.
        #[test]
        fn an_accepted_url_is_an_origin_of_salesforce(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "https", "http", ":", "//", "/", "\\", "@", ".", "..", "?", "#", "%2e", "%00", "xn--", ":443", ":8443",
                    "evil.example", "acme", "my", "salesforce.com", ".my.salesforce.com", "login.salesforce.com",
                    "127.0.0.1", "[::1]", " ", "\t", "\u{ff0e}", "\u{3002}", "\u{e4}",
                ]),
                0..9,
            )
        ) {
            for text in [parts.concat(), format!("https://{}", parts.concat())] {
                if let Ok(url) = allowed_hosts().instance_url(&text) {
                    let host = url.host_str().unwrap_or_default();
                    let known = LOGIN_HOSTS.contains(&host)
                        || (host.len() > 18 && host.ends_with(".my.salesforce.com"))
                        || host.ends_with(".my.site.com");
                    // The path of an Experience Cloud site.
                    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
                    let path = url.as_str().strip_prefix(&format!("https://{host}/"));
                    let is_plain = path.is_some_and(|path| path.bytes().all(is_plain));
                    proptest::prop_assert!(known && is_plain, "{text:?} gave {url}");
                }
            }
        }
    }
}
