//! What a page says about a login that Salesforce refused: what happened, what to do, who can do it, and where in Setup.
//!
//! The places are those of Salesforce Help: "Manage OAuth Access Policies for a Connected App", "External Client Apps",
//! "Monitor Login History", "Restrict Login IP Ranges in the Enhanced Profile User Interface", "View and Edit Login Hours",
//! "OAuth and OpenID Connect Settings".

use crate::web::pages::fix::{Fix, Who};

/// A title, the reason, and how to change it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) title: &'static str,
    /// The reason, and what to do.
    pub(crate) paragraphs: &'static [&'static str; 2],
    pub(crate) fix: Fix,
}

macro_rules! refusals {
    ($($name:ident: $title:literal, $reason:literal, $do:expr, $who:ident $(at $place:expr)?;)*) => {$(
        pub(crate) const $name: Refusal = Refusal {
            title: $title,
            paragraphs: &[$reason, $do],
            fix: refusals!(@fix $who $($place)?),
        };
    )*};
    (@fix $who:ident) => { Fix { who: Who::$who, place: None } };
    (@fix $who:ident $place:expr) => { Fix { who: Who::$who, place: Some($place) } };
}

const USAGE: &str = "Apps > Connected Apps > Connected Apps OAuth Usage";
const POLICIES: &str = "Apps > External Client Apps > External Client App Manager (or Connected Apps > Manage Connected Apps), the \
     app's OAuth policies";
const APP_SETTINGS: &str =
    "Apps > External Client Apps > External Client App Manager, the app's OAuth settings";
const FLOWS: &str = "Identity > OAuth and OpenID Connect Settings";
const USERS: &str = "Users > Users";
const LOGIN_HISTORY: &str = "Identity > Login History";
pub(crate) const PROFILE: &str =
    "Users > Profiles, \"Login IP Ranges\" and \"Login Hours\"; Security > Network Access";

const TELL: &str = "This is a mistake in how the app is set up.";
const WAIT: &str = "Nothing was changed. Please wait a moment and try again; Salesforce's status is shown on its trust site.";
const AGAIN: &str = "Try again. If it happens again, the user's login history says more.";

