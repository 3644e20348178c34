//! Why a login did not complete.

use std::{error::Error as StdError, time::Duration};

use actix_web::{HttpRequest, HttpResponse, cookie::Cookie, http::StatusCode};

use super::add_cookie;
use crate::{
    base::{append_query::append_query, error_chain::ErrorChain},
    web::{
        error,
        pages::{self, Action, ActionKind, PageKind, Reply},
        request_info::RequestInfo,
        worker::WorkerState,
    },
};
use salesforce_connection::{Error, oauth::OAuthError};

/// `Retry-After` when the token endpoint is unavailable and names no time: long enough for a short interruption, short
/// enough for a user who waits.
const TOKEN_ENDPOINT_RETRY_AFTER: Duration = Duration::from_secs(2);

/// `Retry-After` when too many logins complete at the same time. As long as a login waits for a permit.
const TOO_MANY_LOGINS_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a login did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginFailure {
    /// The link to a route that starts a login is invalid: login, hosts, orgs or connect. Nothing was sent to Salesforce.
    InvalidLink(InvalidLink),
    /// The callback is incomplete or malformed, or names another issuer than the login host (RFC 9207).
    MalformedCallback,
    /// The callback's `state` is unknown: the login did not start in this browser, is complete already, or took too
    /// long.
    UnknownState,
    /// Salesforce refused the login, at its authorization endpoint or its token endpoint.
    #[non_exhaustive]
    Denied {
        /// Salesforce's error code in lower snake case, for example `access_denied`. `None` for codes that this crate
        /// does not know: any site can put them into a link to the callback.
        code: Option<&'static str>,
        /// Salesforce's description, if it tells apart what the code means: `ip restricted`, for example.
        description: Option<&'static str>,
    },
    /// The token endpoint does not accept the app's credentials: the client secret is wrong or missing.
    CredentialsRejected,
    /// Salesforce named an instance that the app does not allow. Its tokens were revoked.
    InstanceNotAllowed,
    /// The token endpoint did not respond, or sent an invalid response.
    #[non_exhaustive]
    TokenEndpoint {
        /// When to try again, if Salesforce said so.
        retry_after: Option<Duration>,
        /// Whether the same request can succeed later. It decides between the statuses 503 and 502.
        transient: bool,
    },
    /// What Salesforce sent about the user is contradictory.
    IdentityMismatch,
    /// The clock of the app's machine is wrong, so that no login can be confirmed.
    WrongClock,
    /// The app's settings, or its function of [`allow_org_if`](crate::SalesforceBuilder::allow_org_if), do not let users of
    /// this organization in.
    OrgNotAllowed,
    /// The app's settings do not let users of sandboxes and scratch orgs in, and the organization is one, or does not say
    /// that it is not.
    SandboxNotAllowed,
    /// The app's function of [`on_login`](crate::SalesforceBuilder::on_login) refuses the user. Its reason is the text of
    /// the page.
    #[non_exhaustive]
    Refused {
        /// What the function says to the user.
        reason: String,
    },
    /// A function of the app that decides on logins ([`on_login`](crate::SalesforceBuilder::on_login),
    /// [`allow_org_if`](crate::SalesforceBuilder::allow_org_if)) failed or took too long.
    NotDecided,
    /// Too many logins complete at the same time.
    TooManyLogins,
    /// The login could not be stored.
    #[non_exhaustive]
    NotStored {
        /// When to try again, if the store is unavailable. It decides between the statuses 503 and 500.
        retry_after: Option<Duration>,
    },
    /// The browser has five logins, or their cookies have no room for another one.
    TooManyOrgs,
    /// The request to connect Salesforce comes from a page of another origin. Nothing was done.
    CrossOrigin,
    /// No user of the app is logged in for whom Salesforce could be connected.
    NoOwner,
    /// Another user of the app is logged in than the one who started to connect Salesforce. Nothing was connected.
    OtherOwner,
    /// The Canvas route was not opened in a frame of Salesforce.
    NotFramed,
    /// The signed request of Canvas is invalid, or not signed with a secret of this app.
    InvalidSignedRequest,
    /// A login by Canvas has ended, or its signed request was used before.
    CanvasEnded,
    /// Too many logins in a row: three whose cookie the browser did not return, or eight in all.
    LoginLoop,
}

