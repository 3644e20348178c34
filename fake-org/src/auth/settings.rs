//! What an org admin would have switched on: policies of the app and the org. As JSON, what `/fake/policy` shows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::app::{ClientCredentials, Subject};
use super::quirks::{ApiAccess, CallbackIssuer, FailedResults, OldInstance, TokenError};
use crate::base::api_version::{LATEST, OLDEST};
use crate::base::duration::{millis, seconds};

/// How long a refresh token lives. Set by the org admin, invisible to the app until a refresh fails.
///
/// In JSON `"until_revoked"`, `"never"`, `{"idle_seconds":3600}` or `{"lifetime_seconds":86400}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefreshPolicy {
    /// Until it is revoked. Salesforce's default (`Infinite`).
    UntilRevoked,
    /// Never works (`Zero`).
    Never,
    /// Dies when it was not used for this long (`SpecificInactivity`); each use restarts the time.
    #[serde(rename = "idle_seconds", with = "seconds")]
    Idle(Duration),
    /// Dies this long after the login (`SpecificLifetime`). Rotation does not extend it (unverified).
    #[serde(rename = "lifetime_seconds", with = "seconds")]
    Lifetime(Duration),
}

/// What happens to a refresh while another one with the same refresh token is being worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// The users who may use the app ("Permitted Users").
///
/// In JSON `"self_authorize"` or `{"admin_approved":["ada@example.com"]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PermittedUsers {
    /// Every user, after allowing the app on the consent page. Salesforce's default for a new app.
    #[default]
    SelfAuthorize,
    /// Only these usernames, which need no consent: "Admin approved users are pre-authorized". Other users get
    /// `invalid_app_access` "user is not admin approved to access this app".
    AdminApproved(Vec<String>),
}

/// What access tokens look like.
///
/// In JSON `"opaque"` or `{"jwt_seconds":900}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessTokens {
    /// Session ids, `00D…!…`, which live on while they are used.
    #[default]
    Opaque,
    /// JWT-based access tokens of this lifetime, which no use extends.
    #[serde(rename = "jwt_seconds", with = "seconds")]
    Jwt(Duration),
}

/// Whether the org allows the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AppState {
    /// It is installed.
    #[default]
    Installed,
    /// It is not: `invalid_client` "app must be installed into org", as since September 2025 (H 005132365).
    Uninstalled,
    /// An admin blocked it: `OAUTH_APP_BLOCKED` "this app is blocked by admin".
    Blocked,
    /// Something is wrong that Salesforce does not report to the app: authorize ends on a page of Salesforce,
    /// `OAUTH_APPROVAL_ERROR_GENERIC`, and the browser never comes back.
    Failing,
}

/// What becomes of the app's first credentials after a rotation, which both sets outlive for 30 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FirstCredentials {
    /// They work.
    #[default]
    Accepted,
    /// The overlap is over: their id is unknown.
    InvalidClientId,
    /// The overlap is over: their secret is wrong.
    InvalidClient,
}

/// What an app asks of the phones that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MobilePolicy {
    /// After so many minutes.
    pub(crate) screen_lock: u32,
    pub(crate) pin_length: u32,
}

