//! What an org admin would have switched on: policies of the app and the org.

use std::time::Duration;

/// How long a refresh token lives. Set by the org admin, invisible to the app until a refresh fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshPolicy {
    /// Until it is revoked. Salesforce's default (`Infinite`).
    UntilRevoked,
    /// Never works (`Zero`).
    Never,
    /// Dies when it was not used for this long (`SpecificInactivity`); each use starts anew.
    Idle(Duration),
    /// Dies this long after the login (`SpecificLifetime`). Rotation does not extend it (unverified).
    Lifetime(Duration),
}

/// What happens to a refresh while another one with the same refresh token is being worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParallelRefresh {
    /// It is handled as if it had come later.
    #[default]
    Allowed,
    /// 400 "Token request is already being processed": the text several clients report (iOS Mobile SDK issue
    /// 3731); its `error` code was not captured, `invalid_request` stands in (unverified).
    AlreadyProcessing,
    /// 400 `invalid_grant` "expired authorization code": what Segment saw in a load test of 2024 and handles as
    /// "concurrent refresh, try again" (segmentio/action-destinations pull request 2300).
    ExpiredCode,
}

/// The switches that can change while the org runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) rotation: bool,
    pub(crate) refresh_policy: RefreshPolicy,
    pub(crate) session_ttl: Duration,
    pub(crate) parallel_refresh: ParallelRefresh,
    pub(crate) pkce_required: bool,
    pub(crate) page_size: usize,
    /// The answers of `/limits` and `Sforce-Limit-Info`.
    pub(crate) api_limit: u64,
    /// How long a bulk job takes.
    pub(crate) bulk_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rotation: true,
            refresh_policy: RefreshPolicy::UntilRevoked,
            session_ttl: Duration::from_secs(2 * 60 * 60),
            parallel_refresh: ParallelRefresh::Allowed,
            pkce_required: true,
            page_size: 2_000,
            api_limit: 15_000,
            bulk_delay: Duration::from_millis(300),
        }
    }
}

/// The registered app. One per org for now.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) secret_required: bool,
    pub(crate) scopes: Vec<String>,
    /// Empty: any loopback redirect URI.
    pub(crate) redirect_uris: Vec<String>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            name: "Example App".into(),
            client_id: "3MVG9FakeOrg.ExternalClientApp_nTK2Wzvd0UJxGw7VbYcQe5RmPz1SaLh8Xo4Df6Kj9Ti3".into(),
            client_secret: "FAKE0RG5ECRET7C1B9E2D4A6F80313579BDF02468ACE13579BDF02468ACE0123".into(),
            secret_required: true,
            scopes: ["api", "id", "openid", "profile", "email", "address", "phone", "refresh_token", "web"]
                .map(String::from)
                .to_vec(),
            redirect_uris: Vec::new(),
        }
    }
}

impl App {
    /// Registered callbacks match character for character; with none registered, any loopback URL will do.
    pub(crate) fn accepts_redirect(&self, uri: &str) -> bool {
        if !self.redirect_uris.is_empty() {
            return self.redirect_uris.iter().any(|known| known == uri);
        }
        let Ok(url) = url::Url::parse(uri) else { return false };
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        loopback && matches!(url.scheme(), "http" | "https") && url.fragment().is_none()
    }
}
