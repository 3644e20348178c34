//! The one error type of the crate.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

#[cfg(feature = "bulk")]
use crate::bulk::JobState;
use crate::{
    InvalidId, SalesforceId,
    api::{
        ApiUsage, BindError, Duplicates, InvalidCallOption, InvalidName, InvalidPath, InvalidRevision,
        soql::{InvalidDate, InvalidTime},
    },
    grants::GrantError,
    http::HttpError,
    oauth::{IdTokenError, InvalidScopes, OAuthError},
    store::StoreError,
};

/// What the crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How long to wait before asking a service again that is down and did not say for how long.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How long to wait before an optional call has a chance again: the allocation is one of 24 hours.
const SHED_FOR: Duration = Duration::from_secs(10 * 60);

/// Everything that can go wrong between a handler and Salesforce.
///
/// In a handler `?` is enough: the error becomes a response with a fitting status. Neither `Display` nor `Debug`
/// repeats a token, a body or a URL's query; what Salesforce wrote is in [`entries`](Error::entries).
///
/// ```
/// use actix_salesforce::{Error, Result};
///
/// /// A value that is already taken is the user's to change; everything else is not.
/// fn is_taken(error: &Error) -> bool {
///     error.entries().iter().any(|entry| entry.code == "DUPLICATE_VALUE")
/// }
/// assert!(!is_taken(&Error::RowNotFound));
/// assert!(Error::LoginRequired.needs_login());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody is logged in, or the login is over (logged out, revoked, expired).
    #[error("not logged in to Salesforce, or the login is over; log in again")]
    LoginRequired,
    /// Salesforce or the store cannot be reached at the moment. The login is kept.
    #[error("Salesforce cannot be reached at the moment; try again in {} seconds", retry_after.as_secs().max(1))]
    #[non_exhaustive]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// What went wrong.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No answer came, or one that is not read. Whether the call took effect is not known unless
    /// [`HttpError::never_sent`] says so.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Salesforce refused the call.
    #[error("Salesforce refused the call ({})", Summary(*status, entries))]
    #[non_exhaustive]
    Api {
        /// The HTTP status.
        status: u16,
        /// What Salesforce said; empty when the body was no Salesforce error (a maintenance page, for example).
        entries: Vec<ErrorEntry>,
        /// How long Salesforce asked to wait.
        retry_after: Option<Duration>,
    },
    /// Salesforce refuses this session for its API, and neither a new token nor a new login would change that.
    #[error(
        "Salesforce does not accept this session for its API ({}): check that the app's scopes include `api`, that \
         the user has \"API Enabled\", and the app's and the organization's session and API access policies",
        Summary(*status, entries)
    )]
    #[non_exhaustive]
    SessionRefused {
        /// The HTTP status.
        status: u16,
        /// What Salesforce said.
        entries: Vec<ErrorEntry>,
    },
    /// The organization's API limit is reached. Never retried by this crate: the call would count again.
    #[error("the organization's API limit is reached ({}); slow down and try later", Summary(*status, entries))]
    #[non_exhaustive]
    LimitExceeded {
        /// The HTTP status.
        status: u16,
        /// What Salesforce said.
        entries: Vec<ErrorEntry>,
        /// How long to wait. Until then this process sends no further call to the organization.
        retry_after: Option<Duration>,
    },
    /// Too many calls to this organization are under way in this process, and none came to its end in time.
    #[error("{limit} calls to this organization are under way already; try again soon")]
    #[non_exhaustive]
    Busy {
        /// How many may be under way: see [`Builder::concurrent_calls`](crate::Builder::concurrent_calls).
        limit: usize,
    },
    /// The call of an [optional](crate::Connection::optional) connection was not sent: the organization has used most
    /// of its API calls of the day.
    #[error("{} of {} API calls are used up: optional calls are not made", usage.used, usage.allowed)]
    #[non_exhaustive]
    Shed {
        /// How many calls there were.
        usage: ApiUsage,
    },
    /// A job of the Bulk API was given up by Salesforce, or stopped by someone.
    #[cfg(feature = "bulk")]
    #[error("job {id} ended as {state:?}")]
    #[non_exhaustive]
    JobFailed {
        /// The job.
        id: SalesforceId,
        /// How it ended.
        state: JobState,
        /// What Salesforce said of it.
        entries: Vec<ErrorEntry>,
    },
    /// A job of the Bulk API did not end in the time that there was for it. It goes on: the same call made again would
    /// make another job, so that this is not [transient](Error::is_transient).
    #[cfg(feature = "bulk")]
    #[error("job {id} has not ended yet; it goes on, and can be asked for again by its id")]
    #[non_exhaustive]
    JobUnfinished {
        /// The job.
        id: SalesforceId,
    },
    /// An external id value belongs to several records, so that none of them was read or written.
    #[error("the external id matches {} records; use one of their ids", candidates.len())]
    #[non_exhaustive]
    MultipleChoices {
        /// The records that match.
        candidates: Vec<SalesforceId>,
    },
    /// The record is in another state than it was when it was read, and was left as it is (status 412). Read it again.
    #[error("the record was changed since it was read; read it again")]
    Changed,
    /// A query that should find a row found none.
    #[error("the query found no row; use `fetch_optional` where none is fine")]
    RowNotFound,
    /// The answer of Salesforce is not what the protocol says.
    #[error(transparent)]
    InvalidAnswer(#[from] InvalidAnswer),
    /// A query and the values bound to it do not fit. Nothing was sent.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A request that must not or cannot be sent. Nothing was sent.
    #[error(transparent)]
    InvalidRequest(#[from] InvalidRequest),
    /// The store failed.
    #[error("the store of logins failed")]
    Store(#[from] StoreError),
    /// An OAuth endpoint did not do what it was asked, in a login of your own making (see [`oauth`](crate::oauth)).
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// An ID token does not say who logged in, in a login of your own making.
    #[error(transparent)]
    IdToken(IdTokenError),
    /// Salesforce gives the app's service user no token: an administrator has to mend the app or the user.
    #[error("Salesforce gives the service user no token; its error says what an administrator has to change")]
    ServiceUser(#[source] Arc<OAuthError>),
    /// The app has no service user.
    #[error("no service user is set: set SALESFORCE_SERVICE_URL, or call `Builder::service_user`")]
    NoServiceUser,
    /// A Salesforce extractor was used outside the Salesforce middleware.
    #[error(
        "the Salesforce middleware does not wrap this route: call `.wrap(salesforce.clone())` on the `App`, or on \
         the scope that the route is in"
    )]
    NotMounted,
    /// Something failed that should not: a mistake in this crate or in its set-up.
    #[error("an internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

impl Error {
    pub(crate) fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// The HTTP status of Salesforce's answer, if it was one that says no.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. }
            | Self::SessionRefused { status, .. }
            | Self::LimitExceeded { status, .. } => Some(*status),
            Self::MultipleChoices { .. } => Some(300),
            Self::Changed => Some(412),
            _ => None,
        }
    }

    /// All that Salesforce said about why it refused.
    pub fn entries(&self) -> &[ErrorEntry] {
        match self {
            Self::Api { entries, .. }
            | Self::SessionRefused { entries, .. }
            | Self::LimitExceeded { entries, .. } => entries,
            #[cfg(feature = "bulk")]
            Self::JobFailed { entries, .. } => entries,
            _ => &[],
        }
    }

    /// Whether the same call may succeed later, with nothing changed.
    ///
    /// This is no licence to repeat a write: one whose answer was lost ([`Error::Http`], unless
    /// [`HttpError::never_sent`]), or that a gateway answered with 502 or 504, may have taken effect already.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::LimitExceeded { .. } | Self::Busy { .. } | Self::Shed { .. } => {
                true
            }
            Self::Api { status, entries, .. } => {
                matches!(status, 429 | 502 | 503 | 504)
                    || entries.iter().any(|entry| entry.code == "UNABLE_TO_LOCK_ROW")
            }
            Self::Http(error) => error.is_transient(),
            Self::OAuth(error) => error.is_transient(),
            Self::Store(error) => matches!(error, StoreError::Unavailable(_)),
            _ => false,
        }
    }

    /// Whether the person has to log in (again) before this can work.
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::LoginRequired)
    }

    /// How long to wait before another try, where there is something to wait for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            Self::Api { retry_after, .. } | Self::LimitExceeded { retry_after, .. }
                if retry_after.is_some() =>
            {
                *retry_after
            }
            Self::Shed { .. } => Some(SHED_FOR),
            Self::OAuth(error) if error.is_transient() && error.retry_after().is_some() => {
                error.retry_after()
            }
            _ => self.is_transient().then_some(ASK_AGAIN_AFTER),
        }
    }
}

