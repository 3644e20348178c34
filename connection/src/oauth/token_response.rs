//! [`TokenResponse`] (RFC 6749 section 5.1; Salesforce Help "OAuth 2.0 Web Server Flow").

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use oauth2::{ExtraTokenFields, StandardTokenResponse, TokenResponse as _, basic::BasicTokenType};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use url::Url;

use crate::{
    http::allowed_hosts::AllowedHosts,
    oauth::{
        error::InvalidTokenResponse, login_host::LoginHost, refresh::KnownGrant, scopes::Scopes,
        thin_response::Members,
    },
    secret::Secret,
    user_ref::UserRef,
};

/// The checked response of the token endpoint.
///
/// `Debug` does not show the tokens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token. It belongs into the `Authorization` header and nowhere else.
    pub access_token: Secret,
    /// The refresh token, if its scope was granted. In the response to a refresh, `None` means that the old one stays
    /// valid.
    pub refresh_token: Option<Secret>,
    /// The instance, to which API requests are sent. It can change with a refresh.
    pub instance_url: Url,
    /// The user that the tokens belong to.
    pub identity: IdentityUrl,
    /// The granted scopes as the response lists them. Empty if it lists none; requested scopes are not filled in.
    pub scopes: Scopes,
    /// When the token was issued, by Salesforce's clock.
    pub issued_at: Option<SystemTime>,
    /// The ID token, with the scope `openid`. Verify it with
    /// [`OAuthClient::verify_id_token`](crate::oauth::OAuthClient::verify_id_token).
    pub id_token: Option<Secret>,
    /// The Experience Cloud site of the user. `None` if there is none or its host is not allowed.
    pub community_url: Option<Url>,
}

/// An identity URL, `https://login.salesforce.com/id/<org>/<user>`, with its checked ids.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityUrl {
    /// The URL as received.
    pub url: Url,
    /// The user, with the org.
    pub user: UserRef,
}

impl IdentityUrl {
    /// Parses an identity URL. Does not check its host.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let has_no_user = url.username().is_empty() && url.password().is_none();
        if !has_no_user || url.query().is_some() || url.fragment().is_some() || text.len() > 512 {
            return None;
        }
        let mut segments = url.path().rsplit('/');
        let user_id = segments.next()?.parse().ok()?;
        let organization_id = segments.next()?.parse().ok()?;
        (segments.next() == Some("id")).then_some(Self { user: UserRef::new(organization_id, user_id), url })
    }
}

/// Salesforce's members of a token response in addition to those of RFC 6749. Unknown members are ignored.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Extra {
    instance_url: Option<String>,
    id: Option<String>,
    issued_at: Option<Millis>,
    signature: Option<String>,
    #[serde(skip_serializing)]
    id_token: Option<Secret>,
    sfdc_community_url: Option<String>,
}

impl ExtraTokenFields for Extra {}

/// Milliseconds since 1970, as a string or a number.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Millis {
    Text(String),
    Number(u64),
}

impl Millis {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Names the type of the token in a response in which it is missing or null.
///
/// RFC 6749 requires it (section 5.1), and orgs send it. Recorded responses lack it, and Salesforce has tokens of one type
/// only. A refresh token that was rotated would be lost with the response. Unverified: that an org still leaves it out.
pub(crate) fn with_token_type(body: &[u8]) -> Cow<'_, [u8]> {
    let Ok(Members(mut members)) = serde_json::from_slice(body) else { return body.into() };
    if members.get("token_type").is_some_and(|token_type| !token_type.is_null()) {
        return body.into();
    }
    members.insert("token_type".to_owned(), "Bearer".into());
    serde_json::to_vec(&members).map_or(body.into(), Cow::from)
}

pub(crate) type TokenResponseBody = StandardTokenResponse<Extra, BasicTokenType>;

