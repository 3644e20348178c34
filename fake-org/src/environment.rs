//! The settings of an app that logs in at the org, by the names of its environment variables.

/// What an app must know of the org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) login_url: String,
    /// The origin of the data, also the My Domain that service users get their tokens from.
    pub(crate) instance_url: String,
    /// The origin that the data can move to.
    pub(crate) moved_instance_url: String,
    /// The address of the Pub/Sub API.
    pub(crate) pubsub_url: String,
    /// Whether client credentials run as a user.
    pub(crate) has_service_user: bool,
}

impl Environment {
    /// The variables in the order in which they are printed.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("SALESFORCE_CLIENT_ID", self.client_id.clone()),
            ("SALESFORCE_CLIENT_SECRET", self.client_secret.clone()),
            ("SALESFORCE_LOGIN_URL", self.login_url.clone()),
            ("SALESFORCE_ALLOWED_ORIGINS", format!("{} {}", self.instance_url, self.moved_instance_url)),
            ("SALESFORCE_PUBSUB_URL", self.pubsub_url.clone()),
        ];
        if self.has_service_user {
            variables.push(("SALESFORCE_SERVICE_URL", self.instance_url.clone()));
        }
        variables
    }

    /// The value of one variable; `None` for names that the org does not know.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.variables().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}
