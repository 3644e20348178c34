//! The orgs route: an org is added, listed, switched to and dropped, by pages of the app alone.

use crate::support::{CALLBACK, Client, LOGIN, client::query};
use actix_salesforce::{SessionMode, store::GrantFilter};
use serde_json::json;

use super::*;

#[actix_web::test]
async fn an_org_is_added_listed_switched_to_and_dropped() {
    let app = Several::start(3, SessionMode::Embedded).await;
    let browser = Client::new();
    assert_eq!(app.listed(&browser).await, (0, None));
    assert_eq!(browser.open(&app.url(ORGS)).await.status, 303, "a page leads to the login");
    browser.visit(&app.url("/whoami")).await;
    assert_eq!(app.listed(&browser).await, (1, Some(0)));

    let page = app.add(&browser, 1).await;
    assert_eq!((page.url.path(), page.json()["organization_id"].as_str()), ("/user", Some(&*app.id(1))));
    app.add(&browser, 2).await;
    assert_eq!(app.listed(&browser).await, (3, Some(2)));
    assert_eq!(app.logins().await, 3);
    let list = browser.fetch(&app.url(ORGS)).await.json();
    for member in ["organization_id", "user_id", "username", "login_host", "current"] {
        assert!(list[0].get(member).is_some(), "{list}");
    }

    for org in [0, 1, 0] {
        let page = app.post(&browser, &[("switch", &app.id(org)), ("return_to", "/names")]).await;
        assert_eq!((page.status, page.header("location")), (303, "/names"), "{page:?}");
        assert_eq!((app.works_in(&browser).await, app.listed(&browser).await), (Some(org), (3, Some(org))));
    }
    // Adding an org where the browser is in already renews its login, and makes it the current one.
    app.add(&browser, 1).await;
    assert_eq!(app.listed(&browser).await, (3, Some(1)));
    app.wait_for_logins(3).await;

    assert_eq!(app.post(&browser, &[("drop", &app.id(2))]).await.status, 303);
    assert_eq!((app.works_in(&browser).await, app.listed(&browser).await), (Some(1), (2, Some(1))));
    assert_eq!(app.logins().await, 2, "it has ended in the store");
    assert_eq!(app.post(&browser, &[("drop", &app.id(2))]).await.status, 303, "once more is no error");
    assert_eq!(app.post(&browser, &[("drop", &app.id(1))]).await.status, 303);
    assert_eq!(
        (app.works_in(&browser).await, app.listed(&browser).await),
        (Some(0), (1, Some(0))),
        "the next one"
    );

    app.add(&browser, 2).await;
    let page = browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert_eq!(page.status, 303);
    assert_eq!((app.works_in(&browser).await, app.logins().await), (None, 0), "a logout ends all of them");
    let left = browser.cookies("127.0.0.1");
    assert!(left.keys().all(|name| name.ends_with(".host")), "{left:?}");

    // The last one, at the login host that the browser remembers.
    browser.visit(&app.url("/whoami")).await;
    assert_eq!(app.works_in(&browser).await, Some(2));
    app.post(&browser, &[("drop", &app.id(2))]).await;
    assert_eq!((app.works_in(&browser).await, app.logins().await), (None, 0));
}