refusals! {
    ACCESS_DENIED:
        "You did not allow access",
        "\"Deny\" was chosen on Salesforce's page, so you were not logged in.",
        "Try again and choose \"Allow\" if you want to use this app.",
        You;
    APP_BLOCKED:
        "This app is blocked in your organization",
        "An administrator of your Salesforce organization blocked this app.",
        "It has to be found in the list of apps and unblocked.",
        Administrator at USAGE;
    APP_UNCHECKED:
        "This app is blocked in your organization",
        "Your Salesforce organization blocks apps that it cannot check, including this one.",
        "It has to be found in the list of apps, then installed or unblocked.",
        Administrator at USAGE;
    APP_NOT_ALLOWED:
        "You may not use this app",
        "Your Salesforce organization does not let you use this app.",
        "You need a profile or a permission set that the app's policies permit.",
        Administrator at POLICIES;
    APP_NOT_APPROVED:
        "You may not use this app yet",
        "Your Salesforce organization lets people use this app only after an administrator has approved them.",
        "You need a profile or a permission set that the app's policies permit.",
        Administrator at POLICIES;
    APP_NOT_INSTALLED:
        "This app has to be installed first",
        "Your Salesforce organization blocks apps that are not installed in it.",
        "It has to be found in the list of apps and installed.",
        Administrator at USAGE;
    APP_UNKNOWN_IN_ORG:
        "This app is not known in your organization",
        "Your Salesforce organization does not know this app: it was removed, or belongs to another organization.",
        "It has to be installed again.",
        Administrator at USAGE;
    INSTALLATION_FAILED:
        "This app could not be installed",
        "Salesforce could not install this app in your organization.",
        "It has to be found in the list of apps and installed.",
        Administrator at USAGE;
    NO_REASON:
        "Salesforce did not let you in",
        "Salesforce gives no reason. Usual ones: the app is not installed in your organization, asks for more than it \
         was granted, or your user is for integrations only.",
        "The list of apps shows whether it is installed; the user's login history says more.",
        Administrator at USAGE;
    POLICY_MISSING:
        "This app has no policy in your organization",
        "Your Salesforce organization has no OAuth policy for this app.",
        "Its OAuth policies have to be opened and saved once.",
        Administrator at POLICIES;
    FLOW_DISABLED:
        "This way to log in is switched off",
        "This way to log in (the web server flow) is switched off for this app or in your organization.",
        "It has to be switched on, for the organization and for the app.",
        Administrator at FLOWS;
    SESSION_LEVEL:
        "A stronger login is needed",
        "This app demands a stronger login than the one you used, such as one with a second factor.",
        "Log out of Salesforce, log in with your second factor, and try again.",
        You;
    INACTIVE_USER:
        "Your Salesforce user is not active",
        "Your Salesforce user was deactivated or frozen.",
        "It has to be activated, or unfrozen.",
        Administrator at USERS;
    INACTIVE_ORG:
        "Your Salesforce organization is not active",
        "The Salesforce organization is locked, closed or suspended.",
        "Please ask your administrator to contact Salesforce.",
        Salesforce;
    INVALID_GRANT:
        "Salesforce did not accept this login",
        "The login took too long, was used before, or came from an address or at an hour that your profile does not allow.",
        AGAIN,
        Administrator at LOGIN_HISTORY;
    EXPIRED_CODE:
        "This login took too long",
        "Between Salesforce's page and this app too much time has passed, or the login was used before.",
        "Try again.",
        You;
    IP_RESTRICTED:
        "Salesforce does not let you in from here",
        "Your profile or this app does not allow logins from your network address, or from that of this app's server.",
        "Log in from an allowed network, or let the address be added.",
        Administrator at PROFILE;
    IP_OR_HOURS:
        "Salesforce does not let you in from here or now",
        "Your profile does not allow logins from your network address, or not at this hour.",
        "Log in from an allowed network or at an allowed hour, or let them be changed.",
        Administrator at PROFILE;
    RATE_LIMIT:
        "Too many logins",
        "Your user logged in too often within the last hour: Salesforce allows 3,600 logins.",
        "Please wait a while and try again. If other programs log in as you, they have to log in less often.",
        Administrator at LOGIN_HISTORY;
    LOGIN_ERROR:
        "Salesforce could not log you in",
        "Salesforce could not log you in.",
        AGAIN,
        Administrator at LOGIN_HISTORY;
    LOGIN_NEEDED:
        "You have to log in",
        "You were not logged in at Salesforce, or had not approved this app yet.",
        "Try again and log in on Salesforce's page.",
        You;
    INVALID_SCOPE:
        "This app asks for more than it may have",
        "This app asks for a scope that it was not granted in Salesforce.",
        "The scope has to be added to the app's selected scopes, or taken out of SALESFORCE_SCOPES.",
        Developer at APP_SETTINGS;
    INVALID_REQUEST:
        "Salesforce did not understand this app",
        "Salesforce did not understand this app's login request.",
        TELL,
        Developer at APP_SETTINGS;
    CODE_CHALLENGE:
        "Salesforce did not understand this app",
        "Salesforce requires a proof key (PKCE) of this app and did not get the right one.",
        "If it happens each time, something between browser, app and Salesforce changes addresses or cookies.",
        Developer at APP_SETTINGS;
    INVALID_CREDENTIALS:
        "This app is not set up correctly",
        "Salesforce let you in, but does not accept the credentials of this app, so you were not logged in.",
        "Its consumer key and secret have to be compared with its settings.",
        Developer at APP_SETTINGS;
    APP_UNKNOWN:
        "Salesforce does not know this app",
        "Salesforce does not know this app. A new app takes a few minutes to become known. An app of one organization \
         may be unknown at the login page that all organizations share, and known at your organization's own (My Domain).",
        TELL,
        Developer at APP_SETTINGS;
    FLOW_DISABLED_AT_HOST:
        "This way to log in is switched off",
        "This way to log in (the web server flow) is switched off for this app or at this login host.",
        TELL,
        Developer at APP_SETTINGS;
    REDIRECT_URI_MISMATCH:
        "This app's address is not registered",
        "The address that Salesforce should send you back to is not the one registered for this app.",
        "The app's callback URL has to be the same text in both, to the last character.",
        Developer at APP_SETTINGS;
    REDIRECT_URI_MISSING:
        "This app's address is not registered",
        "The address that Salesforce should send you back to was missing.",
        TELL,
        Developer at APP_SETTINGS;
    SERVER_ERROR:
        "Salesforce had a problem",
        "Salesforce reports an internal problem.",
        WAIT,
        Salesforce;
    SERVICE_UNAVAILABLE:
        "Salesforce is not available",
        "Salesforce is not available right now.",
        WAIT,
        Salesforce;
    UNKNOWN:
        "Salesforce did not log you in",
        "Salesforce refused this login for a reason that this app does not know.",
        AGAIN,
        Administrator at LOGIN_HISTORY;
}