/// The switches that can change while the org runs, by the names they have in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is a checkbox of an org's Setup")]
pub(crate) struct Settings {
    pub(crate) rotation: bool,
    pub(crate) refresh_policy: RefreshPolicy,
    /// "Limit the idle refresh token TTL" of the app's developer: over the admin's policy.
    #[serde(rename = "idle_ttl_limit_seconds", with = "seconds::or_none")]
    pub(crate) idle_ttl_limit: Option<Duration>,
    #[serde(rename = "session_ttl_seconds", with = "seconds")]
    pub(crate) session_ttl: Duration,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) permitted_users: PermittedUsers,
    pub(crate) app_state: AppState,
    /// The org is locked, closed or suspended: logins fail.
    pub(crate) org_locked: bool,
    /// `canOnlyLoginWithMyDomainUrl`: the shared login host takes no login form.
    pub(crate) my_domain_login_only: bool,
    /// `doesApiLoginRequireOrgDomain`: the shared login host takes no login without a browser.
    pub(crate) my_domain_api_login_only: bool,
    /// The username that client credentials run as.
    pub(crate) execution_user: Option<String>,
    /// Callers' addresses are outside the app's allowlist for refresh tokens.
    pub(crate) ip_restricted: bool,
    /// Logins a user may have in an hour.
    pub(crate) login_limit: usize,
    pub(crate) parallel_refresh: ParallelRefresh,
    pub(crate) pkce_required: bool,
    /// The user-agent flow is not blocked ("Allow OAuth User-Agent Flows").
    pub(crate) user_agent_flow: bool,
    /// `isCodeCredPostOnly`: headless logins send username and password in the body.
    pub(crate) code_credentials_post_only: bool,
    /// `isConsumerSecretOptional` the other way round.
    pub(crate) secret_required: bool,
    /// `isSecretRequiredForRefreshToken`.
    pub(crate) refresh_secret_required: bool,
    /// What a rotation of the app's credentials made. `first_credentials` says how long the first ones work beside it.
    pub(crate) rotated_credentials: Option<ClientCredentials>,
    pub(crate) first_credentials: FirstCredentials,
    /// The scopes assigned to the app.
    pub(crate) scopes: Vec<String>,
    /// The registered callbacks. Empty: any loopback URL.
    pub(crate) redirect_uris: Vec<String>,
    /// PEM of the uploaded certificate, whose key signs the app's assertions.
    pub(crate) certificate: Option<String>,
    /// What the Apex token exchange handler knows; `None`: the flow is off.
    pub(crate) exchange_tokens: Option<Vec<Subject>>,
    /// The API name of that handler, for requests that name one.
    pub(crate) exchange_handler: Option<String>,
    /// The custom permissions that every user has, for tokens with the scope of that name.
    pub(crate) custom_permissions: Vec<String>,
    /// How many seconds before a login the user proved who they are: `auth_time` of ID tokens. `None`: they have none.
    /// Whether Salesforce sends it is unverified.
    pub(crate) id_token_auth_age_seconds: Option<i64>,
    /// `Organization.IsSandbox`.
    pub(crate) is_sandbox: bool,
    /// The app's custom attributes, as the identity shows them.
    pub(crate) custom_attributes: Map<String, Value>,
    /// The app's policy for phones.
    pub(crate) mobile_policy: Option<MobilePolicy>,
    /// The registered Single Logout URL.
    pub(crate) single_logout_url: Option<String>,
    /// The page that a canvas app is.
    pub(crate) canvas_url: String,
    /// The canvas app is given no signed request: it starts OAuth by itself ("OAuth Webflow (GET)").
    pub(crate) canvas_oauth: bool,
    /// The origins on the org's CORS allowlist.
    pub(crate) cors_origins: Vec<String>,
    /// "Enable CORS for OAuth endpoints".
    pub(crate) cors_for_oauth: bool,
    pub(crate) page_size: usize,
    /// Responses are compressed for clients that accept gzip.
    pub(crate) compress: bool,
    /// The limit in `/limits` and `Sforce-Limit-Info`.
    pub(crate) api_limit: u64,
    /// The newest API version that the org has.
    pub(crate) newest_version: u32,
    /// Versions below this one are deprecated: responses have a `Warning`.
    pub(crate) deprecated_below: u32,
    /// How long a bulk job takes.
    #[serde(rename = "bulk_delay_ms", with = "millis")]
    pub(crate) bulk_delay: Duration,
    pub(crate) old_instance: OldInstance,
    /// The shared login host redirects refreshes to the My Domain with this status. Which one Salesforce sends, and that
    /// it does not process the request first, is unverified.
    pub(crate) refresh_redirect: Option<u16>,
    /// The My Domain redirects refreshes, too.
    pub(crate) refresh_redirect_loop: bool,
    /// Members that responses to refreshes lack.
    pub(crate) refresh_response_without: Vec<String>,
    /// `grant_type` → the error that every such request gets. Nothing changes then.
    pub(crate) token_errors: BTreeMap<String, TokenError>,
    /// Refreshes fail for users whom an admin no longer permits. Whether Salesforce checks that is unverified.
    pub(crate) permitted_users_on_refresh: bool,
    pub(crate) callback_issuer: CallbackIssuer,
    /// The browser sends each callback twice.
    pub(crate) duplicate_callback: bool,
    pub(crate) api_access: ApiAccess,
    /// The language of REST messages and of the users. The translations are unverified.
    pub(crate) language: String,
    /// How far `Date` is ahead of the machine's clock.
    pub(crate) date_skew_seconds: i64,
    /// A path that the instance URL ends in, as an Experience Cloud site's (unverified). Data requests without it are
    /// 404 then.
    pub(crate) instance_path: Option<String>,
    /// Open query cursors of a user; one more closes the oldest. `None`: no limit.
    pub(crate) cursor_limit: Option<usize>,
    /// The next page of a query closes the cursors of the children of the page before.
    pub(crate) child_cursors_end: bool,
    /// Rows that the last page of a query lacks.
    pub(crate) vanishing_rows: usize,
    /// What further pages add to `totalSize`.
    pub(crate) total_size_drift: isize,
    /// Queries that contain one of these texts are declined by the edge.
    pub(crate) declined_queries: Vec<String>,
    pub(crate) failed_results: FailedResults,
    /// Results of bulk jobs whose client reads nothing for this long are reset. `None`: never.
    #[serde(rename = "bulk_read_timeout_ms", with = "millis::or_none")]
    pub(crate) bulk_read_timeout: Option<Duration>,
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
            org_locked: false,
            my_domain_login_only: false,
            my_domain_api_login_only: false,
            execution_user: None,
            ip_restricted: false,
            login_limit: 3_600,
            parallel_refresh: ParallelRefresh::Allowed,
            pkce_required: true,
            user_agent_flow: true,
            code_credentials_post_only: false,
            secret_required: true,
            refresh_secret_required: true,
            rotated_credentials: None,
            first_credentials: FirstCredentials::Accepted,
            scopes: [
                "api",
                "id",
                "openid",
                "profile",
                "email",
                "address",
                "phone",
                "refresh_token",
                "web",
                "custom_permissions",
            ]
            .map(String::from)
            .to_vec(),
            redirect_uris: Vec::new(),
            certificate: None,
            exchange_tokens: None,
            exchange_handler: None,
            custom_permissions: Vec::new(),
            id_token_auth_age_seconds: None,
            is_sandbox: false,
            custom_attributes: Map::new(),
            mobile_policy: None,
            single_logout_url: None,
            canvas_url: "http://127.0.0.1:8080/canvas".into(),
            canvas_oauth: false,
            cors_origins: Vec::new(),
            cors_for_oauth: false,
            page_size: 2_000,
            compress: true,
            api_limit: 15_000,
            newest_version: LATEST,
            deprecated_below: OLDEST,
            bulk_delay: Duration::from_millis(300),
            old_instance: OldInstance::InvalidSession,
            refresh_redirect: None,
            refresh_redirect_loop: false,
            refresh_response_without: Vec::new(),
            token_errors: BTreeMap::new(),
            permitted_users_on_refresh: false,
            callback_issuer: CallbackIssuer::None,
            duplicate_callback: false,
            api_access: ApiAccess::Allowed,
            language: "en_US".into(),
            date_skew_seconds: 0,
            instance_path: None,
            cursor_limit: None,
            child_cursors_end: false,
            vanishing_rows: 0,
            total_size_drift: 0,
            declined_queries: Vec::new(),
            failed_results: FailedResults::Csv,
            bulk_read_timeout: None,
        }
    }
}

impl Settings {
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
