//! Actions that an administrator builds in the org: invocable actions and flows, quick actions, named queries, approvals.
//!
//! Each names what it runs, and none but reads is retried: an action that runs twice acts twice.
//!
//! Source: Actions Developer Guide and REST API Developer Guide; what is sent and returned is listed in the repository
//! (`docs/protocol/actions.md`).

mod approvals;
mod description;
mod failed;
mod invocable;
mod named_query;
mod quick;

pub use self::{
    approvals::{ApprovalOutcome, ApprovalProcess, ApprovalRequest, Approvals},
    description::{ActionDescription, ActionSummary, InputParameter, OutputParameter},
    failed::FailedAction,
    invocable::{ActionKind, ActionOutput, InvalidActionInput, InvocableAction},
    named_query::NamedQuery,
    quick::{QuickAction, QuickActionResult},
};
use crate::{
    error::{InvalidRequest, Result},
    name::{InvalidName, is_api_name},
    request::path::segment,
};

/// Returns the name of an action as a segment of a path, unless it is no API name: parts are joined by dots.
fn action_segment(name: &str) -> Result<String> {
    if name.len() <= 255 && !name.is_empty() && name.split('.').all(is_api_name) {
        return Ok(segment(name)?);
    }
    Err(InvalidRequest::Name(InvalidName::of("an action")).into())
}
