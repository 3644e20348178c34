//! Pages of other origins cannot drive the org.

use reqwest::Method;
use salesforce_fake_org::FakeOrg;
use serde_json::json;

use crate::support::{ADA, ALL, Api, Browser, Response, authorize_url, http, send};

const EVIL: &str = "http://evil.example";

/// A request with header fields.
async fn request(method: Method, url: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = http().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await
}

fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap()
}

/// A name that an attacker points to this machine makes a page of the same origin: DNS rebinding.
#[tokio::test]
async fn the_host_is_the_listeners() {
    let org = FakeOrg::start().await.unwrap();
    for (url, path) in
        [(org.login_url(), "/fake/requests"), (org.login_url(), "/"), (org.instance_url(), "/services/data")]
    {
        let target = format!("{url}{path}");
        let port = port(&url);
        for own in ["localhost", "127.0.0.1", "[::1]"] {
            let response = request(Method::GET, &target, &[("host", &format!("{own}:{port}"))]).await;
            assert_eq!(response.status, 200, "{own} {path}");
        }
        let foreign = [
            format!("evil.example:{port}"),
            "localhost".into(),
            "localhost:1".into(),
            format!("localhost.evil.example:{port}"),
        ];
        for host in foreign {
            let response = request(Method::GET, &target, &[("host", &host)]).await;
            assert_eq!(response.status, 403, "{host} {path}");
            assert!(response.body.contains("Host"), "{}", response.body);
        }
    }
    assert!(org.requests().iter().all(|request| request.status != Some(403)), "they are not logged");
}

#[tokio::test]
async fn control_is_for_the_own_origin_and_for_programs() {
    let org = FakeOrg::start().await.unwrap();
    let (url, own) = (format!("{}/fake/sign-out", org.login_url()), org.login_url());
    let localhost = format!("localhost:{}", port(&own));
    let with_name = format!("http://{localhost}");
    for free in [
        &[][..],
        &[("origin", own.as_str())],
        &[("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("host", localhost.as_str()), ("origin", with_name.as_str())],
    ] {
        assert_eq!(request(Method::POST, &url, free).await.status, 200, "{free:?}");
    }
    let instance = org.instance_url();
    for foreign in [
        &[("origin", EVIL)][..],
        &[("origin", "null")],
        &[("origin", instance.as_str())],
        &[("origin", with_name.as_str())],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", own.as_str()), ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(request(Method::POST, &url, foreign).await.status, 403, "{foreign:?}");
        for path in ["requests", "policy", "faults", "org"] {
            let url = format!("{}/fake/{path}", org.login_url());
            assert_eq!(request(Method::GET, &url, foreign).await.status, 403, "{path} {foreign:?}");
        }
        let preflight = request(Method::OPTIONS, &url, foreign).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (403, ""));
    }
    // The instance's dashboard links to the rows.
    let rows = format!("{}/fake/rows/Account", org.login_url());
    assert_eq!(request(Method::GET, &rows, &[("sec-fetch-site", "same-site")]).await.status, 200);
}

/// An app sends its users here from its own pages; only what changes something is guarded.
#[tokio::test]
async fn logins_come_from_other_sites_and_forms_do_not() {
    let org = FakeOrg::start().await.unwrap();
    let cross = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let page = request(Method::GET, &authorize_url(&org, &[]), &cross).await;
    assert_eq!(page.status, 200);
    let form = [
        ("request", authorize_url(&org, &[]).split_once('?').unwrap().1.to_owned()),
        ("username", ADA.into()),
        ("pw", "fake-org-1".into()),
    ];
    let url = format!("{}/login", org.login_url());
    let submit = async |headers: &[(&str, &str)]| {
        let mut request = http().post(&url).form(&form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await.status
    };
    assert_eq!(submit(&[("origin", EVIL)]).await, 403);
    assert_eq!(submit(&cross).await, 403);
    let own = org.login_url();
    assert_eq!(submit(&[("origin", &own), ("sec-fetch-site", "same-origin")]).await, 303);
    // A token is posted here from an app's page.
    let token = org.issue_tokens(&org.user(ADA), &format!("{ALL} web")).access_token;
    let door = http().post(format!("{}/secur/frontdoor.jsp", org.instance_url())).form(&[("sid", &token)]);
    assert_eq!(send(door.header("origin", EVIL)).await.status, 302);
    let browser = Browser::default();
    let page = browser.get(&authorize_url(&org, &[])).await;
    assert_eq!(browser.log_in(&org, &page, ADA, "fake-org-1").await.status, 200, "a browser's login works");
}

/// What Salesforce allows to origins on the allowlist stays.
#[tokio::test]
async fn allowed_origins_may_write() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let write = async || {
        let request = api.http.post(api.url("/sobjects/Account")).bearer_auth(&api.token);
        let request = request.header("origin", EVIL).header("sec-fetch-site", "cross-site");
        send(request.json(&json!({ "Name": "from a page" }))).await
    };
    assert_eq!(write().await.status, 403);
    org.set_policy(&json!({ "cors_origins": [EVIL] })).unwrap();
    let written = write().await;
    assert_eq!((written.status, written.header("access-control-allow-origin")), (201, EVIL));
}

/// Browsers send the cookies of all apps on a host, whatever their port.
#[tokio::test]
async fn cookies_are_not_logged() {
    let org = FakeOrg::start().await.unwrap();
    let headers = [("cookie", "other_app_session=secret"), ("x-other", "shown")];
    request(Method::GET, &format!("{}/id/keys", org.login_url()), &headers).await;
    let logged = org.requests().pop().unwrap();
    assert_eq!((logged.header("x-other"), logged.header("cookie")), (Some("shown"), None));
    let shown = send(http().get(format!("{}/fake/requests", org.login_url()))).await;
    assert!(!shown.body.contains("secret"));
}
