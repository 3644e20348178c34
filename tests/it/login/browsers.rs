//! What browsers keep and hold back: the size of cookies, `SameSite`, frames, tabs and restarts.

use std::time::Duration;

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, TestApp,
    app::{listen, routes, serve},
    client::{DOCUMENT, encoded},
    reserve, settings_for,
};
use actix_web::App;
use salesforce_fake_org::{FakeOrg, Fault};

/// W-21: proxies limit the request's header lines and the response's head.
#[actix_web::test]
async fn pending_logins_stay_small() {
    let app = TestApp::start().await;
    let browser = Client::new();
    for n in 0..12 {
        let target = format!("/user?n={n}&q={}", "a".repeat(if n % 2 == 0 { 850 } else { 1_740 }));
        let page = browser.open(&app.url(&format!("{LOGIN}?return_to={}", encoded(&target)))).await;
        assert_eq!(page.status, 303, "{page:?}");
        assert!(page.set_cookies().len() <= 2, "one removal per response: {page:?}");
        let head: usize =
            page.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        assert!(head < 3 * 1024, "{n}: a head of {head} bytes");
        let pending: usize = browser
            .cookies("127.0.0.1")
            .iter()
            .filter(|(name, _)| name.contains(".attempt."))
            .map(|(name, value)| name.len() + value.len() + 3)
            .sum();
        assert!(pending <= 3_584, "{n}: {pending} bytes of pending logins");
    }
    let small = Client::new();
    for _ in 0..12 {
        let page = small.open(&app.url(&format!("{LOGIN}?return_to=/user"))).await;
        assert!(page.set_cookies().len() <= 2, "one removal per response: {page:?}");
    }
    // Cookies of another port or subdomain that look like pending logins, or those of a browser that opened many tabs at
    // once: a response removes as many as it has room for.
    for (count, bytes) in [(40, 1), (30, 500)] {
        let planted = Client::new();
        let name = small.own_cookie(".attempt.").unwrap().0;
        let stem = name.split(".attempt.").next().unwrap();
        for n in 0..count {
            planted.set_cookie("127.0.0.1", &format!("{stem}.attempt.{n:016}"), &"x".repeat(bytes));
        }
        let before = planted.cookies("127.0.0.1").len();
        let page = planted.open(&app.url(&format!("{LOGIN}?return_to=/user"))).await;
        let head: usize =
            page.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        assert!(page.status == 303 && head < 3 * 1024, "a head of {head} bytes: {page:?}");
        for _ in 0..count {
            planted.open(&app.url(&format!("{LOGIN}?return_to=/user"))).await;
        }
        let left = planted.cookies("127.0.0.1").len();
        assert!(left < before.min(10), "they go one by one: {left}");
    }
    for (target, landed) in [
        (format!("/user?q={}", "a".repeat(880)), format!("/user?q={}", "a".repeat(880))),
        (format!("/user?q={}", "a".repeat(900)), "/user".to_owned()),
        (format!("/{}", "a".repeat(901)), "/".to_owned()),
    ] {
        let browser = Client::new();
        let login = app.url(&format!("{LOGIN}?return_to={}", encoded(&target)));
        let callback = browser.visit_until(&login, CALLBACK).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, page.header("location")), (303, &*landed));
    }
}

