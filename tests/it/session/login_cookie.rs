//! A login has a cookie that nothing but a login, a logout and a change of keys writes.
use std::{net::TcpListener, time::Duration};

use crate::support::{
    ADA, Client, Server, TestApp,
    app::{listen, reserve, serve},
    raw, settings_for,
};
use actix_salesforce::{Salesforce, SessionMode};
use actix_session::{Session, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{App, HttpResponse, Responder, cookie::Key, get, web};
use salesforce_fake_org::{FakeOrg, Fault, Route};

const OLD: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const NEW: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";

/// Writes to the session and takes its time.
#[get("/slow")]
async fn write_slowly(session: Session) -> actix_web::Result<impl Responder> {
    session.insert("slow", true)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok("slow")
}

/// Puts this many bytes into the session.
#[get("/put/{bytes}")]
async fn put(session: Session, bytes: web::Path<usize>) -> actix_web::Result<impl Responder> {
    session.insert("put", "x".repeat(*bytes))?;
    Ok("put")
}

/// How many bytes of that are there.
#[get("/got")]
async fn got(session: Session) -> actix_web::Result<impl Responder> {
    Ok(session.get::<String>("put")?.unwrap_or_default().len().to_string())
}

/// An asset for everyone.
#[get("/style.css")]
async fn asset() -> impl Responder {
    HttpResponse::Ok().insert_header(("cache-control", "public, max-age=600")).body("body {}")
}

/// A response for everyone that writes the session all the same.
#[get("/counted.css")]
async fn counted(session: Session) -> actix_web::Result<impl Responder> {
    session.insert("counted", true)?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "public, max-age=600")).body("body {}"))
}

fn routes(app: &mut web::ServiceConfig) {
    app.configure(crate::support::app::routes);
    app.service(write_slowly).service(put).service(got).service(asset).service(counted);
}

/// The app with this session.
fn run(listener: TcpListener, salesforce: Salesforce, mode: SessionMode) -> Server {
    serve(listener, move |listener| match mode {
        SessionMode::App => listen!(listener, 2, move || {
            let session = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]));
            let session = session.cookie_secure(false).build();
            App::new().configure(routes).wrap(salesforce.clone()).wrap(session)
        }),
        _ => listen!(listener, 2, move || App::new().configure(routes).wrap(salesforce.clone())),
    })
}

async fn app(mode: SessionMode) -> (FakeOrg, Salesforce, Server) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).session(mode).build().await.unwrap();
    let server = run(listener, salesforce.clone(), mode);
    (org, salesforce, server)
}

const MODES: [SessionMode; 2] = [SessionMode::Embedded, SessionMode::App];

/// A response that was begun before the login writes the session after it.
#[actix_web::test]
async fn a_slow_response_that_writes_the_session_takes_no_login_away() {
    for mode in MODES {
        let (_org, _, server) = app(mode).await;
        let at = |path: &str| format!("{}{path}", server.url);
        for had_session in [false, true] {
            let browser = Client::new();
            if had_session {
                assert_eq!(browser.open(&at("/session")).await.body, "1");
            }
            let slow = at("/slow");
            let (slow, landed) = futures_util::join!(browser.open(&slow), async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                browser.visit(&at("/whoami")).await
            });
            assert_eq!((slow.body.as_str(), landed.body.as_str()), ("slow", ADA), "{mode:?}");
            assert!(!slow.set_cookies().is_empty(), "it wrote the session: {slow:?}");
            assert_eq!(browser.fetch(&at("/user")).await.status, 200, "{mode:?}: still in");
        }
    }
}

