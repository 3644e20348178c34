//! Protected routes: which requests are let in, and what the others get (R-49, R-53, A-25, A-44; T04, T06).

use crate::support::{ADA, Client, Server, TestApp, app::listen, raw, reserve, serve, settings_for};
use actix_salesforce::{RequireLogin, Salesforce};
use actix_web::{App, web};
use reqwest::Method;

const HTML: (&str, &str) = ("accept", "text/html");

#[actix_web::test]
async fn a_request_without_a_login_gets_what_it_can_use() {
    let app = TestApp::start().await;
    let stranger = Client::new();
    let login = "/auth/salesforce/login";
    for path in ["/whoami", "/user", "/names", "/admin/secret", "/admin/nothing/here"] {
        let url = app.url(path);
        let page = stranger.open(&url).await;
        let back: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        assert_eq!(
            (page.status, page.header("location")),
            (303, &*format!("{login}?return_to={back}")),
            "{path}"
        );

        let page = stranger.fetch(&url).await;
        assert_eq!(page.status, 401, "{path}");
        assert_eq!(
            (&page.json()["error"], &page.json()["login_url"]),
            (&"login_required".into(), &login.into())
        );
        assert!(page.header("location").is_empty() && page.set_cookies().is_empty());

        let current = app.url("/list?page=2");
        let headers = [("hx-request", "true"), ("hx-current-url", current.as_str()), HTML];
        let page = stranger.send(Method::GET, &url, &headers, None).await;
        assert_eq!(page.status, 401);
        assert_eq!(page.header("hx-redirect"), format!("{login}?return_to=%2Flist%3Fpage%3D2"));
        let headers = [("hx-request", "true"), ("hx-current-url", "https://evil.example/x"), HTML];
        let page = stranger.send(Method::GET, &url, &headers, None).await;
        assert_eq!(page.header("hx-redirect"), login);
    }
    for method in [Method::POST, Method::OPTIONS, Method::TRACE, Method::HEAD, Method::DELETE] {
        let page = stranger.send(method.clone(), &app.url("/admin/secret"), &[], Some("")).await;
        assert_eq!(page.status, 401, "{method}");
    }
    assert_eq!(app.exchanges(), 0);
}

#[actix_web::test]
async fn public_pages_stay_public() {
    let app = TestApp::start().await;
    let stranger = Client::new();
    for (path, body) in [("/", "public"), ("/maybe", "anonymous"), ("/admin/open", "open")] {
        let page = stranger.open(&app.url(path)).await;
        assert_eq!((page.status, page.body.as_str()), (200, body));
        assert!(page.set_cookies().is_empty(), "no cookie for a stranger: {page:?}");
    }
    assert_eq!(stranger.open(&app.url("/nothing")).await.status, 404);
    let browser = app.logged_in().await;
    assert_eq!(browser.open(&app.url("/maybe")).await.body, "connected");
}

/// no other spelling of a path opens a route.
#[actix_web::test]
async fn protection_decides_on_the_path_that_routing_sees() {
    let app = TestApp::start().await;
    for target in [
        "/admin/secret",
        "/%61dmin/secret",
        "/admi%6E/secret",
        "/admin/%73ecret",
        "/admin/secret?open",
        "/admin/secret#/open",
        "/admin/secret;open",
        "/admin//secret",
        "//admin/secret",
        "/x/../admin/secret",
        "/admin/./secret",
        "/admin/open/../secret",
        "/admin/open%2f..%2fsecret",
        "/admin/open/%2e%2e/secret",
        "/admin/secret%00",
        "/admin/secret/",
        "/admin/%6fpen/secret",
        "/ADMIN/secret",
        "/admin/openx",
        "/admin/open/",
    ] {
        let response = raw::get(&app.server.url, target, b"Accept: */*\r\nX-Forwarded-Uri: /admin/open\r\n");
        let status = raw::status(&response);
        assert!((400..500).contains(&status), "{target}: {response}");
        assert!(!response.ends_with("secret"), "{target}: {response}");
    }
    for target in ["/admin/open", "/%61dmin/open", "/admin/%6fpen"] {
        assert_eq!(raw::status(&raw::get(&app.server.url, target, b"")), 200, "{target}");
    }
}

#[actix_web::test]
async fn who_is_logged_in_comes_in() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    assert_eq!(browser.open(&app.url("/whoami")).await.body, ADA);
    assert_eq!(browser.open(&app.url("/admin/secret")).await.body, "secret");
    assert_eq!(browser.open(&app.url("/admin/nothing")).await.status, 404);
    let names = browser.fetch(&app.url("/names")).await.json();
    assert_eq!(names.as_array().unwrap().len(), 3);

    let me = browser.fetch(&app.url("/auth/salesforce/me")).await.json();
    let user = browser.fetch(&app.url("/user")).await.json();
    assert_eq!(me, user);
    assert_eq!(me["username"], ADA);
    assert_eq!(me["instance_url"], app.org.instance_url().trim_end_matches('/'));
    assert!(
        me["organization_id"].as_str().unwrap().starts_with("00D")
            && me["user_id"].as_str().unwrap().starts_with("005")
    );
    assert!(me["display_name"].is_string() && me["scopes"].as_array().unwrap().contains(&"api".into()));
    assert_eq!(me.as_object().unwrap().len(), 6, "nothing else, no token: {me}");
    let stranger = Client::new().open(&app.url("/auth/salesforce/me")).await;
    assert_eq!((stranger.status, &stranger.json()["error"]), (401, &"login_required".into()));
}