impl TokenResponse {
    /// Checks the body of a token response.
    ///
    /// Checks the token type, the token, the hosts of the URLs, and the signature if the app has secrets. What the body
    /// lacks is filled in from `known`.
    pub(crate) fn check(
        body: &TokenResponseBody,
        host: &LoginHost,
        allowed_hosts: &AllowedHosts,
        secrets: &[&Secret],
        known: Option<&KnownGrant>,
    ) -> Result<Self, InvalidTokenResponse> {
        let extra = body.extra_fields();
        if *body.token_type() != BasicTokenType::Bearer {
            return Err(InvalidTokenResponse::TokenType);
        }
        let access_token = Secret::new(body.access_token().secret().as_str());
        let printable = access_token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if access_token.is_empty() || !printable {
            return Err(InvalidTokenResponse::NoToken);
        }
        let refresh_token = body.refresh_token().map(|token| token.secret().as_str());
        let tokens =
            [Some(access_token.expose()), refresh_token, extra.id_token.as_ref().map(Secret::expose)];
        if tokens.into_iter().flatten().any(|token| token.len() > MAX_TOKEN_BYTES) {
            return Err(InvalidTokenResponse::TooLong);
        }
        let instance_url = match (extra.instance_url.as_deref(), known) {
            (Some(text), _) => {
                allowed_hosts.instance_url(text).map_err(|_| not_allowed(text, allowed_hosts))?
            }
            (None, Some(known)) => known.instance_url.clone(),
            (None, None) => return Err(InvalidTokenResponse::InstanceUrl),
        };
        let identity = match (extra.id.as_deref(), known) {
            (Some(id), _) => {
                let identity = IdentityUrl::parse(id).ok_or(InvalidTokenResponse::Identity)?;
                let is_login_host = identity.url.origin() == host.as_url().origin();
                if !is_login_host && allowed_hosts.check(&identity.url).is_err() {
                    return Err(InvalidTokenResponse::Identity);
                }
                // It signs the identity URL and the time. Without the one there is nothing to verify, without the other a
                // refresh is thin, as one without the signature is.
                let is_thin = known.is_some() && extra.issued_at.is_none();
                if let (false, false, Some(signature)) = (secrets.is_empty(), is_thin, &extra.signature) {
                    let issued_at = extra.issued_at.as_ref().map(Millis::text).unwrap_or_default();
                    let is_made_with =
                        |secret: &&Secret| verify_signature(secret, id, &issued_at, signature).is_ok();
                    if !secrets.iter().any(is_made_with) {
                        return Err(InvalidTokenResponse::Signature);
                    }
                }
                identity
            }
            (None, known) => known.map(KnownGrant::identity).ok_or(InvalidTokenResponse::Identity)?,
        };
        let scopes = body.scopes().map(Vec::as_slice).unwrap_or_default();
        let scopes = Scopes::from_names(scopes.iter().map(|scope| scope.as_str())).unwrap_or_default();
        let scopes = match known {
            Some(known) if scopes.is_empty() => known.scopes.clone(),
            _ => scopes,
        };
        let issued_at = extra.issued_at.as_ref().and_then(|millis| millis.text().parse().ok());
        Ok(Self {
            access_token,
            refresh_token: Self::refresh_token_of(body),
            instance_url,
            identity,
            scopes,
            issued_at: issued_at.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis))),
            id_token: extra.id_token.clone(),
            community_url: extra
                .sfdc_community_url
                .as_deref()
                .and_then(|text| allowed_hosts.site_url(text).ok()),
        })
    }

    /// Returns the refresh token of a body, which may be invalid otherwise.
    pub(crate) fn refresh_token_of(body: &TokenResponseBody) -> Option<Secret> {
        body.refresh_token()
            .map(|token| token.secret().as_str().into())
            .filter(|token: &Secret| !token.is_empty())
    }
}

