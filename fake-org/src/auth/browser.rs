//! The browser's side: logins by cookie, and the consents.

use super::Auth;
use super::error::OauthError;
use super::scopes::Scopes;
use super::settings::Settings;
use crate::base::clock::Millis;
use crate::base::random;
use crate::user::{PASSWORD, User};

const HOUR: Millis = 3_600_000;
/// "Short lived"; how short is unverified.
const OTP_LIFE: Millis = 60_000;

impl Auth {
    /// Returns the user of the login cookie. An access token for the web is a session of a browser too: that is
    /// how a hybrid app bridges one (H: OAuth 2.0 Hybrid App Flow Cookie Management).
    pub(crate) fn browser_user(&self, now: Millis, cookie: Option<&str>) -> Option<&User> {
        let cookie = cookie?;
        let bridged = || {
            let session = self.live_session(now, cookie).filter(|session| session.scopes.web());
            session.map(|session| &session.user_id)
        };
        let user_id = self.browsers.get(cookie).or_else(bridged)?;
        self.user(user_id).filter(|user| self.is_active(&user.id))
    }

    /// Checks a login form. `Ok`: the new cookie value.
    pub(crate) fn browser_login(&mut self, username: &str, password: &str) -> Result<String, &'static str> {
        let user_id = self.check_password(username, password)?.id.clone();
        Ok(self.browser_session(&user_id))
    }

    /// Returns the user of a correct password, else the login form's message.
    pub(crate) fn check_password(&self, username: &str, password: &str) -> Result<&User, &'static str> {
        let right = |user: &&User| {
            let own = self.passwords.get(&user.id).map_or(PASSWORD, String::as_str);
            !user.guest && password == own
        };
        let user = self.user_by_name(username).filter(right);
        let Some(user) = user else {
            return Err("Please check your username and password. If you still can't log in, \
                        contact your Salesforce administrator.");
        };
        if !self.is_active(&user.id) {
            return Err("This user is inactive. Contact your Salesforce administrator.");
        }
        Ok(user)
    }

    /// Creates a browser session for the user of a token; returns the new cookie value.
    pub(crate) fn browser_session(&mut self, user_id: &str) -> String {
        let cookie = random::plain(32);
        self.browsers.insert(cookie.clone(), user_id.to_owned());
        cookie
    }

    /// A one-time password for a browser session.
    pub(crate) fn issue_otp(&mut self, now: Millis, user_id: &str) -> String {
        let otp = random::plain(48);
        self.otps.insert(otp.clone(), (user_id.to_owned(), now + OTP_LIFE));
        otp
    }

    /// Whose one-time password it is. It is used up.
    pub(crate) fn take_otp(&mut self, now: Millis, otp: &str) -> Option<String> {
        let (user_id, end) = self.otps.remove(otp)?;
        (now < end && self.is_active(&user_id)).then_some(user_id)
    }

    pub(crate) fn browser_logout(&mut self, cookie: Option<&str>) {
        if let Some(cookie) = cookie {
            self.browsers.remove(cookie);
        }
    }

    pub(crate) fn has_consented(&self, user_id: &str, scopes: &Scopes) -> bool {
        self.consents.get(user_id).is_some_and(|allowed| scopes.within(allowed))
    }

    /// Whether that user allowed the app anything.
    pub(crate) fn has_approved(&self, user_id: &str) -> bool {
        self.consents.contains_key(user_id) || self.approved.contains_key(user_id)
    }

    pub(crate) fn remember_consent(&mut self, user_id: &str, scopes: Scopes) {
        self.consents.insert(user_id.to_owned(), scopes);
    }

    pub(crate) fn forget_consent(&mut self, user_id: &str) {
        self.consents.remove(user_id);
        self.approved.remove(user_id);
    }

    /// Counts a login; over the limit of the hour it is refused (H 000381578).
    pub(crate) fn count_login(
        &mut self,
        now: Millis,
        settings: &Settings,
        user_id: &str,
    ) -> Result<(), OauthError> {
        let times = self.logins.entry(user_id.to_owned()).or_default();
        times.retain(|at| now < at.saturating_add(HOUR));
        if times.len() >= settings.login_limit {
            return Err(OauthError::too_many_logins());
        }
        times.push(now);
        Ok(())
    }
}