/// What is wrong with a link to a route that starts a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidLink {
    /// The query string is too long.
    Query,
    /// `host` names no login host that the app allows.
    Host,
    /// `prompt` or `login_hint` is invalid.
    Options,
    /// `name` is no name of a connection.
    ConnectionName,
}

impl LoginFailure {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::InvalidLink(_) | Self::MalformedCallback | Self::UnknownState | Self::LoginLoop => {
                StatusCode::BAD_REQUEST
            }
            Self::TooManyOrgs => StatusCode::CONFLICT,
            Self::OrgNotAllowed
            | Self::SandboxNotAllowed
            | Self::Refused { .. }
            | Self::CrossOrigin
            | Self::OtherOwner
            | Self::NotFramed
            | Self::InvalidSignedRequest
            | Self::CanvasEnded => StatusCode::FORBIDDEN,
            Self::NoOwner => StatusCode::UNAUTHORIZED,
            Self::Denied { code, description } => pages::denied_status(*code, *description),
            Self::TokenEndpoint { transient: false, .. } | Self::IdentityMismatch => StatusCode::BAD_GATEWAY,
            Self::TokenEndpoint { transient: true, .. }
            | Self::TooManyLogins
            | Self::NotDecided
            | Self::NotStored { retry_after: Some(_) } => StatusCode::SERVICE_UNAVAILABLE,
            Self::WrongClock
            | Self::NotStored { retry_after: None }
            | Self::CredentialsRejected
            | Self::InstanceNotAllowed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A machine-readable code: the name of the variant in snake case, but `foreign_origin` for
    /// [`CrossOrigin`](Self::CrossOrigin), as on other pages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidLink(_) => "invalid_link",
            Self::MalformedCallback => "malformed_callback",
            Self::UnknownState => "unknown_state",
            Self::Denied { .. } => "denied",
            Self::CredentialsRejected => "credentials_rejected",
            Self::InstanceNotAllowed => "instance_not_allowed",
            Self::TokenEndpoint { .. } => "token_endpoint",
            Self::IdentityMismatch => "identity_mismatch",
            Self::WrongClock => "wrong_clock",
            Self::OrgNotAllowed => "org_not_allowed",
            Self::SandboxNotAllowed => "sandbox_not_allowed",
            Self::Refused { .. } => "refused",
            Self::NotDecided => "not_decided",
            Self::TooManyLogins => "too_many_logins",
            Self::NotStored { .. } => "not_stored",
            Self::TooManyOrgs => "too_many_orgs",
            Self::NotFramed => "not_framed",
            Self::InvalidSignedRequest => "invalid_signed_request",
            Self::CanvasEnded => "canvas_ended",
            Self::LoginLoop => "login_loop",
            Self::CrossOrigin => "foreign_origin",
            Self::NoOwner => "no_owner",
            Self::OtherOwner => "other_owner",
        }
    }

    /// Whether the app does not want this user, so that another one has to log in.
    fn refuses_user(&self) -> bool {
        matches!(self, Self::OrgNotAllowed | Self::SandboxNotAllowed | Self::Refused { .. })
    }

    /// Whether it is about a user of the app itself, whom no login at Salesforce helps.
    fn is_about_owner(&self) -> bool {
        matches!(self, Self::CrossOrigin | Self::NoOwner | Self::OtherOwner)
            || matches!(self, Self::InvalidLink(InvalidLink::ConnectionName))
    }

    /// The value of `Retry-After`: for responses with the status 503 whose cause is an outage or a queue.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TokenEndpoint { retry_after, transient: true } => {
                Some(retry_after.unwrap_or(TOKEN_ENDPOINT_RETRY_AFTER))
            }
            Self::TooManyLogins | Self::NotDecided => Some(TOO_MANY_LOGINS_RETRY_AFTER),
            Self::NotStored { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// Writes the one log line of this failure.
    pub(crate) fn log(&self, cause: Option<&(dyn StdError + 'static)>) {
        let error = cause.map(|cause| tracing::field::display(ErrorChain(cause)));
        match self {
            // Any site can put up such a link, so that a warning would only fill the log.
            Self::InvalidLink(link) => tracing::debug!(reason = ?link, "login link rejected"),
            Self::MalformedCallback => tracing::warn!(error, "login callback rejected: malformed"),
            Self::UnknownState => {
                tracing::warn!(error, "login callback rejected: unknown, expired or already used state");
            }
            // Only the token endpoint's word: any site can put the same into a link to the callback.
            Self::Denied { code, description }
                if cause.and_then(|cause| cause.downcast_ref()).is_some_and(OAuthError::is_ip_restricted) =>
            {
                tracing::error!(
                    code = code.unwrap_or("unknown"),
                    description,
                    error,
                    "login failed: Salesforce does not allow the address. Check the IP ranges and login hours of the user's \
                     profile, and whether the app allows the address of this machine"
                );
            }
            Self::Denied { code, description } => {
                tracing::warn!(
                    code = code.unwrap_or("unknown"),
                    description,
                    error,
                    "login failed: Salesforce refused it"
                );
            }
            Self::CredentialsRejected => tracing::error!(
                error,
                "login failed: the app's credentials were rejected. Check SALESFORCE_CLIENT_SECRET and \
                 SALESFORCE_CLIENT_ID"
            ),
            // The origin is in the client's log line.
            Self::InstanceNotAllowed => tracing::error!(
                error,
                "login failed: instance not allowed. Add its origin to SALESFORCE_ALLOWED_ORIGINS if it is correct"
            ),
            Self::TokenEndpoint { .. } => {
                tracing::error!(error, "login failed: no tokens from the token endpoint");
            }
            Self::IdentityMismatch => {
                tracing::error!(error, "login failed: contradictory identity in Salesforce's responses");
            }
            Self::WrongClock => tracing::error!(error, "login failed: the clock of this machine is wrong"),
            Self::OrgNotAllowed | Self::SandboxNotAllowed => {
                tracing::warn!(error, "login rejected: organization not allowed");
            }
            Self::Refused { .. } => tracing::warn!("login rejected: `on_login` refuses the user"),
            Self::NotDecided => tracing::error!(error, "login failed: a function of the app did not decide"),
            Self::TooManyLogins => tracing::warn!("login failed: too many logins complete at the same time"),
            Self::NotStored { .. } => tracing::error!(error, "login failed: not stored"),
            Self::TooManyOrgs => tracing::debug!("login rejected: the browser has no room for another one"),
            Self::CrossOrigin => tracing::warn!("connecting rejected: it came from another origin"),
            Self::NoOwner => tracing::debug!("connecting rejected: no user of the app is logged in"),
            Self::OtherOwner => tracing::warn!(
                "connecting rejected: another user of the app is logged in than the one who started"
            ),
            Self::NotFramed => tracing::debug!("signed request rejected: not in a frame of Salesforce"),
            Self::InvalidSignedRequest => tracing::warn!(error, "signed request rejected"),
            Self::CanvasEnded => tracing::info!(error, "login by Canvas has ended"),
            Self::LoginLoop => tracing::warn!(
                "login rejected: too many logins in a row. The browser does not return the login cookie (blocked or too \
                 large), or the user may not use the API, or a page starts logins by itself"
            ),
        }
    }
}

type Cause = Box<dyn StdError + Send + Sync>;

/// A failure on its way to the browser: with its cause for the log, and the link to the next try.
#[derive(Debug)]
pub(super) struct FailedLogin {
    failure: LoginFailure,
    cause: Option<Cause>,
    next: Box<NextStep>,
    cookies: Vec<Cookie<'static>>,
}

/// What the page of a failed login offers.
#[derive(Debug, Default)]
struct NextStep {
    /// The link to the same login again.
    retry_link: Option<String>,
    /// The form that connects Salesforce again, instead of that link.
    retry: Option<Action>,
    /// The link to the chooser of login hosts.
    hosts_link: Option<String>,
}

impl From<LoginFailure> for FailedLogin {
    fn from(failure: LoginFailure) -> Self {
        Self { failure, cause: None, next: Box::default(), cookies: Vec::new() }
    }
}

impl FailedLogin {
    /// The login could not be stored.
    pub(super) fn not_stored(error: impl Into<Error>) -> Self {
        let error = error.into();
        Self::from(LoginFailure::NotStored { retry_after: error.retry_after() }).because(error)
    }

    pub(super) fn because(self, cause: impl Into<Cause>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The link to the same login again. Without it a new try goes to the default login host and the start page.
    pub(super) fn retry_at(mut self, retry_link: Option<String>) -> Self {
        self.next.retry_link = retry_link;
        self
    }

    /// The link to the chooser of login hosts.
    pub(super) fn choose_at(mut self, hosts_link: Option<String>) -> Self {
        self.next.hosts_link = hosts_link;
        self
    }

    /// The form that connects Salesforce again, instead of a link.
    pub(super) fn retry_by(mut self, retry: Option<Action>) -> Self {
        self.next.retry = retry;
        self
    }

    /// Makes a page for a frame of Salesforce. It has no link: a login cannot be shown there.
    pub(super) fn into_framed(self, request: &HttpRequest) -> HttpResponse {
        let info = RequestInfo::of(request);
        let ancestors = info.worker.as_ref().map(|worker| worker.settings().frame_ancestors());
        let cause = self.cause.as_deref().map(|cause| cause as _);
        let reply = Reply::new(PageKind::LoginFailed(self.failure)).because(cause);
        match ancestors {
            Some(ancestors) => reply.framed_by(ancestors).page(&info),
            None => reply.page(&info),
        }
    }

    fn into_response(self, request: &HttpRequest) -> HttpResponse {
        let info = RequestInfo::of(request);
        let settings = info.worker.as_ref().map(WorkerState::settings);
        let start = || {
            let paths = &settings?.paths;
            Some(paths.full(paths.login.as_deref()?))
        };
        // Without its login page Salesforce would send the same user at once.
        let is_refused = self.failure.refuses_user();
        let NextStep { retry_link, retry, hosts_link } = *self.next;
        let link = retry_link.or_else(start).filter(|_| !self.failure.is_about_owner());
        let retry = retry.or_else(|| {
            link.map(|href| match is_refused {
                true => Action::link(ActionKind::OtherUser, append_query(&href, [("prompt", "login")])),
                false => Action::link(ActionKind::TryAgain, href),
            })
        });
        // The user mistyped, or the link is old: the chooser shows what there is.
        let choose = hosts_link.map(|href| Action::link(ActionKind::ChooseHost, href));
        let home = settings.map(|settings| {
            let path = settings.after_logout.as_str();
            let href = match self.failure {
                // The browser may be at another address of the app, where its cookies do not count.
                LoginFailure::UnknownState => {
                    format!("{}{path}", settings.public_url.origin().ascii_serialization())
                }
                _ => path.to_owned(),
            };
            Action::link(ActionKind::StartPage, href)
        });
        let mut response = Reply::new(PageKind::LoginFailed(self.failure))
            .actions(choose.into_iter().chain(retry).chain(home))
            .because(self.cause.as_deref().map(|cause| cause as _))
            .page(&info);
        for cookie in &self.cookies {
            add_cookie(&mut response, cookie);
        }
        response
    }
}

/// Why a login route sends no redirect.
#[derive(Debug)]
pub(super) enum LoginError {
    /// The login did not complete.
    Failed(FailedLogin),
    /// The request failed, as any other request can: the middleware is missing, or the store is unavailable.
    Request(Error),
}

impl LoginError {
    /// Sets a cookie in the response to a failed login.
    pub(super) fn with_cookie(mut self, cookie: Cookie<'static>) -> Self {
        if let Self::Failed(failed) = &mut self {
            failed.cookies.push(cookie);
        }
        self
    }

    /// Returns the cookies that a response to the failed login sets.
    pub(super) fn cookies(&self) -> &[Cookie<'static>] {
        match self {
            Self::Failed(failed) => &failed.cookies,
            Self::Request(_) => &[],
        }
    }

    /// Writes the one log line of a silent login that failed: its user sees no page.
    pub(super) fn log_silent(&self, request: &HttpRequest) {
        match self {
            // The usual outcome for a visitor without a session at Salesforce, and for a client without cookies.
            Self::Failed(FailedLogin {
                failure:
                    LoginFailure::Denied { code: Some("immediate_unsuccessful"), .. } | LoginFailure::UnknownState,
                ..
            }) => tracing::debug!("silent login unsuccessful"),
            Self::Failed(failed) => failed.failure.log(failed.cause.as_deref().map(|cause| cause as _)),
            Self::Request(error) => {
                tracing::error!(path = %request.path().escape_debug(), %error, "silent login failed");
            }
        }
    }

    pub(super) fn into_response(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Failed(failed) => failed.into_response(request),
            Self::Request(error) => error::response(&error, request),
        }
    }
}

impl From<FailedLogin> for LoginError {
    fn from(failed: FailedLogin) -> Self {
        Self::Failed(failed)
    }
}

impl From<LoginFailure> for LoginError {
    fn from(failure: LoginFailure) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<Error> for LoginError {
    fn from(error: Error) -> Self {
        Self::Request(error)
    }
}
