//! Builder and handle: what the developer of the app and the admin of the org decide.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::auth::app::Subject;
use crate::auth::assertion;
use crate::auth::settings::{AccessTokens, AppState, PermittedUsers};
use crate::builder::Builder;
use crate::error::StartError;
use crate::org::FakeOrg;
use crate::user::User;

impl Builder {
    /// Settings by the names that `/fake/policy` has for them; the README lists them.
    ///
    /// # Errors
    ///
    /// Names the setting that there is not, or whose value means nothing.
    pub fn policy(mut self, changes: &Value) -> Result<Self, StartError> {
        self.settings = self.settings.with(members(changes)?).map_err(StartError::Option)?;
        Ok(self)
    }

    /// The username that client credentials run as. Without one they fail with `no client credentials user enabled`.
    pub fn execution_user(mut self, username: &str) -> Self {
        self.settings.execution_user = Some(username.to_owned());
        self
    }

    /// The app's certificate as PEM (X.509 version 3, RSA): its key signs the assertions of the JWT bearer grant and of
    /// `private_key_jwt`.
    ///
    /// # Errors
    ///
    /// When the text is no such certificate.
    pub fn certificate(mut self, pem: &str) -> Result<Self, StartError> {
        if assertion::certificate(pem).is_none() {
            return Err(StartError::Option(assertion::NO_CERTIFICATE.into()));
        }
        self.settings.certificate = Some(pem.to_owned());
        Ok(self)
    }

    /// The users who may use the app; every user by default, after a consent.
    pub fn permitted_users(mut self, users: PermittedUsers) -> Self {
        self.settings.permitted_users = users;
        self
    }

    /// What access tokens look like; opaque by default.
    pub fn access_tokens(mut self, tokens: AccessTokens) -> Self {
        self.settings.access_tokens = tokens;
        self
    }

    /// An Experience Cloud site of that name, a separate login host: its OAuth endpoints are below
    /// [`FakeOrg::site_url`], and its responses name the site (`sfdc_community_url`, `sfdc_community_id`). Several sites
    /// share the host, as in an org with digital experiences.
    pub fn site(mut self, name: &str) -> Self {
        self.app.sites.push(format!("/{}", name.trim_matches('/')));
        self
    }

    /// The app's Single Logout URL, which the logout page of a My Domain loads.
    pub fn single_logout_url(mut self, url: &str) -> Self {
        self.settings.single_logout_url = Some(url.to_owned());
        self
    }

    /// The page of the canvas app, which signed requests are posted to.
    pub fn canvas_url(mut self, url: &str) -> Self {
        self.settings.canvas_url = url.to_owned();
        self
    }

    /// Makes the token exchange grant take this subject token for that user. May be given several times; without any
    /// the flow is off.
    pub fn exchange_token(mut self, subject_token: &str, username: &str) -> Self {
        let subject = Subject { token: subject_token.to_owned(), username: username.to_owned() };
        self.settings.exchange_tokens.get_or_insert_default().push(subject);
        self
    }

    /// Sets the API name of the Apex token exchange handler. Requests that name another one fail.
    pub fn token_handler(mut self, name: &str) -> Self {
        self.settings.exchange_handler = Some(name.to_owned());
        self
    }
}

fn members(changes: &Value) -> Result<Map<String, Value>, StartError> {
    let members = changes.as_object().cloned();
    members.ok_or_else(|| StartError::Option("expected an object of settings".into()))
}

impl FakeOrg {
    /// Changes settings by the names that `/fake/policy` has for them; the README lists them. Either all of these
    /// change or none.
    ///
    /// ```
    /// # async fn test() -> Result<(), salesforce_fake_org::StartError> {
    /// let org = salesforce_fake_org::FakeOrg::start().await?;
    /// org.set_policy(&serde_json::json!({ "rotation": false, "session_ttl_seconds": 900 }))?;
    /// assert!(org.set_policy(&serde_json::json!({ "rotatoin": true })).is_err());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test()).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Names the setting that there is not, or whose value means nothing.
    pub fn set_policy(&self, changes: &Value) -> Result<(), StartError> {
        let changes = members(changes)?;
        self.org
            .change_settings(|settings| {
                *settings = settings.with(changes)?;
                Ok::<_, String>(())
            })
            .map_err(StartError::Option)
    }