/// The other way round: a slow response brings back no login that was logged out.
#[actix_web::test]
async fn a_slow_response_revives_no_login() {
    for mode in MODES {
        let (_org, _, server) = app(mode).await;
        let at = |path: &str| format!("{}{path}", server.url);
        let browser = Client::new();
        assert_eq!(browser.visit(&at("/whoami")).await.body, ADA);
        let slow = at("/slow");
        let (_, out) = futures_util::join!(browser.open(&slow), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            browser.submit(&at("/auth/salesforce/logout"), &server.url, &[]).await
        });
        assert_eq!(out.status, 303);
        assert!(browser.own_cookie("").is_none(), "{mode:?}: its cookie stays away");
        assert_eq!(browser.fetch(&at("/user")).await.status, 401, "{mode:?}");
    }
}

/// Browsers know no ports. Two apps on one host do not log each other out, nor end each other's attempts.
#[actix_web::test]
async fn two_apps_on_one_host_leave_each_other_alone() {
    let (one, two) = (TestApp::start().await, TestApp::start().await);
    let browser = Client::new();
    // Both logins under way at once.
    let callbacks = [one.callback_of(&browser).await, two.callback_of(&browser).await];
    for callback in callbacks {
        assert_eq!(browser.open(callback.as_str()).await.status, 303);
    }
    for app in [&one, &two] {
        assert!(app.is_logged_in(&browser).await);
        assert_eq!(browser.open(&app.url("/session")).await.body, "1", "each has its own session");
    }
    browser.submit(&one.url("/auth/salesforce/logout"), &one.server.url, &[]).await;
    assert!(!one.is_logged_in(&browser).await && two.is_logged_in(&browser).await);
    assert_eq!(browser.open(&two.url("/session")).await.body, "2");
    let stems: Vec<_> = browser.cookies("127.0.0.1").into_keys().collect();
    assert!(stems.iter().all(|name| name.starts_with("salesforce-")), "{stems:?}");
}

/// The name that was set is the stem of all cookies, and apps that share it share their logins.
#[actix_web::test]
async fn the_cookies_have_the_name_that_was_set() {
    let app = TestApp::with(|builder| builder.cookie_name("my_app")).await;
    let browser = app.logged_in().await;
    browser.open(&app.url("/session")).await;
    browser.open(&app.url("/auth/salesforce/login")).await;
    let names: Vec<_> = browser.cookies("127.0.0.1").into_keys().collect();
    assert!(names.iter().any(|name| name == "my_app") && names.len() >= 3, "{names:?}");
    assert!(names.iter().all(|name| name == "my_app" || name.starts_with("my_app.")), "{names:?}");
}

/// A-17 for the login: another one that a sibling subdomain planted is never used, and two exact ones count as none.
#[actix_web::test]
async fn a_planted_login_is_never_used() {
    let app = TestApp::start().await;
    let (attacker, browser) = (app.logged_in().await, app.logged_in().await);
    let (name, planted) = attacker.own_cookie("").unwrap();
    let own = browser.own_cookie("").unwrap().1;
    let status = |cookies: String| {
        raw::status(&raw::get(&app.server.url, "/user", format!("Cookie: {cookies}\r\n").as_bytes()))
    };
    assert_eq!(status(format!("{name}={own}")), 200);
    for spelling in [name.replacen('-', "%2D", 1), format!("\u{a0}{name}"), format!("{name}x")] {
        assert_eq!(status(format!("{spelling}={planted}")), 401, "{spelling}");
        assert_eq!(status(format!("{spelling}={planted}; {name}={own}")), 200, "{spelling}");
    }
    assert_eq!(status(format!("{name}={planted}; {name}={own}")), 401, "twice");
}

/// A cookie that another port or subdomain planted and that is not UTF-8 hides only itself.
#[actix_web::test]
async fn an_unreadable_cookie_hides_no_other() {
    for mode in MODES {
        let (_org, _, server) = app(mode).await;
        let at = |path: &str| format!("{}{path}", server.url);
        let browser = Client::new();
        assert_eq!(browser.visit(&at("/user")).await.status, 200);
        assert_eq!(browser.open(&at("/session")).await.body, "1");
        let own = browser.cookie_line().into_bytes();
        for cookies in [
            [&b"evil=\xff; "[..], &own].concat(),
            [&own[..], b"; evil=\xc3\x28"].concat(),
            [&b"\xff=1; \xff; =; x; "[..], &own].concat(),
        ] {
            let header = [b"Cookie: ", &cookies[..], b"\r\n"].concat();
            let user = raw::get(&server.url, "/user", &header);
            assert_eq!(raw::status(&user), 200, "{mode:?}: {user}");
            if mode == SessionMode::Embedded {
                let page = raw::get(&server.url, "/session", &header);
                assert!(page.ends_with("\r\n\r\n2"), "the session is read too: {page}");
            }
        }
    }
}

