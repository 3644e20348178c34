//! Logins as they go wrong in the field: callbacks that come twice, cookies that grow, other names of the app, and
//! targets as browsers and people write them.

use std::time::Duration;

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, TestApp,
    app::{listen, routes, serve},
    client::query,
    failing::{FailingStore, Mode},
    reserve, settings_for,
};
use actix_salesforce::store::GrantFilter;
use actix_web::{App, middleware::NormalizePath};
use salesforce_fake_org::{FakeOrg, Fault};
use url::Url;

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

const DOCUMENT: [(&str, &str); 3] =
    [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// W-23: a reload or a double tap sends the callback again while the first one is still exchanged.
#[actix_web::test]
async fn a_callback_that_comes_twice_gives_the_same_login_twice() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let (second, stranger) = (browser.copy(), Client::new());
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(1_500)).once());
    let first = browser.open(callback.as_str());
    let later = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        futures_util::future::join(second.open(callback.as_str()), stranger.open(callback.as_str())).await
    };
    let (first, (again, foreign)) = futures_util::future::join(first, later).await;
    for page in [&first, &again] {
        assert_eq!((page.status, page.header("location")), (303, "/whoami"), "{page:?}");
        assert!(page.sets_login(), "{page:?}");
    }
    assert_eq!(foreign.status, 400, "without the cookie of the pending login: {foreign:?}");
    assert_eq!(app.exchanges(), 1);
    assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1, "one login");
    assert!(app.is_logged_in(&browser).await && app.is_logged_in(&second).await);
}

/// W-23: the browser that reloads closes the first request. The login that the second one took stays.
#[actix_web::test]
async fn a_login_stays_if_only_the_second_callback_was_waited_for() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    app.org.faults().token_endpoint(Fault::Delay(Duration::from_millis(1_000)).once());
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    crate::support::raw::get_and_reset(
        &app.server.url,
        &target,
        &browser.cookie_line(),
        Duration::from_millis(100),
    );
    let page = browser.open(callback.as_str()).await;
    assert_eq!((page.status, page.header("location")), (303, "/whoami"), "{page:?}");
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(app.is_logged_in(&browser).await);
    assert_eq!(app.exchanges(), 1);
}

/// W-23: a callback that comes again after a failure does not exchange the code again, and waits for nothing.
#[actix_web::test]
async fn a_callback_that_comes_again_after_a_failure_is_refused() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let second = browser.copy();
    app.org.faults().token_endpoint(Fault::Status(503).once());
    assert_eq!(browser.open(callback.as_str()).await.status, 503);
    let page = second.open(callback.as_str()).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert!(page.body.contains("return_to=%2Fwhoami"), "the new try leads to the same page: {page:?}");
    assert_eq!(app.exchanges(), 1);
}

/// W-21: proxies limit the request's header lines and the response's head.
#[actix_web::test]
async fn pending_logins_stay_small() {
    let app = TestApp::start().await;
    let browser = Client::new();
    for n in 0..12 {
        let target = format!("/user?n={n}&q={}", "a".repeat(if n % 2 == 0 { 850 } else { 1_740 }));
        let page = browser.open(&app.url(&format!("{LOGIN}?return_to={}", encoded(&target)))).await;
        assert_eq!(page.status, 303, "{page:?}");
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

/// W-30: targets as apps and users write them, over the whole flow.
#[actix_web::test]
async fn return_targets_are_read_as_they_are_written() {
    let app = TestApp::with(|builder| builder.after_login("/home")).await;
    let own = app.server.url.clone();
    for (target, landed) in [
        (format!("{own}/user?a=1#b"), "/user?a=1#b"),
        (format!("{own}/"), "/"),
        (own.clone(), "/"),
        ("/a b?c d".to_owned(), "/a%20b?c%20d"),
        ("/user?path=C:\\temp".to_owned(), "/user?path=C:%5Ctemp"),
        ("/user?q=\"x\"|{y}^`<z>'".to_owned(), "/user?q=%22x%22%7C%7By%7D%5E%60%3Cz%3E'"),
        ("/a//b".to_owned(), "/home"),
        (format!("{own}.evil.example/"), "/home"),
        (format!("{own}@evil.example/"), "/home"),
        (format!("{own}//evil.example/"), "/home"),
        ("https://evil.example/".to_owned(), "/home"),
    ] {
        let browser = Client::new();
        let login = app.url(&format!("{LOGIN}?return_to={}", encoded(&target)));
        let callback = browser.visit_until(&login, CALLBACK).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, page.header("location")), (303, landed), "{target}: {page:?}");
    }
}

