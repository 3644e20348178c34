//! What a page says about a login that Salesforce refused.

use super::messages::Message;

// What a page says about a login that Salesforce refused: the title, the reason, and what to do about it.
macro_rules! refusals {
    ($($name:ident: $title:literal, $reason:literal, $fix:expr;)*) => {$(
        pub(super) const $name: Message = Message($title, &[$reason, $fix]);
    )*};
}

const ADMIN_USAGE: &str = "A Salesforce administrator can change this in Setup under \"Connected Apps OAuth Usage\": \
     find this app there, then install it or unblock it.";
const APP_POLICY: &str = "A Salesforce administrator can change this in Setup under \"External Client App Manager\" \
     (or \"Manage Connected Apps\"): open this app's OAuth policies, and assign you a permitted profile or permission set.";
const DEVELOPER: &str = "This is a mistake in how this app is set up. Please tell the people who run it; its settings \
     are in Salesforce Setup under \"External Client App Manager\".";
const SALESFORCE_STATUS: &str = "Nothing was changed. Please wait a moment and try again; Salesforce's status is shown on its trust site.";
const LOGIN_HISTORY: &str = "Try again. If the problem persists, an administrator can look at your user's \"Login History\" in Salesforce Setup.";

refusals! {
    ACCESS_DENIED:
        "You did not allow access",
        "\"Deny\" was chosen on Salesforce's page, so you were not logged in.",
        "Try again and choose \"Allow\" if you want to use this app.";
    APP_BLOCKED:
        "This app is blocked in your organization",
        "An administrator of your Salesforce organization blocked this app.",
        ADMIN_USAGE;
    APP_UNCHECKED:
        "This app is blocked in your organization",
        "Your Salesforce organization blocks apps that it cannot check, including this one.",
        ADMIN_USAGE;
    APP_NOT_ALLOWED:
        "You may not use this app",
        "Your Salesforce organization does not let you use this app.",
        APP_POLICY;
    APP_NOT_APPROVED:
        "You may not use this app yet",
        "Your Salesforce organization lets people use this app only after an administrator has approved them.",
        APP_POLICY;
    APP_NOT_INSTALLED:
        "This app has to be installed first",
        "Your Salesforce organization blocks apps that are not installed in it.",
        ADMIN_USAGE;
    APP_UNKNOWN_IN_ORG:
        "This app is not known in your organization",
        "Your Salesforce organization does not know this app: it was removed, or belongs to another organization.",
        ADMIN_USAGE;
    INSTALLATION_FAILED:
        "This app could not be installed",
        "Salesforce could not install this app in your organization.",
        ADMIN_USAGE;
    NO_REASON:
        "Salesforce did not let you in",
        "Salesforce gives no reason. Usual ones: the app is not installed in your organization, asks for more than it \
         was granted, or your user is for integrations only.",
        ADMIN_USAGE;
    POLICY_MISSING:
        "This app has no policy in your organization",
        "Your Salesforce organization has no OAuth policy for this app.",
        APP_POLICY;
    FLOW_DISABLED:
        "This way to log in is switched off",
        "This way to log in (the web server flow) is switched off for this app or in your organization.",
        APP_POLICY;
    SESSION_LEVEL:
        "A stronger login is needed",
        "This app demands a stronger login than the one you used, such as one with a second factor.",
        "Log out of Salesforce, log in with your second factor, and try again.";
    INACTIVE_USER:
        "Your Salesforce user is not active",
        "Your Salesforce user was deactivated or frozen.",
        "A Salesforce administrator can change this in Setup under \"Users\".";
    INACTIVE_ORG:
        "Your Salesforce organization is not active",
        "The Salesforce organization is locked, closed or suspended.",
        "Only Salesforce's support can change this; please ask your administrator to contact it.";
    INVALID_GRANT:
        "Salesforce did not accept this login",
        "The login took too long, was used before, or came from an address or at an hour that your profile does not allow.",
        LOGIN_HISTORY;
    RATE_LIMIT:
        "Too many logins",
        "Your user logged in too often within the last hour.",
        "Please wait a while and try again.";
    LOGIN_ERROR:
        "Salesforce could not log you in",
        "Salesforce could not log you in.",
        LOGIN_HISTORY;
    LOGIN_NEEDED:
        "You have to log in",
        "You were not logged in at Salesforce, or had not approved this app yet.",
        "Try again and log in on Salesforce's page.";
    INVALID_SCOPE:
        "This app asks for more than it may have",
        "This app asks for a scope that it was not granted in Salesforce.",
        DEVELOPER;
    INVALID_REQUEST:
        "Salesforce did not understand this app",
        "Salesforce did not understand this app's login request.",
        DEVELOPER;
    APP_UNKNOWN:
        "Salesforce does not know this app",
        "Salesforce does not know this app. A new app takes a few minutes to become known. An app of one organization \
         may be unknown at the login page that all organizations share, and known at your organization's own (My Domain).",
        DEVELOPER;
    FLOW_DISABLED_AT_HOST:
        "This way to log in is switched off",
        "This way to log in (the web server flow) is switched off for this app or at this login host.",
        DEVELOPER;
    REDIRECT_URI_MISMATCH:
        "This app's address is not registered",
        "The address that Salesforce should send you back to is not the one registered for this app.",
        DEVELOPER;
    REDIRECT_URI_MISSING:
        "This app's address is not registered",
        "The address that Salesforce should send you back to was missing.",
        DEVELOPER;
    SERVER_ERROR:
        "Salesforce had a problem",
        "Salesforce reports an internal problem.",
        SALESFORCE_STATUS;
    SERVICE_UNAVAILABLE:
        "Salesforce is not available",
        "Salesforce is not available right now.",
        SALESFORCE_STATUS;
    UNKNOWN:
        "Salesforce did not log you in",
        "Salesforce refused this login for a reason that this app does not know.",
        LOGIN_HISTORY;
}