/// W-28: in a frame of a Salesforce page a login cannot be shown, so a small page offers a window.
#[actix_web::test]
async fn a_login_in_a_frame_of_another_site_is_offered_in_a_window() {
    let app = TestApp::start().await;
    let framed = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-site", "cross-site"),
    ];
    let browser = Client::new();
    let get = |path: &str, headers: Vec<(&'static str, &'static str)>| {
        let (url, browser) = (app.url(path), &browser);
        async move { browser.send(reqwest::Method::GET, &url, &headers, None).await }
    };
    let page = get("/user?id=1&secret=2", framed.to_vec()).await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{page:?}");
    assert!(page.set_cookies().is_empty() && page.header("x-frame-options").is_empty(), "{page:?}");
    let policy = page.header("content-security-policy");
    for source in [
        "https://*.lightning.force.com",
        "https://*.my.salesforce.com",
        "https://*.my.site.com",
        "https://*.vf.force.com",
        app.org.login_url().trim_end_matches('/'),
        "'self'",
    ] {
        assert!(policy.contains(source), "{source}: {policy}");
    }
    assert!(policy.contains("frame-ancestors ") && !policy.contains("'none'; img"), "{policy}");
    assert_eq!(page.body.matches("<a ").count(), 1, "{page:?}");
    assert!(page.body.contains("href=\"/user\"") && !page.body.contains("secret"), "{page:?}");
    assert!(page.body.contains("target=\"_blank\"") && page.body.contains("rel=\"noopener\""), "{page:?}");
    assert!(!page.body.contains("<form"), "{page:?}");

    let mut other = framed.to_vec();
    other[3].1 = "same-origin";
    let page = get("/user", other).await;
    assert!(
        page.status == 200 && page.body.contains("target=\"_blank\""),
        "a link within the frame: {page:?}"
    );
    let mut document = framed.to_vec();
    document[2].1 = "document";
    assert_eq!(get("/user", document).await.status, 303);
    // The element that HTML 4 called a frame.
    let mut old = framed.to_vec();
    old[2].1 = "frame";
    let page = get("/user", old.clone()).await;
    assert!(page.status == 200 && page.body.contains("target=\"_blank\""), "{page:?}");
    assert!(page.header("x-frame-options").is_empty(), "{page:?}");
    let browser = app.logged_in().await;
    let page = browser.send(reqwest::Method::GET, &app.url("/user"), &framed, None).await;
    assert!(page.status == 200 && page.body.contains("005"), "a login is not asked for: {page:?}");
}

/// W-28: no other page of ours is shown in a frame of another site, with a login and without.
#[actix_web::test]
async fn the_pages_of_a_login_and_of_its_errors_are_never_shown_in_a_frame() {
    const ORGS: &str = "/auth/salesforce/orgs";

    let app = TestApp::start().await;
    let user = app.logged_in().await;
    app.org.faults().query(Fault::Maintenance);
    let lost = format!("{CALLBACK}?error=access_denied&state=old");
    let unknown_host = format!("{LOGIN}?host=nowhere");
    let pages = [
        (LOGIN, 303),
        (CALLBACK, 400),
        (&lost, 403),
        (&unknown_host, 400),
        ("/auth/salesforce/logout", 200),
        (ORGS, 200),
        ("/names", 503),
    ];
    for destination in ["iframe", "frame"] {
        let framed = [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", destination),
            ("sec-fetch-site", "cross-site"),
        ];
        for (path, status) in pages {
            // A login that is refused or started takes the cookies of none.
            for browser in [user.copy(), Client::new()] {
                let page = browser.send(reqwest::Method::GET, &app.url(path), &framed, None).await;
                let may_be_offered = browser.own_cookie("").is_none() && [ORGS, "/names"].contains(&path);
                if may_be_offered && page.body.contains("target=\"_blank\"") {
                    continue;
                }
                assert_eq!(page.header("x-frame-options"), "DENY", "{destination} {path}: {page:?}");
                if browser.own_cookie("").is_some() {
                    assert_eq!(page.status, status, "{destination} {path}: {page:?}");
                }
            }
        }
    }
}

/// W-33: a login that outlives the browser.
#[actix_web::test]
async fn a_remembered_login_has_a_lifetime_in_the_browser() {
    for (remember, max_age) in [(None, None), (Some(Duration::from_secs(8 * 60 * 60)), Some("Max-Age=28800"))]
    {
        let app = TestApp::with(|builder| match remember {
            Some(time) => builder.remember(time),
            None => builder,
        })
        .await;
        let browser = Client::new();
        let page = browser.open(app.callback_of(&browser).await.as_str()).await;
        let name = browser.own_cookie("").unwrap().0;
        let cookies = page.set_cookies();
        let login = cookies.iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap();
        assert_eq!(login.split("; ").find(|attribute| attribute.starts_with("Max-Age")), max_age, "{login}");
    }
}

