//! Users choose where they log in: by a link, in the chooser, or by the name of their My Domain.

use crate::support::{ADA, CALLBACK, Client, LOGIN, TestApp, client::query};
use actix_salesforce::SalesforceBuilder;
use salesforce_fake_org::FakeOrg;
use url::Url;

const HOSTS: &str = "/auth/salesforce/hosts";

/// An app with a second login host, `sandbox`, where Ada is signed in, too. Both orgs know the app by the same client id.
async fn two_hosts(settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> (TestApp, FakeOrg) {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user(ADA));
    let (id, secret) = (sandbox.client_id().to_owned(), sandbox.client_secret().to_owned());
    let org = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let app = TestApp::around(org, |builder| {
        settings(builder.login_host("sandbox", login).allowed_origin(instance))
    })
    .await;
    (app, sandbox)
}

fn is_at(url: &Url, org: &FakeOrg) -> bool {
    url.origin() == Url::parse(&org.login_url()).unwrap().origin()
}

/// The page has what the settings name, and each of its choices starts a login there.
#[actix_web::test]
async fn the_chooser_offers_the_login_hosts_of_the_settings() {
    let (app, sandbox) = two_hosts(|builder| builder.login_host("uat", "https://test.salesforce.com")).await;
    let browser = Client::new();
    let page = browser.open(&app.url(&format!("{HOSTS}?return_to=/user%3Fa=%22b"))).await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{page:?}");
    for part in [
        "<form method=\"get\" action=\"/auth/salesforce/login\">",
        "<input type=\"hidden\" name=\"return_to\" value=\"/user?a=%22b\">",
        "<fieldset><legend>Log in at</legend>",
        "name=\"host\" value=\"sandbox\" required> sandbox",
        "value=\"uat\" required> Sandbox <small>test.salesforce.com</small>",
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    assert_eq!(page.body.matches("<label>").count(), 3, "each has a label: {page:?}");
    assert!(!page.body.contains("my-domain\""), "no My Domain may be entered: {page:?}");
    assert!(page.set_cookies().is_empty(), "it changes nothing: {page:?}");

    let list = browser.fetch(&app.url(&format!("{HOSTS}?return_to=/user"))).await.json();
    let hosts = list["hosts"].as_array().unwrap();
    assert_eq!((hosts.len(), &list["my_domain"]), (3, &false.into()), "{list}");
    for (host, org) in [(&hosts[0], Some(&app.org)), (&hosts[1], Some(&sandbox)), (&hosts[2], None)] {
        let start = browser.open(&app.url(host["login_url"].as_str().unwrap())).await.location();
        match org {
            Some(org) => assert!(is_at(&start, org), "{host}"),
            None => assert_eq!(start.host_str(), Some("test.salesforce.com")),
        }
    }
    // Where there is nothing to choose, there is no chooser.
    let single = TestApp::start().await;
    assert_eq!(browser.open(&single.url(HOSTS)).await.status, 404);
}

/// The next login goes to the host of the last one, also after a logout, and the chooser has it selected. What another
/// site can do, a link to a login that is not completed, does not change it.
#[actix_web::test]
async fn the_last_login_host_is_remembered_once_the_login_is_complete() {
    let (app, sandbox) = two_hosts(|builder| builder).await;
    let browser = Client::new();
    let next = async || browser.open(&app.url(LOGIN)).await.location();
    assert!(is_at(&next().await, &app.org), "the default host");
    assert!(is_at(&browser.open(&app.url(&format!("{LOGIN}?host=sandbox"))).await.location(), &sandbox));
    assert!(is_at(&next().await, &app.org), "a login that began says nothing");

    browser.visit(&app.url(&format!("{LOGIN}?host=sandbox&return_to=/user"))).await;
    assert!(app.is_logged_in(&browser).await);
    let logout = app.url("/auth/salesforce/logout");
    assert_eq!(browser.submit(&logout, &app.server.url, &[]).await.status, 303);
    assert!(!app.is_logged_in(&browser).await);
    assert!(is_at(&next().await, &sandbox), "the host of the last login");
    let page = browser.open(&app.url(HOSTS)).await;
    assert!(page.body.contains("value=\"sandbox\" required checked>"), "{page:?}");
    assert_eq!(page.body.matches(" checked>").count(), 1, "{page:?}");

    // A planted cookie leads no further than a link does.
    let (name, _) = browser.own_cookie(".host").unwrap();
    for planted in ["evil.example", "https://evil.example/", "acme.my.salesforce.com", "", "a\"b"] {
        browser.set_cookie("127.0.0.1", &name, planted);
        assert!(is_at(&next().await, &app.org), "{planted}");
    }
    let single = TestApp::start().await;
    let browser = single.logged_in().await;
    assert!(browser.own_cookie(".host").is_none(), "one host: nothing to remember");
}

/// A My Domain is entered by name or address. Nothing else than a host of Salesforce comes of it.
#[actix_web::test]
async fn a_my_domain_that_a_user_enters_is_a_host_of_salesforce_or_an_error() {
    let (app, _sandbox) = two_hosts(|builder| builder.allow_my_domain(true)).await;
    let browser = Client::new();
    let page = browser.open(&app.url(HOSTS)).await;
    assert!(
        page.body.contains("<label for=\"my-domain\">")
            && page.body.contains("id=\"my-domain\" name=\"host\"")
    );
    for entered in
        ["acme", "ACME.my.salesforce.com", "https%3A//acme.lightning.force.com/lightning/page/home"]
    {
        let start =
            browser.open(&app.url(&format!("{LOGIN}?return_to=/user&host={entered}"))).await.location();
        assert_eq!(
            (start.scheme(), start.host_str()),
            ("https", Some("acme.my.salesforce.com")),
            "{entered}"
        );
        assert_eq!(query(&start, "redirect_uri").unwrap(), app.url(&format!("{CALLBACK}/salesforce")));
    }
    for entered in [
        "evil.example",
        "https://evil.example/.my.salesforce.com",
        "acme.my.salesforce.com.evil.example",
        "acme.my.salesforce.com@evil.example",
        "user:secret@acme.my.salesforce.com",
        "acme.my.salesforce.com:8443",
        "http://acme.my.salesforce.com",
        "xn--cme-5cd.my.salesforce.com",
        "аcme.my.salesforce.com",
        "127.0.0.1:1",
        "http://169.254.169.254",
        "acme%00.my.salesforce.com",
        "acme\r\nX: y",
        "acme&host=sandbox",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(entered.as_bytes()).collect();
        let encoded = if entered.contains('&') { entered } else { &encoded };
        let page = browser.open(&app.url(&format!("{LOGIN}?return_to=/user&host={encoded}"))).await;
        assert_eq!(page.status, 400, "{entered}: {page:?}");
        assert!(!page.body.contains("evil"), "{page:?}");
        assert!(
            page.body.contains("href=\"/auth/salesforce/hosts?return_to=%2Fuser\">Choose where"),
            "{page:?}"
        );
    }
}

/// whatever a callback says, everything of a login goes to the host that it began at: code, verifier and
/// secret, the keys, refreshes and the revocation; requests of the API go to the org's own host.
#[actix_web::test]
async fn all_of_a_login_goes_to_the_host_that_it_began_at() {
    let (app, sandbox) = two_hosts(|builder| builder).await;
    let browser = Client::new();
    let at_sandbox = format!("{CALLBACK}/sandbox");
    let foreign = app.callback_of(&Client::new()).await;
    app.org.clear_requests();
    let seen = |org: &FakeOrg| {
        let of_app = |path: &str| path.starts_with("/services/") && !path.ends_with("/authorize");
        org.requests()
            .iter()
            .filter(|request| of_app(&request.path))
            .map(|request| request.path.clone())
            .collect::<Vec<_>>()
    };
    // A code of the other host, its issuer, and a `Referer` and parameters that name it.
    let mut page = None;
    for extra in ["", "&iss=", "&host=default&login_host="] {
        let start = app.url(&format!("{LOGIN}?host=sandbox&return_to=/whoami"));
        let own = browser.visit_until(&start, &at_sandbox).await;
        let mut mixed = own.clone();
        let code = query(&foreign, "code").unwrap();
        let state = query(&own, "state").unwrap();
        let other = if extra.is_empty() {
            String::new()
        } else {
            app.org.login_url().trim_end_matches('/').to_owned()
        };
        mixed.set_query(Some(&format!("code={code}&state={state}{extra}{other}")));
        let headers =
            [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("referer", &*app.org.login_url())];
        page = Some(browser.send(reqwest::Method::GET, mixed.as_str(), &headers, None).await);
        assert!(page.as_ref().unwrap().status >= 400, "{extra}: {page:?}");
        assert!(!app.is_logged_in(&browser).await, "{extra}");
        assert_eq!(seen(&app.org), Vec::<String>::new(), "{extra}: the other host");
    }
    assert!(page.is_some());
    assert_eq!(sandbox.token_calls("authorization_code"), 2, "the issuer of another host ends it before");

    // The same for the rest of a login's life.
    browser.visit(&app.url(&format!("{LOGIN}?host=sandbox&return_to=/whoami"))).await;
    assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 200);
    sandbox.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/whoami")).await.status, 200);
    assert_eq!(sandbox.token_calls("refresh_token"), 1);
    browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    for _ in 0..200 {
        if seen(&sandbox).iter().any(|path| path.ends_with("/revoke")) {
            assert_eq!(seen(&app.org), Vec::<String>::new(), "the other host, to the end");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no revocation: {:?}", seen(&sandbox));
}
