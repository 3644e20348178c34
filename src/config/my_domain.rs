//! My Domains that users enter: which texts name one.
//!
//! The rules are strict, because what passes becomes a host that this app sends codes and its secret to: a host below
//! `.my.salesforce.com`, without port, user info, path or a name in punycode.

use super::Settings;
use salesforce_connection::oauth::LoginHost;

const SUFFIX: &str = ".my.salesforce.com";

/// What may stand between the name of a My Domain and the suffix (Metadata API Developer Guide "MyDomainSettings").
const PARTITIONS: [&str; 7] = ["demo", "develop", "free", "patch", "sandbox", "scratch", "trailblaze"];

/// Returns whether this is the name of a My Domain, with its partition if it has one: `acme`, `acme--dev.sandbox`.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // A label in punycode shows other characters to the user than it has (RFC 3490).
        let is_punycode = label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
        let ends = label.starts_with('-') || label.ends_with('-');
        is_plain && !is_punycode && !ends && (1..=63).contains(&label.len())
    };
    let (name, partition) = name.split_once('.').map_or((name, None), |(name, rest)| (name, Some(rest)));
    is_label(name) && partition.is_none_or(is_label)
}

/// Returns whether this is a name that users enter without the suffix.
fn is_short_name(name: &str) -> bool {
    let is_known = |partition: &str| PARTITIONS.iter().any(|known| partition.eq_ignore_ascii_case(known));
    is_name(name) && name.split_once('.').is_none_or(|(_, partition)| is_known(partition))
}

impl Settings {
    /// Returns the My Domain with this host name if users may choose any.
    pub(super) fn my_domain(&self, host: &str) -> Option<LoginHost> {
        let name = host.strip_suffix(SUFFIX).filter(|name| self.allow_my_domain && is_name(name))?;
        LoginHost::my_domain(name).ok()
    }

    /// Returns the login host that `?host=` of the login route means: a configured one by name or address, or a My Domain
    /// by name or address if users may choose any.
    pub(crate) fn find_host(&self, text: &str) -> Option<LoginHost> {
        if let Some(host) = self.hosts.get(text) {
            return Some(host.clone());
        }
        // The default host has no name in the settings.
        if text == self.host_name(&self.default_host) {
            return Some(self.default_host.clone());
        }
        let text = text.trim();
        if self.allow_my_domain && is_short_name(text) {
            return LoginHost::my_domain(text).ok();
        }
        // A URL or a host as users copy it. The callback finds the host of its pending login by the same rule.
        let host: LoginHost = text.parse().ok()?;
        self.offered_host(host.as_url().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn settings(change: impl FnOnce(&mut Config)) -> Settings {
        let mut config = Config { client_id: "3MVG9".to_owned(), ..Config::default() };
        change(&mut config);
        config.check(false).unwrap()
    }

    fn found(settings: &Settings, text: &str) -> Option<String> {
        settings.find_host(text).map(|host| host.issuer().to_owned())
    }

    #[test]
    fn a_my_domain_is_found_by_what_users_enter() {
        let open = settings(|config| config.allow_my_domain = true);
        for text in [
            "acme",
            "ACME",
            " acme ",
            "acme.my.salesforce.com",
            "https://acme.my.salesforce.com/",
            "https://acme.my.salesforce.com:443/services/oauth2/authorize",
            "acme.lightning.force.com/lightning/page/home",
        ] {
            assert_eq!(found(&open, text).as_deref(), Some("https://acme.my.salesforce.com"), "{text}");
            assert_eq!(found(&settings(|_| {}), text), None, "{text}");
        }
        for text in ["acme--dev.sandbox", "acme--dev.sandbox.my.salesforce.com"] {
            let host = found(&open, text);
            assert_eq!(host.as_deref(), Some("https://acme--dev.sandbox.my.salesforce.com"), "{text}");
        }
    }

    #[test]
    fn only_a_host_of_salesforce_is_a_my_domain() {
        let open = settings(|config| config.allow_my_domain = true);
        for text in [
            "",
            "evil.example",
            "acme.evil",
            "https://evil.example",
            "acme.my.salesforce.com.evil.example",
            "evil.example/.my.salesforce.com",
            "evil.example#.my.salesforce.com",
            "evil.example?.my.salesforce.com",
            "evil.example\\.my.salesforce.com",
            "evil@acme.my.salesforce.com",
            "acme.my.salesforce.com@evil.example",
            "https://user:secret@acme.my.salesforce.com",
            "acme.my.salesforce.com:8443",
            "http://acme.my.salesforce.com",
            "acme.my.salesforce.com.",
            ".my.salesforce.com",
            "my.salesforce.com",
            "salesforce.com",
            "help.salesforce.com",
            "a.b.c.my.salesforce.com",
            "-acme",
            "acme-",
            "xn--cme-5cd",
            "XN--cme-5cd.my.salesforce.com",
            "\u{430}cme",
            "\u{430}cme.my.salesforce.com",
            "acme.my.\u{ff53}alesforce.com",
            "acme\u{3002}my.salesforce.com",
            "ac%2eme",
            "127.0.0.1",
            "localhost",
            "http://127.0.0.1:8100",
            "169.254.169.254",
            "0x7f000001.my.salesforce.com@127.0.0.1",
            "[::1]",
            "acme.my.site.com",
            "acme.my.salesforce.mil",
        ] {
            let host = found(&open, text);
            let is_short = text == "localhost";
            assert_eq!(host.is_some(), is_short, "{text}: {host:?}");
            assert!(host.is_none_or(|host| host == "https://localhost.my.salesforce.com"));
        }
        assert_eq!(found(&open, &"a".repeat(64)), None);
    }

    proptest::proptest! {
        /// Built from the parts that confuse URL parsers most.
        #[test]
        fn what_users_enter_never_leads_elsewhere(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "https", "http", ":", "//", "/", "\\", "@", ".", "..", "?", "#", "%2e", "%00", "xn--", ":443", ":8443",
                    "evil.example", "acme", "my", "salesforce.com", ".my.salesforce.com", "login.salesforce.com",
                    "127.0.0.1", "[::1]", " ", "\t", "\u{ff0e}", "\u{3002}", "\u{e4}", "sandbox", "--",
                ]),
                0..9,
            )
        ) {
            let open = settings(|config| config.allow_my_domain = true);
            if let Some(host) = open.find_host(&parts.concat()) {
                let url = host.as_url();
                let name = url.host_str().unwrap_or_default();
                proptest::prop_assert!(name == "login.salesforce.com" || name.ends_with(".my.salesforce.com"), "{url}");
                proptest::prop_assert_eq!(url.as_str(), format!("https://{name}/"));
                proptest::prop_assert_eq!(open.offered_host(url.as_str()), Some(host));
            }
        }
    }
}