/// W-30: what the start accepts, the callback accepts.
#[actix_web::test]
async fn each_printable_character_of_a_target_survives_the_login() {
    let app = TestApp::start().await;
    let printable: Vec<char> = (' '..='~').chain(['ä', '\u{2028}', '\u{ff0f}', '😀']).collect();
    for chunk in printable.chunks(8) {
        let pages = chunk.iter().map(|c| {
            let app = &app;
            async move {
                let browser = Client::new();
                let login = app.url(&format!("{LOGIN}?return_to={}", encoded(&format!("/user?q={c}"))));
                let callback = browser.visit_until(&login, CALLBACK).await;
                (*c, browser.open(callback.as_str()).await)
            }
        });
        for (c, page) in futures_util::future::join_all(pages).await {
            assert_eq!(page.status, 303, "{c:?}: {page:?}");
        }
    }
}

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

/// W-27: an error of Salesforce that belongs to no pending login is explained if its code is known.
#[actix_web::test]
async fn an_error_without_a_known_state_is_explained_and_changes_nothing() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for (error, status, says) in [
        ("OAUTH_APP_BLOCKED", 403, "blocked"),
        ("access_denied", 403, "You did not allow access"),
        ("server_error", 502, "problem"),
        ("something_new", 400, "cannot be finished"),
    ] {
        for state in ["&state=old", ""] {
            let page = browser.open(&app.url(&format!("{CALLBACK}?error={error}{state}"))).await;
            assert_eq!(page.status, status, "{error}{state}: {page:?}");
            assert!(page.body.contains(says), "{error}{state}: {page:?}");
            assert!(page.set_cookies().is_empty(), "{error}{state}: {page:?}");
        }
    }
    assert!(app.is_logged_in(&browser).await);
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

/// W-25: after an expiry the login goes back to the host that the user chose, and so does each "Try again".
#[actix_web::test]
async fn a_new_login_goes_to_the_host_of_the_one_that_ended() {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user(ADA));
    let (login, instance) = (sandbox.login_url().to_owned(), sandbox.instance_url().to_owned());
    let (id, secret) = (sandbox.client_id().to_owned(), sandbox.client_secret().to_owned());
    let org = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app =
        TestApp::around(org, |builder| builder.login_host("sandbox", login).allowed_origin(instance)).await;
    let browser = Client::new();
    browser.visit(&app.url(&format!("{LOGIN}?host=sandbox&return_to=/user"))).await;
    assert!(app.is_logged_in(&browser).await);
    app.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
    let page = browser.open(&app.url("/user?a=1")).await;
    let start = browser.open(page.location().as_str()).await;
    assert!(start.header("location").starts_with(&*sandbox.login_url()), "{start:?}");
    let explicit = browser.open(&app.url(&format!("{LOGIN}?host=default"))).await;
    assert_eq!(explicit.status, 400, "an unknown name stays an error: {explicit:?}");
    assert!(!explicit.body.contains("return_to=%2Fuser"));

    // Each error page leads to the same target at the same host.
    let browser = Client::new();
    let at_sandbox = format!("{CALLBACK}/sandbox");
    let callback =
        browser.visit_until(&app.url(&format!("{LOGIN}?host=sandbox&return_to=/user")), &at_sandbox).await;
    let mut malformed = callback.clone();
    malformed.query_pairs_mut().append_pair("iss", "https://evil.example");
    let page = browser.open(malformed.as_str()).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert!(page.body.contains("host=sandbox") && page.body.contains("return_to=%2Fuser"), "{page:?}");
    let page = browser.open(&app.url(&format!("{LOGIN}?host=nowhere&return_to=/user"))).await;
    assert!(page.status == 400 && page.body.contains("return_to=%2Fuser"), "{page:?}");
    let page = browser.open(&app.url(&format!("{LOGIN}?host=sandbox&prompt=x&return_to=/user"))).await;
    assert!(page.body.contains("host=sandbox") && page.body.contains("return_to=%2Fuser"), "{page:?}");
}