/// What a page and a script get of the route.
#[actix_web::test]
async fn the_page_of_orgs_has_a_form_for_each_change() {
    let app = Several::start(2, SessionMode::Embedded).await;
    let browser = app.logged_in().await;
    let page = browser.open(&app.url(&format!("{ORGS}?return_to=/names"))).await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{page:?}");
    assert_eq!(
        page.body.matches("<form method=\"post\" action=\"/auth/salesforce/orgs\">").count(),
        3,
        "{page:?}"
    );
    assert_eq!(page.body.matches("name=\"return_to\" value=\"/names\"").count(), 3, "{page:?}");
    assert_eq!(page.body.matches("aria-describedby=\"org-").count(), 3, "{page:?}");
    for org in &app.orgs {
        let host = org.login_url().replace("http://", "");
        let login = format!("{} · {}", org.organization_id(), host.trim_end_matches('/'));
        assert!(page.body.contains(&login), "{login}: {page:?}");
    }
    assert!(page.body.contains("href=\"/auth/salesforce/hosts?add=1\">Add an organization"), "{page:?}");
    let chooser = browser.open(&app.url("/auth/salesforce/hosts?add=1&return_to=/names")).await;
    assert!(chooser.body.contains("<form method=\"post\" action=\"/auth/salesforce/orgs\">"), "{chooser:?}");
    assert!(chooser.body.contains("name=\"add\" value=\"1\""), "{chooser:?}");
    let chooser = browser.fetch(&app.url("/auth/salesforce/hosts?add=1&return_to=/names")).await.json();
    for host in chooser["hosts"].as_array().unwrap() {
        let link = host["login_url"].as_str().unwrap();
        assert!(link.ends_with("add=1") && link.contains("return_to="), "{link}");
        let page = browser.open(&app.url(link)).await;
        assert!(page.status == 200 && page.set_cookies().is_empty(), "a page with the button: {page:?}");
    }
    let chooser = browser.fetch(&app.url("/auth/salesforce/hosts")).await;
    assert!(!chooser.body.contains("add=1"), "{chooser:?}");

    let headers =
        [("origin", app.server.url.as_str()), ("sec-fetch-mode", "cors"), ("accept", "application/json")];
    let body = format!("switch={}", app.id(0));
    let list = browser.send(reqwest::Method::POST, &app.url(ORGS), &headers, Some(&body)).await;
    assert_eq!(list.status, 200, "{list:?}");
    let list = list.json();
    let current: Vec<_> = list.as_array().unwrap().iter().filter(|org| org["current"] == true).collect();
    assert_eq!((list.as_array().unwrap().len(), &current[0]["organization_id"]), (2, &json!(app.id(0))));

    for (fields, status) in [
        (vec![], 400),
        (vec![("switch", "nonsense")], 400),
        (vec![("switch", "1"), ("drop", "1")], 400),
        (vec![("add", "1"), ("host", "nowhere")], 400),
        (vec![("switch", "00D000000000009EAA")], 403),
    ] {
        let page = app.post(&browser, &fields).await;
        assert_eq!(page.status, status, "{fields:?}: {page:?}");
        assert_eq!(app.listed(&browser).await, (2, Some(0)), "{fields:?}");
    }
}

/// A link or a form of another site neither adds an org, nor switches, nor drops (login CSRF into a second place).
#[actix_web::test]
async fn only_a_page_of_the_app_changes_the_orgs_of_a_browser() {
    let app = Several::start(2, SessionMode::Embedded).await;
    let browser = app.logged_in().await;
    let before = browser.cookies("127.0.0.1");
    let body = format!("switch={}", app.id(0));
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("x-nothing", "1"),
    ] {
        for body in [&*body, &*body.replace("switch", "drop"), "add=1&host=org1"] {
            let headers = [("accept", "text/html"), (name, value)];
            let page = browser.send(reqwest::Method::POST, &app.url(ORGS), &headers, Some(body)).await;
            assert_eq!(page.status, 403, "{name} {value} {body}: {page:?}");
            assert!(page.body.contains("Nothing was changed") && page.set_cookies().is_empty(), "{page:?}");
        }
    }
    for link in [
        format!("{ORGS}?{body}"),
        format!("{ORGS}?add=1&host=org1"),
        format!("{LOGIN}?add=1&host=org1&return_to=/user"),
        format!("{LOGIN}?add=0"),
    ] {
        let page = browser.open(&app.url(&link)).await;
        assert_eq!(page.status, 200, "{link}: {page:?}");
        assert!(page.set_cookies().is_empty(), "{link}: {page:?}");
    }
    assert_eq!(browser.cookies("127.0.0.1"), before);
    assert_eq!((app.listed(&browser).await, app.logins().await), ((2, Some(1)), 2));
    // The page of the link has the button.
    let page = browser.open(&app.url(&format!("{LOGIN}?add=1&host=org1&return_to=/user"))).await;
    for field in ["add\" value=\"1", "host\" value=\"org1", "return_to\" value=\"/user"] {
        assert!(
            page.body.contains(&format!("<input type=\"hidden\" name=\"{field}\">")),
            "{field}: {page:?}"
        );
    }

    // The callback of a login that another browser began, to be added there: it changes nothing here.
    let attacker = Client::new();
    attacker.visit(&app.url("/whoami")).await;
    let start = app.post(&attacker, &[("add", "1"), ("host", "org1")]).await.location();
    let callback = attacker.visit_until(start.as_str(), &format!("{CALLBACK}/org1")).await;
    let page = browser.open(callback.as_str()).await;
    assert!(page.status == 400 || page.header("location") == "/", "{page:?}");
    assert_eq!(browser.cookies("127.0.0.1"), before);
    // And the login of an added org is never an added one elsewhere: what is sealed says whether it is.
    assert_eq!(attacker.open(callback.as_str()).await.status, 303);
    assert_eq!(app.listed(&attacker).await, (2, Some(1)));
}

