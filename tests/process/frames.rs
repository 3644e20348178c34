//! Frames in a real browser, on two sites: the org on 127.0.0.1, the app on localhost. Headless Chromium.
//!
//! On one site none of this would prove anything: cookies with `SameSite=Lax` come along there.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{
    ADA, Server,
    app::{listen, routes, serve},
    axe,
    browser::Browser,
    reserve, settings_for,
};
use actix_salesforce::{SalesforceBuilder, SalesforceUser, store::GrantFilter};
use actix_web::{App, HttpResponse, Responder, web};
use fantoccini::Locator;
use salesforce_fake_org::{FakeOrg, PermittedUsers};

/// A page with a form and a link, as an app in a frame has them.
async fn page(user: SalesforceUser) -> impl Responder {
    HttpResponse::Ok().content_type("text/html").body(format!(
        "<!doctype html><title>Frame</title><p id=\"who\">{}</p><a id=\"next\" href=\"/page?next\">Next</a>\
         <form method=\"post\" action=\"/save\"><button id=\"save\">Save</button></form>",
        user.username.unwrap_or_default()
    ))
}

/// How often the app has saved.
static SAVED: AtomicUsize = AtomicUsize::new(0);

async fn save(user: SalesforceUser) -> impl Responder {
    SAVED.fetch_add(1, Ordering::SeqCst);
    format!("saved by {}", user.username.unwrap_or_default())
}

/// An app on localhost, and what its URL is.
async fn app(
    org: &FakeOrg,
    settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
) -> (Server, String, actix_salesforce::Salesforce) {
    let (listener, url) = reserve();
    let url = url.replace("127.0.0.1", "localhost");
    let salesforce = settings(settings_for(org, &url)).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            App::new()
                .route("/page", web::get().to(page))
                .route("/save", web::post().to(save))
                .configure(routes)
                .wrap(wrapped.clone())
        })
    });
    (server, url, salesforce)
}

/// A server on 127.0.0.1 with this page: a site that wants to do harm.
fn other_site(html: String) -> Server {
    let (listener, _) = reserve();
    serve(listener, move |listener| {
        listen!(listener, 1, move || {
            let html = html.clone();
            App::new().default_service(web::to(move || {
                let html = html.clone();
                async move { HttpResponse::Ok().content_type("text/html").body(html) }
            }))
        })
    })
}