/// what is for one user is not cached, unless its handler says otherwise.
#[actix_web::test]
async fn protected_responses_are_not_cached() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for path in ["/whoami", "/user", "/names", "/maybe", "/admin/secret"] {
        assert_eq!(browser.open(&app.url(path)).await.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(browser.open(&app.url("/cached")).await.header("cache-control"), "private, max-age=60");
    assert_eq!(browser.open(&app.url("/")).await.header("cache-control"), "", "public pages are left alone");
}

#[actix_web::test]
async fn rules_let_only_some_people_in() {
    let app = TestApp::start().await;
    let (listener, url) = reserve();
    let salesforce = settings_for(&app.org, &url).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 2, move || {
            let unnamed =
                web::scope("/unnamed").wrap(RequireLogin::new().allow_if(|user| user.username.is_none()));
            let ada = web::scope("/ada").wrap(
                RequireLogin::new()
                    .allow_if(|user| user.scopes.contains("api"))
                    .allow_if(|user| user.username.as_deref() == Some(ADA)),
            );
            App::new()
                .service(unnamed.route("/x", web::get().to(|| async { "x" })))
                .service(ada.route("/x", web::get().to(|| async { "x" })))
                .wrap(salesforce.clone())
        })
    });
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{}/ada/x", server.url)).await.body, "x");
    let page = browser.open(&format!("{}/unnamed/x", server.url)).await;
    assert_eq!((page.status, page.header("content-type")), (403, "text/html; charset=utf-8"), "{page:?}");
    let page = browser.fetch(&format!("{}/unnamed/x", server.url)).await;
    assert_eq!((page.status, &page.json()["error"]), (403, &"forbidden".into()));
    assert_eq!(Client::new().fetch(&format!("{}/unnamed/x", server.url)).await.status, 401);
}

/// An app around the fake org, wrapped somewhere.
async fn mounted(
    app: &TestApp,
    mount: &str,
    make: fn(std::net::TcpListener, Salesforce) -> actix_web::dev::Server,
) -> Server {
    let (listener, url) = reserve();
    let salesforce = settings_for(&app.org, &url).mount(mount).build().await.unwrap();
    serve(listener, move |listener| make(listener, salesforce))
}

/// It works on an App, on a scope, and on a scope in a scope, under percent-encoded spellings too.
#[actix_web::test]
async fn it_works_wherever_it_is_wrapped() {
    let app = TestApp::start().await;
    let scope = mounted(&app, "/app", |listener, salesforce| {
        listen!(listener, 2, move || {
            App::new()
                .route("/", web::get().to(|| async { "outside" }))
                .service(web::scope("/app").configure(crate::support::app::routes).wrap(salesforce.clone()))
        })
    })
    .await;
    let nested = mounted(&app, "/a/b", |listener, salesforce| {
        listen!(listener, 2, move || {
            let inner = web::scope("/b").configure(crate::support::app::routes).wrap(salesforce.clone());
            App::new().service(web::scope("/a").service(inner))
        })
    })
    .await;
    let twice = mounted(&app, "", |listener, salesforce| {
        listen!(listener, 2, move || {
            let inner = web::scope("/x").configure(crate::support::app::routes).wrap(salesforce.clone());
            App::new().service(inner).configure(crate::support::app::routes).wrap(salesforce.clone())
        })
    })
    .await;
    for (server, prefix) in [(&scope, "/app"), (&nested, "/a/b"), (&twice, ""), (&twice, "/x")] {
        let browser = Client::new();
        let page = browser.visit(&format!("{}{prefix}/whoami", server.url)).await;
        assert_eq!(
            (page.status, page.body.as_str(), page.url.path()),
            (200, ADA, &*format!("{prefix}/whoami"))
        );
    }
    for target in
        ["/app/auth/salesforce/login", "/app/auth/salesforce/%6Cogin", "/%61pp/auth/salesforce/login"]
    {
        assert_eq!(raw::status(&raw::get(&scope.url, target, b"Accept: text/html\r\n")), 303, "{target}");
    }
    let outside = Client::new();
    assert_eq!(outside.open(&scope.url).await.body, "outside");
    assert_eq!(outside.open(&format!("{}/auth/salesforce/login", scope.url)).await.status, 404);
}

/// Routes can have other paths, be left out, and be mounted by hand.
#[actix_web::test]
async fn routes_can_be_moved_and_left_out() {
    let app = TestApp::start().await;
    let (listener, url) = reserve();
    let mut routes = actix_salesforce::config::RoutePaths::default();
    routes.prefix = "/sso".to_owned();
    routes.login = Some("/start".to_owned());
    routes.me = None;
    routes.logout = None;
    let salesforce = settings_for(&app.org, &url).routes(routes).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 2, move || {
            App::new()
                .configure(crate::support::app::routes)
                .route("/i", web::get().to(actix_salesforce::routes::me))
                .wrap(salesforce.clone())
        })
    });
    let browser = Client::new();
    assert!(
        browser.open(&format!("{}/user", server.url)).await.header("location").starts_with("/sso/start?")
    );
    assert_eq!(browser.visit(&format!("{}/user", server.url)).await.status, 200);
    assert_eq!(browser.fetch(&format!("{}/i", server.url)).await.json()["username"], ADA);
    for gone in ["/sso/me", "/sso/logout", "/auth/salesforce/login"] {
        assert_eq!(browser.open(&format!("{}{gone}", server.url)).await.status, 404, "{gone}");
    }
}
