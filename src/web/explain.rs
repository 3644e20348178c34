//! Salesforce's OAuth error codes in words: what happened, who can mend it, and where.
//!
//! Sources: Salesforce Help "OAuth 2.0 Authorization Errors", Mobile SDK `OAuthErrorCode`. Nothing that Salesforce
//! sends is shown except a code that is known here.

use actix_web::http::StatusCode;

/// What a page says about a login that Salesforce refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Explanation {
    /// The code as shown, `None` when Salesforce sent one that is not known.
    pub(crate) code: Option<&'static str>,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) what: &'static str,
    pub(crate) mend: &'static str,
}

const ADMIN_USAGE: &str = "A Salesforce administrator can change this in Setup under \"Connected Apps OAuth Usage\": \
     find this app there, then install it or unblock it.";
const APP_POLICY: &str = "A Salesforce administrator can change this in Setup under \"External Client App Manager\" \
     (or \"Manage Connected Apps\"): open this app's OAuth policies, and assign you a permitted profile or permission set.";
const DEVELOPER: &str = "This is a mistake in how this app is set up. Please tell the people who run it; its settings \
     are in Salesforce Setup under \"External Client App Manager\".";
const LATER: &str = "Nothing was changed. Please wait a moment and try again; Salesforce's status is shown on its trust site.";
const USER_ADMIN: &str = "A Salesforce administrator can change this in Setup under \"Users\".";

const fn entry(
    code: &'static str,
    status: StatusCode,
    title: &'static str,
    what: &'static str,
    mend: &'static str,
) -> Explanation {
    Explanation { code: Some(code), status, title, what, mend }
}

