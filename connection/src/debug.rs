//! `Debug` of errors. A `main` that returns an error prints it with `Debug`, so that it has to say as much as `Display`.

use std::{error::Error as StdError, fmt};

/// Implements `Debug` of errors: the text of `Display`, followed by the causes that it does not repeat.
macro_rules! debug_as_display {
    ($($error:ty),+) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::debug::write_chain(self, f)
            }
        }
    )+};
}
pub(crate) use debug_as_display;

/// Writes an error and its causes in one line, each text once.
pub(crate) fn write_chain(error: &dyn StdError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = error.to_string();
    f.write_str(&text)?;
    let mut next = error.source();
    while let Some(cause) = next {
        let of_cause = cause.to_string();
        // `InvalidResponse` of a token response, for example, has its cause in its own text.
        if !text.ends_with(&of_cause) {
            write!(f, ": {of_cause}")?;
        }
        text = of_cause;
        next = cause.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;

    use crate::{
        Error, OrgId, SalesforceId, UserId,
        oauth::{LoginHost, OAuthError, Scopes},
        query::soql::{date::SoqlDate, time::SoqlTime},
        version::ApiVersion,
    };

    /// What a `main` prints when it returns the error of `text.parse()?`.
    fn printed<T>(text: &str) -> (String, String)
    where
        T: std::str::FromStr,
        T::Err: StdError + 'static,
    {
        let error: Box<dyn StdError> = match text.parse::<T>() {
            Ok(_) => panic!("{text} is valid"),
            Err(error) => Box::new(error),
        };
        (format!("{error:?}"), error.to_string())
    }

    #[test]
    fn an_error_that_main_returns_says_what_is_wrong() {
        for (debug, display) in [
            printed::<OrgId>("00Dx0000000BV7zEAH"),
            printed::<OrgId>("001D000000IqhSLIAZ"),
            printed::<UserId>("x"),
            printed::<SalesforceId>("001D000000IqhS-IAZ"),
            printed::<ApiVersion>("x"),
            printed::<LoginHost>("ftp://acme"),
            printed::<Scopes>("\""),
            printed::<SoqlDate>("x"),
            printed::<SoqlTime>("x"),
        ] {
            assert_eq!(debug, display);
            assert!(debug.contains(' '), "more than a name: {debug}");
        }
        let error: Error = OAuthError::NeedsMyDomain.into();
        assert!(format!("{error:?}").contains("requires a My Domain"), "{error:?}");
        assert_eq!(format!("{:?}", Error::NoServiceUser), Error::NoServiceUser.to_string());
    }

    /// The cause says what failed, where `Display` says only that something did.
    #[test]
    fn the_causes_are_printed_each_once() {
        let error = Error::internal(std::io::Error::other("disk full"));
        assert_eq!(format!("{error:?}"), "internal error: disk full");
        let error = Error::from(OAuthError::from(crate::oauth::InvalidTokenResponse::Identity));
        let text = format!("{error:?}");
        assert_eq!(text.matches("identity URL").count(), 1, "{text}");
    }
}
