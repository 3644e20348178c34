//! Requests that Salesforce sends to the app. Feature `inbound`.
//!
//! | Salesforce sends | a handler takes | proved by |
//! |---|---|---|
//! | an outbound message of a flow or a workflow | [`OutboundMessage`] | a secret in the address, and a pinned client certificate where there is one |
//! | a callout of Apex, a flow or an External Service, with a Named Credential | [`SalesforceCall`] | a JSON Web Token that a certificate of the org signed |
//! | events of Data 360 | [`DataCloudEvents`] | HMAC over the bytes of the body |
//! | a request behind the side-car of Heroku AppLink | [`AppLinkContext`] | a token that Salesforce confirms |
//!
//! A handler that takes one of them needs no login and no cookie. What does not prove its sender gets one plain response,
//! which says nothing about the reason; the reason is in the log, without a token, a body or a value.
//!
//! Nothing of it was tried with a real org. The chapter "Calls from Salesforce" (`docs/inbound.md`) has the set-up in
//! Salesforce, what is guaranteed, and what is not.

mod ack;
mod applink;
mod body;
mod call;
mod client_certificate;
mod data_cloud;
mod delivery;
mod error;
mod outbound_message;

pub use self::{
    ack::{Ack, NotAcknowledged},
    applink::AppLinkContext,
    call::SalesforceCall,
    client_certificate::ClientCertificate,
    data_cloud::DataCloudEvents,
    error::CallError,
    outbound_message::{Claimed, OutboundMessage},
};
pub use crate::config::{Caller, ClientCertificateHeader, DataCloud, InboundConfig, OutboundMessages};
pub use salesforce_connection::inbound::{DataCloudEvent, InvalidValues};

use actix_web::http::header::{AsHeaderName, HeaderMap, HeaderValue};

use crate::web::WorkerState;
use salesforce_connection::{Connection, OrgId};

/// Returns the value of a header that came once: a second one may be what a client wrote.
fn only_header(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Returns a connection of the service user if that is of this org.
async fn service_connection(worker: &WorkerState, org: OrgId) -> Result<Connection, CallError> {
    let connection = worker.salesforce().service_connection().await?;
    if connection.organization_id() == org {
        return Ok(connection);
    }
    tracing::error!(%org, "the service user is of another org than the one that Salesforce's request names");
    Err(CallError::NotPermitted)
}
