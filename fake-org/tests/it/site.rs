//! An Experience Cloud site: a login host that is a host and a path.
use crate::support::{ADA, Browser, CALLBACK, VERIFIER, attribute, authorize_url, http, send, token_at};
use salesforce_fake_org::FakeOrg;

/// Sections 1.1, 2.3 and 2.6: everything stays below the path, and the responses name the site.
#[tokio::test]
async fn people_log_in_at_a_site() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let site = org.site_url().unwrap();
    assert_eq!(site, format!("{}/portal", org.login_url()));
    let configuration = send(http().get(format!("{site}/.well-known/openid-configuration"))).await.json();
    assert_eq!(configuration["issuer"], site);
    assert_eq!(configuration["token_endpoint"], format!("{site}/services/oauth2/token"));
    let of_lwr = format!("{site}vforcesite/.well-known/openid-configuration");
    assert_eq!(send(http().get(of_lwr)).await.json(), configuration);
    assert_eq!(
        send(http().get(format!("{site}vforcesite/id/keys"))).await.status,
        404,
        "nothing else is there"
    );

    let browser = Browser::default();
    let page = browser.get(&authorize_url(&org, &[]).replace(&org.login_url(), &site)).await;
    assert_eq!(attribute(&page.body, "<form", "action"), "/portal/login");
    let consent = browser.log_in(&org, &page, ADA, "fake-org-1").await;
    assert_eq!(attribute(&consent.body, "<form", "action"), "/portal/consent");
    let back = browser.press(&org, &consent, "oaapprove").await;
    assert_eq!(back.location_param("sfdc_community_url").as_ref(), Some(&site));
    assert!(back.location_param("sfdc_community_id").unwrap().starts_with("0DB"));

    let code = back.location_param("code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let response = token_at(&site, &org, &fields).await.json();
    assert_eq!(response["sfdc_community_url"], site);
    assert!(response["sfdc_community_id"].as_str().unwrap().starts_with("0DB"));
    assert_eq!(response["instance_url"], org.instance_url(), "the data are where they always are");
    let id = response["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("{site}/id/")), "{id}");
    let identity = send(http().get(id).bearer_auth(response["access_token"].as_str().unwrap())).await;
    assert_eq!(identity.json()["username"], ADA);
}

/// Without a site its path is any other, and a name that only begins alike is none.
#[tokio::test]
async fn no_other_path_is_a_site() {
    let plain = FakeOrg::start().await.unwrap();
    assert_eq!(plain.site_url(), None);
    let org = FakeOrg::builder().site("/portal/").start().await.unwrap();
    for url in [
        format!("{}/portal/id/keys", plain.login_url()),
        format!("{}/portals/id/keys", org.login_url()),
        format!("{}/portal/id/keys", org.instance_url()),
    ] {
        assert_eq!(send(http().get(&url)).await.status, 404, "{url}");
    }
    assert_eq!(send(http().get(format!("{}/portal/id/keys", org.login_url()))).await.status, 200);
}

/// Section 5.6: the site's own form in place of Salesforce's pages; the echo shows the code where there is no callback.
#[tokio::test]
async fn a_form_of_the_sites_own_gets_a_code() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let site = org.site_url().unwrap();
    let echo = format!("{site}/services/oauth2/echo");
    let send_request = async |url: &str, password: &str| {
        let (client_id, challenge) = (org.client_id(), crate::support::challenge(VERIFIER));
        let form = [
            ("response_type", "code_credentials"),
            ("client_id", client_id.as_str()),
            ("redirect_uri", echo.as_str()),
            ("scope", "api"),
            ("code_challenge", challenge.as_str()),
        ];
        let request = http().post(format!("{url}/services/oauth2/authorize")).form(&form);
        send(request.header("auth-request-type", "Named-User").basic_auth(ADA, Some(password))).await
    };
    let back = send_request(&site, "fake-org-1").await;
    assert_eq!(back.status, 302, "{back:?}");
    let shown = send(http().get(back.header("location"))).await.json();
    assert_eq!(shown["sfdc_community_url"], site);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", shown["code"].as_str().unwrap()),
        ("redirect_uri", echo.as_str()),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(token_at(&site, &org, &fields).await.status, 200);
    let refused = send_request(&site, "wrong").await;
    assert_eq!(refused.location_param("error").as_deref(), Some("invalid_grant"));
    assert!(refused.location_param("code").is_none());
    // Site hosts only.
    assert_eq!(send_request(&org.login_url(), "fake-org-1").await.header("location"), "");
}
