//! Errors of the OAuth endpoints, with Salesforce's own words.

/// An OAuth error: `{"error":…,"error_description":…}`. Salesforce sends 400 for every case whose status was
/// ever captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OauthError {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) description: String,
}

impl OauthError {
    pub(crate) fn new(error: &str, description: &str) -> Self {
        Self { status: 400, error: error.into(), description: description.into() }
    }

    pub(crate) fn invalid_grant(description: &str) -> Self {
        Self::new("invalid_grant", description)
    }

    /// Expired, revoked, evicted or replayed: all look alike on the wire.
    pub(crate) fn dead_refresh_token() -> Self {
        Self::invalid_grant("expired access/refresh token")
    }

    /// Expired, used or unknown code: the same text for all three.
    pub(crate) fn dead_code() -> Self {
        Self::invalid_grant("expired authorization code")
    }

    pub(crate) fn redirect_mismatch() -> Self {
        Self::new("redirect_uri_mismatch", "redirect_uri must match configuration")
    }

    pub(crate) fn unknown_client() -> Self {
        Self::new("invalid_client_id", "client identifier invalid")
    }

    pub(crate) fn bad_secret() -> Self {
        Self::new("invalid_client", "invalid client credentials")
    }

    pub(crate) fn invalid_scope() -> Self {
        Self::new("invalid_scope", "the requested scope is invalid, unknown, or malformed")
    }

    /// Every wrong `Uvid-Hint` gets this error, a missing one too (live-checked notes of a storefront).
    pub(crate) fn wrong_visitor() -> Self {
        Self::new("invalid_request", "uvid invalid")
    }

    pub(crate) fn locked_org() -> Self {
        Self::new("inactive_org", "organization is locked, closed, or suspended")
    }

    /// The text that client credentials get on a shared login host.
    pub(crate) fn wrong_domain() -> Self {
        Self::invalid_grant("request not supported on this domain")
    }

    pub(crate) fn inactive_user() -> Self {
        Self::new("inactive_user", "user is inactive")
    }

    /// Sent since 2024 when the same refresh token is being used by another request; the text was captured by
    /// several clients, its `error` code was not (unverified).
    pub(crate) fn already_processing() -> Self {
        Self::new("invalid_request", "Token request is already being processed")
    }

    /// The JWT bearer flow needs an earlier approval, or an admin's.
    pub(crate) fn not_approved() -> Self {
        Self::invalid_grant("user hasn't approved this consumer")
    }

    /// Permitted Users is "admin approved", and this one is not.
    pub(crate) fn not_permitted() -> Self {
        Self::new("invalid_app_access", "user is not admin approved to access this app")
    }

    pub(crate) fn too_many_logins() -> Self {
        Self::new("rate_limit_exceeded", "number of logins exceeded")
    }

    /// Outside the ranges of the app's allowlist; the text is unverified.
    pub(crate) fn ip_restricted() -> Self {
        Self::invalid_grant("ip restricted")
    }

    pub(crate) fn flow_off() -> Self {
        Self::new("unsupported_grant_type", "grant type not supported")
    }
}
