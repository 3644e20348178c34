//! What a page is about: the reason, its status, its code and its log line.

use std::{error::Error as StdError, time::Duration};

use actix_web::http::StatusCode;

use super::{
    AccessRefusal, HostChoices, LoginFailure, OrgChoices, RequestFailure,
    oauth_errors::{known_code, known_description},
    texts::requests,
};
use crate::base::error_chain::ErrorChain;
use salesforce_connection::{Error, OrgId, UserRef, error::ApiError, oauth::OAuthError};

/// What a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageKind {
    /// A login did not complete.
    LoginFailed(LoginFailure),
    /// The request needs a login and cannot be redirected to one: it sent a form, or the app has no login route.
    #[non_exhaustive]
    LoginRequired {
        /// Whether the request sent a form, which has to be sent again after the login.
        sent_form: bool,
    },
    /// The logout route asks for a confirmation.
    ConfirmLogout,
    /// The user chooses a login host.
    ChooseHost(HostChoices),
    /// The orgs that the browser is logged in at: who is logged in where, with one org, too.
    ChooseOrg(OrgChoices),
    /// A link asks to add an org to those that the browser is logged in at. A button does it.
    AddOrg,
    /// A change of the browser's orgs came from a page of another origin and was rejected.
    CrossOriginOrgs,
    /// The request needs a login at this org, too.
    OrgLoginRequired(OrgId),
    /// The connect route asks for a confirmation.
    #[non_exhaustive]
    ConfirmConnect {
        /// What the user calls the connection.
        name: String,
    },
    /// The request needs a login and comes from a frame of another site, where no login can be shown: the page offers a
    /// window.
    OpenInWindow,
    /// A logout came from a page of another origin and was rejected.
    CrossOriginLogout,
    /// A request that changes something came from a page of another origin, to a frame of Salesforce, and was rejected.
    CrossOriginRequest,
    /// A form belongs to another login than the browser's, see [`SameLogin`](crate::SameLogin).
    OtherLogin,
    /// A rule of [`RequireLogin`](crate::RequireLogin) refuses the user.
    #[non_exhaustive]
    NotAllowed {
        /// The reason.
        refusal: AccessRefusal,
        /// The user.
        user: UserRef,
        /// The user name, if Salesforce returned one.
        username: Option<String>,
    },
    /// The request needs a login that is not older than [`RequireLogin::fresh`](crate::RequireLogin::fresh) says.
    #[non_exhaustive]
    FreshLoginRequired {
        /// Whether the request sent a form, which has to be sent again after the login.
        sent_form: bool,
        /// The org at which the user has to log in again, unless it is the current one.
        organization: Option<OrgId>,
        /// The host at which that login was made, without the scheme, if it is known.
        login_host: Option<String>,
        /// Whether the page leads to that login. It does not where the app has no login route, and where Salesforce did not
        /// ask the user to log in again for the last one, so that another one would end the same way.
        has_login_link: bool,
    },
    /// A handler or an extractor returned an [`Error`](crate::Error).
    #[non_exhaustive]
    RequestFailed {
        /// The reason.
        failure: RequestFailure,
        /// When to try again, where trying again can help.
        retry_after: Option<Duration>,
        /// Salesforce's sentence about what the user entered, for example the text of a validation rule.
        salesforce_message: Option<String>,
        /// Salesforce's error code in upper snake case, for example `STORAGE_LIMIT_EXCEEDED`. `None` for codes that this
        /// crate does not explain, and where the reason says as much.
        salesforce_code: Option<&'static str>,
    },
}

impl PageKind {
    /// The kind of page for an error. A request with a safe method (RFC 9110 section 9.2.1) changes nothing.
    pub(crate) fn of_error(error: &Error, is_safe: bool) -> Self {
        // Not a login of this browser's user, which would lead back to the same error.
        if error.needs_login() && !matches!(error, Error::NeedsReconnecting(_)) {
            return Self::LoginRequired { sent_form: !is_safe };
        }
        if let Error::LoginRefused(refusal) = error {
            return Self::LoginFailed(LoginFailure::Denied {
                code: refusal.error_code().and_then(known_code),
                description: OAuthError::description(refusal).and_then(known_description),
            });
        }
        if let Error::OrgLoginRequired(org) = error {
            return Self::OrgLoginRequired(*org);
        }
        if let Error::FreshLoginRequired { user, .. } = error {
            return Self::FreshLoginRequired {
                sent_form: !is_safe,
                organization: Some(user.organization_id),
                login_host: None,
                has_login_link: false,
            };
        }
        if matches!(error, Error::OrgNotAllowed) {
            return Self::LoginFailed(LoginFailure::OrgNotAllowed);
        }
        let failure = RequestFailure::of(error, is_safe);
        let retry_after = error.retry_after().filter(|_| failure.status() == StatusCode::SERVICE_UNAVAILABLE);
        let salesforce_message =
            (failure == RequestFailure::Refused).then(|| error.validation_message().map(cleaned)).flatten();
        let salesforce_code = requests::of(failure, error);
        Self::RequestFailed { failure, retry_after, salesforce_message, salesforce_code }
    }

    /// Salesforce's sentence about what the user entered: the user sees it instead of this crate's.
    pub(super) fn salesforce_message(&self) -> Option<&str> {
        match self {
            Self::RequestFailed { salesforce_message, .. } => salesforce_message.as_deref(),
            _ => None,
        }
    }

