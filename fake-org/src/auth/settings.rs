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

/// Who may use the app ("Permitted Users").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PermittedUsers {
    /// Everyone, after allowing the app on the consent page. Salesforce's default for a new app.
    #[default]
    SelfAuthorize,
    /// Only these usernames, which need no consent: "Admin approved users are pre-authorized". Everyone else gets
    /// `invalid_app_access` "user is not admin approved to access this app".
    AdminApproved(Vec<String>),
}

/// What access tokens look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessTokens {
    /// Session ids, `00D…!…`, which live on while they are used.
    #[default]
    Opaque,
    /// JWT-based access tokens of this lifetime, which no use extends.
    Jwt(Duration),
}

/// Whether the org lets the app in at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppState {
    /// It is installed.
    #[default]
    Installed,
    /// It is not: `invalid_client` "app must be installed into org", as since September 2025 (H 005132365).
    Uninstalled,
    /// An admin blocked it: `OAUTH_APP_BLOCKED` "this app is blocked by admin".
    Blocked,
    /// Something is wrong that Salesforce does not tell the app: authorize ends on a page of its own,
    /// `OAUTH_APPROVAL_ERROR_GENERIC`, and the browser never comes back.
    Failing,
}

/// The switches that can change while the org runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) rotation: bool,
    pub(crate) refresh_policy: RefreshPolicy,
    /// "Limit the idle refresh token TTL" of the app's developer: over the admin's policy.
    pub(crate) idle_ttl_limit: Option<Duration>,
    pub(crate) session_ttl: Duration,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) permitted_users: PermittedUsers,
    pub(crate) app_state: AppState,
    /// The username that client credentials run as.
    pub(crate) execution_user: Option<String>,
    /// Callers' addresses are outside the app's allowlist for refresh tokens.
    pub(crate) ip_restricted: bool,
    /// Logins a user may have in an hour.
    pub(crate) login_limit: usize,
    pub(crate) parallel_refresh: ParallelRefresh,
    pub(crate) pkce_required: bool,
    pub(crate) page_size: usize,
    /// Answers are compressed for those who ask.
    pub(crate) compress: bool,
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
            idle_ttl_limit: None,
            session_ttl: Duration::from_secs(2 * 60 * 60),
            access_tokens: AccessTokens::Opaque,
            permitted_users: PermittedUsers::SelfAuthorize,
            app_state: AppState::Installed,
            execution_user: None,
            ip_restricted: false,
            login_limit: 3_600,
            parallel_refresh: ParallelRefresh::Allowed,
            pkce_required: true,
            page_size: 2_000,
            compress: false,
            api_limit: 15_000,
            bulk_delay: Duration::from_millis(300),
        }
    }
}