/// The text of the first frame of the page, once it has this text.
async fn frame_text(browser: &Browser, expected: &str) -> String {
    let mut text = String::new();
    for _ in 0..100 {
        browser.page.clone().enter_parent_frame().await.unwrap();
        let frame = browser.page.find(Locator::Css("iframe")).await.unwrap();
        frame.enter_frame().await.unwrap();
        if let Ok(body) = browser.page.find(Locator::Css("body")).await {
            text = body.text().await.unwrap_or_default();
        }
        if text.contains(expected) {
            return text;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the frame has {text:?}, not {expected:?}");
}

#[actix_web::test]
async fn an_app_in_a_frame_of_salesforce_is_logged_in_by_canvas() {
    let org = FakeOrg::start().await.unwrap();
    let (_server, url, salesforce) = app(&org, |builder| builder).await;
    let canvas_url = format!("{url}/auth/salesforce/canvas?return_to=/page");
    org.set_policy(&serde_json::json!({ "canvas_url": canvas_url })).unwrap();
    org.set_permitted_users(PermittedUsers::AdminApproved(vec![ADA.into()]));
    let at_salesforce = format!("{}/canvas?username={ADA}", org.instance_url().trim_end_matches('/'));

    let browser = Browser::start().await;
    browser.goto(&at_salesforce).await;
    frame_text(&browser, ADA).await;
    browser.screenshot("canvas").await;
    // The next page of the frame, a script of it, and a form of it.
    browser.click("#next").await;
    frame_text(&browser, ADA).await;
    assert_eq!(browser.fetch_status("/user").await, 200);
    browser.click("#save").await;
    frame_text(&browser, &format!("saved by {ADA}")).await;

    // In a window the same browser is not logged in.
    browser.page.clone().enter_parent_frame().await.unwrap();
    browser.goto(&format!("{url}/")).await;
    assert_eq!(browser.fetch_status("/user").await, 401, "the cookie belongs to the frame");

    // Another site frames the app, below the same top-level site even: the browser shows nothing of it.
    let framing = other_site(format!("<!doctype html><title>x</title><iframe src=\"{url}/page\"></iframe>"));
    browser.goto(&framing.url).await;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let frame = browser.page.find(Locator::Css("iframe")).await.unwrap();
    frame.enter_frame().await.unwrap();
    let at = browser.page.execute("return location.href", Vec::new()).await.unwrap();
    // What Chromium has in place of a page whose headers forbid the frame.
    assert_eq!(at, "chrome-error://chromewebdata/", "refused by frame-ancestors");
    browser.page.clone().enter_parent_frame().await.unwrap();

    // It posts a form of the app, in a frame and by script.
    let saved = SAVED.load(Ordering::SeqCst);
    assert!(saved > 0, "the app's own page has saved");
    let forging = other_site(format!(
        "<!doctype html><title>x</title><iframe name=\"f\"></iframe><form method=\"post\" target=\"f\" \
         action=\"{url}/save\"><button id=\"go\">Go</button></form><p id=\"out\"></p><script>\
         fetch('{url}/save', {{method: 'POST', mode: 'no-cors', credentials: 'include'}})\
         .then(() => out.textContent = 'sent')</script>"
    ));
    browser.goto(&forging.url).await;
    browser.click("#go").await;
    for _ in 0..100 {
        if browser.text().await.contains("sent") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(browser.text().await.contains("sent"), "the script's request has ended");
    assert_eq!(SAVED.load(Ordering::SeqCst), saved);

    // The page of Salesforce is opened again: another signed request.
    browser.goto(&at_salesforce).await;
    frame_text(&browser, ADA).await;
    assert_eq!(
        salesforce.list_logins(GrantFilter::All).await.unwrap().len(),
        1,
        "the former login has ended"
    );

    // An operator ends it: the frame asks to be reloaded.
    assert_eq!(salesforce.revoke_grants(GrantFilter::All).await.unwrap(), 1);
    browser.click("#next").await;
    frame_text(&browser, "has to be reloaded").await;
    let found = axe::findings(&browser).await;
    assert!(found.is_empty(), "{found:#?}");
    browser.close().await;
}

/// Where the browser sends cookies in frames of other sites. Where it blocks them, nothing happens.
#[actix_web::test]
async fn a_logout_at_salesforce_ends_the_login_of_the_app() {
    let org = FakeOrg::start().await.unwrap();
    let (_server, url, salesforce) = app(&org, |builder| builder.single_logout(true)).await;
    let slo = format!("{url}/auth/salesforce/slo");
    org.set_policy(&serde_json::json!({ "single_logout_url": slo })).unwrap();
    let logout = format!("{}/services/auth/idp/oidc/logout", org.instance_url().trim_end_matches('/'));
    let log_in = async |browser: &Browser, approves: bool| {
        browser.goto(&format!("{url}/user")).await;
        browser.fill("#username", ADA).await;
        browser.fill("#password", org.user(ADA).password()).await;
        browser.click("#Login").await;
        if approves {
            browser.click("#oaapprove").await;
        }
        browser.wait_for_path("/user").await;
    };
    let blocking = Browser::start().await;
    log_in(&blocking, true).await;
    let browser = Browser::with_cookies_of_other_sites().await;
    log_in(&browser, false).await;
    assert_eq!(salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 2);

    // The app's own page leads there, too.
    browser.goto(&format!("{url}/auth/salesforce/logout")).await;
    browser.screenshot("confirm-single-logout").await;
    // Salesforce's page loads the route of the app in a frame.
    browser.goto(&logout).await;
    for _ in 0..100 {
        if salesforce.list_logins(GrantFilter::All).await.unwrap().len() < 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    browser.goto(&format!("{url}/")).await;
    assert_eq!(browser.fetch_status("/user").await, 401, "the login is over");
    blocking.goto(&format!("{url}/")).await;
    assert_eq!(blocking.fetch_status("/user").await, 200, "another browser of the same user");
    browser.close().await;
    blocking.close().await;
}

/// Without a session at Salesforce, and with one.
#[actix_web::test]
async fn a_browser_is_logged_in_silently() {
    use actix_salesforce::{MaybeSalesforceConn, SilentLogin};

    async fn home(sf: MaybeSalesforceConn) -> impl Responder {
        if sf.is_some() { "connected" } else { "anonymous" }
    }
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let url = url.replace("127.0.0.1", "localhost");
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let _server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            let home = web::resource("/home").wrap(SilentLogin::new()).to(home);
            App::new().service(home).configure(routes).wrap(salesforce.clone())
        })
    });
    let browser = Browser::start().await;
    browser.goto(&format!("{url}/home?a=1")).await;
    assert_eq!(browser.text().await, "anonymous");
    assert!(browser.url().await.query().unwrap().starts_with("a=1&salesforce_silent="));
    browser.close().await;

    org.sign_in(&org.user(ADA));
    let browser = Browser::start().await;
    browser.goto(&format!("{url}/home?a=1")).await;
    assert_eq!((browser.text().await.as_str(), browser.url().await.query()), ("connected", Some("a=1")));
    browser.close().await;
}
