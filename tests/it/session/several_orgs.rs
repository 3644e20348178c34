//! Several orgs in one browser: it adds, lists, switches and drops them, and nothing of one gets into another.

use std::{net::TcpListener, time::Duration};

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, Page, Server, app, client::query, reserve, serve, settings_for,
};
use actix_salesforce::{
    OrgId, Result, Salesforce, SalesforceBuilder, SalesforceConn, SalesforceOrgs, SessionMode,
    actix_session::{SessionMiddleware, storage::CookieSessionStore},
    store::GrantFilter,
};
use actix_web::{App, Responder, cookie::Key, get, web};
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::{Value, json};

const ORGS: &str = "/auth/salesforce/orgs";
const BEN: &str = "ben@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// Five orgs, each behind a login host: the default one, and `org1` to `org5`. Ada is signed in at each.
struct Several {
    orgs: Vec<FakeOrg>,
    salesforce: Salesforce,
    server: Server,
}

/// Whom the API of both orgs takes this browser's users for, and what it takes the current one for.
#[get("/pair/{source}/{target}")]
async fn both_orgs(
    sf: SalesforceConn,
    orgs: SalesforceOrgs,
    path: web::Path<(OrgId, OrgId)>,
) -> Result<impl Responder> {
    let (source, target) = (orgs.connection(path.0)?, orgs.connection(path.1)?);
    let (source, target, current) = tokio::join!(source.identity(), target.identity(), sf.identity());
    let names = [source?, target?, current?]
        .map(|identity| identity.organization_id.to_string() + &identity.username);
    Ok(web::Json(names))
}