const KNOWN: &[Explanation] = &[
    entry(
        "access_denied",
        StatusCode::FORBIDDEN,
        "You did not allow access",
        "\"Deny\" was chosen on Salesforce's page, so you were not logged in.",
        "Try again and choose \"Allow\" if you want to use this app.",
    ),
    entry(
        "oauth_app_blocked",
        StatusCode::FORBIDDEN,
        "This app is blocked in your organization",
        "An administrator of your Salesforce organization blocked this app.",
        ADMIN_USAGE,
    ),
    entry(
        "app_blocked",
        StatusCode::FORBIDDEN,
        "This app is blocked in your organization",
        "An administrator of your Salesforce organization blocked this app.",
        ADMIN_USAGE,
    ),
    entry(
        "fail_close_app_blocked",
        StatusCode::FORBIDDEN,
        "This app is blocked in your organization",
        "Your Salesforce organization blocks apps that it cannot check, including this one.",
        ADMIN_USAGE,
    ),
    entry(
        "oauth_app_access_denied",
        StatusCode::FORBIDDEN,
        "You may not use this app",
        "Your Salesforce organization does not let you use this app.",
        APP_POLICY,
    ),
    entry(
        "invalid_app_access",
        StatusCode::FORBIDDEN,
        "You may not use this app yet",
        "Your Salesforce organization lets people use this app only after an administrator has approved them.",
        APP_POLICY,
    ),
    entry(
        "no_access",
        StatusCode::FORBIDDEN,
        "You may not use this app",
        "Your Salesforce organization does not let you use this app.",
        APP_POLICY,
    ),
    entry(
        "invalid_client",
        StatusCode::FORBIDDEN,
        "This app has to be installed first",
        "Your Salesforce organization blocks apps that are not installed in it, or this app's credentials are not right.",
        ADMIN_USAGE,
    ),
    entry(
        "oauth_ec_app_not_found",
        StatusCode::FORBIDDEN,
        "This app is not known in your organization",
        "Your Salesforce organization does not know this app: it was removed, or belongs to another organization.",
        ADMIN_USAGE,
    ),
    entry(
        "app_not_found",
        StatusCode::FORBIDDEN,
        "This app is not known in your organization",
        "Your Salesforce organization does not know this app: it was removed, or belongs to another organization.",
        ADMIN_USAGE,
    ),
    entry(
        "installation_error",
        StatusCode::FORBIDDEN,
        "This app could not be installed",
        "Salesforce could not install this app in your organization.",
        ADMIN_USAGE,
    ),
    entry(
        "oauth_approval_error_generic",
        StatusCode::FORBIDDEN,
        "Salesforce did not let you in",
        "Salesforce gives no reason. Usual ones: the app is not installed in your organization, asks for more than it \
         was granted, or your user is for integrations only.",
        ADMIN_USAGE,
    ),
    entry(
        "oauth_policy_not_found",
        StatusCode::FORBIDDEN,
        "This app has no policy in your organization",
        "Your Salesforce organization has no OAuth policy for this app.",
        APP_POLICY,
    ),
    entry(
        "ecapp_policy_not_found",
        StatusCode::FORBIDDEN,
        "This app has no policy in your organization",
        "Your Salesforce organization has no OAuth policy for this app.",
        APP_POLICY,
    ),
    entry(
        "oauth_flow_disabled",
        StatusCode::FORBIDDEN,
        "This way to log in is switched off",
        "This way to log in (the web server flow) is switched off for this app or in your organization.",
        APP_POLICY,
    ),
    entry(
        "invalid_session_level",
        StatusCode::FORBIDDEN,
        "A stronger login is needed",
        "This app demands a stronger login than the one you used, such as one with a second factor.",
        "Log out of Salesforce, log in with your second factor, and try again.",
    ),
    entry(
        "inactive_user",
        StatusCode::FORBIDDEN,
        "Your Salesforce user is not active",
        "Your Salesforce user was deactivated or frozen.",
        USER_ADMIN,
    ),
    entry(
        "inactive_org",
        StatusCode::FORBIDDEN,
        "Your Salesforce organization is not active",
        "The Salesforce organization is locked, closed or suspended.",
        "Only Salesforce's support can change this; please ask your administrator to contact it.",
    ),
    entry(
        "invalid_grant",
        StatusCode::FORBIDDEN,
        "Salesforce did not accept this login",
        "The login took too long, was used before, or came from an address or at an hour that your profile does not allow.",
        "Try again. If the problem persists, an administrator can look at your user's \"Login History\" in Salesforce Setup.",
    ),
    entry(
        "rate_limit_exceeded",
        StatusCode::TOO_MANY_REQUESTS,
        "Too many logins",
        "Your user logged in too often within the last hour.",
        "Please wait a while and try again.",
    ),
    entry(
        "login_error",
        StatusCode::FORBIDDEN,
        "Salesforce could not log you in",
        "Salesforce could not log you in.",
        "Try again. If the problem persists, an administrator can look at your user's \"Login History\" in Salesforce Setup.",
    ),
    entry(
        "immediate_unsuccessful",
        StatusCode::FORBIDDEN,
        "You have to log in",
        "You were not logged in at Salesforce, or had not approved this app yet.",
        "Try again and log in on Salesforce's page.",
    ),
    entry(
        "invalid_scope",
        StatusCode::BAD_REQUEST,
        "This app asks for more than it may have",
        "This app asks for a scope that it was not granted in Salesforce.",
        DEVELOPER,
    ),
    entry(
        "invalid_request",
        StatusCode::BAD_REQUEST,
        "Salesforce did not understand this app",
        "Salesforce did not understand this app's login request.",
        DEVELOPER,
    ),
    entry(
        "invalid_client_id",
        StatusCode::BAD_REQUEST,
        "Salesforce does not know this app",
        "Salesforce does not know this app. A new app takes a few minutes to become known, and each app belongs to a \
         login host.",
        DEVELOPER,
    ),
    entry(
        "unsupported_response_type",
        StatusCode::BAD_REQUEST,
        "Salesforce did not understand this app",
        "Salesforce did not understand this app's login request.",
        DEVELOPER,
    ),
    entry(
        "unsupported_grant_type",
        StatusCode::BAD_REQUEST,
        "This way to log in is switched off",
        "This way to log in (the web server flow) is switched off for this app or at this login host.",
        DEVELOPER,
    ),
    entry(
        "redirect_uri_mismatch",
        StatusCode::BAD_REQUEST,
        "This app's address is not registered",
        "The address that Salesforce should send you back to is not the one registered for this app.",
        DEVELOPER,
    ),
    entry(
        "redirect_uri_missing",
        StatusCode::BAD_REQUEST,
        "This app's address is not registered",
        "The address that Salesforce should send you back to was missing.",
        DEVELOPER,
    ),
    entry(
        "server_error",
        StatusCode::BAD_GATEWAY,
        "Salesforce had a problem",
        "Salesforce reports a problem of its own.",
        LATER,
    ),
    entry(
        "unknown_error",
        StatusCode::BAD_GATEWAY,
        "Salesforce had a problem",
        "Salesforce reports a problem of its own.",
        LATER,
    ),
    entry(
        "system_down",
        StatusCode::SERVICE_UNAVAILABLE,
        "Salesforce is not available",
        "Salesforce is not available right now.",
        LATER,
    ),
    entry(
        "service_unavailable",
        StatusCode::SERVICE_UNAVAILABLE,
        "Salesforce is not available",
        "Salesforce is not available right now.",
        LATER,
    ),
];

const UNKNOWN: Explanation = Explanation {
    code: None,
    status: StatusCode::BAD_REQUEST,
    title: "Salesforce did not log you in",
    what: "Salesforce refused this login for a reason that this app does not know.",
    mend: "Try again. If the problem persists, an administrator can look at your user's \"Login History\" in Salesforce Setup.",
};

/// What to say about an error code of the authorization or token endpoint.
pub(crate) fn explain(code: &str) -> Explanation {
    let code = normalize(code);
    KNOWN.iter().find(|known| known.code == Some(code.as_str())).copied().unwrap_or(UNKNOWN)
}

/// Codes come in lower and upper snake case, and once with a hyphen.
fn normalize(code: &str) -> String {
    code.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_code_is_explained() {
        assert_eq!(explain("access-denied").code, Some("access_denied"));
        assert_eq!(explain("OAUTH_APP_BLOCKED").status, StatusCode::FORBIDDEN);
        assert_eq!(explain("<script>").code, None);
    }

    #[test]
    fn no_code_is_listed_twice() {
        for (index, entry) in KNOWN.iter().enumerate() {
            assert!(KNOWN[index + 1..].iter().all(|other| other.code != entry.code), "{:?}", entry.code);
            assert_eq!(entry.code.map(normalize).as_deref(), entry.code);
        }
    }
}
