//! The login and consent pages, by form posts, and what cannot be trusted.
use crate::support::{ADA, Browser, CALLBACK, authorize_url, exchange};
use salesforce_fake_org::FakeOrg;

const PASSWORD: &str = "fake-org-1";

/// Section 2.3: 302 with `code` and `state`, the code in its form.
#[tokio::test]
async fn a_user_logs_in_and_allows() {
    let org = FakeOrg::start().await.unwrap();
    let browser = Browser::default();
    let login = browser.get(&authorize_url(&org, &[])).await;
    assert_eq!(login.status, 200);
    for id in ["id=\"username\"", "id=\"password\"", "id=\"Login\""] {
        assert!(login.body.contains(id), "{id}");
    }
    let consent = browser.log_in(&org, &login, ADA, PASSWORD).await;
    for id in ["id=\"oaapprove\"", "id=\"oadeny\"", "Allow access?"] {
        assert!(consent.body.contains(id), "{id}: {consent:?}");
    }
    let back = browser.press(&org, &consent, "oaapprove").await;
    assert_eq!(back.status, 302);
    assert!(back.header("location").starts_with(&format!("{CALLBACK}?code=aPrx")), "{back:?}");
    assert!(back.header("location").contains("%3D%3D"), "the code ends in ==, percent-encoded");
    assert_eq!(back.location_param("state").as_deref(), Some("s t+a/te"));
    let code = back.location_param("code").unwrap();
    assert_eq!(exchange(&org, &code).await.status, 200);

    // Logged in and allowed already: no page the second time, unless it is asked for.
    let again = browser.get(&authorize_url(&org, &[])).await;
    assert_eq!(again.status, 302);
    let login = browser.get(&authorize_url(&org, &[("prompt", "login")])).await;
    assert!(login.body.contains("id=\"username\""));
    let consent = browser.get(&authorize_url(&org, &[("prompt", "consent")])).await;
    assert!(consent.body.contains("id=\"oaapprove\""));
    // prompt=login is satisfied by the login that follows.
    let back = browser.log_in(&org, &login, "ben@example.com", PASSWORD).await;
    assert!(back.body.contains("ben@example.com"), "{back:?}");
}

/// Section 2.4: `access_denied`, `end-user denied authorization`.
#[tokio::test]
async fn a_user_denies() {
    let org = FakeOrg::start().await.unwrap();
    let browser = Browser::default();
    let login = browser.get(&authorize_url(&org, &[])).await;
    let consent = browser.log_in(&org, &login, ADA, PASSWORD).await;
    let back = browser.press(&org, &consent, "oadeny").await;
    assert_eq!(back.status, 302);
    assert_eq!(back.location_param("error").as_deref(), Some("access_denied"));
    assert_eq!(back.location_param("error_description").as_deref(), Some("end-user denied authorization"));
    assert_eq!(back.location_param("state").as_deref(), Some("s t+a/te"));
    assert_eq!(back.location_param("code"), None);
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again() {
    let org = FakeOrg::start().await.unwrap();
    let browser = Browser::default();
    let login = browser.get(&authorize_url(&org, &[])).await;
    for (username, password) in [(ADA, "wrong"), ("no\"body@example.com", PASSWORD), (ADA, "")] {
        let again = browser.log_in(&org, &login, username, password).await;
        assert_eq!(again.status, 200);
        assert!(again.body.contains("id=\"error\""), "{again:?}");
        assert!(again.body.contains("Please check your username and password"));
        assert!(again.body.contains(&username.replace('"', "&quot;")), "what was typed stays");
    }
    org.deactivate_user(&org.user(ADA));
    let again = browser.log_in(&org, &login, ADA, PASSWORD).await;
    assert!(again.body.contains("id=\"error\""));
}

/// Section 2.4: a page, no redirect, when client or redirect URI cannot be trusted.
#[tokio::test]
async fn untrusted_requests_end_on_a_page() {
    let org = FakeOrg::builder().redirect_uri(CALLBACK).start().await.unwrap();
    let browser = Browser::default();
    for (name, value, error) in [
        (
            "client_id",
            "3MVG9unknown",
            "error=invalid_client_id&amp;error_description=client identifier invalid",
        ),
        ("client_id", "", "error=invalid_client_id"),
        ("redirect_uri", "", "error=redirect_uri_missing"),
        ("redirect_uri", "urn:ietf:wg:oauth:2.0:oob", "error_description=out-of-band not supported"),
        ("redirect_uri", "http://127.0.0.1:9/callback/", "error=redirect_uri_mismatch"),
        ("redirect_uri", "http://127.0.0.1:9/Callback", "error=redirect_uri_mismatch"),
        ("redirect_uri", "http://127.0.0.1:9/callback?a=b", "error=redirect_uri_mismatch"),
        ("redirect_uri", "http://127.0.0.1:10/callback", "error=redirect_uri_mismatch"),
        ("redirect_uri", "http://localhost:9/callback", "error=redirect_uri_mismatch"),
    ] {
        let page = browser.get(&authorize_url(&org, &[(name, value)])).await;
        assert_eq!(page.header("location"), "", "{value}");
        assert!(page.body.contains(error), "{value}: {}", page.body);
        assert!(page.header("content-type").starts_with("text/html"));
    }
}

/// Without registered callbacks every loopback URL will do, and nothing else.
#[tokio::test]
async fn any_loopback_callback_is_accepted_by_default() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let browser = Browser::default();
    for uri in [
        "http://localhost:3000/x?y=1",
        "https://127.0.0.1/a",
        "http://[::1]:8080/",
        "http://app.localhost/cb",
    ] {
        let back = browser.get(&authorize_url(&org, &[("redirect_uri", uri)])).await;
        assert!(back.header("location").starts_with(uri), "{uri}: {back:?}");
        assert!(back.location_param("code").is_some());
    }
    for uri in
        ["https://example.com/", "http://127.0.0.1.example.com/", "javascript:alert(1)", "myapp://callback"]
    {
        let page = browser.get(&authorize_url(&org, &[("redirect_uri", uri)])).await;
        assert_eq!(page.header("location"), "", "{uri}");
    }
}