/// Where keys rotate, assets for everyone stay cacheable; a page brings the new cookie, once, and is not cached.
#[actix_web::test]
async fn a_login_is_sealed_again_only_where_no_cache_is_in_the_way() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    for mode in MODES {
        let (store, port) = (crate::support::failing::FailingStore::default(), crate::support::free_port());
        let start = async |keys: &str| {
            let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            let settings = settings_for(&org, &format!("http://127.0.0.1:{port}")).session(mode);
            run(
                listener,
                settings.keys(keys).store(std::sync::Arc::new(store.clone())).build().await.unwrap(),
                mode,
            )
        };
        let old = start(OLD).await;
        let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
        let browser = Client::new();
        assert_eq!(browser.visit(&at("/user")).await.status, 200);
        if mode == SessionMode::Embedded {
            assert_eq!(browser.open(&at("/session")).await.body, "1");
        }
        drop(old);
        let _new = start(&format!("{NEW},{OLD}")).await;
        let browser = browser.copy();
        for _ in 0..3 {
            let page = browser.fetch(&at("/style.css")).await;
            assert!(page.set_cookies().is_empty(), "{mode:?}: {page:?}");
            assert_eq!(page.header("cache-control"), "public, max-age=600");
        }
        let script = browser.fetch(&at("/")).await;
        assert!(script.set_cookies().is_empty(), "nor for what a script loads: {script:?}");
        // A navigation to what is for everyone brings them, and only then it is not for caches.
        let page = browser.open(&at("/style.css")).await;
        let expected = if mode == SessionMode::Embedded { 2 } else { 1 };
        assert_eq!(page.set_cookies().len(), expected, "{mode:?}: {page:?}");
        assert!(page.sets_login() && page.header("cache-control") == "no-store", "{page:?}");
        let again = browser.open(&at("/style.css")).await;
        assert!(again.set_cookies().is_empty(), "once: {again:?}");
        assert_eq!(again.header("cache-control"), "public, max-age=600");
        assert_eq!(browser.fetch(&at("/user")).await.status, 200);
    }
}

/// While keys rotate, a slow response does not bring back the login that a new one has replaced.
#[actix_web::test]
async fn sealing_again_never_overwrites_a_newer_login() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (store, port) = (crate::support::failing::FailingStore::default(), crate::support::free_port());
    let start = async |keys: &str| {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let settings = settings_for(&org, &format!("http://127.0.0.1:{port}"));
        run(
            listener,
            settings.keys(keys).store(std::sync::Arc::new(store.clone())).build().await.unwrap(),
            SessionMode::Embedded,
        )
    };
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let old = start(OLD).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&at("/user")).await.status, 200);
    drop(old);
    let _new = start(&format!("{NEW},{OLD}")).await;
    let browser = browser.copy();
    let slow = at("/slow");
    let (slow, landed) = futures_util::join!(browser.open(&slow), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        browser.visit(&at("/auth/salesforce/login?return_to=/whoami")).await
    });
    assert_eq!(landed.body, ADA);
    assert!(!slow.sets_login(), "{slow:?}");
    assert_eq!(browser.fetch(&at("/user")).await.status, 200);
}

/// A response that brings our cookie is never for shared caches, whatever the handler said.
#[actix_web::test]
async fn no_response_with_our_cookie_is_public() {
    let (_org, _, server) = app(SessionMode::Embedded).await;
    let page = Client::new().fetch(&format!("{}/counted.css", server.url)).await;
    assert!(!page.set_cookies().is_empty() && page.header("cache-control") == "no-store", "{page:?}");
}

