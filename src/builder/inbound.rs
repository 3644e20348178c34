//! Who may call the app from Salesforce.

use super::SalesforceBuilder;
use crate::config::{Caller, OutboundMessages};

impl SalesforceBuilder {
    /// Adds an org that calls the app with a Named Credential, for handlers that take a
    /// [`SalesforceCall`](crate::inbound::SalesforceCall). Default: none. Feature `inbound`.
    pub fn caller(mut self, caller: Caller) -> Self {
        self.config.inbound.callers.push(caller);
        self
    }

    /// Adds an org whose outbound messages the app takes, for handlers that take an
    /// [`OutboundMessage`](crate::inbound::OutboundMessage). Default: none. Feature `inbound`.
    pub fn outbound_messages(mut self, messages: OutboundMessages) -> Self {
        self.config.inbound.outbound_messages.push(messages);
        self
    }
}
