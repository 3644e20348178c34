//! All texts that a user can see: titles, paragraphs and labels of pages, and the member `message` of JSON errors.

use std::borrow::Cow;

use super::{
    ActionLabels, LoginFailure, PageKind, PageTexts, RequestFailure, canvas_messages, oauth_errors,
    refusal_messages,
};
use crate::web::login::failure::InvalidLink;

/// A title and the paragraphs below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message(pub(super) &'static str, pub(super) &'static [&'static str]);

/// The texts of this kind of page.
pub(super) fn texts(kind: &PageKind) -> PageTexts {
    let (title, mut paragraphs): (_, Vec<Cow<'static, str>>) = match kind {
        PageKind::LoginFailed(failure @ LoginFailure::Refused { reason }) => {
            (login_failed(failure).0, vec![reason.clone().into()])
        }
        PageKind::NotAllowed { refusal, username, .. } => {
            ("Not allowed", refusal_messages::not_allowed(refusal, username.as_deref()))
        }
        kind => {
            let Message(title, paragraphs) = message(kind);
            (title, paragraphs.iter().map(|text| Cow::from(*text)).collect())
        }
    };
    if let (Some(message), Some(first)) = (kind.salesforce_message(), paragraphs.first_mut()) {
        *first = message.to_owned().into();
    }
    PageTexts {
        language: "en".into(),
        title: title.into(),
        paragraphs,
        code_label: "Salesforce calls this".into(),
        labels: ActionLabels::english(),
    }
}

/// The member `message` of the JSON response.
pub(crate) fn json_message(kind: &PageKind) -> Cow<'_, str> {
    if let Some(message) = kind.salesforce_message() {
        return message.into();
    }
    match kind {
        PageKind::LoginRequired { .. } => "Log in with Salesforce first.".into(),
        PageKind::NotAllowed { refusal, .. } => refusal_messages::refused(refusal),
        PageKind::LoginFailed(LoginFailure::Refused { reason }) => reason.into(),
        // The paragraphs after the first one are about the page.
        kind => message(kind).1.first().copied().unwrap_or_default().into(),
    }
}

fn message(kind: &PageKind) -> Message {
    match kind {
        PageKind::LoginFailed(failure) => login_failed(failure),
        PageKind::LoginRequired { sent_form } => Message(
            "You are not logged in",
            match sent_form {
                true => &["You have to be logged in for this.", "Log in, then send the form again."],
                false => &["You have to be logged in for this."],
            },
        ),
        PageKind::ConfirmLogout => Message(
            "Log out?",
            &["You will be logged out of this app in this browser. Salesforce itself stays open."],
        ),
        PageKind::OpenInWindow => Message(
            "Open this app in a window",
            &["You have to log in first, and Salesforce's login cannot be shown inside of another page."],
        ),
        PageKind::CrossOriginLogout => Message(
            "You were not logged out",
            &["This request did not come from a page of this app, so nothing was done."],
        ),
        PageKind::CrossOriginRequest => Message(
            "Not allowed",
            &["This request did not come from a page of this app, so nothing was done."],
        ),
        PageKind::OtherLogin => Message(
            "This page is out of date",
            &[
                "It belongs to another login than the one that this browser has now, so nothing was done.",
                "Open the page again, and check which user is logged in.",
            ],
        ),
        // Its texts name what is missing, see `texts`.
        PageKind::NotAllowed { .. } => Message("Not allowed", &[]),
        PageKind::FreshLoginRequired { sent_form } => {
            Message("Log in again", refusal_messages::fresh_login_required(*sent_form))
        }
        PageKind::RequestFailed { failure, .. } => request_failed(*failure),
    }
}

