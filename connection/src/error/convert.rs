//! Other errors of this crate become an [`Error`].

use super::Error;
use crate::{oauth::id_token::IdTokenError, token::TokenError};

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::LoginRequired => Self::LoginRequired,
            TokenError::Unavailable { retry_after, source } => {
                Self::Unavailable { retry_after, source: Box::new(source) }
            }
            TokenError::LoginRefused(error) => Self::LoginRefused(error),
            TokenError::NeedsReconnecting(broken) => Self::NeedsReconnecting(broken),
            TokenError::Refused(error) => Self::ServiceUser(error),
            TokenError::ApiHost(error) => error.into(),
        }
    }
}

impl From<IdTokenError> for Error {
    fn from(error: IdTokenError) -> Self {
        match error {
            // Failing to fetch the keys says nothing about the token.
            IdTokenError::Keys(error) => Self::OAuth(error),
            error => Self::IdToken(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::error::HttpError, id::SalesforceId};

    /// The README promises `?` for all of these in a handler.
    #[test]
    fn errors_of_request_parts_convert_into_this_one() {
        fn parse<T: std::str::FromStr>(text: &str) -> Error
        where
            Error: From<T::Err>,
        {
            text.parse::<T>().err().map_or(Error::RowNotFound, Error::from)
        }
        for error in [
            parse::<SalesforceId>("x"),
            parse::<crate::query::soql::date::SoqlDate>("x"),
            parse::<crate::query::soql::date::SoqlDateTime>("x"),
            parse::<crate::query::soql::time::SoqlTime>("x"),
            parse::<crate::oauth::scopes::Scopes>("\""),
        ] {
            assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
        }
        assert!(matches!(Error::from(IdTokenError::Missing), Error::IdToken(_)));
        let keys = IdTokenError::Keys(HttpError::Timeout.into());
        assert!(Error::from(keys).is_transient(), "an outage says nothing about the token");
    }
}
