//! Texts that a user can see: titles, paragraphs and labels of pages, and the member `message` of JSON errors.
//!
//! What an access rule says is in `access.rs`, about several orgs in `orgs.rs`, about connections of the app's own users in
//! `owners.rs`, in frames of Salesforce in `canvas.rs`. What a refused login says is in `oauth.rs`; `oauth_errors.rs`, beside
//! this folder, has which error code gets which of them. What an error code of a request says is in `requests.rs`.

mod access;
mod canvas;
pub(super) mod oauth;
mod orgs;
mod owners;
pub(super) mod requests;

use std::borrow::Cow;

use crate::web::{
    login::failure::InvalidLink,
    pages::{
        ActionLabels, ChoiceLabels, LoginFailure, PageKind, PageTexts, RequestFailure,
        fix::{self, Fix},
        oauth_errors,
    },
};

/// A title and the paragraphs below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message(pub(super) &'static str, pub(super) &'static [&'static str]);

pub(super) const CROSS_ORIGIN: &str =
    "This request did not come from a page of this app, so nothing was done.";

const FRESH_LOGIN: &str = "Log in again";

/// The texts of this kind of page.
pub(super) fn texts(kind: &PageKind) -> PageTexts {
    let (title, mut paragraphs): (_, Vec<Cow<'static, str>>) = match kind {
        PageKind::LoginFailed(failure @ LoginFailure::Refused { reason }) => {
            (login_failed(failure).0, vec![reason.clone().into()])
        }
        PageKind::ConfirmConnect { name } => (owners::CONFIRM.0, owners::confirm(name)),
        PageKind::NotAllowed { refusal, username, .. } => {
            ("Not allowed", access::not_allowed(refusal, username.as_deref()))
        }
        PageKind::FreshLoginRequired { sent_form, organization: Some(org), login_host, has_login_link } => {
            let host = login_host.as_deref();
            (FRESH_LOGIN, access::fresh_login_required_at(*org, host, *sent_form, *has_login_link))
        }
        kind => {
            let Message(title, paragraphs) = message(kind);
            (title, paragraphs.iter().map(|text| Cow::from(*text)).collect())
        }
    };
    if let (Some(message), Some(first)) = (kind.salesforce_message(), paragraphs.first_mut()) {
        *first = message.to_owned().into();
    }
    let (who, place) = fix::of(kind).map(Fix::texts).map_or((None, None), |(who, place)| (Some(who), place));
    PageTexts {
        language: "en".into(),
        title: title.into(),
        paragraphs,
        who,
        who_label: "Who can change this".into(),
        place,
        place_label: "Where in Salesforce Setup".into(),
        reference_label: "Reference".into(),
        code_label: "Salesforce calls this".into(),
        labels: ActionLabels::english(),
        choices: ChoiceLabels::english(),
    }
}

/// The member `message` of the JSON response.
pub(crate) fn json_message(kind: &PageKind) -> Cow<'_, str> {
    if let Some(message) = kind.salesforce_message() {
        return message.into();
    }
    match kind {
        PageKind::LoginRequired { .. } => "Log in with Salesforce first.".into(),
        PageKind::NotAllowed { refusal, .. } => access::refused(refusal),
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
        PageKind::ChooseHost(choices) if choices.form.is_post() => orgs::CHOOSE_HOST_OF_ANOTHER,
        PageKind::ChooseHost(_) => orgs::CHOOSE_HOST,
        PageKind::ChooseOrg(_) => orgs::CHOOSE_ORG,
        PageKind::AddOrg => orgs::ADD_ORG,
        PageKind::CrossOriginOrgs => Message("Nothing was changed", &[CROSS_ORIGIN]),
        PageKind::OrgLoginRequired(_) => orgs::ORG_LOGIN_REQUIRED,
        PageKind::ConfirmConnect { .. } => owners::CONFIRM,
        PageKind::OpenInWindow => Message(
            "Open this app in a window",
            &["You have to log in first, and Salesforce's login cannot be shown inside of another page."],
        ),
        PageKind::CrossOriginLogout => Message("You were not logged out", &[CROSS_ORIGIN]),
        PageKind::CrossOriginRequest => Message("Not allowed", &[CROSS_ORIGIN]),
        PageKind::OtherLogin => Message(
            "This page is out of date",
            &[
                "It belongs to another login than the one that this browser has now, so nothing was done.",
                "Open the page again, and check which user is logged in.",
            ],
        ),
        // Its texts name what is missing, see `texts`.
        PageKind::NotAllowed { .. } => Message("Not allowed", &[]),
        PageKind::FreshLoginRequired { sent_form, organization, .. } => {
            Message(FRESH_LOGIN, access::fresh_login_required(*sent_form, organization.is_some()))
        }
        PageKind::RequestFailed { failure, salesforce_code, .. } => {
            let Message(title, paragraphs) = request_failed(*failure);
            Message(title, requests::find(*salesforce_code).map_or(paragraphs, |known| known.paragraphs))
        }
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
                InvalidLink::ConnectionName => {
                    &["This link names a connection in a form that does not exist."]
                }
                InvalidLink::Options => &["This link asks for a kind of login that does not exist."],
            },
        ),
        LoginFailure::NotFramed => canvas::NOT_FRAMED,
        LoginFailure::InvalidSignedRequest => canvas::INVALID_SIGNED_REQUEST,
        LoginFailure::CanvasEnded => canvas::ENDED,
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
        LoginFailure::Denied { code, description } => {
            let refusal = oauth_errors::find(*code, *description).refusal;
            Message(refusal.title, refusal.paragraphs)
        }
        LoginFailure::CredentialsRejected => {
            Message(oauth_errors::CREDENTIALS.title, oauth_errors::CREDENTIALS.paragraphs)
        }
        LoginFailure::InstanceNotAllowed => Message(
            "This app's set-up refuses your Salesforce",
            &[
                "Salesforce let you in, but this app is not set up for the address of your organization, so you were \
                 not logged in.",
                "This app's log names the address and the setting.",
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
        LoginFailure::TooManyOrgs => orgs::TOO_MANY,
        LoginFailure::CrossOrigin => Message("Salesforce was not connected", &[CROSS_ORIGIN]),
        LoginFailure::NoOwner => owners::NO_OWNER,
        LoginFailure::OtherOwner => owners::OTHER_OWNER,
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
            Message("Salesforce does not allow this", &[$text])
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
        RequestFailure::IpRestricted => {
            for_now!(
                "Salesforce does not accept this app's address, or not at this hour. The app's log says more."
            )
        }
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
        RequestFailure::WebScopeMissing => {
            forbidden!("This app may not open pages of Salesforce: it lacks the scope \"web\".")
        }
        RequestFailure::ApiOnlyUser => {
            forbidden!("Your Salesforce user may use the API only, and open no pages of Salesforce.")
        }
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
