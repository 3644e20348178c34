//! The rotation of an app's credentials: two sets of client id and secret, and the end of their overlap.
use crate::support::{CALLBACK, VERIFIER, code, exchange, refresh, token, token_at};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

const ID: &str = "3MVG9Rotated";
const SECRET: &str = "R0TATED";
const NEW: [(&str, &str); 2] = [("client_id", ID), ("client_secret", SECRET)];

async fn rotated() -> FakeOrg {
    let org = FakeOrg::start().await.unwrap();
    org.set_policy(&json!({ "rotated_credentials": { "client_id": ID, "client_secret": SECRET } })).unwrap();
    org
}

fn text<'a>(response: &'a Value, member: &str) -> &'a str {
    response[member].as_str().unwrap_or_default()
}

#[tokio::test]
async fn both_sets_work_and_codes_and_refresh_tokens_belong_to_theirs() {
    let org = rotated().await;
    let old = exchange(&org, &code(&org, &[]).await).await.json();
    let new_code = code(&org, &[("client_id", ID)]).await;
    let request = [
        ("grant_type", "authorization_code"),
        ("code", &*new_code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(token(&org, &request).await.error().0, "invalid_grant", "the code of the other set");
    let new = token(&org, &[&request[..], &NEW].concat()).await.json();
    let claims = text(&new, "id_token").split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(claims["aud"], ID);

    let (old, new) = (text(&old, "refresh_token"), text(&new, "refresh_token"));
    assert_eq!(refresh(&org, new).await.error().0, "invalid_grant", "the refresh token of the other set");
    let of_new = |token: String| {
        let request = [("grant_type", "refresh_token".to_owned()), ("refresh_token", token)];
        request.into_iter().chain(NEW.map(|(name, value)| (name, value.to_owned()))).collect::<Vec<_>>()
    };
    for (set, form) in [("new", of_new(new.to_owned())), ("other", of_new(old.to_owned()))] {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(token(&org, &form).await.status, if set == "new" { 200 } else { 400 }, "{set}");
    }
    assert_eq!(refresh(&org, old).await.status, 200, "nothing was used up");
    assert_eq!(org.other_credentials_count(), 3);
    let mixed = [("grant_type", "client_credentials"), ("client_id", ID)];
    assert_eq!(token(&org, &mixed).await.error().0, "invalid_client", "the secret of the other set");
}

#[tokio::test]
async fn after_the_overlap_only_the_new_set_works() {
    let org = rotated().await;
    let old = exchange(&org, &code(&org, &[]).await).await.json();
    for error in ["invalid_client_id", "invalid_client"] {
        org.set_policy(&json!({ "first_credentials": error })).unwrap();
        assert_eq!(refresh(&org, text(&old, "refresh_token")).await.error().0, error);
    }
    org.set_execution_user(Some("ada@example.com"));
    let request = [&[("grant_type", "client_credentials")][..], &NEW].concat();
    assert_eq!(token_at(&org.instance_url(), &org, &request).await.status, 200);
    org.set_policy(&json!({ "first_credentials": "accepted" })).unwrap();
    assert_eq!(refresh(&org, text(&old, "refresh_token")).await.status, 200, "nothing was used up");
}
