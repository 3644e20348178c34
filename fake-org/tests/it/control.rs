//! `/fake/…` and the home page.
use crate::support::{ADA, ALL, Api, Browser, Response, authorize_url, http, refresh, send, userinfo};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

async fn post(org: &FakeOrg, path: &str, body: Value) -> Response {
    send(http().post(format!("{}/fake/{path}", org.login_url())).json(&body)).await
}

async fn get(org: &FakeOrg, path: &str) -> Response {
    send(http().get(format!("{}/fake/{path}", org.login_url()))).await
}

#[tokio::test]
async fn sign_in_and_out() {
    let org = FakeOrg::start().await.unwrap();
    let response = post(&org, "sign-in", json!({ "username": "zoe@example.com" })).await.json();
    assert_eq!(response["user_id"], org.user("zoe@example.com").id());
    let browser = Browser::default();
    assert_eq!(browser.get(&authorize_url(&org, &[])).await.status, 302);
    post(&org, "sign-out", json!({})).await;
    assert_eq!(browser.get(&authorize_url(&org, &[])).await.status, 200);
    assert_eq!(post(&org, "sign-in", json!({})).await.status, 400);
    // The new user is a record too.
    let api = Api::of(&org);
    assert_eq!(api.records("SELECT Id FROM User WHERE Username = 'zoe@example.com'").await.len(), 1);
}

#[tokio::test]
async fn tokens_end_over_http() {
    let org = FakeOrg::start().await.unwrap();
    let (ada, ben) = (org.user(ADA), org.user("ben@example.com"));
    let a = org.issue_tokens(&ada, ALL);
    post(&org, "expire-access-tokens", json!({})).await;
    assert_eq!(userinfo(&org, &a.access_token).await.status, 403);
    let b = org.issue_tokens(&ben, ALL);
    post(&org, "revoke-all", json!({ "username": ADA })).await;
    assert_eq!(refresh(&org, &a.refresh_token.unwrap()).await.status, 400);
    let b = refresh(&org, &b.refresh_token.unwrap()).await;
    assert_eq!(b.status, 200);
    assert_eq!(post(&org, "revoke-all", json!({ "username": "unknown" })).await.status, 400);
    post(&org, "revoke-all", json!({})).await;
    assert_eq!(refresh(&org, b.json()["refresh_token"].as_str().unwrap()).await.status, 400);
    post(&org, "advance", json!({ "seconds": 7300 })).await;
    assert_eq!(post(&org, "advance", json!({})).await.status, 400);
}