/// A session that outgrows its cookie is logged and stays as it was; nothing that is set is too large for a browser.
#[actix_web::test]
async fn a_session_that_outgrows_its_cookie_is_a_log_line() {
    crate::support::logs::capture();
    let (_org, _, server) = app(SessionMode::Embedded).await;
    let at = |path: &str| format!("{}{path}", server.url);
    let browser = Client::new();
    assert_eq!(browser.visit(&at("/user")).await.status, 200);
    for fits in [1, 2_000, 2_700] {
        let page = browser.open(&at(&format!("/put/{fits}"))).await;
        let pair = page.set_cookies()[0].split(';').next().unwrap().len();
        assert!(pair <= 4_096, "{pair}");
        assert_eq!(browser.open(&at("/got")).await.body, fits.to_string());
    }
    assert!(!crate::support::logs::text().contains("session not stored"));
    for too_large in [3_000, 4_000, 100_000] {
        let page = browser.open(&at(&format!("/put/{too_large}"))).await;
        assert_eq!((page.status, page.body.as_str()), (200, "put"));
        assert!(page.set_cookies().is_empty(), "{page:?}");
        assert_eq!(browser.open(&at("/got")).await.body, "2700", "as before");
        assert_eq!(browser.fetch(&at("/user")).await.status, 200, "still in");
    }
    let log = crate::support::logs::text();
    assert_eq!(log.lines().filter(|line| line.contains("session not stored")).count(), 3, "{log}");
}

/// What a former version set, or another app left under these names, is no login: a page navigation logs in.
#[actix_web::test]
async fn other_cookies_under_these_names_are_no_login() {
    let app = TestApp::start().await;
    let names = app.logged_in().await.cookies("127.0.0.1").into_keys().collect::<Vec<_>>();
    let browser = Client::new();
    for name in names.iter().map(String::as_str).chain(["salesforce", "sf-landed"]) {
        browser.set_cookie("127.0.0.1", name, "VGhlIGZvcm1lciB2ZXJzaW9u%2Fw0KDQo%3D");
    }
    assert_eq!(browser.open(&app.url("/user")).await.status, 303);
    assert_eq!(browser.visit(&app.url("/whoami")).await.body, ADA);
}

/// A handler gets the handle without `web::Data`.
#[actix_web::test]
async fn a_handler_asks_for_the_handle() {
    async fn count(salesforce: Salesforce) -> actix_salesforce::Result<String> {
        Ok(salesforce.list_logins(actix_salesforce::store::GrantFilter::All).await?.len().to_string())
    }
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            let inside = web::scope("").configure(routes).route("/count", web::get().to(count));
            App::new().route("/outside", web::get().to(count)).service(inside.wrap(salesforce.clone()))
        })
    });
    let browser = Client::new();
    assert_eq!(browser.fetch(&format!("{url}/outside")).await.status, 500, "the middleware is missing");
    assert_eq!(browser.visit(&format!("{url}/whoami")).await.body, ADA);
    assert_eq!(browser.fetch(&format!("{url}/count")).await.body, "1");
    drop(server);
}

/// The end of a program waits for what is under way, without blocking its thread.
#[actix_web::test]
async fn a_shutdown_waits_for_a_logout() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.faults().at(Route::Revoke, Fault::Delay(Duration::from_millis(600)));
    let out = browser.submit(&app.url("/auth/salesforce/logout"), &app.server.url, &[]).await;
    assert_eq!(out.status, 303);
    let mut ticks = 0;
    let shutdown = app.salesforce.clone().shutdown();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            () = tokio::time::sleep(Duration::from_millis(50)) => ticks += 1,
        }
    }
    assert!(ticks >= 3, "it waited, and other work went on: {ticks}");
    assert!(app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty(), "the token was revoked");
}
