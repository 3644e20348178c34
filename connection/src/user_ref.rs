//! [`UserRef`]: which user of which org.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{OrgId, UserId};

/// Identifies a user by the ids of the org and of the user in it.
///
/// E-mail addresses and user names do not identify a user: both can be given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserRef {
    /// The id of the org.
    pub organization_id: OrgId,
    /// The id of the user.
    pub user_id: UserId,
}

impl UserRef {
    /// Creates a reference from both ids.
    pub fn new(organization_id: OrgId, user_id: UserId) -> Self {
        Self { organization_id, user_id }
    }
}

/// Writes `org:user`, both with 18 characters. Safe to log.
impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.organization_id, self.user_id)
    }
}
