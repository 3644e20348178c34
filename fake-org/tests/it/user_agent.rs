//! The user-agent flow, whose tokens come in the fragment, and the sessions that hybrid apps get beside their tokens.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{
    ADA, Api, Browser, CALLBACK, Response, VERIFIER, authorize_url, code, http, send, token, userinfo,
};
use salesforce_fake_org::{AccessTokens, FakeOrg};
use serde_json::Value;

const APP: &str = "exampleapp://signed-in";
const SCOPES: &str = "api id openid refresh_token web lightning content visualforce";

async fn org() -> FakeOrg {
    let org =
        FakeOrg::builder().scopes(SCOPES).redirect_uri(APP).redirect_uri(CALLBACK).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    org
}

/// The parameters behind the `#` of a redirect; nothing may be in its query.
#[track_caller]
fn fragment(response: &Response) -> BTreeMap<String, String> {
    assert_eq!(response.status, 302, "{response:?}");
    let (before, after) =
        response.header("location").split_once('#').unwrap_or_else(|| panic!("no fragment: {response:?}"));
    assert!(!before.contains('?'), "{before}");
    url::form_urlencoded::parse(after.as_bytes()).into_owned().collect()
}

async fn send_request(org: &FakeOrg, over: &[(&str, &str)]) -> Response {
    let all: Vec<_> =
        [("response_type", "token"), ("code_challenge", "")].iter().chain(over).copied().collect();
    Browser::default().get(&authorize_url(org, &all)).await
}

/// Section 1.3 and Help, "OAuth 2.0 User-Agent Flow": what a token response holds, in the fragment, which no server sees.
#[tokio::test]
async fn tokens_come_in_the_fragment() {
    let org = org().await;
    let found =
        fragment(&send_request(&org, &[("redirect_uri", APP), ("scope", "api id refresh_token")]).await);
    assert_eq!(found["state"], "s t+a/te");
    assert_eq!(found["token_type"], "Bearer");
    assert_eq!(found["instance_url"], org.instance_url());
    assert_eq!(
        found["id"],
        format!("{}/id/{}/{}", org.login_url(), org.organization_id(), org.user(ADA).id())
    );
    let api = Api { token: found["access_token"].clone(), ..Api::of(&org) };
    assert_eq!(api.get("/limits").await.status, 200);
    assert_eq!(crate::support::refresh(&org, &found["refresh_token"]).await.status, 200);
    for absent in ["code", "expires_in", "id_token"] {
        assert!(!found.contains_key(absent), "{absent}");
    }
}

/// Older Help, "User-Agent Flow": a callback on the web gets no refresh token, whatever its scope says; an app's own
/// scheme and Salesforce's success page do.
#[tokio::test]
async fn only_an_own_scheme_and_the_success_page_get_a_refresh_token() {
    let org = org().await;
    let web = fragment(&send_request(&org, &[("scope", "api refresh_token")]).await);
    assert!(!web.contains_key("refresh_token"));
    assert!(web["scope"].contains("refresh_token"), "the scope says it all the same");
    assert!(org.live_refresh_tokens(&org.user(ADA)).is_empty());

    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    org.sign_in(&org.user(ADA));
    for (success, kept) in [
        (format!("{}/services/oauth2/success", org.login_url()), true),
        (format!("{}/services/oauth2/success", org.instance_url()), true),
        (format!("{}/other/services/oauth2/success", org.login_url()), false),
        (format!("{}1/services/oauth2/success", org.login_url()), false),
    ] {
        if url::Url::parse(&success).is_err() {
            continue;
        }
        let response =
            send_request(&org, &[("redirect_uri", &success), ("scope", "api refresh_token")]).await;
        assert_eq!(fragment(&response).contains_key("refresh_token"), kept, "{success}");
    }
    let page = send(http().get(format!("{}/services/oauth2/success", org.login_url()))).await;
    assert_eq!(page.status, 200);
}

