//! The audience of a JWT access token: the hosts that it may be sent to besides its instance.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use url::Url;

use super::AccessToken;

/// Why an access token is not sent to an API host. See [`Connection::api_host`](crate::Connection::api_host).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiHostDenied {
    /// The access token is opaque: a session of the org, which no API host accepts.
    #[error(
        "the access token is not a JWT. Turn on \"Issue JSON Web Token (JWT)-based access tokens for named users\" in the \
         app, and select the scope `sfap_api`"
    )]
    Opaque,
    /// The access token is a JWT for other hosts.
    #[error(
        "the access token's audience (`aud`) does not name this host. Select the scope `sfap_api` in the app, add it to the \
         scopes that are requested, and log in again"
    )]
    Audience,
}

/// RFC 7519 section 4.1.3: a text or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    aud: Option<Audience>,
}

impl AccessToken {
    /// Checks whether the token may be sent to an API host. Salesforce verifies its signature.
    pub(crate) fn check_audience(&self, host: &Url) -> Result<(), ApiHostDenied> {
        let header = self.authorization().to_str().unwrap_or_default();
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        let claims = claims(token).ok_or(ApiHostDenied::Opaque)?;
        let is_host =
            |name: &String| name.strip_suffix('/').unwrap_or(name) == host.origin().ascii_serialization();
        let is_for_host = match claims.aud {
            None => false,
            Some(Audience::One(name)) => is_host(&name),
            Some(Audience::Several(names)) => names.iter().any(is_host),
        };
        if is_for_host { Ok(()) } else { Err(ApiHostDenied::Audience) }
    }
}

/// Returns the claims of a JWT (RFC 7515, compact serialization); `None` for another text.
fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{oauth::Scopes, secret::Secret};

    fn token(text: &str) -> AccessToken {
        let instance = "https://acme.my.salesforce.com".parse().unwrap();
        AccessToken::new(&Secret::new(text), instance, Scopes::default()).unwrap()
    }

    fn jwt(aud: &Value) -> AccessToken {
        let claims = URL_SAFE_NO_PAD.encode(json!({ "aud": aud, "sub": "uid:005" }).to_string());
        token(&format!("e30.{claims}.c2ln"))
    }

    #[test]
    fn a_token_goes_to_the_hosts_of_its_audience_only() {
        let host = Url::parse("https://api.salesforce.com").unwrap();
        for (aud, outcome) in [
            (json!(["https://api.salesforce.com", "https://acme.my.salesforce.com"]), Ok(())),
            (json!("https://api.salesforce.com/"), Ok(())),
            (json!(["https://acme.my.salesforce.com"]), Err(ApiHostDenied::Audience)),
            (json!(["https://api.salesforce.com.evil.example"]), Err(ApiHostDenied::Audience)),
            (json!(["http://api.salesforce.com"]), Err(ApiHostDenied::Audience)),
            (json!(["api"]), Err(ApiHostDenied::Audience)),
            (json!([]), Err(ApiHostDenied::Audience)),
            (Value::Null, Err(ApiHostDenied::Audience)),
        ] {
            assert_eq!(jwt(&aud).check_audience(&host), outcome, "{aud}");
        }
        for text in ["00Dx0000000BV7z!AR8AQ.a.b", "a.b", "a.b.c.d", "a.b.c"] {
            assert_eq!(token(text).check_audience(&host), Err(ApiHostDenied::Opaque), "{text}");
        }
    }
}