/// W-32: the app's own session is `SameSite=Strict`, so its cookie does not come with the redirect from Salesforce.
#[actix_web::test]
async fn a_strict_session_of_the_app_survives_the_login() {
    use actix_salesforce::{
        SessionMode,
        actix_session::{SessionMiddleware, storage::CookieSessionStore},
    };
    use actix_web::cookie::{Key, SameSite};

    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).session(SessionMode::App).build().await.unwrap();
    let key = Key::from(&[7; 64]);
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            let session = SessionMiddleware::builder(CookieSessionStore::default(), key.clone())
                .cookie_same_site(SameSite::Strict)
                .cookie_secure(false)
                .build();
            App::new().configure(routes).wrap(salesforce.clone()).wrap(session)
        })
    });
    let browser = Client::new();
    assert_eq!(browser.open(&format!("{}/session", server.url)).await.body, "1");
    let callback = browser.visit_until(&format!("{}/user", server.url), CALLBACK).await;
    // What a browser sends after a redirect from another site: no `Strict` cookie.
    let strict = browser.cookies("127.0.0.1").into_iter().find(|(name, _)| name == "id").unwrap();
    browser.remove_cookie("127.0.0.1", &strict.0);
    let cross_site = [DOCUMENT[0], DOCUMENT[1], DOCUMENT[2], ("sec-fetch-site", "cross-site")];
    let page = browser.send(reqwest::Method::GET, callback.as_str(), &cross_site, None).await;
    assert_eq!((page.status, page.set_cookies().len()), (200, 0), "{page:?}");
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "no-referrer"));
    assert_eq!(org.token_calls("authorization_code"), 0, "the code is not used yet");
    let again = page.body.split("url=").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    browser.set_cookie("127.0.0.1", &strict.0, &strict.1);
    let same_site = [DOCUMENT[0], DOCUMENT[1], DOCUMENT[2], ("sec-fetch-site", "same-origin")];
    let again = callback.join(&again).unwrap();
    let page = browser.send(reqwest::Method::GET, again.as_str(), &same_site, None).await;
    assert_eq!((page.status, page.header("location")), (303, "/user"), "{page:?}");
    assert_eq!(
        browser.open(&format!("{}/session", server.url)).await.body,
        "2",
        "the session is still there"
    );
}

/// W-36: a tab still shows the page of a user when another one has logged in in the same browser.
#[actix_web::test]
async fn a_form_of_another_login_is_refused() {
    use actix_salesforce::{FormLogin, SalesforceUser, SameLogin};
    use actix_web::web;

    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            App::new()
                .route("/form", web::get().to(|login: FormLogin| async move { login.to_string() }))
                .route(
                    "/form",
                    web::post()
                        .to(|_: SameLogin, user: SalesforceUser| async move { user.user_id.to_string() }),
                )
                .configure(routes)
                .wrap(salesforce.clone())
        })
    });
    let browser = Client::new();
    let form = format!("{url}/form");
    let value = browser.visit(&form).await.body;
    let send = |value: &str| {
        let (browser, address, origin) = (&browser, format!("{form}?login={value}"), server.url.clone());
        async move { browser.submit(&address, &origin, &[]).await }
    };
    assert_eq!(send(&value).await.status, 200);
    for (wrong, name) in [("", "empty"), ("x", "another"), (&*format!("{value}&login={value}"), "twice")] {
        assert_eq!(send(wrong).await.status, 409, "{name}");
    }
    org.sign_in(&org.user("ben@example.com"));
    browser.visit(&format!("{url}{LOGIN}?prompt=login&return_to=/user")).await;
    browser.visit(&format!("{url}{LOGIN}?return_to=/user")).await;
    let page = send(&value).await;
    assert_eq!(page.status, 409, "{page:?}");
    assert!(page.body.contains("another login"), "{page:?}");
    let fresh = browser.visit(&form).await.body;
    assert_eq!(send(&fresh).await.status, 200);
    assert_eq!(Client::new().submit(&form, &server.url, &[]).await.status, 401, "a login comes first");
}
