//! An Experience Cloud site: a login host that is a host and a path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use salesforce_fake_org::FakeOrg;
use support::{ADA, Browser, CALLBACK, VERIFIER, attribute, authorize_url, http, send, token_at};

/// Sections 1.1, 2.3 and 2.6: everything stays below the path, and the answers name the site.
#[tokio::test]
async fn people_log_in_at_a_site() {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    let site = org.site_url().unwrap();
    assert_eq!(site, format!("{}/portal", org.login_url()));
    let configuration = send(http().get(format!("{site}/.well-known/openid-configuration"))).await.json();
    assert_eq!(configuration["issuer"], site);
    assert_eq!(configuration["token_endpoint"], format!("{site}/services/oauth2/token"));

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
    let answer = token_at(&site, &org, &fields).await.json();
    assert_eq!(answer["sfdc_community_url"], site);
    assert!(answer["sfdc_community_id"].as_str().unwrap().starts_with("0DB"));
    assert_eq!(answer["instance_url"], org.instance_url(), "the data are where they always are");
    let id = answer["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("{site}/id/")), "{id}");
    let identity = send(http().get(id).bearer_auth(answer["access_token"].as_str().unwrap())).await;
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