impl From<GrantError> for Error {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::LoginOver => Self::LoginRequired,
            GrantError::Unavailable { retry_after, source } => {
                Self::Unavailable { retry_after, source: Box::new(source) }
            }
            GrantError::ServiceRefused(error) => Self::ServiceUser(error),
        }
    }
}

macro_rules! from_invalid_part_of_a_request {
    ($($part:ident)*) => {$(
        impl From<$part> for Error {
            fn from(error: $part) -> Self {
                Self::InvalidRequest(error.into())
            }
        }
    )*};
}

from_invalid_part_of_a_request! {
    InvalidPath InvalidName InvalidId InvalidDate InvalidTime InvalidRevision InvalidCallOption InvalidScopes
}

impl From<IdTokenError> for Error {
    fn from(error: IdTokenError) -> Self {
        match error {
            // No word about the token.
            IdTokenError::Keys(error) => Self::OAuth(error),
            error => Self::IdToken(error),
        }
    }
}

/// One reason that Salesforce gives for refusing a call.
///
/// `Debug` leaves the message out: it often repeats the data that was sent. Source: REST API Developer Guide, "Status
/// Codes and Error Responses".
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorEntry {
    /// The code, for example `REQUIRED_FIELD_MISSING`.
    pub code: String,
    /// The text for people, in the user's language. It may repeat what was sent: show it to the user who sent it,
    /// and think twice before logging it.
    pub message: String,
    /// The fields that are to blame.
    pub fields: Vec<String>,
    /// With the code `DUPLICATES_DETECTED`: the records that are alike.
    pub duplicates: Option<Duplicates>,
    /// In a tree: the record that is meant.
    pub(crate) reference: Option<String>,
}

