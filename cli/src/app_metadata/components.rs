//! The metadata components of an app, as the Salesforce CLI deploys them.
//!
//! Source of folders, suffixes and members: Metadata API Developer Guide, the page of each type. Members that follow from
//! no setting are left out: the org has a default for them. docs/protocol/app-metadata.md has more.

use crate::project::{Component, Xml};

/// What the files say about the app. It has no secret.
#[derive(Debug)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) contact_email: String,
    pub(super) description: String,
    pub(super) redirect_uris: Vec<String>,
    pub(super) scopes: Vec<&'static str>,
    pub(super) is_public_client: bool,
    pub(super) has_client_credentials: bool,
    /// The certificate of JWT bearer, in PEM.
    pub(super) certificate: Option<String>,
    pub(super) single_logout_url: Option<String>,
    /// The user name that client credentials work as.
    pub(super) run_as: Option<String>,
    /// The permission sets whose users may use the app without asking.
    pub(super) permission_sets: Vec<String>,
}

impl App {
    pub(super) fn components(&self) -> Vec<Component> {
        let mut components = vec![self.application(), self.global_settings(), self.settings()];
        components.extend(self.policies());
        components
    }

    /// Source: "ExternalClientApplication".
    fn application(&self) -> Component {
        let mut xml = Xml::new("ExternalClientApplication");
        xml.text("contactEmail", &self.contact_email);
        xml.text("description", &self.description);
        xml.text("distributionState", "Local");
        xml.text("isProtected", "false");
        xml.text("label", &self.label);
        xml.component("externalClientApps", &self.name, "eca")
    }

    /// Source: "ExtlClntAppGlobalOauthSettings". Its members for key and secret are never written.
    fn global_settings(&self) -> Component {
        let mut xml = Xml::new("ExtlClntAppGlobalOauthSettings");
        // Several stand in one element, one a line, as in Setup. Unverified.
        xml.text("callbackUrl", &self.redirect_uris.join("\n"));
        if let Some(certificate) = &self.certificate {
            xml.text("certificate", certificate);
        }
        xml.text("externalClientApplication", &self.name);
        xml.flag("isClientCredentialsFlowEnabled", self.has_client_credentials);
        xml.flag("isConsumerSecretOptional", self.is_public_client);
        // Each login of actix-salesforce has PKCE, and each refresh stores the new token.
        xml.flag("isPkceRequired", true);
        xml.flag("isRefreshTokenRotationEnabled", true);
        xml.flag("isSecretRequiredForRefreshToken", !self.is_public_client);
        xml.text("label", &format!("{} global OAuth", self.label));
        xml.component("extlClntAppGlobalOauthSets", &format!("{}_glbloauth", self.name), "ecaGlblOauth")
    }

    /// Source: "ExtlClntAppOauthSettings".
    fn settings(&self) -> Component {
        let mut xml = Xml::new("ExtlClntAppOauthSettings");
        xml.text("commaSeparatedOauthScopes", &self.scopes.join(", "));
        xml.text("externalClientApplication", &self.name);
        xml.text("label", &format!("{} OAuth", self.label));
        if let Some(url) = &self.single_logout_url {
            xml.text("singleLogoutUrl", url);
        }
        xml.component("extlClntAppOauthSettings", &format!("{}_oauth", self.name), "ecaOauth")
    }

    /// Source: "ExtlClntAppOauthConfigurablePolicies". The org makes them by itself if there is nothing to say.
    fn policies(&self) -> Option<Component> {
        if self.run_as.is_none() && self.permission_sets.is_empty() {
            return None;
        }
        let mut xml = Xml::new("ExtlClntAppOauthConfigurablePolicies");
        if let Some(username) = &self.run_as {
            xml.text("clientCredentialsFlowUser", username);
        }
        if !self.permission_sets.is_empty() {
            // The guide says ids; orgs are reported to take names only. Unverified.
            xml.text("commaSeparatedPermissionSet", &self.permission_sets.join(","));
        }
        xml.text("externalClientApplication", &self.name);
        xml.flag("isClientCredentialsFlowEnabled", self.has_client_credentials);
        xml.text("label", &format!("{} OAuth policies", self.label));
        let users =
            if self.permission_sets.is_empty() { "AllSelfAuthorized" } else { "AdminApprovedPreAuthorized" };
        xml.text("permittedUsersPolicyType", users);
        Some(xml.component("extlClntAppOauthPolicies", &format!("{}_oauthPlcy", self.name), "ecaOauthPlcy"))
    }
}