/// S-11: an encoded login route as a target would nest logins.
#[actix_web::test]
async fn an_auth_route_in_any_spelling_is_no_target() {
    let app = TestApp::with(|builder| builder.after_login("/home")).await;
    for target in [
        "/auth/salesforce/%6Cogin",
        "/auth/salesforce/%6cogin?return_to=/x",
        "/auth/salesforce/login/",
        "/%61uth/salesforce/logout",
        "/auth%2Fsalesforce%2Flogin",
    ] {
        let browser = Client::new();
        let login = app.url(&format!("{LOGIN}?return_to={}", encoded(target)));
        let callback = browser.visit_until(&login, CALLBACK).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, page.header("location")), (303, "/home"), "{target}: {page:?}");
    }
}

/// S-08: another deployment with the same keys, such as staging, does not open this one to its login hosts.
#[actix_web::test]
async fn a_pending_login_counts_in_its_own_deployment_only() {
    let foreign = FakeOrg::start().await.unwrap();
    foreign.sign_in(&foreign.user(ADA));
    let (login, instance) = (foreign.login_url().to_owned(), foreign.instance_url().to_owned());
    let shared = |builder: actix_salesforce::SalesforceBuilder| {
        builder.keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=").cookie_name("app")
    };
    let staging =
        TestApp::with(|builder| shared(builder).login_host("foreign", login).allowed_origin(instance)).await;
    let production = TestApp::with(shared).await;
    let browser = Client::new();
    let start = staging.url(&format!("{LOGIN}?host=foreign"));
    let callback = browser.visit_until(&start, &format!("{CALLBACK}/foreign")).await;
    let here = production.url(&format!("{CALLBACK}?{}", callback.query().unwrap()));
    let page = browser.open(&here).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert_eq!(
        foreign.token_calls("authorization_code"),
        0,
        "no code goes to a host that is not offered here"
    );
}

/// S-09: a stranger's callbacks without a code, or with the wrong issuer, write nothing.
#[actix_web::test]
async fn only_a_code_exchange_writes_to_the_store() {
    let store = FailingStore::default();
    let app = TestApp::with(|builder| {
        builder.store(std::sync::Arc::new(store.clone())).keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
    })
    .await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let refused = |name: &str, value: &str| {
        let mut url = callback.clone();
        url.query_pairs_mut()
            .clear()
            .append_pair("state", &query(&callback, "state").unwrap())
            .append_pair(name, value);
        url
    };
    store.set(Mode::Fails);
    for (url, status) in [
        (refused("error", "access_denied"), 403),
        (refused("iss", "https://evil.example"), 400),
        (refused("x", "y"), 400),
    ] {
        let page = browser.copy().open(url.as_str()).await;
        assert_eq!(page.status, status, "{url}: {page:?}");
    }
    assert_eq!(browser.copy().open(callback.as_str()).await.status, 503, "a code needs the store");
    store.set(Mode::Works);
    assert_eq!(browser.open(callback.as_str()).await.status, 303, "and no code was used");
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
    assert_eq!(get("/user", other).await.status, 303, "the app's own frames go on as before");
    let mut document = framed.to_vec();
    document[2].1 = "document";
    assert_eq!(get("/user", document).await.status, 303);
    for path in [LOGIN, CALLBACK, "/auth/salesforce/logout"] {
        let page = get(path, framed.to_vec()).await;
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}: {page:?}");
    }
    let browser = app.logged_in().await;
    let page = browser.send(reqwest::Method::GET, &app.url("/user"), &framed, None).await;
    assert!(page.status == 200 && page.body.contains("005"), "a login is not asked for: {page:?}");
}

