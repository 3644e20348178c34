//! [`BrokenConnection`]: why the connection of a user ended, and how it begins again.

use std::{fmt, time::SystemTime};

use crate::user_ref::UserRef;

/// A user's connection that Salesforce ended for good: it works again after the next login of the user.
///
/// Has no token. As an error it is part of [`Error::NeedsReconnecting`](crate::Error::NeedsReconnecting).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenConnection {
    /// The user who has to log in.
    pub user: UserRef,
    /// Salesforce's error code in lower snake case, such as `inactive_user` or `invalid_grant`. `None` if the reason is
    /// not a refusal of Salesforce.
    pub code: Option<String>,
    /// Why, in Salesforce's words if they are known ones, such as `expired access/refresh token`.
    pub reason: Option<String>,
    /// When Salesforce refused the connection.
    pub since: SystemTime,
    /// The path of the app at which the user logs in, at the same login host as before. `None` if the app has no login
    /// route.
    pub login_path: Option<String>,
}

impl BrokenConnection {
    /// Creates one without a reason and without a path.
    pub fn new(user: UserRef, since: SystemTime) -> Self {
        Self { user, code: None, reason: None, since, login_path: None }
    }
}

impl fmt::Display for BrokenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user's connection to Salesforce needs reconnecting: ")?;
        match (&self.code, &self.reason) {
            (Some(code), Some(reason)) => write!(f, "{code} ({reason})")?,
            (Some(reason), None) | (None, Some(reason)) => f.write_str(reason)?,
            (None, None) => f.write_str("Salesforce refused it")?,
        }
        match &self.login_path {
            Some(path) => write!(f, ". Let the user log in at {path}"),
            None => f.write_str(". Let the user log in again"),
        }
    }
}

impl std::error::Error for BrokenConnection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_reason_and_the_way_to_log_in() {
        let user = UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap());
        let mut broken = BrokenConnection::new(user, SystemTime::UNIX_EPOCH);
        let begin = "the user's connection to Salesforce needs reconnecting: ";
        assert_eq!(broken.to_string(), format!("{begin}Salesforce refused it. Let the user log in again"));
        broken.code = Some("inactive_user".to_owned());
        broken.login_path = Some("/auth/salesforce/login".to_owned());
        let end = ". Let the user log in at /auth/salesforce/login";
        assert_eq!(broken.to_string(), format!("{begin}inactive_user{end}"));
        broken.reason = Some("user is inactive".to_owned());
        assert_eq!(broken.to_string(), format!("{begin}inactive_user (user is inactive){end}"));
        assert_eq!(crate::Error::NeedsReconnecting(broken.clone().into()).to_string(), broken.to_string());
    }
}
