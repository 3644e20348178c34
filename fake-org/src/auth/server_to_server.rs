//! Grants without a browser: client credentials, JWT bearer, token exchange. None gives a refresh
//! token.

use serde_json::Value;

use super::Auth;
use super::app::{App, CredentialSet};
use super::assertion;
use super::error::OauthError;
use super::grants::Issued;
use super::scopes::Scopes;
use super::settings::{PermittedUsers, Settings};
use crate::base::clock::Millis;
use crate::user::User;

impl Auth {
    /// `grant_type=client_credentials`: as the app's execution user, with all scopes of the app that allow
    /// anything (H: Client Credentials Flow).
    pub(crate) fn client_credentials(
        &mut self,
        now: Millis,
        settings: &Settings,
    ) -> Result<Issued, OauthError> {
        let Some(user) = settings.execution_user.as_deref().and_then(|name| self.user_by_name(name)) else {
            return Err(OauthError::invalid_grant("no client credentials user enabled"));
        };
        let user = user.clone();
        let scopes = Scopes::all(&settings.scopes).without_refresh_token();
        // Since Winter '26 `full` alone does not count.
        if scopes.words().iter().all(|scope| scope == "full") {
            return Err(OauthError::invalid_grant("no valid scopes defined"));
        }
        self.may_use_app(settings, &user)?;
        self.issue_server_token(now, settings, user, scopes)
    }

    /// `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer` (H: JWT Bearer Flow). `audiences`: what `aud` may
    /// name.
    pub(crate) fn jwt_bearer(
        &mut self,
        now: Millis,
        settings: &Settings,
        app: &App,
        audiences: &[String],
        assertion: &str,
    ) -> Result<Issued, OauthError> {
        let invalid = || OauthError::invalid_grant("invalid assertion");
        let claims = settings
            .certificate
            .as_deref()
            .and_then(|pem| assertion::claims(pem, assertion))
            .ok_or_else(invalid)?;
        let (set, _) = app.find_set(settings, claims["iss"].as_str().unwrap_or_default())?;
        if !assertion::is_for(&claims, audiences) {
            return Err(OauthError::invalid_grant("audience is invalid"));
        }
        // The upper limit of three minutes is not enforced by Salesforce: sfdx-core sent milliseconds for years.
        if claims["exp"].as_i64().is_none_or(|exp| exp.saturating_mul(1_000) <= now) {
            return Err(invalid());
        }
        let user = claims["sub"].as_str().and_then(|name| self.user_by_name(name)).cloned();
        let Some(user) = user else { return Err(OauthError::not_approved()) };
        let scopes = match &settings.permitted_users {
            PermittedUsers::AdminApproved(_) => {
                self.may_use_app(settings, &user).map_err(|_| OauthError::not_approved())?;
                Scopes::all(&settings.scopes)
            }
            PermittedUsers::SelfAuthorize => {
                self.approved.get(&user.id).cloned().ok_or_else(OauthError::not_approved)?
            }
        };
        if let Some(id) = claims.get("jti").and_then(Value::as_str)
            && !self.used_assertions.insert(id.to_owned())
        {
            // The text of a replay (section 2.7 of the protocol page).
            return Err(OauthError::dead_code());
        }
        let issued = self.issue_server_token(now, settings, user, scopes.without_refresh_token())?;
        Ok(Issued { set, ..issued })
    }

    /// `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`: what the handler's Apex class says.
    pub(crate) fn token_exchange(
        &mut self,
        now: Millis,
        settings: &Settings,
        subject: &str,
        wanted: Option<&Scopes>,
    ) -> Result<Issued, OauthError> {
        let known = settings.exchange_tokens.iter().flatten().find(|known| known.token == subject);
        let user = known.and_then(|known| self.user_by_name(&known.username)).cloned();
        let Some(user) = user else {
            return Err(OauthError::new("invalid_request", "token handler validation failed"));
        };
        // No page asks the user (the public guide of a Teams app, checked in an org in 2026).
        self.may_use_app(settings, &user).map_err(|_| OauthError::not_approved())?;
        let scopes = Scopes::all(&settings.scopes);
        let scopes = wanted.cloned().unwrap_or(scopes).without_refresh_token();
        self.issue_server_token(now, settings, user, scopes)
    }

    /// Whether an admin lets this user use the app.
    pub(crate) fn may_use_app(&self, settings: &Settings, user: &User) -> Result<(), OauthError> {
        match &settings.permitted_users {
            PermittedUsers::AdminApproved(names)
                if !names.iter().any(|name| name.eq_ignore_ascii_case(&user.username)) =>
            {
                Err(OauthError::not_permitted())
            }
            _ => Ok(()),
        }
    }

    fn issue_server_token(
        &mut self,
        now: Millis,
        settings: &Settings,
        user: User,
        scopes: Scopes,
    ) -> Result<Issued, OauthError> {
        if !self.is_active(&user.id) {
            return Err(OauthError::inactive_user());
        }
        if settings.ip_restricted {
            return Err(OauthError::ip_restricted());
        }
        self.count_login(now, settings, &user.id)?;
        let access_token = self.open_session(now, settings, &user.id, &scopes, None);
        let set = CredentialSet::First;
        Ok(Issued {
            user,
            access_token,
            refresh_token: None,
            scopes,
            nonce: None,
            visitor: None,
            at: now,
            set,
        })
    }
}