impl fmt::Debug for ErrorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorEntry")
            .field("code", &self.code)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// `400 REQUIRED_FIELD_MISSING on LastName, INVALID_EMAIL_ADDRESS on Email`
struct Summary<'a>(u16, &'a [ErrorEntry]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.0)?;
        for (index, entry) in self.1.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { " " } else { ", " }, entry.code)?;
            if !entry.fields.is_empty() {
                write!(f, " on {}", entry.fields.join(" and "))?;
            }
        }
        Ok(())
    }
}

/// How an answer of Salesforce differs from what the protocol says. Never repeats the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAnswer {
    /// The body does not fit the type it was to be read into.
    #[error("the answer cannot be read: {0}")]
    Json(String),
    /// The answer is JSON where none is expected, or the other way round, or a status that the call does not have.
    #[error("unexpected answer: {0}")]
    Unexpected(&'static str),
    /// The address of the next page is not one of this organization's `/services/data/` paths, or that of the page
    /// itself. It was not asked.
    #[error("the address of the next page is not a path of this API, or that of the page itself")]
    NextPage,
    /// A query's pages ended before all of its rows had come.
    #[error("the query's rows ended after {got} of {announced}; read it again from the start")]
    #[non_exhaustive]
    Truncated {
        /// The rows that came.
        got: u64,
        /// The rows that Salesforce had announced.
        announced: u64,
    },
}

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The path is refused.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// An invalid name of an object or a field.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// An invalid id of a record.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A date, or a date and time, that Salesforce does not have.
    #[error(transparent)]
    Date(#[from] InvalidDate),
    /// A time of day that Salesforce does not have.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// A revision that was not made by this crate.
    #[error(transparent)]
    Revision(#[from] InvalidRevision),
    /// A call option that cannot be sent in a header.
    #[error(transparent)]
    CallOption(#[from] InvalidCallOption),
    /// Scopes that cannot be asked for.
    #[error(transparent)]
    Scopes(#[from] InvalidScopes),
    /// The body cannot be written as JSON.
    #[error("the body cannot be written as JSON")]
    Body(#[source] serde_json::Error),
    /// A record cannot be a row of CSV: it is no struct or map of plain values, or has other fields than the one
    /// before.
    #[error("the record cannot be written as a row of CSV")]
    Csv,
    /// What is to be loaded could not be read where it comes from.
    #[error("what is to be loaded could not be read")]
    Source(#[source] Box<dyn StdError + Send + Sync>),
    /// Not an HTTP method.
    #[error("this is not an HTTP method")]
    Method,
    /// The header is malformed, or one that the connection sets itself; or a call of a batch has one.
    #[error(
        "this header is malformed, one that only the connection itself may set, or that of a call of a batch, which has none"
    )]
    Header,
    /// More calls in one than Salesforce takes.
    #[error("one call holds {limit} of these at most; send several")]
    #[non_exhaustive]
    TooManyCalls {
        /// What is accepted.
        limit: usize,
    },
    /// A reference in a composite to no earlier call of it, or a text that Salesforce would take for one.
    #[error(
        "a value has `@{{`, which Salesforce takes for a reference to an earlier call: use what `Reference::id` or \
         `Reference::field` of an earlier call of the same composite gives"
    )]
    Reference,
    /// A record that is not written as a JSON object.
    #[error("the record is not written as a JSON object")]
    Record,
    /// A write that cannot depend on the record's state, asked for with
    /// [`if_unchanged`](crate::SObjectHandle::if_unchanged).
    #[error("only `update` and `delete` of one record by its id can depend on its state (`if_unchanged`)")]
    Condition,
    /// The query is longer than Salesforce accepts: 100,000 characters; tooling queries and plans have to fit into a
    /// URL.
    #[error(
        "the query has {characters} characters; Salesforce accepts about {limit}; for a long IN list use `Query::bind_each`"
    )]
    #[non_exhaustive]
    QueryTooLong {
        /// Its length.
        characters: usize,
        /// What is accepted.
        limit: usize,
    },
}

/// An error and what caused it, in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn StdError + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the README promises of `?` in a handler.
    #[test]
    fn every_error_of_a_part_becomes_this_one() {
        fn of<T: std::str::FromStr>(text: &str) -> Error
        where
            Error: From<T::Err>,
        {
            text.parse::<T>().err().map_or(Error::RowNotFound, Error::from)
        }
        for error in [
            of::<SalesforceId>("x"),
            of::<crate::api::soql::SoqlDate>("x"),
            of::<crate::api::soql::SoqlDateTime>("x"),
            of::<crate::api::soql::SoqlTime>("x"),
            of::<crate::oauth::Scopes>("\""),
        ] {
            assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
        }
        assert!(matches!(Error::from(IdTokenError::Missing), Error::IdToken(_)));
        let keys = IdTokenError::Keys(HttpError::Timeout.into());
        assert!(Error::from(keys).is_transient(), "an outage says nothing about the token");
    }
}