/// Longest token in bytes. A JWT access token has some 2 KiB, an ID token 1 KiB; servers take headers of 16 KiB at most.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Returns why an `instance_url` is refused. Logs its origin if only the allowed hosts are to blame.
fn not_allowed(text: &str, allowed_hosts: &AllowedHosts) -> InvalidTokenResponse {
    /// Longer than a host name can be (RFC 1035 section 2.3.4), with scheme and port.
    const LONGEST_ORIGIN: usize = 270;

    let url = Url::parse(text).ok().filter(|url| url.has_host() && allowed_hosts.check(url).is_err());
    let origin = url.map(|url| url.origin().ascii_serialization());
    match origin.filter(|origin| origin.starts_with("http") && origin.len() <= LONGEST_ORIGIN) {
        None => InvalidTokenResponse::InstanceUrl,
        Some(origin) => {
            tracing::error!(
                origin,
                "instance not allowed, tokens discarded. If the origin is correct, add it to the allowed hosts \
                 (SALESFORCE_ALLOWED_ORIGINS)"
            );
            InvalidTokenResponse::InstanceNotAllowed
        }
    }
}

/// Verifies `signature = base64(HMAC-SHA256(client secret, id + issued_at))` in constant time (Salesforce Help "OAuth 2.0
/// Web Server Flow").
fn verify_signature(
    secret: &Secret,
    id: &str,
    issued_at: &str,
    signature: &str,
) -> Result<(), InvalidTokenResponse> {
    let signature = STANDARD.decode(signature).map_err(|_| InvalidTokenResponse::Signature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .map_err(|_| InvalidTokenResponse::Signature)?;
    mac.update(id.as_bytes());
    mac.update(issued_at.as_bytes());
    mac.verify_slice(&signature).map_err(|_| InvalidTokenResponse::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU";

    fn check(json: &str) -> Result<TokenResponse, InvalidTokenResponse> {
        let host = LoginHost::production();
        let body: TokenResponseBody =
            serde_json::from_str(json).map_err(|_| InvalidTokenResponse::Malformed)?;
        check_with(&body, &host, &["test-consumer-secret"])
    }

    fn check_with(
        body: &TokenResponseBody,
        host: &LoginHost,
        secrets: &[&str],
    ) -> Result<TokenResponse, InvalidTokenResponse> {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::from(*secret)).collect();
        TokenResponse::check(body, host, &AllowedHosts::new([]), &secrets.iter().collect::<Vec<_>>(), None)
    }

    fn body_with(change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> String {
        let mut json = serde_json::json!({
            "access_token": "00Dx0000000BV7z!AR8AQ", "refresh_token": "5Aep861", "scope": "refresh_token openid api id",
            "signature": "NTSUjT+9OY7XrNINiQ95b+vc3ZUw2n80UXK2y1dv0Kc=", "instance_url": "https://acme.my.salesforce.com",
            "id": ID, "token_type": "Bearer", "issued_at": "1278448384422", "something_new": {"a": [1]},
        });
        change(json.as_object_mut().unwrap());
        json.to_string()
    }

    #[test]
    fn a_response_without_expiry_and_with_unknown_members_is_accepted() {
        let tokens = check(&body_with(|_| {})).unwrap();
        assert_eq!(tokens.identity.user.user_id.as_str(), "005x00000012Q9PAAU");
        assert_eq!(tokens.issued_at, Some(UNIX_EPOCH + Duration::from_millis(1_278_448_384_422)));
        assert!(tokens.scopes.contains("api"));
        assert!(
            check(&body_with(|json| drop(json.insert("issued_at".into(), 1_278_448_384_422_u64.into()))))
                .is_ok()
        );
        assert!(check(&body_with(|json| drop(json.insert("token_type".into(), "bearer".into())))).is_ok());
        let slash = check(&body_with(|json| {
            drop(json.insert("instance_url".into(), "https://acme.my.salesforce.com/".into()))
        }));
        assert_eq!(slash.unwrap().instance_url, tokens.instance_url);
    }

    #[test]
    fn a_missing_type_is_bearer_and_nothing_else_changes() {
        for (body, expected) in [
            (r#"{"access_token":"a"}"#, r#"{"access_token":"a","token_type":"Bearer"}"#),
            (r#"{"token_type":null}"#, r#"{"token_type":"Bearer"}"#),
            (" { } ", r#"{"token_type":"Bearer"}"#),
            (r#"{"token_type":"mac"}"#, r#"{"token_type":"mac"}"#),
            (r#"{"token_type":""}"#, r#"{"token_type":""}"#),
            (r#"{"access_token":"a","access_token":"b"}"#, r#"{"access_token":"a","access_token":"b"}"#),
            ("[]", "[]"),
            ("<html>", "<html>"),
        ] {
            assert_eq!(String::from_utf8_lossy(&with_token_type(body.as_bytes())), expected);
        }
    }

    #[test]
    fn tokens_and_scopes_have_limits() {
        for member in ["access_token", "refresh_token", "id_token"] {
            let of_length = |length: usize| {
                check(&body_with(|json| drop(json.insert(member.into(), "a".repeat(length).into()))))
            };
            assert!(of_length(MAX_TOKEN_BYTES).is_ok(), "{member}");
            assert_eq!(of_length(MAX_TOKEN_BYTES + 1).err(), Some(InvalidTokenResponse::TooLong), "{member}");
        }
        let many: Vec<_> = (0..101).map(|number| format!("scope{number}")).collect();
        for (scopes, count) in [(many.join(" "), 0), (many[1..].join(" "), 100), ("a".repeat(129), 0)] {
            let body = body_with(|json| drop(json.insert("scope".into(), scopes.into())));
            assert_eq!(check(&body).unwrap().scopes.iter().count(), count);
        }
    }

    #[test]
    fn missing_scopes_are_not_filled_in() {
        assert!(check(&body_with(|json| drop(json.remove("scope")))).unwrap().scopes.is_empty());
    }

    #[test]
    fn a_response_without_a_refresh_token_has_none() {
        assert!(
            check(&body_with(|json| drop(json.remove("refresh_token")))).unwrap().refresh_token.is_none()
        );
    }

    #[test]
    fn an_inconsistent_response_is_rejected() {
        use InvalidTokenResponse::*;
        for (member, value, error) in [
            ("access_token", "", NoToken),
            ("access_token", "a\nb", NoToken),
            ("token_type", "mac", TokenType),
            ("instance_url", "https://evil.example", InstanceNotAllowed),
            ("instance_url", "https://acme.my.salesforce.mil", InstanceNotAllowed),
            ("instance_url", "", InstanceUrl),
            ("id", "https://evil.example/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU", Identity),
            ("id", "https://login.salesforce.com/id/00Dx0000000BV7zEAG/00Dx0000000BV7zEAG", Identity),
            ("signature", "NTSUjT+9OY7XrNINiQ95b+vc3ZUw2n80UXK2y1dv0Kd=", Signature),
            ("signature", "not base64", Signature),
            ("issued_at", "1278448384423", Signature),
        ] {
            let json = body_with(|json| drop(json.insert(member.into(), value.into())));
            assert_eq!(check(&json).err(), Some(error), "{member}");
        }
        let twice = body_with(|_| {}).replacen('{', "{\"access_token\":\"other\",", 1);
        assert_eq!(check(&twice).err(), Some(Malformed), "a duplicate member");
    }

    #[test]
    fn each_secret_of_a_rotation_signs() {
        let (host, body) =
            (LoginHost::production(), serde_json::from_str::<TokenResponseBody>(&body_with(|_| {})).unwrap());
        for (secrets, accepted) in [
            (&["other", "test-consumer-secret"][..], true),
            (&["test-consumer-secret", "other"], true),
            (&["other", "another"], false),
            (&[], true),
        ] {
            let error = check_with(&body, &host, secrets).err();
            assert_eq!(error, (!accepted).then_some(InvalidTokenResponse::Signature), "{secrets:?}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let printed = format!(
            "{:?}",
            check(&body_with(|json| drop(json.insert("id_token".into(), "canary".into())))).unwrap()
        );
        assert!(
            !printed.contains("AR8AQ") && !printed.contains("5Aep") && !printed.contains("canary"),
            "{printed}"
        );
    }
}
