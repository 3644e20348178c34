//! A login at an Experience Cloud site: a login host that is a host and a path. Here the org's own login host has the same
//! host, so that the path alone tells the two apart.

use crate::support::{ADA, CALLBACK, Client, LOGIN, TestApp, client::query};
use actix_salesforce::{RequireLogin, store::GrantFilter};
use salesforce_fake_org::{FakeOrg, Fault, Host};

const SITE: &str = "/portal";
const LOGOUT: &str = "/auth/salesforce/logout";

/// An app whose users log in at the org, or at its site. The setting names the org, because the two hosts are none of
/// Salesforce's own here.
async fn app() -> TestApp {
    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let site = format!("{}|{}", org.site_url().unwrap(), org.organization_id());
    TestApp::around(org, |builder| builder.login_host("portal", site)).await
}

fn at_site(path: &str) -> String {
    app_url(path, "&host=portal")
}

fn app_url(return_to: &str, host: &str) -> String {
    format!("{LOGIN}?return_to={return_to}{host}")
}

/// The paths that were requested at the login host, without the site's own pages for the user.
fn requested(app: &TestApp) -> Vec<String> {
    let requests = app.org.requests();
    let at_login = requests.iter().filter(|request| request.host == Host::Login);
    at_login
        .map(|request| request.path.clone())
        .filter(|path| path.contains("/oauth2/") || path.ends_with("/keys"))
        .collect()
}

/// Code, keys and refreshes: all below the path of the site. The API and the revocation are at the instance.
#[actix_web::test]
async fn a_login_at_a_site_stays_at_the_site_until_it_ends() {
    let app = app().await;
    let browser = Client::new();
    let start = browser.open(&app.url(&at_site("/whoami"))).await.location();
    assert_eq!(start.path(), "/portal/services/oauth2/authorize");
    let callback = browser.visit_until(start.as_str(), &format!("{CALLBACK}/portal")).await;
    assert_eq!(query(&callback, "sfdc_community_url"), app.org.site_url());
    assert_eq!(browser.visit(callback.as_str()).await.body, ADA);
    app.org.expire_access_tokens();
    assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA);
    assert_eq!(app.refreshes(), 1);
    let user = browser.fetch(&app.url("/user")).await.json();
    assert_eq!(user["instance_url"].as_str(), Some(app.org.instance_url().trim_end_matches('/')));
    assert_eq!(browser.submit(&app.url(LOGOUT), &app.server.url, &[]).await.status, 303);
    for _ in 0..200 {
        if app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty(), "revoked");
    let requested = requested(&app);
    for path in ["/services/oauth2/token", "/id/keys"] {
        assert!(requested.contains(&format!("{SITE}{path}")), "{path}: {requested:?}");
    }
    assert!(requested.iter().all(|path| path.starts_with(SITE)), "nothing beside it: {requested:?}");
    let all = app.org.requests();
    let revoked: Vec<_> = all.iter().filter(|request| request.path.ends_with("/revoke")).collect();
    assert_eq!(
        revoked.iter().map(|request| request.host).collect::<Vec<_>>(),
        [Host::Instance],
        "as for each login"
    );
}

