//! Revocation and introspection.
use std::time::Duration;

use crate::support::{ADA, ALL, Api, Response, http, refresh, send, userinfo};
use salesforce_fake_org::FakeOrg;

async fn revoke(org: &FakeOrg, token: &str) -> Response {
    let url = format!("{}/services/oauth2/revoke", org.login_url());
    send(http().post(url).form(&[("token", token)])).await
}

async fn introspect(org: &FakeOrg, token: &str, secret: &str) -> Response {
    let url = format!("{}/services/oauth2/introspect", org.login_url());
    let form = [("token", token), ("client_id", &org.client_id()), ("client_secret", secret)];
    send(http().post(url).form(&form)).await
}

/// Section 4.1: an access token ends alone.
#[tokio::test]
async fn an_access_token_ends_alone() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let response = revoke(&org, &tokens.access_token).await;
    assert_eq!((response.status, response.body.as_str()), (200, ""));
    assert_eq!(userinfo(&org, &tokens.access_token).await.status, 403);
    assert_eq!(refresh(&org, &tokens.refresh_token.unwrap()).await.status, 200);
}

/// Section 4.1: a refresh token takes every access token from it along; an unknown token is an error, 400.
#[tokio::test]
async fn a_refresh_token_takes_its_access_tokens_along() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let other = org.issue_tokens(&org.user(ADA), ALL);
    let response = refresh(&org, &tokens.refresh_token.unwrap()).await.json();
    let second = response["refresh_token"].as_str().unwrap();
    let url = format!("{}/services/oauth2/revoke", org.instance_url());
    let get = send(http().get(&url).query(&[("token", second)])).await;
    assert_eq!(get.status, 200, "GET does too");
    for access in [tokens.access_token.as_str(), response["access_token"].as_str().unwrap()] {
        assert_eq!(userinfo(&org, access).await.status, 403);
    }
    assert_eq!(userinfo(&org, &other.access_token).await.status, 200, "another approval lives on");
    for token in [second, "", "never-issued"] {
        let response = revoke(&org, token).await;
        assert_eq!((response.status, response.error().0.as_str()), (400, "invalid_token"), "{token}");
    }
    let jsonp =
        send(http().get(&url).query(&[("token", other.access_token.as_str()), ("callback", "done")])).await;
    assert!(jsonp.body.starts_with("done({})"), "{jsonp:?}");
}

/// Section 4.1: the `DeleteToken` of an `OauthToken` record revokes, and does nothing else.
#[tokio::test]
async fn a_delete_token_revokes_and_nothing_else() {
    let org = FakeOrg::start().await.unwrap();
    let ada = org.issue_tokens(&org.user(ADA), ALL);
    let ben = org.issue_tokens(&org.user("ben@example.com"), ALL);
    let refreshed = refresh(&org, ada.refresh_token.as_ref().unwrap()).await.json();
    let api = Api::of(&org);
    let soql = "SELECT Id, AppName, DeleteToken, UseCount, UserId FROM OauthToken WHERE UserId = '{}'";
    let of = async |name: &str| {
        let id = org.user(name).id().to_owned();
        api.records(&soql.replace("{}", &id)).await
    };
    let rows = of(ADA).await;
    assert_eq!(rows.len(), 2, "Api::of logged her in too: {rows:?}");
    let row = rows.iter().find(|row| row["UseCount"] == 2).unwrap();
    assert_eq!((&row["AppName"], row["Id"].as_str().unwrap().get(..3)), (&"Example App".into(), Some("0CQ")));
    let delete_token = row["DeleteToken"].as_str().unwrap();
    let all = serde_json::to_string(&rows).unwrap();
    for token in org.live_refresh_tokens(&org.user(ADA)) {
        assert!(!all.contains(&token), "the token itself is in no record");
    }
    assert_eq!(refresh(&org, delete_token).await.error().0, "invalid_grant");
    assert_eq!(userinfo(&org, delete_token).await.status, 403);

    assert_eq!(revoke(&org, delete_token).await.status, 200);
    assert_eq!(refresh(&org, refreshed["refresh_token"].as_str().unwrap()).await.status, 400);
    assert_eq!(userinfo(&org, refreshed["access_token"].as_str().unwrap()).await.status, 403);
    assert_eq!(revoke(&org, delete_token).await.status, 400, "once");
    assert_eq!(of(ADA).await.len(), 1);
    assert_eq!(of("ben@example.com").await.len(), 1);
    assert_eq!(refresh(&org, &ben.refresh_token.unwrap()).await.status, 200);
}

/// Section 4.1: errors come in the format that was asked for.
#[tokio::test]
async fn a_refusal_comes_in_the_format_that_was_asked_for() {
    let org = FakeOrg::start().await.unwrap();
    let send_request = async |query: &str| {
        send(http().get(format!("{}/services/oauth2/revoke?token=unknown{query}", org.login_url()))).await
    };
    for (query, content_type, body) in [
        ("", "application/json", r#"{"error":"invalid_token","error_description":"invalid token"}"#),
        (
            "&format=urlencoded",
            "application/x-www-form-urlencoded",
            "error=invalid_token&error_description=invalid+token",
        ),
        (
            "&callback=f",
            "text/javascript",
            r#"f({"error":"invalid_token","error_description":"invalid token"});"#,
        ),
    ] {
        let response = send_request(query).await;
        assert_eq!((response.status, response.body.as_str()), (400, body));
        assert!(response.header("content-type").starts_with(content_type), "{response:?}");
        assert_eq!(response.header("cache-control"), "no-store");
    }
    let xml = send_request("&format=xml").await;
    assert!(xml.body.contains("<error>invalid_token</error>"), "{xml:?}");
}

/// Section 4.2: the only place that shows the remaining time; it moves as the session slides.
#[tokio::test]
async fn introspection_shows_the_remaining_time() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let secret = org.client_secret();
    let active = introspect(&org, &tokens.access_token, &secret).await.json();
    assert_eq!(active["active"], true);
    assert_eq!(active["exp"].as_i64().unwrap() - active["iat"].as_i64().unwrap(), 7_200);
    org.advance(Duration::from_secs(600));
    userinfo(&org, &tokens.access_token).await;
    let later = introspect(&org, &tokens.access_token, &secret).await.json();
    let slid = later["exp"].as_i64().unwrap() - active["exp"].as_i64().unwrap();
    assert!((600..=601).contains(&slid), "{slid}");
    let refresh_token = introspect(&org, &tokens.refresh_token.unwrap(), &secret).await.json();
    assert_eq!(refresh_token["token_type"], "refresh_token");
    org.expire_access_tokens();
    for token in [tokens.access_token.as_str(), "garbage", ""] {
        let response = introspect(&org, token, &secret).await;
        assert_eq!((response.status, response.body.as_str()), (200, "{\"active\":false}"), "{token}");
    }
    // Section 4.2: unauthenticated is 401; the body's shape is unverified.
    assert_eq!(introspect(&org, "x", "wrong").await.status, 401);
}
