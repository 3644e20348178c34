//! The app at other addresses than its public URL, and URLs that a hop rewrites.

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, TestApp,
    app::{listen, routes, serve},
    client::{DOCUMENT, encoded, query},
    reserve, settings_for,
};
use actix_web::{App, middleware::NormalizePath};
use salesforce_fake_org::FakeOrg;
use url::Url;

/// W-29: a slash at the end of an auth route, from `NormalizePath` or from the registered callback URL.
#[actix_web::test]
async fn auth_routes_work_with_a_slash_at_the_end() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let start = browser.open(&app.url(&format!("{LOGIN}/?return_to=/user"))).await;
    assert_eq!(start.status, 303, "{start:?}");
    let callback = browser.visit_until(start.location().as_str(), CALLBACK).await;
    let with_slash = callback.as_str().replacen(CALLBACK, &format!("{CALLBACK}/"), 1);
    let page = browser.open(&with_slash).await;
    assert_eq!((page.status, page.header("location")), (303, "/user"), "{page:?}");
    assert_eq!(browser.fetch(&app.url("/auth/salesforce/me/")).await.status, 200);
    assert_eq!(browser.open(&app.url("/auth/salesforce/orgs/")).await.status, 200);
    let out = browser.submit(&app.url("/auth/salesforce/logout/"), &app.server.url, &[]).await;
    assert_eq!(out.status, 303, "{out:?}");

    // The slash of `NormalizePath`, and a redirect URI that is registered with one.
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let mut paths = actix_salesforce::Config::default().routes;
    paths.redirect_uri = Some(format!("{url}{CALLBACK}/"));
    let salesforce = settings_for(&org, &url).routes(paths).build().await.expect("a slash is accepted");
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            App::new()
                .configure(routes)
                .wrap(salesforce.clone())
                .wrap(NormalizePath::new(actix_web::middleware::TrailingSlash::Always))
        })
    });
    let browser = Client::new();
    let start = browser.open(&format!("{}{LOGIN}?return_to=/user", server.url)).await;
    assert_eq!(query(&start.location(), "redirect_uri").unwrap(), format!("{url}{CALLBACK}/"));
    let callback = browser.visit_until(start.location().as_str(), &format!("{CALLBACK}/")).await;
    let page = browser.open(callback.as_str()).await;
    assert_eq!((page.status, page.header("location")), (303, "/user"), "{page:?}");
}

/// W-34: a hop that decodes or encodes the URL once more leaves `%20` intact, and turns `+` into something else.
#[actix_web::test]
async fn the_authorization_url_has_no_plus_for_a_space() {
    let app = TestApp::start().await;
    let page = Client::new()
        .open(&app.url(&format!("{LOGIN}?prompt=login%20consent&login_hint=a%2Bb%40x.example")))
        .await;
    let location = page.header("location");
    assert!(location.contains("scope=api%20openid%20refresh_token"), "{location}");
    assert!(location.contains("prompt=login%20consent") && !location.contains('+'), "{location}");
    assert_eq!(query(&page.location(), "login_hint").unwrap(), "a+b@x.example");
}

/// A machine may have a name below `localhost` for each app.
#[actix_web::test]
async fn a_login_at_a_loopback_address_moves_to_a_name_below_localhost() {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let public = url.replace("127.0.0.1", "app.localhost");
    let salesforce = settings_for(&org, &public).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || App::new().configure(routes).wrap(salesforce.clone()))
    });
    let page = Client::new().open(&format!("{}{LOGIN}?return_to=/user", server.url)).await;
    assert!(page.header("location").starts_with(&format!("{public}{LOGIN}?return_to=%2Fuser")), "{page:?}");
}

/// W-20: the app opened by another of its names on this machine.
#[actix_web::test]
async fn a_login_at_another_name_of_the_app_moves_to_the_public_url() {
    let app = TestApp::start().await;
    let other = app.server.url.replace("127.0.0.1", "localhost");
    let browser = Client::new();
    let page = browser.visit(&format!("{other}/user?a=1")).await;
    assert_eq!((page.status, page.url.as_str()), (200, &*app.url("/user?a=1")), "{page:?}");
    let host = |host: &'static str, path: String| {
        let url = app.url(&path);
        async move { Client::new().send(reqwest::Method::GET, &url, &[("host", host), DOCUMENT[0]], None).await }
    };
    for foreign in ["evil.example", "localhost:1", "localhost.evil.example"] {
        let page = host(foreign, LOGIN.to_owned()).await;
        assert!(!page.header("location").contains("evil"), "{page:?}");
        assert!(page.location().path().contains("/services/oauth2/authorize"), "not another name: {page:?}");
    }
    // A target is often the address of a page as the browser shows it: at that name.
    let target = encoded(&format!("{other}/user?b=2"));
    for (start, landed) in [
        (format!("{other}{LOGIN}?return_to={target}"), "/user?b=2"),
        // The other way round, the name is no address of this app.
        (app.url(&format!("{LOGIN}?return_to={target}")), "/"),
        (format!("{other}{LOGIN}?return_to={}", encoded("http://localhost:1/user")), "/"),
    ] {
        let page = Client::new().visit(&start).await;
        assert_eq!(page.url.as_str(), app.url(landed), "{start}: {page:?}");
    }
    // What was moved once is not moved again.
    let port = Url::parse(&app.server.url).unwrap().port().unwrap();
    let localhost: &'static str = format!("localhost:{port}").leak();
    let moved = host(localhost, LOGIN.to_owned()).await.location();
    assert_eq!(moved.host_str(), Some("127.0.0.1"));
    let again = host(localhost, format!("{}?{}", moved.path(), moved.query().unwrap_or_default())).await;
    assert!(again.location().path().contains("/services/oauth2/authorize"), "{again:?}");
}

