//! Which user of which org.

use std::fmt;

use crate::id::{OrgId, UserId};

/// Identifies a user: the org and the user in it. E-mail addresses and user names are not used, since they change
/// hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserRef {
    /// The org.
    pub organization_id: OrgId,
    /// The user.
    pub user_id: UserId,
}

impl UserRef {
    /// Creates a reference from both ids.
    pub fn new(organization_id: OrgId, user_id: UserId) -> Self {
        Self { organization_id, user_id }
    }
}

/// `org:user`, both with 18 characters. Safe to log.
impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.organization_id, self.user_id)
    }
}