    /// What Salesforce posts to a canvas app as `signed_request` for this user: signed with the app's secret, with an
    /// access token of the user's in it (CANVAS). Counts as an approval.
    #[must_use]
    pub fn canvas_signed_request(&self, user: &User) -> String {
        crate::web::signed_request(&self.org, &self.org.user_or_new(user.username()))
    }

    /// The login URL of the first Experience Cloud site: a host and a path.
    #[must_use]
    pub fn site_url(&self) -> Option<String> {
        self.site_urls().into_iter().next()
    }

    /// The login URLs of the Experience Cloud sites, in their order.
    #[must_use]
    pub fn site_urls(&self) -> Vec<String> {
        self.org.app.sites.iter().map(|site| format!("{}{site}", self.login_url())).collect()
    }

    /// Changes the user that client credentials run as; `None` switches them off.
    pub fn set_execution_user(&self, username: Option<&str>) {
        self.org.change_settings(|settings| settings.execution_user = username.map(str::to_owned));
    }

    /// Changes who may use the app. Issued tokens stay valid.
    pub fn set_permitted_users(&self, users: PermittedUsers) {
        self.org.change_settings(|settings| settings.permitted_users = users);
    }

    /// Changes what new access tokens look like.
    pub fn set_access_tokens(&self, tokens: AccessTokens) {
        self.org.change_settings(|settings| settings.access_tokens = tokens);
    }

    /// Installs the app, takes it away, or blocks it.
    pub fn set_app_state(&self, state: AppState) {
        self.org.change_settings(|settings| settings.app_state = state);
    }

    /// The idle limit for refresh tokens of the app's developer, over the admin's policy. `None`: none.
    pub fn set_idle_ttl_limit(&self, limit: Option<Duration>) {
        self.org.change_settings(|settings| settings.idle_ttl_limit = limit);
    }

    /// Whether callers are outside of the allowed IP ranges: code exchange, refresh, client credentials, JWT bearer and
    /// token exchange return `ip restricted`.
    pub fn set_ip_restricted(&self, restricted: bool) {
        self.org.change_settings(|settings| settings.ip_restricted = restricted);
    }

    /// Changes how many logins a user may have in an hour before `rate_limit_exceeded`; 3,600 at Salesforce.
    pub fn set_login_limit(&self, logins: usize) {
        self.org.change_settings(|settings| settings.login_limit = logins);
    }

    /// Locks the org, or unlocks it: logins and refreshes fail with `inactive_org`. Issued access tokens stay
    /// valid (unverified).
    pub fn set_org_locked(&self, locked: bool) {
        self.org.change_settings(|settings| settings.org_locked = locked);
    }

    /// Whether logins must use the My Domain instead of the login host that all orgs share: those of users
    /// (`canOnlyLoginWithMyDomainUrl`), and those without a browser (`doesApiLoginRequireOrgDomain`). Both are off at
    /// the start.
    pub fn set_my_domain_only(&self, users: bool, apis: bool) {
        self.org.change_settings(|settings| {
            settings.my_domain_login_only = users;
            settings.my_domain_api_login_only = apis;
        });
    }

    /// Whether the user-agent flow is allowed; it is at the start. If not, authorize returns
    /// `oauth_flow_disabled`.
    pub fn set_user_agent_flow(&self, allowed: bool) {
        self.org.change_settings(|settings| settings.user_agent_flow = allowed);
    }

    /// The one-time passwords that were sent to this address, newest last: a site's headless logins, registrations and
    /// password resets send them.
    #[must_use]
    pub fn one_time_passwords(&self, address: &str) -> Vec<String> {
        self.org.auth(|auth| {
            let mine = auth.messages.iter().filter(|message| message.to.eq_ignore_ascii_case(address));
            mine.map(|message| message.otp.clone()).collect()
        })
    }
}
