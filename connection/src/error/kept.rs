//! [`KeptError`]: the error of one part of a response, which each read of that part returns.

use std::{error::Error as StdError, fmt, sync::Arc};

use super::Error;
use crate::http::error::HttpError;

/// The error of one part of a response.
#[derive(Debug, Clone)]
pub(crate) struct KeptError(Arc<Error>);

impl From<Error> for KeptError {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl KeptError {
    /// Returns the error: the variant, its members and its sources are those of the first one.
    pub(crate) fn to_error(&self) -> Error {
        match &*self.0 {
            Error::LoginRequired => Error::LoginRequired,
            Error::LoginRefused(source) => Error::LoginRefused(Arc::clone(source)),
            Error::NeedsReconnecting(broken) => Error::NeedsReconnecting(Arc::clone(broken)),
            Error::ServiceUser(source) => Error::ServiceUser(Arc::clone(source)),
            Error::Unavailable { retry_after, .. } => Error::unavailable(*retry_after, self.source()),
            Error::Http(error) => match error {
                HttpError::Timeout => HttpError::Timeout.into(),
                HttpError::TooSlow => HttpError::TooSlow.into(),
                HttpError::TooLarge => HttpError::TooLarge.into(),
                HttpError::Redirect(status) => HttpError::Redirect(*status).into(),
                HttpError::Connect(_) => HttpError::Connect(self.source().into()).into(),
                HttpError::ConnectionLost(_) => HttpError::ConnectionLost(self.source().into()).into(),
                HttpError::Undecodable(_) => HttpError::Undecodable(self.source().into()).into(),
                _ => self.internal(),
            },
            Error::Api { status, errors, retry_after, response } => Error::Api {
                status: *status,
                errors: errors.clone(),
                retry_after: *retry_after,
                response: response.clone(),
            },
            Error::ApiAccessDenied { status, errors } => {
                Error::ApiAccessDenied { status: *status, errors: errors.clone() }
            }
            Error::LimitExceeded { status, errors, retry_after } => {
                Error::LimitExceeded { status: *status, errors: errors.clone(), retry_after: *retry_after }
            }
            Error::CursorClosed { status, errors } => {
                Error::CursorClosed { status: *status, errors: errors.clone() }
            }
            Error::ConcurrencyLimit { limit } => Error::ConcurrencyLimit { limit: *limit },
            Error::QuotaReserved { usage } => Error::QuotaReserved { usage: *usage },
            Error::InvalidResponse(error) => error.clone().into(),
            _ => self.internal(),
        }
    }

    fn internal(&self) -> Error {
        Error::internal(Arc::clone(&self.0))
    }

    fn source(&self) -> Source {
        Source(Arc::clone(&self.0))
    }
}

/// The source of a kept error.
struct Source(Arc<Error>);

impl Source {
    fn first(&self) -> &dyn StdError {
        self.0.source().unwrap_or(&*self.0)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.first(), f)
    }
}

crate::debug::debug_as_display!(Source);

impl StdError for Source {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()?.source()
    }
}

#[cfg(test)]
mod tests {
    use std::{iter::successors, mem::discriminant, time::Duration};

    use super::*;
    use crate::error::{ApiError, InvalidResponse};

    #[test]
    fn a_kept_error_is_returned_as_it_was() {
        let errors = || {
            let (code, message) = ("UNKNOWN_EXCEPTION".to_owned(), "failed".to_owned());
            vec![ApiError { code, message, fields: Vec::new(), duplicates: None, reference: None }]
        };
        let retry_after = Some(Duration::from_secs(7));
        let cause = || -> Box<dyn StdError + Send + Sync> { Box::new(HttpError::Connect("no route".into())) };
        for error in [
            Error::LoginRequired,
            Error::unavailable(Duration::from_secs(9), cause()),
            Error::Http(HttpError::Timeout),
            Error::Http(HttpError::ConnectionLost(cause())),
            Error::Http(HttpError::Undecodable(cause())),
            Error::Api { status: 503, errors: errors(), retry_after, response: None },
            Error::LimitExceeded { status: 403, errors: errors(), retry_after },
            Error::CursorClosed { status: 400, errors: errors() },
            Error::ConcurrencyLimit { limit: 3 },
            Error::InvalidResponse(InvalidResponse::NextPage),
            Error::internal(cause()),
        ] {
            let described = |error: &Error| {
                let chain: Vec<_> = successors(Some(error as &dyn StdError), |error| (*error).source())
                    .map(ToString::to_string)
                    .collect();
                let facts = (error.is_transient(), error.needs_login(), error.retry_after(), error.status());
                (discriminant(error), chain, facts, error.api_errors().len())
            };
            let expected = described(&error);
            let kept = KeptError::from(error);
            for _ in 0..2 {
                let (kind, chain, facts, api_errors) = described(&kept.to_error());
                assert_eq!((kind, &facts, api_errors), (expected.0, &expected.2, expected.3), "{chain:?}");
                assert!(chain.ends_with(&expected.1), "{chain:?} {:?}", expected.1);
            }
        }
    }
}
