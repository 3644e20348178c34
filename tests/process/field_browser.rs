//! What users report of real browsers, shown in one: headless Chromium in front of an app of this process.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{
    ADA, CALLBACK, Client, Server,
    app::{listen, routes, serve, standard},
    axe,
    browser::Browser,
    reserve, settings_for,
};
use actix_salesforce::{
    Salesforce, SalesforceBuilder, SessionMode,
    actix_session::{SessionMiddleware, storage::CookieSessionStore},
};
use actix_web::{
    App, HttpResponse,
    cookie::{Key, SameSite},
    dev::Service as _,
    web,
};
use fantoccini::Locator;
use salesforce_fake_org::{FakeOrg, Fault};

/// An org where Ada is signed in.
async fn org() -> FakeOrg {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    org
}

/// An app whose public URL has this name of this machine, and that URL.
async fn app(
    host: &str,
    org: &FakeOrg,
    settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
) -> (Server, String, Salesforce) {
    let (listener, url) = reserve();
    let url = url.replace("127.0.0.1", host);
    let salesforce = settings(settings_for(org, &url)).build().await.unwrap();
    (standard(listener, 4, salesforce.clone()), url, salesforce)
}

/// W-20: the app is opened by the other name of this machine.
#[actix_web::test]
async fn a_browser_at_another_name_of_the_app_is_led_to_the_public_url() {
    let org = org().await;
    let (_server, url, _) = app("127.0.0.1", &org, |builder| builder).await;
    let browser = Browser::start().await;
    browser.goto(&format!("{}/user?a=1", url.replace("127.0.0.1", "localhost"))).await;
    assert_eq!(browser.url().await.as_str(), format!("{url}/user?a=1"));
    assert!(browser.text().await.contains(org.user(ADA).id()), "{}", browser.text().await);
    assert_eq!(org.token_calls("authorization_code"), 1, "no circle");
    browser.close().await;
}

/// W-22: cookies know no ports.
#[actix_web::test]
async fn two_apps_on_one_host_keep_their_logins_in_one_browser() {
    let org = org().await;
    let (_one, first, _) = app("localhost", &org, |builder| builder).await;
    let (_two, second, _) = app("localhost", &org, |builder| builder).await;
    let browser = Browser::start().await;
    for url in [&first, &second, &first, &second] {
        browser.goto(&format!("{url}/user")).await;
        assert!(browser.text().await.contains(org.user(ADA).id()), "{url}: {}", browser.text().await);
    }
    assert_eq!(org.token_calls("authorization_code"), 2, "one login each");
    browser.goto(&format!("{first}/auth/salesforce/logout")).await;
    browser.click("main button").await;
    browser.wait_for_path("/").await;
    assert_eq!(browser.fetch_status("/user").await, 401);
    browser.goto(&format!("{second}/")).await;
    assert_eq!(browser.fetch_status("/user").await, 200, "the other app's login is not affected");
    browser.close().await;
}

/// W-23: the browser sends the callback a second time while the code is exchanged, and shows the second response.
#[actix_web::test]
async fn a_callback_that_the_browser_sends_twice_logs_in_once() {
    let org = FakeOrg::start().await.unwrap();
    let (_server, url, salesforce) = app("localhost", &org, |builder| builder).await;
    let browser = Browser::start().await;
    browser.goto(&format!("{url}/user")).await;
    // What Salesforce sends this browser back to.
    org.sign_in(&org.user(ADA));
    let callback = Client::new().visit_until(browser.url().await.as_str(), CALLBACK).await;
    org.faults().token_endpoint(Fault::Delay(Duration::from_millis(1_500)).once());
    let script = "const [url] = arguments; location.href = url; setTimeout(() => location.href = url, 400)";
    browser.page.execute(script, vec![callback.as_str().into()]).await.unwrap();
    browser.wait_for_path("/user").await;
    assert!(browser.text().await.contains(org.user(ADA).id()), "{}", browser.text().await);
    assert_eq!(org.token_calls("authorization_code"), 1, "one exchange");
    // Longer than a login waits that no response took.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(browser.fetch_status("/user").await, 200);
    let logins = salesforce.list_logins(actix_salesforce::store::GrantFilter::All).await.unwrap();
    assert_eq!(logins.len(), 1);
    browser.close().await;
}