/// W-20: the same with `www.` in front.
#[actix_web::test]
async fn www_is_another_name_of_the_app() {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, "https://app.example")
        .keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
        .build()
        .await
        .unwrap();
    let server = crate::support::app::standard(listener, 1, salesforce);
    assert_eq!(server.url, url);
    for (host, moves) in [("www.app.example", true), ("app.example", false), ("shop.app.example", false)] {
        let headers = [("host", host), DOCUMENT[0]];
        let path = format!("{url}{LOGIN}?return_to=/user");
        let page = Client::new().send(reqwest::Method::GET, &path, &headers, None).await;
        assert_eq!(
            page.header("location").starts_with("https://app.example/auth/"),
            moves,
            "{host}: {page:?}"
        );
        assert_eq!(page.header("location").contains("return_to=%2Fuser"), moves, "{host}: {page:?}");
    }
}

/// W-31: an app below a path behind a proxy that strips it.
#[actix_web::test]
async fn an_app_below_a_path_that_a_proxy_strips_works() {
    use actix_web::dev::Service as _;

    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let public = format!("{url}/app");
    let salesforce =
        settings_for(&org, &public).after_login("/maybe").build().await.expect("a path is accepted");
    // The middleware around it is the proxy: what comes in below `/app` goes on without it, all else is not found.
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            App::new().configure(routes).wrap(salesforce.clone()).wrap_fn(|mut request, service| {
                let all = request.uri().to_string();
                let stripped = all.strip_prefix("/app").unwrap_or("/outside").to_owned();
                let uri: actix_web::http::Uri = stripped.parse().unwrap();
                request.match_info_mut().get_mut().update(&uri);
                request.head_mut().uri = uri;
                service.call(request)
            })
        })
    });
    let browser = Client::new();
    let page = browser.visit(&format!("{public}/user?a=1")).await;
    assert_eq!((page.status, page.url.as_str()), (200, &*format!("{}/app/user?a=1", server.url)), "{page:?}");
    let start = Client::new().open(&format!("{public}{LOGIN}")).await;
    assert_eq!(query(&start.location(), "redirect_uri").unwrap(), format!("{public}{CALLBACK}"));
    let browser = Client::new();
    let page = browser.visit(&format!("{public}{LOGIN}")).await;
    assert_eq!((page.status, page.url.path()), (200, "/app/maybe"), "the default page: {page:?}");
    for cookie in browser.trace().iter().flat_map(|page| page.set_cookies()) {
        assert!(!cookie.contains("Path=/app"), "{cookie}");
    }
    let out = browser.open(&format!("{public}/auth/salesforce/logout")).await;
    assert!(out.body.contains("action=\"/app/auth/salesforce/logout\""), "{out:?}");

    // A target that is an auth route is none, in the form that browsers see as well (S-11).
    for target in
        ["/app/auth/salesforce/login", "/app/auth/salesforce/%6Cogin/", "/%61pp/auth/salesforce/logout"]
    {
        let start = format!("{public}{LOGIN}?return_to={}", encoded(target));
        assert_eq!(Client::new().visit(&start).await.url.path(), "/app/maybe", "{target}");
    }
    // What is sent from a page leads back to it: by htmx, by a form, and from an error page.
    let stranger = Client::new();
    let page = format!("{public}/names?a=1");
    let htmx = [("hx-request", "true"), ("hx-current-url", page.as_str())];
    let htmx = stranger.send(reqwest::Method::GET, &format!("{public}/user"), &htmx, None).await;
    assert_eq!(
        htmx.header("hx-redirect"),
        format!("/app{LOGIN}?return_to=%2Fapp%2Fnames%3Fa%3D1"),
        "{htmx:?}"
    );
    let form = [DOCUMENT[0], DOCUMENT[1], DOCUMENT[2], ("referer", page.as_str())];
    let form = stranger.send(reqwest::Method::POST, &format!("{public}/admin/secret"), &form, Some("")).await;
    assert!(form.body.contains(&format!("/app{LOGIN}?return_to=%2Fapp%2Fnames%3Fa%3D1")), "{form:?}");
    let callback = stranger.visit_until(&format!("{public}/user?b=2"), &format!("/app{CALLBACK}")).await;
    let refused = callback.as_str().replace("code=", "error=access_denied&x=");
    let refused = stranger.open(&refused).await;
    assert!(refused.body.contains(&format!("/app{LOGIN}?return_to=%2Fapp%2Fuser%3Fb%3D2")), "{refused:?}");
    let json = stranger.fetch(&format!("{public}/user")).await;
    assert_eq!(json.json()["login_url"], format!("/app{LOGIN}"), "{json:?}");
}