    /// Whether the user has to log in at Salesforce again before the request can succeed.
    pub(crate) fn leads_to_login(&self) -> bool {
        use RequestFailure::{MfaRequired, PasswordExpired, TermsNotAccepted};
        matches!(self, Self::RequestFailed { failure: PasswordExpired | MfaRequired | TermsNotAccepted, .. })
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::LoginFailed(failure) => failure.status(),
            Self::LoginRequired { .. } | Self::FreshLoginRequired { .. } => StatusCode::UNAUTHORIZED,
            Self::ConfirmLogout
            | Self::ConfirmConnect { .. }
            | Self::OpenInWindow
            | Self::ChooseHost(_)
            | Self::ChooseOrg(_)
            | Self::AddOrg => StatusCode::OK,
            Self::OtherLogin => StatusCode::CONFLICT,
            Self::CrossOriginLogout
            | Self::CrossOriginOrgs
            | Self::CrossOriginRequest
            | Self::OrgLoginRequired(_)
            | Self::NotAllowed { .. } => StatusCode::FORBIDDEN,
            Self::RequestFailed { failure, .. } => failure.status(),
        }
    }

    /// A code for programs: the member `error` of the JSON response where there is one.
    pub fn code(&self) -> &'static str {
        match self {
            Self::LoginFailed(failure) => failure.code(),
            Self::LoginRequired { .. } => "login_required",
            Self::ConfirmLogout => "confirm_logout",
            Self::ChooseHost(_) => "choose_host",
            Self::ChooseOrg(_) => "choose_org",
            Self::AddOrg => "add_org",
            Self::OrgLoginRequired(_) => "org_login_required",
            Self::ConfirmConnect { .. } => "confirm_connect",
            Self::OpenInWindow => "open_in_window",
            Self::CrossOriginLogout | Self::CrossOriginOrgs | Self::CrossOriginRequest => "foreign_origin",
            Self::OtherLogin => "other_login",
            Self::NotAllowed { .. } => "forbidden",
            Self::FreshLoginRequired { .. } => "fresh_login_required",
            Self::RequestFailed { failure, .. } => failure.code(),
        }
    }

    /// The value of `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LoginFailed(failure) => failure.retry_after(),
            Self::RequestFailed { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the page reports a failure that the log explains, so that both carry a reference.
    pub(super) fn has_reference(&self) -> bool {
        match self {
            Self::LoginFailed(failure) => {
                !matches!(failure, LoginFailure::InvalidLink(_) | LoginFailure::NoOwner)
            }
            Self::RequestFailed { failure, .. } if failure.status().is_server_error() => true,
            kind => kind.is_permission(),
        }
    }

    /// Whether the page says that the user lacks a permission.
    pub(super) fn is_permission(&self) -> bool {
        match self {
            Self::NotAllowed { .. } => true,
            Self::RequestFailed { failure, .. } => failure.status() == StatusCode::FORBIDDEN,
            _ => false,
        }
    }

    /// Writes the one log line of this page. `route` is the pattern of the route that failed.
    pub(super) fn log(&self, cause: Option<&(dyn StdError + 'static)>, route: Option<&str>) {
        let error = cause.map(|cause| tracing::field::display(ErrorChain(cause)));
        match self {
            Self::LoginFailed(failure) => failure.log(cause),
            Self::LoginRequired { .. }
            | Self::FreshLoginRequired { .. }
            | Self::ConfirmLogout
            | Self::ChooseHost(_)
            | Self::ChooseOrg(_)
            | Self::AddOrg
            | Self::ConfirmConnect { .. }
            | Self::OpenInWindow => {}
            Self::CrossOriginLogout => tracing::warn!("logout rejected: it came from another origin"),
            Self::CrossOriginOrgs => tracing::warn!("change of orgs rejected: it came from another origin"),
            Self::OrgLoginRequired(org) => {
                tracing::debug!(route, %org, "request rejected: the browser is not logged in at an org");
            }
            Self::CrossOriginRequest => {
                tracing::warn!("request of a frame rejected: it came from another origin");
            }
            Self::OtherLogin => tracing::debug!("form rejected: it belongs to another login"),
            Self::NotAllowed { refusal, user, .. } => tracing::info!(
                route,
                %user,
                reason = refusal.code(),
                missing = refusal.missing(),
                "request rejected by an access rule"
            ),
            Self::RequestFailed { failure, .. } => match failure.status() {
                // Neither a lost response nor a long job of the Bulk API is a mistake of the app.
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                    tracing::warn!(route, error, "request failed for now");
                }
                _ if *failure == RequestFailure::ProgramMistake => log_mistake(cause, route),
                status if status.is_server_error() => tracing::error!(route, error, "request failed"),
                // An administrator who is asked for a permission looks for it.
                StatusCode::FORBIDDEN => tracing::info!(route, error, "request rejected: not permitted"),
                _ => tracing::debug!(route, error, "request rejected"),
            },
        }
    }
}

/// Logs a request that the app built wrongly: with Salesforce's code, the object, the field, and of the text only what
/// stands outside quotes, because values of users stand in them.
fn log_mistake(cause: Option<&(dyn StdError + 'static)>, route: Option<&str>) {
    let error = cause.and_then(|cause| cause.downcast_ref::<Error>());
    let entry = error.and_then(|error| error.api_errors().first());
    tracing::error!(
        route,
        status = error.and_then(Error::status),
        code = entry.map(|entry| entry.code.as_str()),
        object = entry.and_then(ApiError::log_object),
        field = entry.and_then(ApiError::log_field),
        reason = entry.map(ApiError::log_reason),
        "request failed: Salesforce rejected it as wrong. Correct the query, the object, the field or its permissions"
    );
}

/// Returns a sentence of Salesforce for a page: without control characters, at most 500 characters.
fn cleaned(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(500).collect()
}