/// W-26: a callback that comes too late starts one new login, with the same target and host.
#[actix_web::test]
async fn a_late_callback_starts_one_new_login() {
    let app = TestApp::with(|builder| builder.login_timeout(Duration::from_millis(300))).await;
    let browser = Client::new();
    let late = || tokio::time::sleep(Duration::from_millis(400));
    let callback = browser.visit_until(&app.url(&format!("{LOGIN}?return_to=/user")), CALLBACK).await;
    late().await;
    let refused = callback.as_str().replace("code=", "error=access_denied&x=");
    assert_eq!(browser.copy().open(&refused).await.status, 403, "an error is a page");
    let again = browser.open(callback.as_str()).await;
    assert!(again.header("location").starts_with(&*app.org.login_url()), "{again:?}");
    assert_eq!(app.exchanges(), 0);
    let in_time = browser.copy();
    let second = in_time.visit_until(again.location().as_str(), CALLBACK).await;
    let page = in_time.open(second.as_str()).await;
    assert_eq!((page.status, page.header("location")), (303, "/user"), "{page:?}");
    let second = browser.visit_until(again.location().as_str(), CALLBACK).await;
    late().await;
    let page = browser.open(second.as_str()).await;
    assert_eq!(page.status, 400, "a second late one is a page: {page:?}");
    assert!(page.body.contains("return_to=%2Fuser"), "{page:?}");
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

/// W-35: which issuers a callback may name.
#[actix_web::test]
async fn a_callback_may_name_the_instance_of_its_org_as_issuer() {
    let other = FakeOrg::start().await.unwrap();
    let (login, instance) = (other.login_url().to_owned(), other.instance_url().to_owned());
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let allowed = instance.clone();
    let app =
        TestApp::around(org, |builder| builder.login_host("other", login).allowed_origin(allowed)).await;
    let trim = |url: &str| url.trim_end_matches('/').to_owned();
    for (iss, status, exchanges) in [
        (trim(&app.org.login_url()), 303, 1),
        (trim(&app.org.instance_url()), 303, 1),
        // An allowed origin that is not the org's instance is found after the exchange.
        (trim(&instance), 400, 1),
        (trim(&other.login_url()), 400, 0),
        ("https://evil.example".to_owned(), 400, 0),
        ("https://acme.my.salesforce.com".to_owned(), 400, 1),
        ("https://acme.my.salesforce.com.evil.example".to_owned(), 400, 0),
    ] {
        let browser = Client::new();
        let mut callback = app.callback_of(&browser).await;
        callback.query_pairs_mut().append_pair("iss", &iss);
        let before = app.exchanges();
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, app.exchanges() - before), (status, exchanges), "{iss}: {page:?}");
        assert_eq!(app.is_logged_in(&browser).await, status == 303, "{iss}");
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
}

