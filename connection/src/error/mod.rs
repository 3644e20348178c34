//! [`Error`]: the error type of all requests.

mod api_error;
mod convert;
pub(crate) mod duplicates;
mod invalid_request;
mod invalid_response;
pub(crate) mod kept;
mod mistake;
pub(crate) mod passing;
mod rejected_response;
mod unknown;

use std::{error::Error as StdError, sync::Arc, time::Duration};

pub use self::{
    api_error::ApiError, invalid_request::InvalidRequest, invalid_response::InvalidResponse,
    rejected_response::RejectedResponse,
};
use self::{api_error::Summary, passing::Passing};
#[cfg(feature = "bulk")]
use crate::bulk::job::JobState;
#[cfg(feature = "events")]
use crate::events::PubSubError;
use crate::{
    frontdoor::FrontdoorDenied,
    graphql::GraphQlFailure,
    http::error::HttpError,
    id::{OrgId, SalesforceId},
    oauth::{error::OAuthError, id_token::IdTokenError},
    query::soql::bind::BindError,
    request::usage::ApiUsage,
    token::{ApiHostDenied, BrokenConnection},
    user_ref::UserRef,
};

/// The result of this crate's methods.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Wait before a retry if a service that is down named none. Long enough for a restart, short enough for a user.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);
/// The wait after [`Error::QuotaReserved`]. Usage falls slowly, since Salesforce counts the requests of 24 hours.
const QUOTA_RETRY_AFTER: Duration = Duration::from_secs(10 * 60);