/// The site is chosen in the chooser, remembered after a logout, and used again after an expiry.
#[actix_web::test]
async fn a_site_is_offered_and_remembered() {
    let app = app().await;
    let browser = Client::new();
    let chooser = browser.open(&app.url("/auth/salesforce/hosts")).await;
    assert!(chooser.body.contains("name=\"host\" value=\"portal\" required> portal"), "{chooser:?}");
    let hosts = browser.fetch(&app.url("/auth/salesforce/hosts?return_to=/user")).await.json();
    let link = hosts["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|host| host["login_url"].as_str().filter(|link| link.contains("portal")));
    assert_eq!(browser.visit(&app.url(link.unwrap())).await.status, 200);
    let starts_at = async |path: &str| {
        let mut page = browser.open(&app.url(path)).await;
        if page.location().path() == LOGIN {
            page = browser.open(page.location().as_str()).await;
        }
        page.location().path().to_owned()
    };
    app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    assert_eq!(starts_at("/user").await, "/portal/services/oauth2/authorize", "after an expiry");
    browser.visit(&app.url("/user")).await;
    browser.submit(&app.url(LOGOUT), &app.server.url, &[]).await;
    assert_eq!(starts_at(LOGIN).await, "/portal/services/oauth2/authorize", "after a logout");
    let other = app.org.login_url().replace("http://", "");
    let link = format!("{LOGIN}?return_to=/user&host={}", other.trim_end_matches('/'));
    assert_eq!(starts_at(&link).await, "/services/oauth2/authorize", "the org itself");
}

/// the response of one of the two hosts is no response of the other, although only the path differs.
#[actix_web::test]
async fn a_site_and_its_host_are_two_login_hosts() {
    for is_at_site in [true, false] {
        let app = app().await;
        let root = app.org.login_url().trim_end_matches('/').to_owned();
        let site = app.org.site_url().unwrap();
        let portal = format!("{CALLBACK}/portal");
        let (start, own, other, issuer, foreign) = match is_at_site {
            true => (at_site("/user"), portal, CALLBACK.to_owned(), &site, &root),
            false => (app_url("/user", ""), CALLBACK.to_owned(), portal, &root, &site),
        };
        let (browser, before) = (Client::new(), app.exchanges());
        let callback = browser.visit_until(&app.url(&start), &own).await;
        let named = |issuer: &str, path: &str| {
            let mut url = callback.clone();
            url.set_path(path);
            let pairs: Vec<_> =
                callback.query_pairs().into_owned().filter(|(name, _)| name != "iss").collect();
            url.query_pairs_mut().clear().extend_pairs(pairs).append_pair("iss", issuer);
            url
        };
        for url in [named(foreign, &own), named(issuer, &other), named(&format!("{issuer}/"), &own)] {
            let page = browser.copy().open(url.as_str()).await;
            assert_eq!((page.status, page.sets_login()), (400, false), "{url}: {page:?}");
        }
        assert_eq!(app.exchanges(), before, "no code was sent");
        let page = browser.open(named(issuer, &own).as_str()).await;
        assert!(page.status == 303 && page.sets_login(), "{page:?}");
    }
}

/// `prompt=login` at a site, and a login that is added to another one.
#[actix_web::test]
async fn a_recent_login_and_a_second_org_work_at_a_site() {
    use crate::support::{app::listen, reserve, serve, settings_for};
    use actix_salesforce::SalesforceUser;
    use actix_web::{App, web};

    let org = FakeOrg::builder().site("portal").start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let second = FakeOrg::builder()
        .site("partners")
        .client(&org.client_id(), &org.client_secret())
        .start()
        .await
        .unwrap();
    second.sign_in(&second.user("ben@example.com"));
    let (listener, url) = reserve();
    let builder = settings_for(&org, &url).login_url(org.site_url().unwrap());
    let builder =
        builder.login_host("partners", second.site_url().unwrap()).allowed_origin(second.instance_url());
    let salesforce = builder.build().await.unwrap();
    let _server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            let recent =
                web::resource("/recent").get(|| async { "recent" }).wrap(RequireLogin::new().fresh(5));
            App::new()
                .service(recent)
                .route("/user", web::get().to(|user: SalesforceUser| async { web::Json(user) }))
                .wrap(salesforce.clone())
        })
    });
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{url}/user")).await.json()["username"], ADA);
    let again = browser.open(&format!("{url}/recent")).await;
    assert_eq!(again.status, 303, "an ordinary login is not a recent one");
    let start = browser.open(again.location().as_str()).await.location();
    assert_eq!(
        (start.path(), query(&start, "prompt").as_deref()),
        ("/portal/services/oauth2/authorize", Some("login"))
    );
    assert_eq!(browser.visit(&format!("{url}/recent")).await.body, "recent");

    let add = [("add", "1"), ("host", "partners"), ("return_to", "/user")];
    let page = browser.submit(&format!("{url}/auth/salesforce/orgs"), &url, &add).await;
    assert_eq!(browser.visit(page.location().as_str()).await.json()["username"], "ben@example.com");
    let list = browser.fetch(&format!("{url}/auth/salesforce/orgs")).await.json();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
}

/// Two sites of one org, on one host: only their paths differ.
struct TwoSites {
    app: TestApp,
    urls: Vec<String>,
}

impl TwoSites {
    const NAMES: [&str; 2] = ["portal", "portal2"];

    async fn start() -> Self {
        // One path is the beginning of the other.
        let org = FakeOrg::builder().site(Self::NAMES[0]).site(Self::NAMES[1]).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let urls = org.site_urls();
        let id = org.organization_id();
        let app = TestApp::around(org, |builder| {
            let sites = Self::NAMES.iter().zip(&urls);
            sites.fold(builder, |builder, (name, url)| builder.login_host(*name, format!("{url}|{id}")))
        });
        Self { app: app.await, urls }
    }

