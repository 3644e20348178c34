//! Requests that Salesforce sends to the app. Feature `inbound`.
//!
//! | Salesforce sends | a handler takes | proved by |
//! |---|---|---|
//! | a callout of Apex, a flow or an External Service, with a Named Credential | [`SalesforceCall`] | a JSON Web Token that a certificate of the org signed |
//!
//! A handler that takes one of them needs no login and no cookie. What does not prove its sender gets one plain response,
//! which says nothing about the reason; the reason is in the log, without a token, a body or a value.
//!
//! Nothing of it was tried with a real org. The chapter "Calls from Salesforce" (`docs/inbound.md`) has the set-up in
//! Salesforce, what is guaranteed, and what is not.

mod call;
mod error;

pub use self::{call::SalesforceCall, error::CallError};
pub use crate::config::{Caller, InboundConfig};
