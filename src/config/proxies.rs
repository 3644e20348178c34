//! Forward proxies, and what they see.

use super::Config;

/// Warns if a proxy sees tokens: it opens a tunnel for `https` only.
pub(super) fn warn_of_plain_addresses(config: &Config) {
    let proxies = [&config.token_proxy, &config.api_proxy];
    let is_plain =
        |url: &str| url.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"));
    let mut addresses =
        config.allowed_origins.iter().chain(config.login_hosts.values()).chain([&config.login_url]);
    if proxies.into_iter().any(Option::is_some) && addresses.any(|url| is_plain(url)) {
        tracing::warn!(
            "a proxy is set, and requests to an `http` address pass through it unencrypted: it sees tokens and data"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::test_log::logged;

    #[test]
    fn a_proxy_that_sees_tokens_is_warned_of() {
        let proxy = Some("http://proxy.example:3128".to_owned().into());
        let origin = || vec!["HTTP://sandbox.example".to_owned()];
        let https = "https://login.salesforce.com".to_owned();
        for (token_proxy, api_proxy, allowed_origins, warns) in [
            (proxy.clone(), None, origin(), true),
            (None, proxy.clone(), origin(), true),
            (None, None, origin(), false),
            (proxy.clone(), proxy.clone(), vec!["https://sandbox.example".to_owned()], false),
        ] {
            let config = Config {
                token_proxy,
                api_proxy,
                allowed_origins,
                login_url: https.clone(),
                ..Config::default()
            };
            let ((), log) = logged(|| warn_of_plain_addresses(&config));
            assert_eq!(log.contains("unencrypted"), warns, "{config:?}");
        }
    }
}
