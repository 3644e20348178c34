//! Requests that Salesforce sends to a program: how their sender is verified. Feature `inbound`.
//!
//! Pure functions over what a program received; the crate `actix-salesforce` has the extractors of a server.
//! [`CallVerifier`] checks the JSON Web Token of a Named Credential, [`OutboundEnvelope`] reads an outbound message,
//! [`DataCloudPayload`] verifies the events of Data 360.
//!
//! Sources: Salesforce Help "Named Credentials" and "JWT Claims of External Credentials", RFC 7515, RFC 7519. Nothing of it
//! was tried with a real org: what is unverified says so.

mod call;
mod certificate;
mod data_cloud;
mod der;
mod outbound_message;
mod values;
mod xml_limits;

pub use self::{
    call::{CallRules, CallVerifier, InvalidCall, VerifiedCall},
    certificate::{InvalidCertificate, SigningCertificate},
    data_cloud::{DataCloudEvent, DataCloudPayload, InvalidPayload},
    outbound_message::{InvalidEnvelope, InvalidValues, Notification, OutboundEnvelope},
};
