//! The response to a successful token request.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::auth::grants::Issued;
use crate::auth::scopes::Scopes;
use crate::base::ids;
use crate::state::Org;
use crate::tokens::Tokens;
use crate::user::User;

/// id tokens live two minutes.
const ID_TOKEN_SECONDS: i64 = 120;

/// The members of a token response. No `expires_in`: ordinary Salesforce tokens come without.
pub(crate) fn token_response(org: &Org, issued: &Issued, origin: &str) -> Map<String, Value> {
    let id = issued.user.identity_url(origin);
    let issued_at = issued.at.to_string();
    let mut response = Map::new();
    response.insert("access_token".into(), json!(issued.access_token));
    if let Some(token) = &issued.refresh_token {
        response.insert("refresh_token".into(), json!(token));
    }
    // With the secret that the request was made with (unverified while two are valid).
    let secret = org.app.credentials(&org.settings(), issued.set).client_secret;
    response.insert("signature".into(), json!(signature(&secret, &id, &issued_at)));
    response.insert("scope".into(), json!(issued.scopes.shuffled()));
    if issued.scopes.openid()
        && let Some(id_token) = id_token(org, issued, origin, &id)
    {
        response.insert("id_token".into(), json!(id_token));
    }
    response.insert("instance_url".into(), json!(org.instance_url()));
    if issued.scopes.has("sfap_api") {
        response.insert("api_instance_url".into(), json!(org.origins().login));
    }
    response.insert("id".into(), json!(id));
    response.insert("token_type".into(), json!("Bearer"));
    // Newer responses name the format (HEADLESS sample); here only where it is not the usual one.
    if !issued.access_token.contains('!') {
        response.insert("token_format".into(), json!("jwt"));
    }
    response.insert("issued_at".into(), json!(issued_at));
    response
}

/// Issues tokens as if the user had logged in and allowed these scopes, space separated.
pub(crate) fn issue_tokens(org: &Org, user: &User, scopes: &str) -> Tokens {
    let (now, settings, origins) = (org.clock.now(), org.settings(), org.origins());
    let scopes = Scopes::parse(scopes);
    // A user that the org has can always be granted.
    let issued = org.auth(|auth| auth.grant(now, &settings, &user.id, scopes.clone(), true)).ok();
    let issued = issued.map(|issued| org.with_own_token(issued));
    let response =
        issued.as_ref().map(|issued| token_response(org, issued, &origins.login)).unwrap_or_default();
    let (access_token, refresh_token) =
        issued.map(|issued| (issued.access_token, issued.refresh_token)).unwrap_or_default();
    Tokens {
        access_token,
        refresh_token,
        instance_url: org.instance_url(),
        id: user.identity_url(&origins.login),
        scope: scopes.shuffled(),
        issued_at: now,
        response,
    }
}

/// What names an Experience Cloud site, in callbacks and token responses; nothing elsewhere.
pub(super) fn community(org: &Org, site: &str) -> Vec<(String, String)> {
    if site.is_empty() {
        return Vec::new();
    }
    let number = org.app.sites.iter().zip(1..).find(|(known, _)| *known == site);
    vec![
        ("sfdc_community_url".into(), format!("{}{site}", org.origins().login)),
        ("sfdc_community_id".into(), ids::make("0DB", number.map_or(1, |(_, number)| number))),
    ]
}

/// base64(HMAC-SHA256(consumer secret, id + issued_at)).
fn signature(secret: &str, id: &str, issued_at: &str) -> String {
    // HMAC takes keys of every length, so this cannot fail.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(id.as_bytes());
            mac.update(issued_at.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        },
    )
}

fn id_token(org: &Org, issued: &Issued, issuer: &str, subject: &str) -> Option<String> {
    let at = issued.at / 1_000;
    let digest = Sha256::digest(issued.access_token.as_bytes());
    let mut claims = json!({
        "iss": issuer,
        "sub": subject,
        "aud": org.app.credentials(&org.settings(), issued.set).client_id,
        "iat": at,
        "exp": at + ID_TOKEN_SECONDS,
        "at_hash": URL_SAFE_NO_PAD.encode(digest.get(..16)?),
    });
    if let Some(age) = org.settings().id_token_auth_age_seconds {
        claims["auth_time"] = json!(at - age);
    }
    if let Some(nonce) = &issued.nonce {
        claims["nonce"] = json!(nonce);
    }
    org.signer().sign(&claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_matches_the_known_vector() {
        let id = "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU";
        assert_eq!(
            signature("test-consumer-secret", id, "1278448384422"),
            "NTSUjT+9OY7XrNINiQ95b+vc3ZUw2n80UXK2y1dv0Kc="
        );
    }
}