fn login_failed(failure: &LoginFailure) -> Message {
    const TRY_SOON: &str = "Please try again in a moment.";
    const PERSISTS: &str =
        "Try again. If the problem persists, please tell the people who run this app; its log says more.";
    match failure {
        LoginFailure::InvalidLink(link) => Message(
            "This login link does not work",
            match link {
                InvalidLink::Query => &["This link is incomplete or was altered."],
                InvalidLink::Host => &["This app does not offer that way to log in."],
                InvalidLink::Options => &["This link asks for a kind of login that does not exist."],
            },
        ),
        LoginFailure::NotFramed | LoginFailure::InvalidSignedRequest | LoginFailure::CanvasEnded => {
            canvas_messages::login_failed(failure)
        }
        LoginFailure::MalformedCallback => Message(
            "Salesforce's response could not be read",
            &["It is incomplete or was altered on the way. You were not logged in."],
        ),
        LoginFailure::UnknownState => Message(
            "This login cannot be finished",
            &[
                "It was not started in this browser, is finished already, or took too long.",
                "Start again. If you see this page again, your browser does not store this site's cookies: allow them, \
                 or try another browser.",
            ],
        ),
        LoginFailure::Denied { code } => oauth_errors::find(*code).message,
        LoginFailure::CredentialsRejected => Message(
            "This app is not set up correctly",
            &[
                "Salesforce let you in, but does not accept the credentials of this app, so you were not logged in.",
                "Please tell the people who run this app: its client secret has to be checked.",
            ],
        ),
        LoginFailure::InstanceNotAllowed => Message(
            "This app's set-up refuses your Salesforce",
            &[
                "Salesforce let you in, but this app is not set up for the address of your organization, so you were \
                 not logged in.",
                "Please tell the people who run this app; its log names the address and the setting.",
            ],
        ),
        LoginFailure::TokenEndpoint { transient: false, .. } => Message(
            "Salesforce's response could not be used",
            &[
                "Salesforce let you in, but its response to this app is not valid, so you were not logged in.",
                PERSISTS,
            ],
        ),
        LoginFailure::TokenEndpoint { transient: true, .. } => Message(
            "Salesforce did not respond",
            &[
                "Salesforce let you in, but could not be reached to finish the login. Please try again in a moment.",
            ],
        ),
        LoginFailure::IdentityMismatch => Message(
            "This login could not be confirmed",
            &[
                "What Salesforce said about who you are is contradictory, so you were not logged in.",
                PERSISTS,
            ],
        ),
        LoginFailure::WrongClock => Message(
            "This login could not be confirmed",
            &[
                "The clock of this app's server is wrong, so you were not logged in.",
                "Please tell the people who run this app; its log says more.",
            ],
        ),
        LoginFailure::OrgNotAllowed => Message(
            "Your organization may not use this app",
            &[
                "You are logged in to Salesforce, but this app is not for users of your Salesforce organization.",
                PERSISTS,
            ],
        ),
        LoginFailure::SandboxNotAllowed => Message(
            "Sandboxes may not use this app",
            &[
                "You are logged in to Salesforce, but this app is for production organizations only.",
                "If yours is one, its administrator may not let you read that: ask the people who run this app.",
            ],
        ),
        // Its text is the app's own, see `texts`.
        LoginFailure::Refused { .. } => Message("You were not logged in", &[]),
        LoginFailure::NotDecided => Message(
            "Your login could not be finished",
            &["This app could not find out whether you may use it.", TRY_SOON],
        ),
        LoginFailure::TooManyLogins => Message(
            "Too many people are logging in",
            &["Your login could not be finished. Please try again in a moment."],
        ),
        LoginFailure::NotStored { retry_after } => Message(
            "Your login could not be finished",
            match retry_after {
                Some(_) => &["This app could not save your login.", TRY_SOON],
                None => &["This app could not save your login.", PERSISTS],
            },
        ),
        LoginFailure::LoginLoop => Message(
            "You were logged in, but it did not last",
            &[
                "Salesforce let you in several times in a row, and each time a new login began at once.",
                "Usually the browser does not store this site's cookies: allow them, leave private mode, or try another \
                 browser. If that does not help, your Salesforce user may not be allowed to use the API; ask an \
                 administrator.",
            ],
        ),
    }
}

