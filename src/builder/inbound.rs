//! Who may call the app from Salesforce.

use super::SalesforceBuilder;
use crate::config::Caller;

impl SalesforceBuilder {
    /// Adds an org that calls the app with a Named Credential, for handlers that take a
    /// [`SalesforceCall`](crate::inbound::SalesforceCall). Default: none. Feature `inbound`.
    pub fn caller(mut self, caller: Caller) -> Self {
        self.config.inbound.callers.push(caller);
        self
    }
}
