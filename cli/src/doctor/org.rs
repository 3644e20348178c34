//! [`Org`]: what the checks of one run share.

use actix_salesforce::{
    config::{PlannedLogin, StartPlan},
    http::HttpError,
    oauth::OAuthClient,
};

/// The org at the login host that is checked, as the app would reach it.
#[derive(Debug)]
pub(super) struct Org {
    pub(super) plan: StartPlan,
    /// The login host, and the app's callback of it.
    pub(super) login: PlannedLogin,
    pub(super) client: salesforce_connection::Client,
    pub(super) oauth: OAuthClient,
}

impl Org {
    pub(super) fn new(plan: StartPlan, login: PlannedLogin) -> Result<Self, HttpError> {
        let client = plan.client.clone().build()?;
        let mut oauth = OAuthClient::with_client(plan.app.clone(), &client);
        if let Some(secret) = plan.previous_app.as_ref().and_then(|app| app.client_secret.clone()) {
            oauth = oauth.accepting_signatures_of(secret);
        }
        Ok(Self { plan, login, client, oauth })
    }

    /// Returns the same app at another login host.
    pub(super) fn at(&self, login: PlannedLogin) -> Self {
        Self { login, plan: self.plan.clone(), client: self.client.clone(), oauth: self.oauth.clone() }
    }
}