#[tokio::test]
async fn faults_are_armed_shown_and_cleared() {
    let org = FakeOrg::start().await.unwrap();
    let rules = json!([
        { "route": "userinfo", "fault": { "status": 503 }, "times": 1 },
        { "route": { "path": "/id/" }, "fault": "html" },
    ]);
    assert_eq!(post(&org, "faults", rules).await.status, 200);
    assert_eq!(get(&org, "faults").await.json()["faults"].as_array().unwrap().len(), 2);
    assert_eq!(userinfo(&org, "x").await.status, 503);
    assert_eq!(userinfo(&org, "x").await.status, 403);
    assert_eq!(get(&org, "faults").await.json()["faults"].as_array().unwrap().len(), 1);
    assert_eq!(post(&org, "faults", json!({ "clear": true })).await.status, 200);
    assert!(get(&org, "faults").await.json()["faults"].as_array().unwrap().is_empty());
    for wrong in [json!({ "route": "nowhere" }), json!({ "route": "any", "typo": 1 }), json!(5)] {
        assert_eq!(post(&org, "faults", wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn requests_and_counters_are_shown() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    refresh(&org, &token).await;
    refresh(&org, &token).await;
    Api::of(&org).get("/limits?a=b%20c").await;
    let list = get(&org, "requests").await.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 3, "calls of /fake are not in it");
    assert_eq!(list[0]["form"]["grant_type"], "refresh_token");
    assert_eq!((&list[1]["status"], &list[2]["host"]), (&json!(400), &json!("instance")));
    assert_eq!(list[2]["query"], "a=b%20c");
    assert!(list[2]["headers"].as_array().unwrap().iter().any(|header| header[0] == "authorization"));
    let counters = get(&org, "counters").await.json();
    assert_eq!(counters["token_calls"]["refresh_token"], 2);
    assert_eq!((&counters["refresh_reuse"], &counters["api_calls"]), (&json!(1), &json!(1)));
    send(http().delete(format!("{}/fake/requests", org.login_url()))).await;
    assert_eq!(get(&org, "requests").await.json(), json!([]));
}

#[tokio::test]
async fn reset_brings_the_start_back() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let id = api.records("SELECT Id FROM Account LIMIT 1").await[0]["Id"].as_str().unwrap().to_owned();
    api.delete(&format!("/sobjects/Account/{id}")).await;
    org.set_rotation(false);
    org.move_instance();
    org.faults().api(salesforce_fake_org::Fault::Html);
    let url = org.login_url();
    assert_eq!(post(&org, "reset", json!({})).await.status, 200);
    assert_eq!(org.login_url(), url);
    assert_eq!(api.get("/limits").await.status, 401, "tokens are gone");
    let api = Api::of(&org);
    assert_eq!(api.query("SELECT COUNT() FROM Account").await.json()["totalSize"], 40);
    assert!(org.faults().armed().is_empty());
    let token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    assert!(refresh(&org, &token).await.json().get("refresh_token").is_some(), "rotation is on again");
}

#[tokio::test]
async fn moving_and_rotating_keys() {
    let org = FakeOrg::start().await.unwrap();
    let response = post(&org, "move-instance", json!({})).await.json();
    assert_eq!(response["instance_url"], org.instance_url());
    assert_eq!(response["instance_url"], org.moved_instance_url());
    let keys = async || send(http().get(format!("{}/id/keys", org.login_url()))).await.json();
    let before = keys().await;
    post(&org, "rotate-signing-key", json!({})).await;
    assert_ne!(keys().await, before);
}

/// Control is on the login host only.
#[tokio::test]
async fn the_instance_host_has_no_control() {
    let org = FakeOrg::start().await.unwrap();
    let response = send(http().post(format!("{}/fake/reset", org.instance_url()))).await;
    assert_eq!(response.status, 404);
}

#[tokio::test]
async fn the_home_page_shows_what_is_inside() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    userinfo(&org, "<script>").await;
    send(http().get(format!("{}/services/oauth2/revoke?token=Canary1&x=1", org.login_url()))).await;
    org.faults().token_endpoint(salesforce_fake_org::Fault::Html);
    for origin in [org.login_url(), org.instance_url()] {
        let page = send(http().get(format!("{origin}/"))).await;
        assert_eq!(page.status, 200);
        for part in [
            "Account",
            "40",
            ADA,
            &org.client_id(),
            &org.instance_url(),
            "/services/oauth2/userinfo",
            "<td>access</td><td>ada@example.com</td><td>api id openid refresh_token</td>",
            "<td>refresh</td><td>ada@example.com</td>",
            "revoke?token=…&amp;x=1",
            "&quot;fault&quot;:&quot;html&quot;",
        ] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        for secret in [&tokens.access_token, tokens.refresh_token.as_ref().unwrap(), "Canary1"] {
            assert!(!page.body.contains(secret), "{secret}");
        }
        // Nothing is loaded from elsewhere.
        for part in ["src=", "@import", "url(", "<script"] {
            assert!(!page.body.contains(part), "{part}");
        }
    }
    org.expire_access_tokens();
    org.revoke_all();
    assert!(send(http().get(org.login_url())).await.body.contains("no user is logged in"));
}

#[tokio::test]
async fn rows_can_be_looked_at() {
    let org = FakeOrg::builder().rows(120).start().await.unwrap();
    let api = Api::of(&org);
    api.patch("/sobjects/Account/ExternalKey__c/ACC-000001", json!({ "Name": "<b onclick=x>" })).await;
    let page = get(&org, "rows/account").await;
    assert_eq!(page.status, 200);
    for part in ["Accounts", "120 rows, the first 50", "&lt;b onclick=x&gt;", "ACC-000050"] {
        assert!(page.body.contains(part), "{part}");
    }
    assert!(!page.body.contains("<b onclick") && !page.body.contains("ACC-000051"));
    for name in ["Nothing__c", "..%2f", "Account%22%3B"] {
        assert_eq!(get(&org, &format!("rows/{name}")).await.status, 404, "{name}");
    }
}

/// Clock control: tokens age and date literals move with it, in both directions.
#[tokio::test]
async fn the_clock_is_set() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).access_token;
    let old = Api { token, ..Api::of(&org) };
    let set = async |now: &str| post(&org, "clock", json!({ "now": now })).await;
    let shown = set("2031-01-31T23:00:00+01:00").await.json();
    assert!(shown["now"].as_str().unwrap().starts_with("2031-01-31T22:00:0"), "{shown}");
    assert_eq!(get(&org, "clock").await.json()["now"].as_str().unwrap().get(..13), Some("2031-01-31T22"));
    assert_eq!(old.get("/limits").await.status, 401, "the token has expired");
    let api = Api::of(&org);
    let id =
        api.post("/sobjects/Account", json!({ "Name": "x" })).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(api.records("SELECT Id FROM Account WHERE CreatedDate = TODAY").await[0]["Id"], id.as_str());
    set("2021-01-31T00:00:00Z").await;
    assert_eq!(Api::of(&org).records("SELECT Id FROM Account WHERE CreatedDate > TODAY").await.len(), 41);
    for wrong in [json!({}), json!({ "now": "soon" }), json!({ "now": 5 })] {
        assert_eq!(post(&org, "clock", wrong).await.status, 400);
    }
    org.set_time(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000));
    assert!(org.now() >= std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000));
    org.reset().unwrap();
    assert!(org.now().elapsed().unwrap() < std::time::Duration::from_secs(60));
}
