//! The user-agent flow (the implicit grant), and the sessions for other domains that hybrid apps get.

use super::Auth;
use super::error::OauthError;
use super::grants::Issued;
use super::scopes::Scopes;
use super::settings::Settings;
use crate::base::clock::Millis;

/// A hybrid app's sessions: of each domain whose scope it was granted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Children {
    pub(crate) lightning: Option<String>,
    pub(crate) visualforce: Option<String>,
    pub(crate) content: Option<String>,
    /// For the main domain, where the access token itself cannot be a session id.
    pub(crate) parent: Option<String>,
}

impl Auth {
    /// `response_type=token`: tokens at once, without a code. `with_refresh_token`: the redirect URI may receive a
    /// refresh token.
    pub(crate) fn implicit(
        &mut self,
        now: Millis,
        settings: &Settings,
        user_id: &str,
        scopes: Scopes,
        with_refresh_token: bool,
    ) -> Result<Issued, OauthError> {
        if settings.ip_restricted {
            return Err(OauthError::ip_restricted());
        }
        self.count_login(now, settings, user_id)?;
        self.grant(now, settings, user_id, scopes, with_refresh_token)
    }

    /// The sessions for the domains that a hybrid app was granted. They end when its access token does.
    pub(crate) fn open_children(&mut self, now: Millis, settings: &Settings, issued: &Issued) -> Children {
        let family = self.sessions.get(&issued.access_token).and_then(|session| session.family);
        let mut open = |scope: &str| {
            let token = self.open_session(now, settings, &issued.user.id, &Scopes::parse(scope), family);
            if let Some(session) = self.sessions.get_mut(&token) {
                session.parent = Some(issued.access_token.clone());
            }
            token
        };
        let granted = |scope: &str| issued.scopes.has(scope);
        Children {
            lightning: granted("lightning").then(|| open("lightning")),
            visualforce: granted("visualforce").then(|| open("visualforce")),
            content: granted("content").then(|| open("content")),
            parent: (!issued.access_token.contains('!')).then(|| open("web")),
        }
    }
}
