//! Who may call the app from Salesforce.

use super::SalesforceBuilder;
use crate::config::{Caller, ClientCertificateHeader, DataCloud, OutboundMessages};

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

    /// Adds an org whose Data 360 events the app takes, for handlers that take
    /// [`DataCloudEvents`](crate::inbound::DataCloudEvents). Default: none. Feature `inbound`.
    pub fn data_cloud(mut self, events: DataCloud) -> Self {
        self.config.inbound.data_cloud.push(events);
        self
    }

    /// Says that the app runs behind the side-car of Heroku AppLink for the org with this id.
    ///
    /// For handlers that take an [`AppLinkContext`](crate::inbound::AppLinkContext). Default: a context of AppLink is
    /// refused. Feature `inbound`.
    ///
    /// Only for an app whose port no client but the side-car reaches: the context is signed by nothing.
    pub fn applink(mut self, org: impl Into<String>) -> Self {
        self.config.inbound.applink.push(org.into());
        self
    }

    /// Sets where a proxy that ends TLS says which certificate its client showed, for callers and outbound messages with
    /// pinned certificates. Default: none. Feature `inbound`.
    pub fn client_certificate_header(mut self, header: ClientCertificateHeader) -> Self {
        self.config.inbound.client_certificate_header = Some(header);
        self
    }
}