/// S-01: a login host that Salesforce does not run claims a user of an org that belongs to another one.
#[actix_web::test]
async fn a_foreign_login_host_speaks_for_its_own_orgs_only() {
    let id = "00D000000000001EAA";
    let victim = FakeOrg::builder().organization_id(id).start().await.unwrap();
    victim.sign_in(&victim.user(ADA));
    let hostile = FakeOrg::builder()
        .organization_id(id)
        .client(&victim.client_id(), &victim.client_secret())
        .start()
        .await
        .unwrap();
    hostile.sign_in(&hostile.user(ADA));
    let (login, instance) = (hostile.login_url().to_owned(), hostile.instance_url().to_owned());
    for list in ["", "|00D000000000002EAA,00D000000000003EAA"] {
        let org = FakeOrg::builder().organization_id(id).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let app = TestApp::around(org, |builder| {
            builder
                .login_host("portal", format!("{}{list}", login.trim_end_matches('/')))
                .allowed_origin(&*instance)
        })
        .await;
        let ada = app.logged_in().await;
        let before = ada.fetch(&app.url("/auth/salesforce/me")).await.json();
        let browser = Client::new();
        let start = app.url(&format!("{LOGIN}?host=portal"));
        let callback = browser.visit_until(&start, &format!("{CALLBACK}/portal")).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.status, 502, "{list}: {page:?}");
        assert!(!app.is_logged_in(&browser).await, "{list}");
        assert_eq!(ada.fetch(&app.url("/auth/salesforce/me")).await.json(), before, "{list}");
        assert_eq!(ada.fetch(&app.url("/whoami")).await.status, 200, "her tokens are valid");
    }
    // The org that the setting names may come in.
    let org = FakeOrg::start().await.unwrap();
    let app = TestApp::around(org, |builder| {
        builder
            .login_host("portal", format!("{}|{id}", login.trim_end_matches('/')))
            .allowed_origin(&*instance)
    })
    .await;
    let browser = Client::new();
    let callback =
        browser.visit_until(&app.url(&format!("{LOGIN}?host=portal")), &format!("{CALLBACK}/portal")).await;
    assert_eq!(browser.open(callback.as_str()).await.status, 303);
    assert!(app.is_logged_in(&browser).await);
}

/// S-02: a foreign login host has its own redirect URI, and a code at another one is refused before any request.
#[actix_web::test]
async fn a_code_at_the_callback_of_another_host_is_refused() {
    let portal = FakeOrg::start().await.unwrap();
    portal.sign_in(&portal.user(ADA));
    let (login, instance) = (portal.login_url().to_owned(), portal.instance_url().to_owned());
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app =
        TestApp::around(org, |builder| builder.login_host("portal", login).allowed_origin(instance)).await;
    let browser = Client::new();
    let start = browser.open(&app.url(&format!("{LOGIN}?host=portal&return_to=/user"))).await.location();
    assert_eq!(query(&start, "redirect_uri").unwrap(), app.url(&format!("{CALLBACK}/portal")));
    let callback = browser.visit_until(start.as_str(), &format!("{CALLBACK}/portal")).await;
    for path in [CALLBACK.to_owned(), format!("{CALLBACK}/other"), format!("{CALLBACK}/portal/x")] {
        let elsewhere = callback.as_str().replacen(&format!("{CALLBACK}/portal"), &path, 1);
        let page = browser.copy().open(&elsewhere).await;
        assert!(page.status == 400 || page.status == 404, "{path}: {page:?}");
        assert_eq!(portal.token_calls("authorization_code") + app.exchanges(), 0, "{path}");
    }
    assert_eq!(browser.open(callback.as_str()).await.status, 303);

    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let elsewhere = callback.as_str().replacen(CALLBACK, &format!("{CALLBACK}/portal"), 1);
    assert_eq!(browser.open(&elsewhere).await.status, 400, "a code of the other host");
    assert_eq!(app.exchanges(), 0);
}

/// `SALESFORCE_ALLOWED_ORGS`: users of other organizations do not come in, and their tokens are revoked.
#[actix_web::test]
async fn only_users_of_allowed_organizations_log_in() {
    let org = FakeOrg::builder().organization_id("00D000000000001EAA").start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder.allowed_orgs(["00D000000000002EAA"])).await;
    let browser = Client::new();
    let page = browser.open(app.callback_of(&browser).await.as_str()).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("Your organization may not use this app"), "{page:?}");
    assert!(!app.is_logged_in(&browser).await);
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