/// Section 2.4: errors at the callback.
#[tokio::test]
async fn other_mistakes_go_back_to_the_callback() {
    let org = FakeOrg::start().await.unwrap();
    let browser = Browser::default();
    for (over, error, description) in [
        (("response_type", "id"), "unsupported_response_type", "response type not supported"),
        (("scope", "api bogus"), "invalid_scope", "the requested scope is invalid, unknown, or malformed"),
        (("scope", "api full"), "invalid_scope", "the requested scope is invalid, unknown, or malformed"),
        (("immediate", "true"), "immediate_unsuccessful", ""),
    ] {
        let back = browser.get(&authorize_url(&org, &[over])).await;
        assert_eq!(back.status, 302, "{over:?}");
        assert_eq!(back.location_param("error").as_deref(), Some(error));
        assert_eq!(back.location_param("error_description").unwrap_or_default(), description);
        assert_eq!(back.location_param("state").as_deref(), Some("s t+a/te"));
    }
    // Section 2.1: authorize is a GET.
    let back = browser.post(&authorize_url(&org, &[]), &[]).await;
    assert_eq!(back.location_param("error_description").as_deref(), Some("must use HTTP GET"));
    org.sign_in(&org.user(ADA));
    org.deactivate_user(&org.user(ADA));
    let back = browser.get(&authorize_url(&org, &[])).await;
    assert_eq!(back.location_param("error").as_deref(), Some("inactive_user"));
}

#[tokio::test]
async fn display_and_login_hint_show() {
    let org = FakeOrg::start().await.unwrap();
    let browser = Browser::default();
    let page = browser
        .get(&authorize_url(&org, &[("login_hint", "chiara@example.com"), ("display", "popup")]))
        .await;
    assert!(page.body.contains("value=\"chiara@example.com\""));
    assert!(page.body.contains("popup"));
    // Nothing hostile gets through into the markup.
    let page = browser.get(&authorize_url(&org, &[("login_hint", "\"><script>alert(1)</script>")])).await;
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
}

#[tokio::test]
async fn logging_out_ends_the_browser_session() {
    let org = FakeOrg::start().await.unwrap();
    let browser = Browser::default();
    let login = browser.get(&authorize_url(&org, &[])).await;
    let consent = browser.log_in(&org, &login, ADA, PASSWORD).await;
    browser.press(&org, &consent, "oaapprove").await;
    browser.get(&format!("{}/secur/logout.jsp", org.login_url())).await;
    let page = browser.get(&authorize_url(&org, &[])).await;
    assert!(page.body.contains("id=\"username\""));
}

#[tokio::test]
async fn auto_approve_needs_no_page() {
    let org = FakeOrg::builder().auto_approve(true).start().await.unwrap();
    let browser = Browser::default();
    let back = browser.get(&authorize_url(&org, &[("prompt", "login consent")])).await;
    let token = exchange(&org, &back.location_param("code").unwrap()).await;
    assert!(token.json()["id"].as_str().unwrap().ends_with(org.user(ADA).id()));
}