/// Everything that can fail between a program and Salesforce.
///
/// In a handler of an actix app `?` is enough: the error becomes a response with a fitting status. Neither `Display` nor
/// `Debug` repeats a token, a body or a URL's query; Salesforce's own words are in [`api_errors`](Error::api_errors).
///
/// ```
/// use salesforce_connection::{Error, Result};
///
/// /// Returns whether the user can fix the error by choosing another value.
/// fn is_taken(error: &Error) -> bool {
///     error.api_errors().iter().any(|entry| entry.code == "DUPLICATE_VALUE")
/// }
/// assert!(!is_taken(&Error::RowNotFound));
/// assert!(Error::LoginRequired.needs_login());
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No user is logged in, or the login has ended (logged out, revoked, expired).
    #[doc(alias = "401")]
    #[doc(alias = "unauthorized")]
    #[doc(alias = "INVALID_SESSION_ID")]
    #[error("not logged in to Salesforce, or the login has ended. Log in again")]
    LoginRequired,
    /// Salesforce has ended the login, and says why: the user or the org is inactive, or the app is blocked.
    ///
    /// A new login fails in the same way until an administrator changes that.
    #[doc(alias = "403")]
    #[error("Salesforce refuses the user's login. An administrator of the org has to change that")]
    LoginRefused(#[source] Arc<OAuthError>),
    /// Salesforce ended the connection of a user for whom a job works, which stays listed with its reason. It works again
    /// after the next login of that user.
    ///
    /// A request of the logged-in user fails with [`Error::LoginRequired`] or [`Error::LoginRefused`] instead.
    #[doc(alias = "invalid_grant")]
    #[error(transparent)]
    NeedsReconnecting(Arc<BrokenConnection>),
    /// The settings of the app do not let users of the organization in (any more).
    #[doc(alias = "403")]
    #[error(
        "the settings of this app do not let users of this organization in. Check SALESFORCE_ALLOWED_ORGS"
    )]
    OrgNotAllowed,
    /// The browser is not logged in at this org. A login there is added to the others, see the route `orgs` of
    /// actix-salesforce.
    #[error("this browser is not logged in at the organization {0}. Add a login there first")]
    OrgLoginRequired(OrgId),
    /// The route needs a login that is more recent than the one of this user in the browser. See
    /// `RequireLogin::fresh` of actix-salesforce.
    #[doc(alias = "step_up")]
    #[error("the login of the user {user} in this browser is not recent enough. Log in there again")]
    #[non_exhaustive]
    FreshLoginRequired {
        /// The user who has to log in again.
        user: UserRef,
        /// How old the login may be.
        within: Duration,
        /// The path of the login at this user's login host, if the app has one.
        login_path: Option<String>,
    },
    /// Salesforce or the store of logins is unreachable at the moment. The login stays valid.
    #[error("Salesforce is unreachable at the moment. Try again in {} seconds", retry_after.as_secs().max(1))]
    #[non_exhaustive]
    Unavailable {
        /// How long to wait before another request.
        retry_after: Duration,
        /// What failed.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No response arrived, or one that is not read (too large, a redirect).
    ///
    /// The request may have taken effect unless [`HttpError::was_not_sent`] returns `true`.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Salesforce rejected the request.
    #[error("Salesforce rejected the request ({})", Summary(*status, errors))]
    #[non_exhaustive]
    Api {
        /// The HTTP status.
        status: u16,
        /// Salesforce's reasons. Empty if the body is not a Salesforce error, for example a maintenance page.
        errors: Vec<ApiError>,
        /// How long Salesforce asked to wait.
        retry_after: Option<Duration>,
        /// The response itself: see [`Error::response`].
        response: Option<Box<RejectedResponse>>,
    },
    /// The org has no action, named query or record type of this name, or the user may not use it. Salesforce does not say
    /// which.
    #[doc(alias = "404")]
    #[error("the org has no {kind} `{name}`, or this user may not use it")]
    #[non_exhaustive]
    UnknownResource {
        /// What it is: `action`, `named query`, …
        kind: &'static str,
        /// The name in the request.
        name: String,
    },
    /// Salesforce does not accept this session for its API. Neither a new token nor a new login changes that.
    #[doc(alias = "403")]
    #[doc(alias = "forbidden")]
    #[error(
        "Salesforce does not accept this session for its API ({}). Check that the app's scopes include `api`, that \
         the user has \"API Enabled\", and the session and API access policies of the app and of the org",
        Summary(*status, errors)
    )]
    #[non_exhaustive]
    ApiAccessDenied {
        /// The HTTP status.
        status: u16,
        /// Salesforce's reasons.
        errors: Vec<ApiError>,
    },
    /// Salesforce shows no page to the user with this session. See
    /// [`frontdoor_url`](crate::Connection::frontdoor_url).
    #[error("Salesforce opens no page with this session: {0}")]
    FrontdoorDenied(#[source] FrontdoorDenied),
    /// The token may not be sent to the API host. Nothing was sent. See
    /// [`Connection::api_host`](crate::Connection::api_host).
    #[error("the request to Salesforce's API host was not sent: {0}")]
    ApiHostDenied(#[source] ApiHostDenied),
    /// The org, or the [API host](crate::api_host), has reached its API request limit. Never retried by this crate: a retry
    /// would count as well.
    #[doc(alias = "rate limit")]
    #[doc(alias = "quota")]
    #[doc(alias = "REQUEST_LIMIT_EXCEEDED")]
    #[error("the API request limit is reached ({}). Send fewer requests and try later", Summary(*status, errors))]
    #[non_exhaustive]
    LimitExceeded {
        /// The HTTP status.
        status: u16,
        /// Salesforce's reasons.
        errors: Vec<ApiError>,
        /// How long to wait. Until then this process sends no further request to the org. The limit of an API host is that
        /// host's alone and pauses nothing; it is `None` unless the host says how long.
        retry_after: Option<Duration>,
    },
    /// Too many requests to this org, or to this API host, are running in this process, and none finished in time.
    ///
    /// See [`ClientBuilder::acquire_timeout`](crate::ClientBuilder::acquire_timeout).
    #[doc(alias = "rate limit")]
    #[doc(alias = "throttle")]
    #[error("{limit} requests to this org or API host are already running. Try again soon")]
    #[non_exhaustive]
    ConcurrencyLimit {
        /// How many are running: all that [`max_concurrent_requests`](crate::ClientBuilder::max_concurrent_requests)
        /// allows, or fewer if this user has a full share of them.
        limit: usize,
    },
    /// The request of a low-priority connection was not sent, since the org has used most of its daily API requests.
    ///
    /// See [`Connection::with_low_priority`](crate::Connection::with_low_priority).
    #[doc(alias = "quota")]
    #[error("{} of {} API requests are used: low-priority requests are not sent", usage.used, usage.allowed)]
    #[non_exhaustive]
    QuotaReserved {
        /// The org's latest usage.
        usage: ApiUsage,
    },
    /// A job of the Bulk API failed or was aborted.
    #[cfg(feature = "bulk")]
    #[error("job {id} ended in state {state:?}")]
    #[non_exhaustive]
    JobFailed {
        /// The job.
        id: SalesforceId,
        /// Its last state.
        state: JobState,
        /// Salesforce's reasons.
        errors: Vec<ApiError>,
    },
    /// A job of the Bulk API did not end within the timeout. It continues at Salesforce.
    ///
    /// Calling the same method again would create another job, so that this error is not
    /// [transient](Error::is_transient).
    #[cfg(feature = "bulk")]
    #[error("job {id} has not ended within the timeout and continues. Fetch its outcome later by its id")]
    #[non_exhaustive]
    JobTimedOut {
        /// The job.
        id: SalesforceId,
    },
    /// Several records have this external id value, so that none was read or written.
    #[error("the external id matches {} records. Use the id of one of them", candidates.len())]
    #[non_exhaustive]
    MultipleChoices {
        /// The records that match.
        candidates: Vec<SalesforceId>,
    },
    /// The record changed since it was read, and the write was rejected (status 412).
    #[doc(alias = "412")]
    #[doc(alias = "optimistic locking")]
    #[error("the record changed since it was read. Read it again")]
    PreconditionFailed,
    /// Salesforce has closed the query's cursor, so that its further pages cannot be fetched.
    ///
    /// Salesforce stores a few cursors of a user, ten by its documentation, and closes the oldest for a new one; each ends
    /// after two days. Start the query again, and read fewer queries of one user at a time. A query that takes long is
    /// better exported with `fetch_bulk`, which needs no cursor.
    #[doc(alias = "INVALID_QUERY_LOCATOR")]
    #[error(
        "Salesforce closed the query's cursor ({}): this user has more than ten queries open, or the query is older than \
         two days. Read fewer queries at a time, or export with `fetch_bulk`, and start the query again",
        Summary(*status, errors)
    )]
    #[non_exhaustive]
    CursorClosed {
        /// The HTTP status.
        status: u16,
        /// Salesforce's reasons.
        errors: Vec<ApiError>,
    },
    /// A query that must return a row returned none.
    #[error("the query returned no row. Use `fetch_optional` if that is valid")]
    RowNotFound,
    /// The response of Salesforce violates the protocol.
    #[error(transparent)]
    InvalidResponse(#[from] InvalidResponse),
    /// Salesforce reports errors in the response to a GraphQL operation, whose status is 200. Data may have come beside
    /// them: [`GraphQlFailure::data`].
    #[error(transparent)]
    GraphQl(#[from] Box<GraphQlFailure>),
    /// A query and the values bound to it do not match. Nothing was sent.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An invalid request. Nothing was sent.
    #[error(transparent)]
    InvalidRequest(#[from] InvalidRequest),
    /// The store of logins failed.
    #[error("the store of logins failed")]
    #[non_exhaustive]
    Store {
        /// Whether the same operation may succeed later.
        is_transient: bool,
        /// What failed.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A request to an OAuth endpoint failed, in a login that the program implements with [`oauth`](crate::oauth).
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// An ID token was rejected, in a login that the program implements with [`oauth`](crate::oauth).
    #[error(transparent)]
    IdToken(IdTokenError),
    /// Salesforce refuses a token to the service user until an administrator changes the app or the user.
    #[error(
        "Salesforce refuses a token to the service user. The cause says what an administrator has to change"
    )]
    ServiceUser(#[source] Arc<OAuthError>),
    /// The app has no service user.
    #[error(
        "no service user is configured. Set SALESFORCE_SERVICE_URL, or call the builder's `service_user`"
    )]
    NoServiceUser,
    /// A Salesforce extractor was used outside of the Salesforce middleware.
    #[error(
        "the Salesforce middleware does not wrap this route. Call `.wrap(salesforce.clone())` on the `App` or on the \
         scope of the route"
    )]
    MiddlewareMissing,
    /// Events were not delivered or not published.
    #[cfg(feature = "events")]
    #[error(transparent)]
    Events(#[from] PubSubError),
    /// An unexpected failure: a bug in this crate or an invalid set-up.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

crate::debug::debug_as_display!(Error);

impl Error {
    /// Creates [`Error::Internal`].
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// Creates [`Error::Store`].
    #[doc(hidden)]
    pub fn store(source: impl Into<Box<dyn StdError + Send + Sync>>, is_transient: bool) -> Self {
        Self::Store { is_transient, source: source.into() }
    }

    /// Creates [`Error::FreshLoginRequired`].
    #[doc(hidden)]
    pub fn fresh_login_required(user: UserRef, within: Duration, login_path: Option<String>) -> Self {
        Self::FreshLoginRequired { user, within, login_path }
    }

    /// Creates [`Error::Unavailable`].
    pub fn unavailable(retry_after: Duration, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable { retry_after, source: source.into() }
    }

    /// Returns the HTTP status with which Salesforce rejected the request, if it did.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. }
            | Self::ApiAccessDenied { status, .. }
            | Self::CursorClosed { status, .. }
            | Self::LimitExceeded { status, .. } => Some(*status),
            Self::MultipleChoices { .. } => Some(300),
            Self::PreconditionFailed => Some(412),
            Self::UnknownResource { .. } => Some(404),
            _ => None,
        }
    }

    /// Returns Salesforce's reasons for rejecting the request. Empty for all other errors.
    pub fn api_errors(&self) -> &[ApiError] {
        match self {
            Self::Api { errors, .. }
            | Self::ApiAccessDenied { errors, .. }
            | Self::CursorClosed { errors, .. }
            | Self::LimitExceeded { errors, .. } => errors,
            #[cfg(feature = "bulk")]
            Self::JobFailed { errors, .. } => errors,
            _ => &[],
        }
    }

    /// Returns the response with which the request was rejected: status, headers, and the first 64 KiB of the body.
    ///
    /// For what an Apex REST class says in its own words. `None` for errors without a response, and for requests that were
    /// rejected as a part of another one (composite requests, batches, trees).
    ///
    /// ```
    /// use salesforce_connection::Error;
    ///
    /// /// Returns the reason of a class that responds with `{"reason": …}`.
    /// fn reason(error: &Error) -> Option<String> {
    ///     let body: serde_json::Value = error.response()?.json().ok()?;
    ///     Some(body["reason"].as_str()?.to_owned())
    /// }
    /// assert_eq!(reason(&Error::RowNotFound), None);
    /// ```
    pub fn response(&self) -> Option<&RejectedResponse> {
        match self {
            Self::Api { response, .. } => response.as_deref(),
            _ => None,
        }
    }

    /// Returns whether the same request may succeed later without any change.
    ///
    /// Do not repeat a write for this reason alone. It may have taken effect if its response was lost ([`Error::Http`],
    /// unless [`HttpError::was_not_sent`]) or if a gateway responded with 502 or 504.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::LimitExceeded { .. }
            | Self::ConcurrencyLimit { .. }
            | Self::QuotaReserved { .. } => true,
            Self::Api { status, errors, response, .. } => {
                matches!(
                    Passing::of(*status, errors, passing::body(response.as_deref())),
                    Some(Passing::Busy | Passing::RowLocked)
                )
            }
            Self::Http(error) => error.is_transient(),
            #[cfg(feature = "events")]
            Self::Events(error) => error.is_transient(),
            Self::OAuth(error) => error.is_transient(),
            Self::Store { is_transient, .. } => *is_transient,
            _ => false,
        }
    }

    /// Returns whether the user has to log in (again) before the request can succeed.
    ///
    /// The user of [`Error::NeedsReconnecting`] is not that of the request, but the one whose connection it used.
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::LoginRequired | Self::NeedsReconnecting(_))
    }

    /// Returns how long to wait before a retry, or `None` if a retry is useless.
    ///
    /// The time that Salesforce asked for; 5 seconds for other transient errors, 10 minutes for
    /// [`Error::QuotaReserved`].
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            Self::Api { retry_after, .. } | Self::LimitExceeded { retry_after, .. }
                if retry_after.is_some() =>
            {
                *retry_after
            }
            Self::QuotaReserved { .. } => Some(QUOTA_RETRY_AFTER),
            Self::OAuth(error) if error.is_transient() && error.retry_after().is_some() => {
                error.retry_after()
            }
            _ => self.is_transient().then_some(DEFAULT_RETRY_AFTER),
        }
    }
}