/// Help, "OAuth 2.0 User-Agent Flow": an ID token needs `token id_token`, the scope `openid` and a nonce.
#[tokio::test]
async fn an_id_token_is_asked_for() {
    let org = org().await;
    for (kind, nonce, scope, has) in [
        ("token id_token", "n-1", "openid", true),
        ("id_token token", "n-1", "openid api", true),
        ("token id_token", "n-1", "api", false),
        ("token id_token", "", "openid", false),
        ("token", "n-1", "openid", false),
    ] {
        let found = fragment(
            &send_request(&org, &[("response_type", kind), ("nonce", nonce), ("scope", scope)]).await,
        );
        assert_eq!(found.contains_key("id_token"), has, "{kind} {nonce} {scope}");
    }
}

/// Section 2.4: refusals go to where the tokens would have gone (RFC 6749 section 4.2.2.1).
#[tokio::test]
async fn refusals_come_in_the_fragment_too() {
    let org = org().await;
    let found = fragment(&send_request(&org, &[("scope", "api nonsense")]).await);
    assert_eq!((found["error"].as_str(), found["state"].as_str()), ("invalid_scope", "s t+a/te"));
    org.set_user_agent_flow(false);
    assert_eq!(fragment(&send_request(&org, &[]).await)["error"], "oauth_flow_disabled");
    assert!(Browser::default().get(&authorize_url(&org, &[])).await.location_param("code").is_some());
    org.set_user_agent_flow(true);
    org.set_login_limit(0);
    assert_eq!(fragment(&send_request(&org, &[]).await)["error"], "rate_limit_exceeded");
    org.deactivate_user(&org.user(ADA));
    assert_eq!(fragment(&send_request(&org, &[]).await)["error"], "inactive_user");
    // What is no response type at all goes to the query.
    let back = send_request(&org, &[("response_type", "id_token")]).await;
    assert_eq!(back.location_param("error").as_deref(), Some("unsupported_response_type"));
}

/// The pages are the same: login, then consent, then the fragment.
#[tokio::test]
async fn people_log_in_and_allow_it_as_ever() {
    let org = org().await;
    org.sign_out();
    let browser = Browser::default();
    let page = browser.get(&authorize_url(&org, &[("response_type", "token"), ("code_challenge", "")])).await;
    let consent = browser.log_in(&org, &page, ADA, "fake-org-1").await;
    let denied = browser.press(&org, &consent, "oadeny").await;
    assert_eq!(fragment(&denied)["error"], "access_denied");
    let back = browser.press(&org, &consent, "oaapprove").await;
    assert_eq!(userinfo(&org, &fragment(&back)["access_token"]).await.status, 200);
}