#[actix_web::test]
async fn a_browser_has_five_orgs_at_most_and_its_cookies_fit_into_a_header_line() {
    let app = Several::start(6, SessionMode::Embedded).await;
    let browser = Client::new();
    browser.visit(&app.url("/whoami")).await;
    for org in 1..4 {
        app.add(&browser, org).await;
    }
    // Two that begin at the same time: the second one finds no room any more.
    let mut callbacks = Vec::new();
    for org in [4, 5] {
        let host = format!("org{org}");
        let start =
            app.post(&browser, &[("add", "1"), ("host", &host), ("return_to", "/user")]).await.location();
        callbacks.push(browser.visit_until(start.as_str(), &format!("{CALLBACK}/{host}")).await);
    }
    assert_eq!(browser.open(callbacks[0].as_str()).await.status, 303);
    assert_eq!(app.listed(&browser).await, (5, Some(4)));
    let page = browser.open(callbacks[1].as_str()).await;
    assert!(page.status == 409 && page.body.contains("too many organizations"), "{page:?}");
    assert!(!page.sets_login());
    let page = app.post(&browser, &[("add", "1"), ("host", "org5")]).await;
    assert!(page.status == 409 && page.set_cookies().is_empty(), "{page:?}");
    assert_eq!(app.listed(&browser).await, (5, Some(4)));
    // The login that no response delivered ends.
    let bytes = browser.cookie_line().len();
    assert!(bytes < 2_600, "{bytes}");
    let pending: Vec<_> = (0..8).map(|n| format!("/names?q={n}{}", "a".repeat(500))).collect();
    for target in &pending {
        browser.open(&app.url(&format!("{LOGIN}?return_to={target}"))).await;
    }
    let bytes = browser.cookie_line().len();
    assert!(bytes < 6_000, "{bytes}");
    assert_eq!(app.works_in(&browser).await, Some(4));
    // Logins that have ended take no room.
    for org in 1..4 {
        app.salesforce.revoke_grants(GrantFilter::Org(app.id(org).parse().unwrap())).await.unwrap();
    }
    assert_eq!(app.add(&browser, 5).await.status, 200);
    assert_eq!(app.listed(&browser).await, (3, Some(5)));
}

/// Salesforce would log the same user in again at a host where the browser is logged in already.
#[actix_web::test]
async fn a_second_login_at_the_same_host_asks_for_the_login_page() {
    let app = Several::start(2, SessionMode::Embedded).await;
    let browser = Client::new();
    browser.visit(&app.url("/whoami")).await;
    let prompt = async |fields: &[(&str, &str)]| {
        let fields = [&[("add", "1")], fields].concat();
        query(&app.post(&browser, &fields).await.location(), "prompt")
    };
    assert_eq!(prompt(&[]).await.as_deref(), Some("login"));
    assert_eq!(prompt(&[("host", "org1")]).await, None);
    assert_eq!(prompt(&[("host", "org1"), ("prompt", "consent")]).await.as_deref(), Some("consent"));
    assert_eq!(prompt(&[("prompt", "select_account")]).await.as_deref(), Some("select_account"));
}
