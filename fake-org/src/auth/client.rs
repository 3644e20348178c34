//! Client authentication at the token, revoke and introspection endpoints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::app::{App, CredentialSet};
use super::assertion;
use super::error::OauthError;
use super::settings::Settings;
use crate::base::clock::Millis;

/// Client id and secret as sent, in the body or as `Authorization: Basic`; or an assertion in their place.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) id: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) assertion: Option<String>,
}

/// The `client_assertion_type` of `private_key_jwt` (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Credentials {
    /// `form` gives a field of the body.
    pub(crate) fn read<'a>(
        header: Option<&str>,
        form: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, OauthError> {
        let owned = |name: &str| form(name).map(String::from);
        let Some(encoded) =
            header.and_then(|h| h.get(..6).filter(|s| s.eq_ignore_ascii_case("basic ")).and(h.get(6..)))
        else {
            let assertion =
                owned("client_assertion").filter(|_| form("client_assertion_type") == Some(ASSERTION_TYPE));
            return Ok(Self { id: owned("client_id"), secret: owned("client_secret"), assertion });
        };
        let bad = || OauthError::new("invalid_basic_auth_header", "invalid basic auth header");
        let text =
            STANDARD.decode(encoded.trim()).ok().and_then(|b| String::from_utf8(b).ok()).ok_or_else(bad)?;
        let (user, pass) = text.split_once(':').ok_or_else(bad)?;
        let secret = Some(form_decoded(pass)).filter(|secret| !secret.is_empty());
        Ok(Self { id: Some(form_decoded(user)), secret, assertion: None })
    }

    /// The secret is validated whenever it is sent, also where it is not `required`. `audiences`: what an assertion may
    /// be made out to. Returns which of the app's credentials these are.
    pub(crate) fn check(
        &self,
        now: Millis,
        settings: &Settings,
        app: &App,
        required: bool,
        audiences: &[String],
    ) -> Result<CredentialSet, OauthError> {
        if let Some(assertion) = &self.assertion {
            return check_assertion(now, settings, app, audiences, assertion);
        }
        let (set, expected) = app.find_set(settings, self.id.as_deref().unwrap_or_default())?;
        match self.secret.as_deref() {
            Some(secret) if secret == expected => Ok(set),
            None if !required => Ok(set),
            _ => Err(OauthError::bad_secret()),
        }
    }

    /// Whether the app is authenticated: client credentials need that also of a public client.
    pub(crate) fn are_proven(&self) -> bool {
        self.secret.is_some() || self.assertion.is_some()
    }
}

/// `private_key_jwt`: the app is issuer and subject, and the key is its certificate's.
fn check_assertion(
    now: Millis,
    settings: &Settings,
    app: &App,
    audiences: &[String],
    assertion: &str,
) -> Result<CredentialSet, OauthError> {
    let claims = settings.certificate.as_deref().and_then(|pem| assertion::claims(pem, assertion));
    let claims = claims.ok_or_else(OauthError::bad_secret)?;
    let id = claims["iss"].as_str().unwrap_or_default();
    let good = claims["sub"] == id
        && assertion::is_for(&claims, audiences)
        && claims["exp"].as_i64().is_some_and(|exp| exp.saturating_mul(1_000) > now);
    match app.find_set(settings, id) {
        Ok((set, _)) if good => Ok(set),
        _ => Err(OauthError::bad_secret()),
    }
}

/// RFC 6749 section 2.3.1: both halves are form-encoded first.
fn form_decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("v={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