/// A page of another site with the app's pages in frames.
fn parent(frames: Vec<(&'static str, String)>) -> (Server, String) {
    let html: String =
        frames.iter().map(|(id, url)| format!("<iframe id=\"{id}\" src=\"{url}\"></iframe>")).collect();
    let (listener, url) = reserve();
    let server = serve(listener, move |listener| {
        listen!(listener, 1, move || {
            let html = html.clone();
            App::new().default_service(web::to(move || {
                let html = html.clone();
                async move { HttpResponse::Ok().content_type("text/html").body(html) }
            }))
        })
    });
    (server, url)
}

/// W-28: what a user sees of the app in a frame of another site.
#[actix_web::test]
async fn in_a_frame_of_another_site_only_the_way_out_is_shown() {
    let org = org().await;
    let (listener, url) = reserve();
    let url = url.replace("127.0.0.1", "localhost");
    let frames = |url: &str| {
        vec![
            ("page", format!("{url}/user?secret=1")),
            ("login", format!("{url}/auth/salesforce/login")),
            ("callback", format!("{url}/auth/salesforce/callback?code=x&state=y")),
            ("logout", format!("{url}/auth/salesforce/logout")),
        ]
    };
    let (_allowed, allowed) = parent(frames(&url));
    let (_foreign, foreign) = parent(frames(&url));
    let salesforce = settings_for(&org, &url).allowed_origin(&*allowed).build().await.unwrap();
    let _server = standard(listener, 4, salesforce);
    let browser = Browser::start().await;
    let shown = async |id: &str| {
        let frame = browser.page.wait().for_element(Locator::Id(id)).await.unwrap();
        frame.enter_frame().await.unwrap();
        let at = browser.page.execute("return location.href", Vec::new()).await.unwrap();
        let text = browser.text().await;
        browser.page.enter_parent_frame().await.unwrap();
        (at.as_str().unwrap().to_owned(), text)
    };
    // What Chromium has in place of a page whose headers forbid the frame.
    const BLOCKED: &str = "chrome-error://chromewebdata/";

    browser.goto(&foreign).await;
    assert_eq!(shown("page").await.0, BLOCKED, "a site that the settings do not name");
    browser.goto(&allowed).await;
    let (at, text) = shown("page").await;
    assert!(
        at == format!("{url}/user?secret=1") && text.contains("Open this app in a window"),
        "{at}: {text}"
    );
    for id in ["login", "callback", "logout"] {
        assert_eq!(shown(id).await.0, BLOCKED, "{id}");
    }
    assert_eq!(org.token_calls("authorization_code"), 0);

    // The link opens a window, in which the login is an ordinary one.
    let frame = browser.page.find(Locator::Id("page")).await.unwrap();
    frame.enter_frame().await.unwrap();
    let found = axe::findings(&browser).await;
    assert!(found.is_empty(), "{found:#?}");
    let before = browser.page.window().await.unwrap();
    browser.click("a").await;
    let mut windows = browser.page.windows().await.unwrap();
    for _ in 0..100 {
        if windows.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        windows = browser.page.windows().await.unwrap();
    }
    windows.retain(|window| *window != before);
    browser.page.switch_to_window(windows.remove(0)).await.unwrap();
    browser.wait_for_path("/user").await;
    assert_eq!(browser.url().await.query(), None, "no query in the link");
    assert!(browser.text().await.contains(org.user(ADA).id()), "{}", browser.text().await);
    browser.close().await;
}

/// W-32: the cookie of the app's session is `SameSite=Strict`, so it does not come with the way back from Salesforce.
#[actix_web::test]
async fn a_strict_session_of_the_app_is_still_there_after_the_login() {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let url = url.replace("127.0.0.1", "localhost");
    let salesforce = settings_for(&org, &url).session(SessionMode::App).build().await.unwrap();
    let key = Key::from(&[7; 64]);
    // Whether the session's cookie came, for each callback.
    let callbacks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&callbacks);
    let _server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            let session = SessionMiddleware::builder(CookieSessionStore::default(), key.clone())
                .cookie_same_site(SameSite::Strict)
                .cookie_secure(false)
                .build();
            let seen = Arc::clone(&seen);
            App::new().configure(routes).wrap(salesforce.clone()).wrap(session).wrap_fn(
                move |request, service| {
                    if request.path() == CALLBACK {
                        seen.lock().unwrap().push(request.cookie("id").is_some());
                    }
                    service.call(request)
                },
            )
        })
    });
    let browser = Browser::start().await;
    browser.goto(&format!("{url}/session")).await;
    assert_eq!(browser.text().await, "1");
    browser.goto(&format!("{url}/user")).await;
    // With clicks: a redirect that no user began would bring strict cookies.
    browser.fill("#username", ADA).await;
    browser.fill("#password", org.user(ADA).password()).await;
    browser.click("#Login").await;
    browser.click("#oaapprove").await;
    browser.wait_for_path("/user").await;
    assert!(browser.text().await.contains(org.user(ADA).id()), "{}", browser.text().await);
    assert_eq!(org.token_calls("authorization_code"), 1, "no login loop");
    assert_eq!(*callbacks.lock().unwrap(), [false, true], "held back, and there when the code is used");
    browser.goto(&format!("{url}/session")).await;
    assert_eq!(browser.text().await, "2", "the app's session is still there");
    browser.close().await;
}