fn request_failed(failure: RequestFailure) -> Message {
    /// Below an outage: users fear for their login.
    macro_rules! for_now {
        ($text:literal) => {
            Message("Not available right now", &[$text, "You were not logged out."])
        };
    }
    macro_rules! forbidden {
        ($text:literal) => {
            Message(
                "Salesforce does not allow this",
                &[$text, "A Salesforce administrator can change your permissions."],
            )
        };
    }
    macro_rules! rejected {
        ($text:literal) => {
            Message("That did not work", &[$text, "Go back, check what you entered, and try again."])
        };
    }
    match failure {
        RequestFailure::ApiLimitReached => {
            for_now!("Your organization has reached its limit of Salesforce API calls. Try again later.")
        }
        RequestFailure::QuotaReserved => {
            for_now!(
                "Your organization has used most of its Salesforce API calls of the day. Try again later."
            )
        }
        RequestFailure::ConcurrencyLimit => {
            for_now!("Too many requests are waiting for Salesforce. Try again soon.")
        }
        RequestFailure::RecordLocked => {
            for_now!("Someone else is changing this right now. Try again soon.")
        }
        RequestFailure::SalesforceUnavailable => {
            for_now!("Salesforce cannot be reached right now. Try again soon.")
        }
        RequestFailure::Unavailable => for_now!("This cannot be done right now. Try again soon."),
        RequestFailure::Unconfirmed => Message(
            "This may not have been saved",
            &["Salesforce did not confirm this. It may have been saved; check before you try again."],
        ),
        RequestFailure::NotFound => Message(
            "Not found",
            &["There is no such record.", "It may have been deleted, or the address is incomplete."],
        ),
        RequestFailure::Forbidden => forbidden!("Your Salesforce user is not allowed to do this."),
        RequestFailure::NeedsReconnecting => Message(
            "This connection to Salesforce has ended",
            &[
                "Salesforce no longer accepts it. It works again once its user has logged in to Salesforce here.",
            ],
        ),
        RequestFailure::ApiAccessDenied => forbidden!("Your Salesforce user may not use the API."),
        RequestFailure::WebScopeMissing => Message(
            "Salesforce does not allow this",
            &[
                "This app may not open pages of Salesforce. Please tell the people who run it: it lacks the scope \"web\".",
            ],
        ),
        RequestFailure::PasswordExpired => Message(
            "Your Salesforce password has expired",
            &[
                "Salesforce does nothing for you in this app until you have set a new password.",
                "Log in again: Salesforce then asks you for a new one. Then come back and try again.",
            ],
        ),
        RequestFailure::MfaRequired => Message(
            "Salesforce wants a second factor",
            &[
                "Salesforce does nothing for you in this app until you have proved who you are with a second factor.",
                "Log in again: Salesforce then asks you for it, or shows how to set it up.",
            ],
        ),
        RequestFailure::TermsNotAccepted => Message(
            "Salesforce wants you to accept its terms",
            &[
                "Salesforce does nothing for you in this app until you have accepted terms.",
                "Log in again: Salesforce then shows them to you.",
            ],
        ),
        RequestFailure::ProgramMistake => Message(
            "That did not work",
            &[
                "This could not be done, and nothing that you entered is the reason. Please tell the people who run this \
               app; its log says more.",
            ],
        ),
        RequestFailure::Refused => rejected!("Salesforce did not accept this request."),
        RequestFailure::Invalid => rejected!("This request cannot be passed on to Salesforce."),
        RequestFailure::MultipleChoices => {
            Message("That did not work", &["Several records match where only one should."])
        }
        RequestFailure::PreconditionFailed => {
            Message("That did not work", &["Someone else has changed this in the meantime. Reload it."])
        }
        RequestFailure::JobFailed => Message("That did not work", &["Salesforce could not finish this job."]),
        RequestFailure::JobTimedOut => {
            Message("That did not work", &["Salesforce is still working on this. Look again later."])
        }
        RequestFailure::BadGateway => {
            Message("That did not work", &["Salesforce sent an unexpected response."])
        }
        RequestFailure::NotSetUp => Message("That did not work", &["This app is not set up correctly."]),
        RequestFailure::Internal => Message("That did not work", &["Something went wrong in this app."]),
    }
}

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
