//! [`Org`]: what the checks of one run share.

use actix_salesforce::{
    Config, OrgId,
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
    /// The orgs whose users the app lets in at this login host; empty: those of all orgs.
    allowed: Vec<OrgId>,
    denied: Vec<OrgId>,
}

impl Org {
    pub(super) fn new(config: &Config, plan: StartPlan, login: PlannedLogin) -> Result<Self, HttpError> {
        let client = plan.client.clone().build()?;
        let mut oauth = OAuthClient::with_client(plan.app.clone(), &client);
        if let Some(secret) = plan.previous_app.as_ref().and_then(|app| app.client_secret.clone()) {
            oauth = oauth.accepting_signatures_of(secret);
        }
        let ids = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        // A named login host may have a list to itself.
        let allowed = if login.name.is_none() { ids(&config.allowed_orgs) } else { Vec::new() };
        Ok(Self { plan, login, client, oauth, allowed, denied: ids(&config.denied_orgs) })
    }

    /// Returns the same app at another login host.
    pub(super) fn at(&self, login: PlannedLogin) -> Self {
        Self {
            login,
            plan: self.plan.clone(),
            client: self.client.clone(),
            oauth: self.oauth.clone(),
            allowed: Vec::new(),
            denied: self.denied.clone(),
        }
    }

    /// Returns the setting because of which the app refuses users of an org.
    pub(super) fn refuses(&self, org: OrgId) -> Option<&'static str> {
        match () {
            () if self.denied.contains(&org) => Some("SALESFORCE_DENIED_ORGS names it"),
            () if !self.allowed.is_empty() && !self.allowed.contains(&org) => {
                Some("SALESFORCE_ALLOWED_ORGS does not name it")
            }
            () => None,
        }
    }
}
