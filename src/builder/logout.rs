//! The settings of logouts in code.

use super::SalesforceBuilder;
use crate::config::RevokeOnLogout;

impl SalesforceBuilder {
    /// Sets where to redirect after a logout whose request gave no valid `return_to`. Default: `/`.
    pub fn after_logout(mut self, path: impl Into<String>) -> Self {
        self.config.after_logout = path.into();
        self
    }

    /// Sets what a user's logout does to the grant and its tokens. Default: [`RevokeOnLogout::Last`].
    pub fn revoke_on_logout(mut self, policy: RevokeOnLogout) -> Self {
        self.config.revoke_on_logout = policy.to_string();
        self
    }

    /// Lets a logout at Salesforce end the browser's logins here, too (OpenID Connect front-channel logout). Default:
    /// `false`.
    ///
    /// Register the URL of the route [`slo`](crate::config::RoutePaths::slo) as the app's Single Logout URL. Each
    /// browser with a login gets one more cookie then, with `SameSite=None`, which is good for a logout only:
    /// Salesforce's logout page calls the route in a frame. Where a browser blocks cookies of other sites, the call
    /// does nothing. Any site can make the call, so that it can log a visitor out, and nothing more.
    #[doc(alias = "front_channel_logout")]
    #[doc(alias = "slo")]
    pub fn single_logout(mut self, on: bool) -> Self {
        self.config.single_logout = on;
        self
    }
}
