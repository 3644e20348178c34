//! [`UserRef`]: which user of which organization.

use crate::{OrgId, UserId};

/// Names a Salesforce user: the organization and the user in it.
///
/// User ids are unique within Salesforce, but a sandbox has copies of its production organization's users. The pair is
/// unambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct UserRef {
    /// The organization.
    pub organization_id: OrgId,
    /// The user in it.
    pub user_id: UserId,
}

impl UserRef {
    /// Names `user_id` of the organization `organization_id`.
    pub fn new(organization_id: OrgId, user_id: UserId) -> Self {
        Self { organization_id, user_id }
    }
}
