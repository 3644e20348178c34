//! The authorization request (RFC 6749 section 4.1.1, RFC 7636).

use super::*;

#[test]
fn an_authorization_request_has_exactly_the_expected_parameters() {
    let host: LoginHost = "https://acme.my.site.com/partners".parse().unwrap();
    let redirect_uri = Url::parse("https://app.example/auth/salesforce/callback").unwrap();
    let options = AuthorizeOptions::new("api openid refresh_token".parse().unwrap())
        .prompt([Prompt::Login, Prompt::Consent])
        .login_hint("ada@example.com&prompt=none")
        .display(DisplayMode::Popup);
    let request = client(&[]).authorize(&host, &redirect_uri, &options);
    assert_eq!(request.url.origin(), host.as_url().origin());
    assert_eq!(request.url.path(), "/partners/services/oauth2/authorize");

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::Digest as _;
    let challenge = URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(request.verifier.expose()));
    let mut pairs: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    pairs.sort();
    let nonce = request.nonce.unwrap();
    let expected = [
        ("client_id", "3MVG9.id"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("display", "popup"),
        ("login_hint", "ada@example.com&prompt=none"),
        ("nonce", nonce.expose()),
        ("prompt", "login consent"),
        ("redirect_uri", "https://app.example/auth/salesforce/callback"),
        ("response_type", "code"),
        ("scope", "api openid refresh_token"),
        ("state", request.state.expose()),
    ];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(!request.url.as_str().contains("test-consumer-secret"));
}

#[test]
fn every_authorization_request_has_new_random_values() {
    let (host, client) = (LoginHost::production(), client(&[]));
    let redirect_uri = Url::parse("http://127.0.0.1:8080/callback").unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let request =
            client.authorize(&host, &redirect_uri, &AuthorizeOptions::new("openid".parse().unwrap()));
        for secret in [request.state, request.verifier, request.nonce.unwrap()] {
            // 43 characters of base64url are 256 bits.
            assert_eq!(secret.expose().len(), 43);
            assert!(seen.insert(secret.expose().to_owned()));
        }
    }
}

#[test]
fn debug_of_an_authorization_request_shows_no_secret() {
    let redirect_uri = Url::parse("https://app.example/auth/salesforce/callback").unwrap();
    let options = AuthorizeOptions::new("openid".parse().unwrap());
    let request = client(&[]).authorize(&LoginHost::production(), &redirect_uri, &options);
    let text = format!("{request:?} {request:#?}");
    for secret in [&request.state, &request.verifier, request.nonce.as_ref().unwrap()] {
        assert!(!text.contains(secret.expose()), "{text}");
    }
    assert!(text.contains("https://login.salesforce.com/services/oauth2/authorize"), "{text}");
}

#[test]
fn only_its_own_state_matches_an_authorization_request() {
    let redirect_uri = Url::parse("https://app.example/auth/salesforce/callback").unwrap();
    let options = AuthorizeOptions::new("api".parse().unwrap());
    let (host, client) = (LoginHost::production(), client(&[]));
    let request = client.authorize(&host, &redirect_uri, &options);
    let other = client.authorize(&host, &redirect_uri, &options);
    assert!(request.matches(&request.state.expose().into()));
    for state in [other.state, request.state.expose()[1..].into(), request.verifier.clone(), "".into()] {
        assert!(!request.matches(&state));
    }
}

#[test]
fn only_openid_adds_a_nonce() {
    let redirect_uri = Url::parse("http://127.0.0.1:8080/callback").unwrap();
    let options = AuthorizeOptions::new("api full".parse().unwrap());
    let request = client(&[]).authorize(&LoginHost::production(), &redirect_uri, &options);
    assert!(request.nonce.is_none() && !request.url.as_str().contains("nonce"));
}
