//! From a token to a browser session and back: singleaccess, frontdoor.jsp, single logout; and the small endpoints around
//! the web server flow.
use std::time::Duration;

use crate::support::{ADA, ALL, Api, Browser, Response, authorize_url, challenge, http, send, userinfo};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use salesforce_fake_org::FakeOrg;
use serde_json::Value;
use sha2::Sha256;

async fn single_access(org: &FakeOrg, token: &str, query: &str) -> Response {
    let url = format!("{}/services/oauth2/singleaccess{query}", org.instance_url());
    send(http().get(url).bearer_auth(token)).await
}

/// Whether authorize on the My Domain asks this browser for no login.
async fn is_logged_in(org: &FakeOrg, browser: &Browser) -> bool {
    let url = authorize_url(org, &[]).replace(&org.login_url(), &org.instance_url());
    !browser.get(&url).await.body.contains("id=\"username\"")
}

/// Section 1.6: the link logs a browser in, once, and goes to a page of the org.
#[tokio::test]
async fn a_single_access_link_is_good_once() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), "api web").access_token;
    let response = single_access(&org, &token, "?redirect_uri=%2Flightning%2Fpage%2Fhome").await;
    assert_eq!(response.status, 200);
    let link = response.json()["frontdoor_uri"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("{}/secur/frontdoor.jsp?otp=", org.instance_url())), "{link}");
    assert!(!link.contains(&token), "the token is in no address");
    let (first, second) = (Browser::default(), Browser::default());
    assert_eq!(first.get(&link).await.header("location"), "/lightning/page/home");
    assert!(is_logged_in(&org, &first).await);
    assert!(second.get(&link).await.header("location").starts_with("/?ec=302"));
    assert!(!is_logged_in(&org, &second).await, "a second visit lands logged out");

    let late = single_access(&org, &token, "").await.json()["frontdoor_uri"].as_str().unwrap().to_owned();
    org.advance(Duration::from_secs(61));
    assert!(second.get(&late).await.header("location").starts_with("/?ec=302"));
}

/// Section 1.6: refusals are 403 and a bare word, also for an expired token.
#[tokio::test]
async fn single_access_wants_the_web_scope() {
    let org = FakeOrg::start().await.unwrap();
    let api = org.issue_tokens(&org.user(ADA), "api").access_token;
    let response = single_access(&org, &api, "").await;
    assert_eq!((response.status, response.body.as_str()), (403, "Invalid_Scope"));
    org.expire_access_tokens();
    let response = single_access(&org, &api, "").await;
    assert_eq!((response.status, response.body.as_str()), (403, "Bad_OAuth_Token"));
    // It is the My Domain's.
    let url = format!("{}/services/oauth2/singleaccess", org.login_url());
    assert_eq!(send(http().get(url)).await.status, 404);
}

/// Section 1.6: the older way; redirects to other hosts are refused.
#[tokio::test]
async fn the_front_door_takes_a_session_id() {
    let org = FakeOrg::start().await.unwrap();
    let url = format!("{}/secur/frontdoor.jsp", org.instance_url());
    let open = async |scopes: &str, target: &str| {
        let sid = org.issue_tokens(&org.user(ADA), scopes).access_token;
        let browser = Browser::default();
        let response = browser.post(&url, &[("sid", &sid), ("retURL", target)]).await;
        (response.header("location").to_owned(), is_logged_in(&org, &browser).await)
    };
    assert_eq!(open("web", "/001").await, ("/001".into(), true));
    assert_eq!(open("visualforce", "/001").await, ("/001".into(), true));
    for target in ["https://example.com", "//example.com", "/\\example.com", "x"] {
        assert_eq!(open("web", target).await, ("/".into(), true), "{target}");
    }
    assert!(!open("api", "/001").await.1);
}

/// Section 4.6: ends the browser's session, and loads the app's logout page in the same browser.
#[tokio::test]
async fn single_logout_loads_the_apps_page() {
    let app = "https://app.example.com/slo?a=1&b=2";
    let org = FakeOrg::builder().single_logout_url(app).start().await.unwrap();
    let url = format!("{}/services/auth/idp/oidc/logout", org.instance_url());
    let browser = Browser::default();
    let page = browser.get(&url).await;
    assert!(!page.body.contains("<iframe"), "there was no login");
    let login = browser.get(&authorize_url(&org, &[])).await;
    browser.log_in(&org, &login, ADA, "fake-org-1").await;
    // A login at the login host is one of the browser.
    let page = browser.get(&url).await;
    assert!(page.body.contains("<iframe src=\"https://app.example.com/slo?a=1&amp;b=2\""), "{}", page.body);
    assert_eq!(page.header("refresh"), "10;url=/");
    let again = browser.get(&authorize_url(&org, &[])).await;
    assert!(again.body.contains("id=\"username\""), "logged out");
    // A site has it too; the login host that all orgs share has not.
    let org = FakeOrg::builder().site("portal").single_logout_url(app).start().await.unwrap();
    let path = "/services/auth/idp/oidc/logout";
    let login = browser.get(&authorize_url(&org, &[])).await;
    browser.log_in(&org, &login, ADA, "fake-org-1").await;
    assert_eq!(browser.get(&format!("{}{path}", org.login_url())).await.status, 404);
    assert!(browser.get(&format!("{}{path}", org.site_url().unwrap())).await.body.contains("<iframe"));
    // The tokens of the app are none of it.
    let token = org.issue_tokens(&org.user(ADA), ALL).access_token;
    browser.get(&format!("{}{path}", org.instance_url())).await;
    assert_eq!(userinfo(&org, &token).await.status, 200);
}