    fn start_at(&self, name: &str, return_to: &str) -> String {
        self.app.url(&app_url(return_to, &format!("&host={name}")))
    }

    fn callback(name: &str) -> String {
        format!("{CALLBACK}/{name}")
    }
}

#[actix_web::test]
async fn two_sites_on_one_host_are_two_login_hosts() {
    let two = TwoSites::start().await;
    let app = &two.app;
    let chooser = Client::new().open(&app.url("/auth/salesforce/hosts")).await;
    for (name, other) in [("portal", "portal2"), ("portal2", "portal")] {
        assert!(
            chooser.body.contains(&format!("name=\"host\" value=\"{name}\" required> {name}")),
            "{chooser:?}"
        );
        let browser = Client::new();
        app.org.clear_requests();
        let start = browser.open(&two.start_at(name, "/whoami")).await.location();
        assert_eq!(start.path(), format!("/{name}/services/oauth2/authorize"));
        let callback = browser.visit_until(start.as_str(), &TwoSites::callback(name)).await;

        // The response of one is no response of the other.
        let before = app.exchanges();
        let mut elsewhere = callback.clone();
        elsewhere.set_path(&TwoSites::callback(other));
        let mut lies = vec![elsewhere];
        for issuer in two.urls.iter().filter(|url| !url.ends_with(&format!("/{name}"))) {
            let mut lie = callback.clone();
            lie.query_pairs_mut().append_pair("iss", issuer);
            lies.push(lie);
        }
        for lie in lies {
            let page = browser.copy().open(lie.as_str()).await;
            assert_eq!((page.status, page.sets_login()), (400, false), "{lie}: {page:?}");
        }
        assert_eq!(app.exchanges(), before, "no code was sent");

        assert_eq!(browser.visit(callback.as_str()).await.body, ADA);
        app.org.expire_access_tokens();
        assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA, "after a refresh");
        let requested = requested(app);
        for path in ["/services/oauth2/authorize", "/services/oauth2/token", "/id/keys"] {
            assert!(requested.contains(&format!("/{name}{path}")), "{path}: {requested:?}");
        }
        let own = format!("/{name}/");
        assert!(requested.iter().all(|path| path.starts_with(&own)), "nothing beside it: {requested:?}");
        assert_eq!(
            query(&callback, "sfdc_community_url").as_ref(),
            two.urls.iter().find(|url| url.ends_with(&format!("/{name}")))
        );

        // The next login of this browser begins there.
        app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
        let page = browser.open(&app.url("/user")).await;
        let page =
            if page.location().path() == LOGIN { browser.open(page.location().as_str()).await } else { page };
        assert_eq!(page.location().path(), format!("/{name}/services/oauth2/authorize"));
    }
}

/// The issuer of a site's ID token is the host that the user logged in at, with its path, or the org's instance.
#[actix_web::test]
async fn an_id_token_of_another_issuer_than_the_site_is_refused() {
    let two = TwoSites::start().await;
    let app = &two.app;
    let root = app.org.login_url().trim_end_matches('/').to_owned();
    let own = two.urls[0].clone();
    for (issuer, is_valid) in [
        (own.clone(), true),
        (app.org.instance_url().trim_end_matches('/').to_owned(), true),
        (two.urls[1].clone(), false),
        (root.clone(), false),
        (format!("{own}/"), false),
        (format!("{own}/x"), false),
        ("https://login.salesforce.com".to_owned(), false),
        ("https://evil.example/portal".to_owned(), false),
    ] {
        let browser = Client::new();
        let start = browser.open(&two.start_at("portal", "/user")).await.location();
        let callback = browser.visit_until(start.as_str(), &TwoSites::callback("portal")).await;
        let issued = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let user = app.org.user(ADA);
        let claims = serde_json::json!({
            "iss": issuer, "sub": format!("{root}/id/{}/{}", user.organization_id(), user.id()),
            "aud": app.org.client_id(), "iat": issued, "exp": issued + 120, "nonce": query(&start, "nonce"),
        });
        let lie = serde_json::json!({ "id_token": app.org.sign_id_token(&claims) });
        let fault = app.org.faults().token_endpoint(Fault::MergeJson(lie));
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.sets_login(), is_valid, "{issuer}: {page:?}");
        assert_eq!(page.status == 303, is_valid, "{issuer}: {page:?}");
        fault.remove();
        if is_valid {
            assert_eq!(browser.fetch(&app.url("/user")).await.status, 200, "{issuer}");
        }
    }
}
