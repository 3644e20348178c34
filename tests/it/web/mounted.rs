//! What works beside the login, below a mount and behind https: silent logins, Canvas and single logout, twice in one app.

use crate::support::{
    ADA, Client, LOGIN, Server, TestApp,
    app::{self, listen},
    reserve, serve, settings_for,
};
use actix_salesforce::{MaybeSalesforceConn, SalesforceBuilder, SilentLogin};
use actix_web::{App, Responder, web};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;

const BEN: &str = "ben@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

async fn home(sf: MaybeSalesforceConn) -> impl Responder {
    if sf.is_some() { "connected" } else { "anonymous" }
}

/// An app with two Salesforces, side by side. Ada is signed in at the first org, Ben at the second.
async fn start() -> ([FakeOrg; 2], Server) {
    let orgs = [FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap()];
    orgs[0].sign_in(&orgs[0].user(ADA));
    orgs[1].sign_in(&orgs[1].user(BEN));
    let (listener, url) = reserve();
    let make = async |org, mount| {
        let builder = settings_for(org, &url).keys(KEYS).mount(mount).single_logout(true);
        builder.build().await.unwrap()
    };
    let (one, two) = (make(&orgs[0], "/one").await, make(&orgs[1], "/two").await);
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            let scope = |path: &str| {
                web::scope(path)
                    .service(web::resource("/home").wrap(SilentLogin::new()).to(home))
                    .configure(app::routes)
            };
            App::new().service(scope("/one").wrap(one.clone())).service(scope("/two").wrap(two.clone()))
        })
    });
    (orgs, server)
}

#[actix_web::test]
async fn a_silent_login_below_a_mount_comes_back_to_its_page() {
    let (_orgs, server) = start().await;
    let browser = Client::new();
    for (mount, name) in [("/one", ADA), ("/two", BEN)] {
        let home = format!("{}{mount}/home", server.url);
        let page = browser.visit(&home).await;
        assert_eq!((page.status, page.body.as_str(), page.url.as_str()), (200, "connected", &*home));
        let me = browser.fetch(&format!("{}{mount}/auth/salesforce/me", server.url)).await;
        assert_eq!(me.json()["username"], name);
    }
}

#[actix_web::test]
async fn a_single_logout_below_a_mount_ends_its_own_login() {
    let (_orgs, server) = start().await;
    let browser = Client::new();
    let at = |mount: &str, path: &str| format!("{}{mount}{path}", server.url);
    for mount in ["/one", "/two"] {
        assert_eq!(browser.visit(&at(mount, "/whoami")).await.status, 200);
    }
    let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")];
    let page = browser.send(Method::GET, &at("/one", "/auth/salesforce/slo"), &headers, None).await;
    assert_eq!((page.status, page.body.as_str()), (200, ""));
    assert_eq!(browser.fetch(&at("/one", "/user")).await.status, 401);
    assert_eq!(browser.fetch(&at("/two", "/user")).await.status, 200, "that of the other mount stays");
}

#[actix_web::test]
async fn a_signed_request_counts_at_the_mount_of_its_app() {
    let (orgs, server) = start().await;
    let frame = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    let post = async |browser: &Client, mount: &str, org: &FakeOrg, user: &str| {
        let signed = org.canvas_signed_request(&org.user(user));
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("signed_request", &signed).finish();
        let origin = org.instance_url();
        let more = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin.trim_end_matches('/')),
            ("sec-fetch-site", "cross-site"),
        ];
        let url = format!("{}{mount}/auth/salesforce/canvas", server.url);
        browser.send(Method::POST, &url, &[&frame[..], &more].concat(), Some(&form)).await
    };
    let browser = Client::new();
    for (mount, org, name) in [("/one", &orgs[0], ADA), ("/two", &orgs[1], BEN)] {
        assert_eq!(post(&browser, mount, org, name).await.status, 303);
    }
    for (mount, name) in [("/one", ADA), ("/two", BEN)] {
        let page = browser.send(Method::GET, &format!("{}{mount}/user", server.url), &frame, None).await;
        assert_eq!(page.json()["username"], name, "{page:?}");
    }
    // That of one org's app is not signed with the other's secret.
    assert_eq!(post(&Client::new(), "/two", &orgs[0], ADA).await.status, 403);
}

/// Browsers drop a cookie whose name demands what its attributes lack.
#[actix_web::test]
async fn behind_https_the_handle_of_single_logout_is_bound_to_its_host() {
    let callback = "https://app.example/auth/salesforce/callback";
    let org = FakeOrg::builder().redirect_uri(callback).start().await.unwrap();
    let https = |builder: SalesforceBuilder| builder.public_url("https://app.example").keys(KEYS);
    let app = TestApp::around(org, |builder| https(builder).single_logout(true)).await;
    app.org.sign_in(&app.org.user(ADA));
    let browser = Client::new();
    let to_salesforce = browser.open(&app.url(LOGIN)).await;
    let back = browser.open(to_salesforce.location().as_str()).await;
    let callback = back.location().as_str().replace("https://app.example", &app.server.url);
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 303, "{page:?}");
    let cookies = page.set_cookies();
    let handle = cookies.iter().find(|cookie| cookie.contains(".slo=")).expect("a login gives a handle");
    for part in ["__Host-", "Secure", "HttpOnly", "SameSite=None", "Path=/"] {
        assert!(handle.contains(part), "{part}: {handle}");
    }
    assert!(!handle.contains("Domain"), "{handle}");
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 200);
    let frame = Client::new();
    let (name, value) = browser.own_cookie(".slo").unwrap();
    frame.set_cookie("127.0.0.1", &name, &value);
    assert_eq!(frame.open(&app.url("/auth/salesforce/slo")).await.status, 200);
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
}
