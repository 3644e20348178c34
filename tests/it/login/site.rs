//! A login at an Experience Cloud site: a login host that is a host and a path. Here the org's own login host has the same
//! host, so that the path alone tells the two apart.

use crate::support::{ADA, CALLBACK, Client, LOGIN, TestApp, client::query};
use actix_salesforce::{RequireLogin, store::GrantFilter};
use salesforce_fake_org::{FakeOrg, Host};

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
