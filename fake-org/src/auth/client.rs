//! Client authentication at the token, revoke and introspection endpoints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::OauthError;
use super::settings::App;

/// Client id and secret as sent: in the body, or as `Authorization: Basic`.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) id: Option<String>,
    pub(crate) secret: Option<String>,
}

impl Credentials {
    pub(crate) fn read(
        header: Option<&str>,
        id: Option<String>,
        secret: Option<String>,
    ) -> Result<Self, OauthError> {
        let Some(encoded) =
            header.and_then(|h| h.get(..6).filter(|s| s.eq_ignore_ascii_case("basic ")).and(h.get(6..)))
        else {
            return Ok(Self { id, secret });
        };
        let bad = || OauthError::new("invalid_basic_auth_header", "invalid basic auth header");
        let text =
            STANDARD.decode(encoded.trim()).ok().and_then(|b| String::from_utf8(b).ok()).ok_or_else(bad)?;
        let (user, pass) = text.split_once(':').ok_or_else(bad)?;
        Ok(Self { id: Some(form_decoded(user)), secret: Some(form_decoded(pass)).filter(|s| !s.is_empty()) })
    }

    /// The secret is validated whenever it is sent, also where it is optional.
    pub(crate) fn check(&self, app: &App) -> Result<(), OauthError> {
        if self.id.as_deref() != Some(app.client_id.as_str()) {
            return Err(OauthError::unknown_client());
        }
        match self.secret.as_deref() {
            Some(secret) if secret == app.client_secret => Ok(()),
            None if !app.secret_required => Ok(()),
            _ => Err(OauthError::bad_secret()),
        }
    }
}

/// RFC 6749 section 2.3.1: both halves are form-encoded first.
fn form_decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("v={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