#[get("/current")]
async fn all_orgs(orgs: SalesforceOrgs) -> impl Responder {
    orgs.iter().map(|login| login.user().username.clone().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

fn run(listener: TcpListener, salesforce: Salesforce, mode: SessionMode) -> Server {
    serve(listener, move |listener| {
        let key = Key::generate();
        app::listen!(listener, 4, move || {
            let own =
                SessionMiddleware::builder(CookieSessionStore::default(), key.clone()).cookie_secure(false);
            App::new()
                .service(both_orgs)
                .service(all_orgs)
                .configure(app::routes)
                .wrap(salesforce.clone())
                .wrap(actix_web::middleware::Condition::new(mode == SessionMode::App, own.build()))
        })
    })
}

impl Several {
    async fn start(count: usize, mode: SessionMode) -> Self {
        Self::with(count, mode, |builder| builder).await
    }

    async fn with(
        count: usize,
        mode: SessionMode,
        settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
    ) -> Self {
        let mut orgs: Vec<FakeOrg> = Vec::new();
        for _ in 0..count {
            let org = match orgs.first() {
                Some(first) => {
                    let (id, secret) = (first.client_id().to_owned(), first.client_secret().to_owned());
                    FakeOrg::builder().client(&id, &secret).start().await.unwrap()
                }
                None => FakeOrg::start().await.unwrap(),
            };
            org.sign_in(&org.user(ADA));
            orgs.push(org);
        }
        let (listener, url) = reserve();
        let mut builder = settings_for(&orgs[0], &url).session(mode);
        for (index, org) in orgs.iter().enumerate().skip(1) {
            builder =
                builder.login_host(format!("org{index}"), org.login_url()).allowed_origin(org.instance_url());
        }
        let salesforce = settings(builder).build().await.unwrap();
        let server = run(listener, salesforce.clone(), mode);
        Self { orgs, salesforce, server }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    fn id(&self, org: usize) -> String {
        self.orgs[org].organization_id()
    }

    async fn post(&self, browser: &Client, fields: &[(&str, &str)]) -> Page {
        browser.submit(&self.url(ORGS), &self.server.url, fields).await
    }

    /// Adds a login at this org, and goes where the browser is sent.
    async fn add(&self, browser: &Client, org: usize) -> Page {
        let host = format!("org{org}");
        let host = if org == 0 { self.orgs[0].login_url().replace("http://", "") } else { host };
        let host = host.trim_end_matches('/');
        let page = self.post(browser, &[("add", "1"), ("host", host), ("return_to", "/user")]).await;
        assert_eq!(page.status, 303, "{page:?}");
        browser.visit(page.location().as_str()).await
    }

    /// A browser that is logged in at the first org, and at all others in turn.
    async fn logged_in(&self) -> Client {
        let browser = Client::new();
        assert_eq!(browser.visit(&self.url("/whoami")).await.status, 200);
        for org in 1..self.orgs.len() {
            assert_eq!(self.add(&browser, org).await.status, 200);
        }
        browser
    }

    /// The orgs of the browser as the route lists them, and the position of the current one in `self.orgs`.
    async fn listed(&self, browser: &Client) -> (usize, Option<usize>) {
        let page = browser.fetch(&self.url(ORGS)).await;
        if page.status == 401 {
            return (0, None);
        }
        let list = page.json();
        let list = list.as_array().unwrap();
        let current: Vec<_> = list.iter().filter(|org| org["current"] == true).collect();
        assert!(current.len() <= 1, "{list:?}");
        let current = current.first().map(|org| org["organization_id"].as_str().unwrap().to_owned());
        (list.len(), current.map(|id| (0..self.orgs.len()).find(|org| self.id(*org) == id).unwrap()))
    }

    /// The org that handlers of this browser work in.
    async fn works_in(&self, browser: &Client) -> Option<usize> {
        let page = browser.fetch(&self.url("/user")).await;
        if page.status == 401 {
            return None;
        }
        let id = page.json()["organization_id"].as_str().unwrap().to_owned();
        (0..self.orgs.len()).find(|org| self.id(*org) == id)
    }

    async fn logins(&self) -> usize {
        self.salesforce.list_logins(GrantFilter::All).await.unwrap().len()
    }

    /// Logins end in the background.
    async fn wait_for_logins(&self, count: usize) {
        for _ in 0..100 {
            if self.logins().await == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} logins instead of {count}", self.logins().await);
    }
}

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
    for member in ["organization_id", "user_id", "username", "current"] {
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

/// The next user of the browser does not find the logins of the one before; the same user does.
#[actix_web::test]
async fn another_user_who_logs_in_ends_all_logins_of_the_browser() {
    let app = Several::start(3, SessionMode::Embedded).await;
    let browser = app.logged_in().await;
    // The same user logs in again, at one of the orgs.
    browser.visit(&app.url(&format!("{LOGIN}?host=org1&return_to=/user"))).await;
    // Any site can link there, so that the current org stays what it was.
    assert_eq!((app.listed(&browser).await, app.works_in(&browser).await), ((3, Some(2)), Some(2)));
    app.wait_for_logins(3).await;
    // Another one.
    app.orgs[1].sign_in(&app.orgs[1].user(BEN));
    let page = browser.visit(&app.url(&format!("{LOGIN}?host=org1&return_to=/user"))).await;
    assert_eq!(page.json()["username"], BEN);
    assert_eq!(app.listed(&browser).await, (1, Some(1)));
    app.wait_for_logins(1).await;
    // A second user of the same org is added; which one is meant has to be said.
    app.orgs[1].sign_in(&app.orgs[1].user(ADA));
    app.add(&browser, 1).await;
    assert_eq!(app.listed(&browser).await, (2, Some(1)));
    assert_eq!(app.post(&browser, &[("switch", &app.id(1))]).await.status, 400);
    for name in [BEN, ADA, BEN] {
        let user = app.orgs[1].user(name).id().to_owned();
        assert_eq!(app.post(&browser, &[("switch", &app.id(1)), ("user_id", &user)]).await.status, 303);
        assert_eq!(browser.fetch(&app.url("/user")).await.json()["username"], name);
        assert!(browser.fetch(&app.url("/current")).await.body.starts_with(name));
    }
}

/// No other org takes the place of the current one, in whose pages the user is.
#[actix_web::test]
async fn an_org_whose_login_has_ended_is_not_replaced_by_another_one() {
    let app = Several::start(2, SessionMode::Embedded).await;
    let browser = app.logged_in().await;
    let revoke = async |org: usize| {
        let id = app.id(org).parse().unwrap();
        assert_eq!(app.salesforce.revoke_grants(GrantFilter::Org(id)).await.unwrap(), 1);
    };
    for (org, other) in [(1, 0), (0, 1)] {
        revoke(org).await;
        assert_eq!(browser.fetch(&app.url("/user")).await.status, 401);
        let page = browser.open(&app.url("/user")).await;
        assert_eq!(page.status, 303);
        for _ in 0..2 {
            assert_eq!(
                (app.works_in(&browser).await, app.listed(&browser).await),
                (None, (1, None)),
                "{org}"
            );
        }
        // The same user logs in again and finds the other org.
        let host = if org == 0 { app.orgs[0].login_url().replace("http://", "") } else { "org1".to_owned() };
        let login = format!("{LOGIN}?host={}&return_to=/user", host.trim_end_matches('/'));
        assert_eq!(browser.visit(&app.url(&login)).await.status, 200);
        assert_eq!(
            (app.works_in(&browser).await, app.listed(&browser).await),
            (Some(org), (2, Some(org))),
            "{org}"
        );
        app.post(&browser, &[("switch", &app.id(other))]).await;
        assert_eq!(app.works_in(&browser).await, Some(other));
    }
    // Or the user goes on in the other one.
    revoke(1).await;
    assert_eq!(app.works_in(&browser).await, None);
    app.post(&browser, &[("switch", &app.id(0))]).await;
    assert_eq!((app.works_in(&browser).await, app.listed(&browser).await), (Some(0), (1, Some(0))));
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

/// What handlers store in the session for one org is not there in another one.
#[actix_web::test]
async fn each_org_of_a_browser_has_a_session_to_itself() {
    let app = Several::start(3, SessionMode::Embedded).await;
    let browser = Client::new();
    let count = async || browser.open(&app.url("/session")).await.body;
    assert_eq!(count().await, "1", "before any login");
    browser.visit(&app.url("/whoami")).await;
    assert_eq!(count().await, "2");
    app.add(&browser, 1).await;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()), "the added org");
    app.add(&browser, 2).await;
    assert_eq!(count().await, "1");
    let switch = async |org: usize| app.post(&browser, &[("switch", &app.id(org))]).await.status;
    for (org, expected) in [(0, "3"), (1, "3"), (2, "2"), (1, "4"), (0, "4")] {
        assert_eq!((switch(org).await, count().await), (303, expected.to_owned()), "{org}");
    }
    // A response that was begun in one org and ends in another writes the session of the first one.
    switch(1).await;
    let slow = browser.copy();
    switch(0).await;
    let late = slow.open(&app.url("/session")).await;
    assert_eq!(late.body, "5");
    for cookie in late.set_cookies() {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        browser.set_cookie("127.0.0.1", name, value);
    }
    assert_eq!(count().await, "5", "of the current org");
    switch(1).await;
    assert_eq!(count().await, "6");
    // The session of one org moved to another does not open there.
    let session = |tag: bool| {
        let all = browser.cookies("127.0.0.1");
        let is_it = |name: &String| name.contains(".session") && name.contains(".session.") == tag;
        all.into_iter().filter(|(name, _)| is_it(name)).collect::<Vec<_>>()
    };
    let (main, added) = (session(false), session(true));
    assert_eq!((main.len(), added.len()), (1, 2));
    let moved = browser.copy();
    for (name, _) in &added {
        moved.set_cookie("127.0.0.1", name, &main[0].1);
    }
    assert_eq!(moved.open(&app.url("/session")).await.body, "1", "nothing of the other org");

    // An org that is dropped takes its session along, the current one and another one.
    app.post(&browser, &[("drop", &app.id(1))]).await;
    app.post(&browser, &[("drop", &app.id(2))]).await;
    assert_eq!((app.works_in(&browser).await, count().await), (Some(0), "6".to_owned()));
    assert_eq!(session(true).len(), 0);
    app.add(&browser, 1).await;
    assert_eq!(count().await, "1", "a new one");
    app.post(&browser, &[("drop", &app.id(0))]).await;
    assert_eq!((session(false).len(), count().await), (0, "2".to_owned()));
    // Another user who logs in finds nothing of any of them.
    app.orgs[0].sign_in(&app.orgs[0].user(BEN));
    browser.visit(&app.url(LOGIN)).await;
    let host = app.orgs[0].login_url().replace("http://", "");
    browser.visit(&app.url(&format!("{LOGIN}?host={}", host.trim_end_matches('/')))).await;
    assert_eq!((app.works_in(&browser).await, count().await), (Some(0), "1".to_owned()));
    assert_eq!(session(true).len(), 0);
}

/// A handler names the orgs that it works with. One that the browser is not logged in at is a page that says so.
#[actix_web::test]
async fn a_handler_gets_the_orgs_that_it_names_or_an_error_with_a_way_on() {
    let app = Several::start(3, SessionMode::Embedded).await;
    let browser = Client::new();
    let path = format!("/pair/{}/{}", app.id(0), app.id(1));
    assert_eq!(browser.fetch(&app.url(&path)).await.status, 401);
    browser.visit(&app.url("/whoami")).await;
    let page = browser.fetch(&app.url(&path)).await;
    assert_eq!((page.status, &page.json()["error"]), (403, &json!("org_login_required")), "{page:?}");
    assert_eq!(page.json()["organization_id"], json!(app.id(1)));
    let page = browser.open(&app.url(&path)).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("href=\"/auth/salesforce/hosts?add=1&amp;return_to=%2Fpair%2F"), "{page:?}");
    app.add(&browser, 1).await;
    let pair = browser.fetch(&app.url(&path)).await.json();
    assert_eq!(pair, json!([app.id(0) + ADA, app.id(1) + ADA, app.id(1) + ADA]));
    assert_eq!(browser.fetch(&app.url("/current")).await.body, format!("{ADA} {ADA}"));
    let another = Client::new();
    another.visit(&app.url("/whoami")).await;
    assert_eq!(another.fetch(&app.url(&path)).await.status, 403, "another browser of the same user");
    // An org that refuses for good says where to log in again; the current login stays.
    app.orgs[0].revoke_all();
    let page = browser.fetch(&app.url(&path)).await;
    assert_eq!((page.status, &page.json()["error"]), (403, &json!("needs_reconnecting")), "{page:?}");
    assert_eq!(app.works_in(&browser).await, Some(1));
}

/// four workers, two browsers with two orgs each, tokens that expire, and a current org that changes all the time:
/// each response has the data of the orgs and users that it is about.
async fn orgs_stay_apart(mode: SessionMode) {
    let app = Several::start(2, mode).await;
    let mut browsers = Vec::new();
    for name in [ADA, BEN] {
        for org in &app.orgs {
            org.sign_in(&org.user(name));
        }
        browsers.push((name, app.logged_in().await));
    }
    for org in &app.orgs {
        org.faults().refresh(Fault::Delay(Duration::from_millis(40)));
    }
    let ids = [app.id(0), app.id(1)];
    for round in 0..6 {
        let (source, target) = (round % 2, (round + 1) % 2);
        for org in &app.orgs {
            org.expire_access_tokens();
        }
        join_all(browsers.iter().map(async |(name, browser)| {
            assert_eq!(app.post(browser, &[("switch", &ids[source])]).await.status, 303);
            let path = format!("/pair/{}/{}", ids[0], ids[1]);
            let requests = (0..8).map(async |n| {
                let url = app.url(if n % 2 == 0 { &path } else { "/user" });
                let page = browser.fetch(&url).await;
                assert_eq!(page.status, 200, "{page:?}");
                let body = page.json();
                if n % 2 == 0 {
                    let expected = [&ids[0], &ids[1], &ids[source]].map(|id| format!("{id}{name}"));
                    assert_eq!(body, json!(expected), "{round}");
                } else {
                    assert_eq!(
                        (&body["username"], &body["organization_id"]),
                        (&json!(name), &json!(ids[source]))
                    );
                }
            });
            join_all(requests).await;
        }))
        .await;
        // A browser that has an older state of its cookies works in the org of that state, never in a mixture.
        let (name, browser) = &browsers[round % 2];
        let older = browser.copy();
        app.post(browser, &[("switch", &ids[target])]).await;
        let (old, new): (Value, Value) =
            (older.fetch(&app.url("/user")).await.json(), browser.fetch(&app.url("/user")).await.json());
        assert_eq!(
            (&old["organization_id"], &new["organization_id"]),
            (&json!(ids[source]), &json!(ids[target]))
        );
        assert_eq!((&old["username"], &new["username"]), (&json!(name), &json!(name)));
    }
    for org in &app.orgs {
        assert_eq!(org.refresh_reuse_count(), 0);
        assert!(org.token_calls("refresh_token") <= 12, "one refresh per user and expiry");
    }
}

#[actix_web::test]
async fn the_orgs_of_two_browsers_never_mix_in_the_embedded_session() {
    orgs_stay_apart(SessionMode::Embedded).await;
}

#[actix_web::test]
async fn the_orgs_of_two_browsers_never_mix_in_the_session_of_the_app() {
    orgs_stay_apart(SessionMode::App).await;
}

/// Keys rotate while a browser has several orgs: all of its logins are sealed again, and which one is current.
#[actix_web::test]
async fn all_logins_of_a_browser_survive_a_rotation_of_keys() {
    const NEW: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";
    let store = crate::support::failing::FailingStore::default();
    let with = |builder: SalesforceBuilder, keys: &str| {
        builder.keys(keys).store(std::sync::Arc::new(store.clone())).single_logout(true)
    };
    let Several { orgs, salesforce, server } =
        Several::with(2, SessionMode::Embedded, |builder| with(builder, KEYS)).await;
    let app = Several { orgs, salesforce, server };
    let mut browser = app.logged_in().await;
    browser.open(&app.url("/session")).await;
    let port = url::Url::parse(&app.server.url).unwrap().port().unwrap();
    let Several { orgs, server, .. } = app;
    drop(server);
    let mut app = None;
    for keys in [format!("{NEW},{KEYS}"), NEW.to_owned()] {
        drop(app.take());
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut builder = settings_for(&orgs[0], &format!("http://127.0.0.1:{port}"));
        builder = builder.login_host("org1", orgs[1].login_url()).allowed_origin(orgs[1].instance_url());
        let salesforce = with(builder, &keys).build().await.unwrap();
        let server = run(listener, salesforce, SessionMode::Embedded);
        browser = browser.copy();
        let user = browser.open(&format!("{}/user", server.url)).await.json();
        assert_eq!(user["organization_id"], json!(orgs[1].organization_id()), "{keys}");
        let list = browser.fetch(&format!("{}{ORGS}", server.url)).await.json();
        assert_eq!(list.as_array().unwrap().len(), 2, "{keys}: {list}");
        let count = browser.open(&format!("{}/session", server.url)).await.body;
        assert_eq!(count, if keys == NEW { "3" } else { "2" }, "the session of the added org");
        // The tokens in the store are sealed again in the background.
        tokio::time::sleep(Duration::from_secs(1)).await;
        app = Some(server);
    }
    // The handle of both for Salesforce's single logout has come along.
    log_out_at_salesforce(&format!("http://127.0.0.1:{port}/auth/salesforce/slo"), &browser).await;
    let page = browser.fetch(&format!("http://127.0.0.1:{port}{ORGS}")).await;
    assert_eq!(page.status, 401, "{page:?}");
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

/// The app's own session is one for all orgs: the app is told when another user comes to it, by a login or a switch.
#[actix_web::test]
async fn the_app_removes_what_another_org_must_not_see_from_its_own_session() {
    let app =
        Several::with(2, SessionMode::App, |builder| builder.on_user_change(|session| session.clear())).await;
    let browser = Client::new();
    browser.visit(&app.url("/whoami")).await;
    let count = async || browser.open(&app.url("/session")).await.body;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
    app.add(&browser, 1).await;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
    for org in [0, 1] {
        app.post(&browser, &[("switch", &app.id(org))]).await;
        assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()), "{org}");
    }
    app.post(&browser, &[("drop", &app.id(1))]).await;
    assert_eq!((app.works_in(&browser).await, count().await), (Some(0), "1".to_owned()));
}

/// What Salesforce's logout page loads in a frame: the cookies with `SameSite=None` come with it alone.
async fn log_out_at_salesforce(url: &str, browser: &Client) {
    let framed = Client::new();
    let (name, value) = browser.own_cookie(".slo").expect("a handle");
    framed.set_cookie("127.0.0.1", &name, &value);
    let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")];
    let page = framed.send(reqwest::Method::GET, url, &headers, None).await;
    assert_eq!(page.status, 200, "{page:?}");
}

#[actix_web::test]
async fn a_logout_at_salesforce_ends_all_logins_of_the_browser() {
    let app = Several::with(3, SessionMode::Embedded, |builder| builder.single_logout(true)).await;
    let slo = app.url("/auth/salesforce/slo");
    let (browser, other) = (app.logged_in().await, app.logged_in().await);
    assert_eq!(app.logins().await, 6);
    log_out_at_salesforce(&slo, &browser).await;
    assert_eq!((app.listed(&browser).await, app.listed(&other).await), ((0, None), (3, Some(2))));

    // Orgs that are dropped, and a user who logs in again, leave a handle of what is there.
    let stem = other.own_cookie(".slo").unwrap().1.len();
    app.post(&other, &[("drop", &app.id(2))]).await;
    assert!(other.own_cookie(".slo").unwrap().1.len() < stem, "one login less");
    other.visit(&app.url(&format!("{LOGIN}?host=org1"))).await;
    app.wait_for_logins(2).await;
    let before = other.copy();
    app.post(&other, &[("drop", &app.id(1))]).await;
    app.post(&other, &[("drop", &app.id(0))]).await;
    assert!(other.own_cookie(".slo").is_none(), "the last one takes it along");
    let again = app.logged_in().await;
    log_out_at_salesforce(&slo, &before).await;
    assert_eq!(app.listed(&again).await, (3, Some(2)), "another browser's stay");
    log_out_at_salesforce(&slo, &again).await;
    assert_eq!(app.logins().await, 0);
}