/// Section 6: split at the first period, signed over the encoded payload, and the token in it works.
#[tokio::test]
async fn canvas_requests_are_signed() {
    let org = FakeOrg::builder().canvas_url("http://127.0.0.1:9/canvas").start().await.unwrap();
    let signed = org.canvas_signed_request(&org.user(ADA));
    let (signature, payload) = signed.split_once('.').unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(org.client_secret().as_bytes()).unwrap();
    mac.update(payload.as_bytes());
    assert_eq!(signature, STANDARD.encode(mac.finalize().into_bytes()));
    let request: Value = serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap();
    assert_eq!(request["userId"], org.user(ADA).id());
    let api = Api { token: request["client"]["oauthToken"].as_str().unwrap().to_owned(), ..Api::of(&org) };
    let path = request["context"]["links"]["queryUrl"].as_str().unwrap();
    assert!(path.starts_with("/services/data/"), "relative");
    assert_eq!(api.query("SELECT Id FROM Account").await.status, 200);
    // The page that posts it into a frame.
    let page = send(http().get(format!("{}/canvas?username={ADA}", org.instance_url()))).await;
    let posted = crate::support::attribute(&page.body, "name=\"signed_request\"", "value");
    assert!(posted.split_once('.').is_some(), "{posted}");
    assert_eq!(crate::support::attribute(&page.body, "<form", "action"), "http://127.0.0.1:9/canvas");
}

/// Section 6: an app that users allow themselves is shown before that with a notice in its address, and with a
/// signed request afterwards.
#[tokio::test]
async fn a_canvas_app_asks_for_approval_first() {
    let canvas = "http://127.0.0.1:9/canvas?tab=1#part";
    let org = FakeOrg::builder().canvas_url(canvas).start().await.unwrap();
    let page = async || send(http().get(format!("{}/canvas?username={ADA}", org.instance_url()))).await;
    let asked = page().await;
    assert!(!asked.body.contains("signed_request"), "{}", asked.body);
    let frame = url::Url::parse(&crate::support::attribute(&asked.body, "<iframe", "src")).unwrap();
    assert!(frame.as_str().starts_with("http://127.0.0.1:9/canvas?tab=1&"), "{frame}");
    assert_eq!(frame.fragment(), None, "what is behind the # is dropped");
    let param =
        |name: &str| frame.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(param("_sfdc_canvas_auth").as_deref(), Some("user_approval_required"));
    assert_eq!(param("loginUrl"), Some(org.instance_url()));
    assert!(org.live_access_tokens(&org.user(ADA)).is_empty(), "nothing was given");

    // The app sends the user through OAuth and reloads the frame.
    let browser = Browser::default();
    let login = browser.get(&authorize_url(&org, &[])).await;
    let consent = browser.log_in(&org, &login, ADA, "fake-org-1").await;
    browser.press(&org, &consent, "oaapprove").await;
    let shown = page().await;
    assert_eq!(crate::support::attribute(&shown.body, "<form", "action"), "http://127.0.0.1:9/canvas?tab=1");
    // An app that starts OAuth by itself gets the place to log in at, and never a signed request.
    org.set_policy(&serde_json::json!({ "canvas_oauth": true })).unwrap();
    let frame = url::Url::parse(&crate::support::attribute(&page().await.body, "<iframe", "src")).unwrap();
    let names: Vec<_> = frame.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["tab", "loginUrl"]);
    org.set_policy(&serde_json::json!({ "canvas_oauth": false })).unwrap();

    org.revoke_all();
    assert!(page().await.body.contains("user_approval_required"), "asked again after a revocation");

    // Where an admin decides, there is no consent.
    org.set_permitted_users(salesforce_fake_org::PermittedUsers::AdminApproved(vec![ADA.into()]));
    assert!(page().await.body.contains("signed_request"));
    let ben = send(http().get(format!("{}/canvas?username=ben@example.com", org.instance_url()))).await;
    assert_eq!(ben.status, 403);
}

/// Section 1.2: the verifier belongs to the challenge; the echo shows what came to it.
#[tokio::test]
async fn helpers_of_the_web_server_flow() {
    let org = FakeOrg::start().await.unwrap();
    let get = async |path: &str| send(http().get(format!("{}{path}", org.login_url()))).await.json();
    let pair = get("/services/oauth2/pkce/generator").await;
    assert_eq!(pair["code_challenge"], challenge(pair["code_verifier"].as_str().unwrap()));
    let echo = get("/services/oauth2/echo?code=aPrx%3D%3D&state=s").await;
    assert_eq!((&echo["code"], &echo["state"]), (&"aPrx==".into(), &"s".into()));
}

/// Section 5.7: off in every new org.
#[tokio::test]
async fn soap_login_is_off() {
    let org = FakeOrg::start().await.unwrap();
    let url = format!("{}/services/Soap/u/64.0", org.login_url());
    let response = send(http().post(url).body("<env:Envelope><n1:login/></env:Envelope>")).await;
    assert_eq!(response.status, 500);
    assert!(response.body.contains("<sf:exceptionCode>INVALID_OPERATION</sf:exceptionCode>"), "{response:?}");
    assert!(response.body.contains("SOAP API login() is disabled by default in this org."), "{response:?}");
}