/// Section 2.6: hybrid apps get sessions for the domains that they have scopes of (Help, "OAuth 2.0 Hybrid App Flow Cookie
/// Management"), at the code, at the refresh and in the fragment.
#[tokio::test]
async fn hybrid_apps_get_sessions_of_their_domains() {
    let org = org().await;
    let of = async |scope: &str| {
        let code = code(&org, &[("scope", scope)]).await;
        let fields = [
            ("grant_type", "hybrid_auth_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        token(&org, &fields).await.json()
    };
    let web = ["sidCookieName", "cookie-clientSrc", "cookie-sid_Client"];
    let lightning = ["lightning_sid", "lightning_domain", "csrf_token"];
    let content = ["content_sid", "content_domain"];
    let visualforce = ["visualforce_sid", "visualforce_domain"];
    let names =
        |response: &Value, names: &[&str]| names.iter().filter(|name| response[**name].is_string()).count();
    let all = of("web lightning content visualforce refresh_token").await;
    let some = of("web lightning").await;
    let none = of("api lightning content").await;
    assert_eq!([&web[..], &lightning, &content, &visualforce].map(|group| names(&all, group)), [3, 3, 2, 2]);
    assert_eq!([&web[..], &lightning, &content, &visualforce].map(|group| names(&some, group)), [3, 3, 0, 0]);
    assert_eq!([&web[..], &lightning, &content, &visualforce].map(|group| names(&none, group)), [0, 0, 0, 0]);
    assert!(all.get("parent_sid").is_none(), "the access token is the session");

    let refreshed =
        [("grant_type", "hybrid_refresh"), ("refresh_token", all["refresh_token"].as_str().unwrap())];
    let refreshed = token(&org, &refreshed).await.json();
    assert_ne!(refreshed["lightning_sid"], all["lightning_sid"], "new ones");
    assert!(refreshed["refresh_token"].is_string(), "rotation is on");
    let found =
        fragment(&send_request(&org, &[("response_type", "hybrid_token"), ("scope", "web content")]).await);
    assert!(found.contains_key("content_sid") && !found.contains_key("lightning_sid"), "{found:?}");

    // An ordinary grant has none of it.
    let plain = crate::support::exchange(&org, &code(&org, &[("scope", "web lightning")]).await).await.json();
    assert!(plain.get("lightning_sid").is_none());
}

/// The sessions are bound to the access token (Help, as above), and the token is a session of the web by itself.
#[tokio::test]
async fn a_hybrid_apps_sessions_end_with_its_token() {
    let org = org().await;
    let found = fragment(
        &send_request(&org, &[("response_type", "hybrid_token"), ("scope", "web visualforce")]).await,
    );
    let (access, child) = (&found["access_token"], &found["visualforce_sid"]);
    let front_door = async |sid: &str| {
        let url = format!("{}/secur/frontdoor.jsp", org.instance_url());
        send(http().post(url).form(&[("sid", sid)])).await.header("location").to_owned()
    };
    assert_eq!(front_door(child).await, "/");
    // A child is no token for data.
    let api = Api { token: child.clone(), ..Api::of(&org) };
    assert_eq!(api.get("/limits").await.status, 401);

    // As the cookie that the response names, the access token is a login at the My Domain.
    org.sign_out();
    let url = authorize_url(&org, &[]).replace(&org.login_url(), &org.instance_url());
    let cookie = format!("{}={access}", found["sidCookieName"]);
    let page = send(http().get(&url).header("cookie", &cookie)).await;
    assert!(page.body.contains("id=\"oaapprove\""), "{}", page.body);

    send(http().post(format!("{}/services/oauth2/revoke", org.login_url())).form(&[("token", access)])).await;
    assert!(front_door(child).await.starts_with("/?ec=302"), "ended with its token");
    let page = send(http().get(&url).header("cookie", &cookie)).await;
    assert!(page.body.contains("id=\"username\""));

    // It does not outlive a token that ran out either.
    org.sign_in(&org.user(ADA));
    org.set_session_ttl(Duration::from_secs(60));
    let found = fragment(
        &send_request(&org, &[("response_type", "hybrid_token"), ("scope", "web visualforce")]).await,
    );
    org.advance(Duration::from_secs(50));
    assert_eq!(front_door(&found["visualforce_sid"]).await, "/");
    org.advance(Duration::from_secs(20));
    assert!(front_door(&found["visualforce_sid"]).await.starts_with("/?ec=302"));
}

/// A JWT is no session id: a session for the main domain comes with it.
#[tokio::test]
async fn a_jwt_of_a_hybrid_app_comes_with_a_session() {
    let org = org().await;
    org.set_access_tokens(AccessTokens::Jwt(Duration::from_secs(600)));
    let found = fragment(&send_request(&org, &[("response_type", "hybrid_token"), ("scope", "web")]).await);
    assert_eq!(found["token_format"], "jwt");
    let form = [("sid", found["parent_sid"].as_str())];
    let url = format!("{}/secur/frontdoor.jsp", org.instance_url());
    assert_eq!(send(http().post(url).form(&form)).await.header("location"), "/");
}

/// Section 2.2: a challenge belongs to the web server flow.
#[tokio::test]
async fn no_challenge_is_asked_of_it() {
    let org = org().await;
    assert!(fragment(&send_request(&org, &[("code_challenge", "")]).await).contains_key("access_token"));
    let back = Browser::default().get(&authorize_url(&org, &[("code_challenge", "")])).await;
    assert_eq!(back.location_param("error").as_deref(), Some("invalid_request"));
}
