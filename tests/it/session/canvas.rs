//! Canvas: a signed request of Salesforce logs in, once, in a frame, and changes no ordinary login.

use std::sync::{Arc, Mutex};

use crate::support::{
    ADA, Client, LOGIN, Page, TestApp,
    app::{listen, routes, serve},
    reserve, settings_for,
};
use actix_salesforce::{
    AuthEvent, InvalidFacts, LoginDecision, LoginFacts, RequireLogin, SalesforceBuilder, SalesforceUser,
    SessionMode, UserRef,
    actix_session::{SessionMiddleware, storage::CookieSessionStore},
    store::GrantFilter,
};
use actix_web::{App, HttpResponse, Responder, web};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault, Route};

const CANVAS: &str = "/auth/salesforce/canvas";
const LOGOUT: &str = "/auth/salesforce/logout";
const BEN: &str = "ben@example.com";

/// What a browser says of a page in a frame of another site.
const FRAME: [(&str, &str); 3] =
    [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];

async fn save(user: SalesforceUser) -> impl Responder {
    user.username.unwrap_or_default()
}

/// A page whose app does not want to be framed.
async fn unframed(_: SalesforceUser) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("x-frame-options", "SAMEORIGIN"))
        .insert_header(("content-security-policy", "default-src 'self'; frame-ancestors 'self'"))
        .body("page")
}

async fn fails(_: SalesforceUser) -> actix_salesforce::Result<&'static str> {
    Err(actix_salesforce::Error::RowNotFound)
}

async fn facts(facts: LoginFacts<serde_json::Value>) -> impl Responder {
    facts.to_string()
}

async fn around(org: FakeOrg, settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> TestApp {
    let (listener, url) = reserve();
    let salesforce = settings(settings_for(&org, &url)).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            App::new()
                .route("/save", web::post().to(save))
                .route("/save", web::delete().to(save))
                .route("/hook", web::post().to(|| async { "public" }))
                .route("/unframed", web::get().to(unframed))
                .route("/facts", web::get().to(facts))
                .route("/fails", web::get().to(fails))
                .service(
                    web::resource("/recent").wrap(RequireLogin::new().fresh(1)).to(|| async { "recent" }),
                )
                .service(
                    web::resource("/forbidden")
                        .wrap(RequireLogin::new().allow_if(|_| false))
                        .to(|| async { "forbidden" }),
                )
                .configure(routes)
                .wrap(wrapped.clone())
        })
    });
    TestApp { org, salesforce, server }
}

async fn start() -> TestApp {
    with(|builder| builder).await
}

async fn with(settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> TestApp {
    around(FakeOrg::start().await.unwrap(), settings).await
}

fn signed(app: &TestApp, user: &str) -> String {
    app.org.canvas_signed_request(&app.org.user(user))
}

/// What the frame of Salesforce's page sends.
async fn post(app: &TestApp, browser: &Client, path: &str, signed: &str, headers: &[(&str, &str)]) -> Page {
    let form =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("signed_request", signed).finish();
    post_form(app, browser, path, &form, headers).await
}

async fn post_form(
    app: &TestApp,
    browser: &Client,
    path: &str,
    form: &str,
    headers: &[(&str, &str)],
) -> Page {
    let origin = app.org.instance_url();
    let origin = origin.trim_end_matches('/');
    let given = |name: &str| headers.iter().any(|(given, _)| *given == name);
    let usual = [
        ("accept", "text/html"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", origin),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
    ];
    let mut all: Vec<_> = usual.into_iter().filter(|(name, _)| !given(name)).collect();
    all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    browser.send(Method::POST, &app.url(path), &all, Some(form)).await
}

/// A frame in which this user is logged in.
async fn frame(app: &TestApp, user: &str) -> Client {
    let browser = Client::new();
    let page = post(app, &browser, CANVAS, &signed(app, user), &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    browser
}

async fn in_frame(app: &TestApp, browser: &Client, path: &str) -> Page {
    browser.send(Method::GET, &app.url(path), &FRAME, None).await
}

async fn user_of(app: &TestApp, browser: &Client) -> Option<String> {
    let page = in_frame(app, browser, "/user").await;
    // Without a login it is the page that opens a window.
    let is_user = page.status == 200 && page.header("content-type").contains("json");
    is_user.then(|| page.json()["username"].as_str().unwrap().to_owned())
}

/// The bearer of the last request for an identity.
fn last_bearer(app: &TestApp) -> String {
    let requests = app.org.requests();
    let request = requests.iter().rev().find(|request| request.path.starts_with("/id/")).unwrap();
    request.header("authorization").unwrap().to_owned()
}

fn requests_at_instance(app: &TestApp) -> usize {
    let is_there =
        |request: &&salesforce_fake_org::Request| request.host == salesforce_fake_org::Host::Instance;
    app.org.requests().iter().filter(is_there).count()
}

#[actix_web::test]
async fn a_signed_request_logs_in_within_the_frame() {
    let app = start().await;
    let browser = Client::new();
    let page =
        post(&app, &browser, &format!("{CANVAS}?return_to=/user%3Fa=1"), &signed(&app, ADA), &[]).await;
    assert_eq!((page.status, page.header("location")), (303, "/user?a=1"), "{page:?}");
    let cookies = page.set_cookies();
    assert_eq!(cookies.len(), 1, "the ordinary cookie is never set: {cookies:?}");
    assert!(cookies[0].contains(".canvas="), "{cookies:?}");
    for attribute in ["SameSite=None", "Secure", "Partitioned", "HttpOnly", "Path=/"] {
        assert!(cookies[0].contains(attribute), "{attribute}: {cookies:?}");
    }
    assert!(!cookies[0].contains("Domain") && !cookies[0].contains("Max-Age"), "{cookies:?}");
    assert!(!cookies[0].contains(&app.org.live_access_tokens(&app.org.user(ADA))[0]));

    let page = in_frame(&app, &browser, "/user").await;
    assert_eq!(page.json()["username"], ADA);
    assert_eq!(page.json()["user_id"], app.org.user(ADA).id());
    assert!(page.json()["scopes"].to_string().contains("api"), "{page:?}");
    assert_eq!(in_frame(&app, &browser, "/whoami").await.body, ADA, "the token of the request is used");
    let script = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("sec-fetch-site", "same-origin")];
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &script, None).await.status, 200);
    // In a window, and for a client that does not say where it is, it does not count.
    assert_eq!(browser.open(&app.url("/user")).await.location().path(), LOGIN);
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &[], None).await.status, 401);
    assert_eq!(app.exchanges(), 0);
    let logins = app.salesforce.list_logins(GrantFilter::All).await.unwrap();
    assert_eq!(logins.len(), 1);
    app.salesforce.revoke_login(&logins[0]).await.unwrap();
    assert_eq!(user_of(&app, &browser).await, None, "an operator ends it");
}

#[actix_web::test]
async fn a_framed_page_has_the_ancestors_of_the_org_and_nothing_else() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let instance = app.org.instance_url();
    let ours = format!("frame-ancestors {}", instance.trim_end_matches('/'));
    let policies = |page: &Page| {
        let all = page.headers.get_all("content-security-policy");
        all.iter().map(|policy| policy.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = in_frame(&app, &browser, "/user").await;
    assert_eq!((policies(&page), page.header("x-frame-options")), (vec![ours.clone()], ""));
    let page = in_frame(&app, &browser, "/unframed").await;
    assert_eq!(policies(&page), ["default-src 'self'".to_owned(), ours.clone()], "{page:?}");
    assert!(!page.headers.contains_key("x-frame-options"), "{page:?}");
    let page = in_frame(&app, &browser, "/fails").await;
    assert!(policies(&page).contains(&ours), "an error page, too: {page:?}");
    // Without a login of the frame nothing changes.
    let ordinary = Client::new();
    app.org.sign_in(&app.org.user(ADA));
    app.log_in(&ordinary).await;
    let page = in_frame(&app, &ordinary, "/unframed").await;
    assert_eq!(policies(&page), ["default-src 'self'; frame-ancestors 'self'"]);
    assert_eq!(page.header("x-frame-options"), "SAMEORIGIN");
}

#[actix_web::test]
async fn a_signed_request_counts_once() {
    let app = start().await;
    let once = signed(&app, ADA);
    let (first, thief) = (Client::new(), Client::new());
    assert_eq!(post(&app, &first, CANVAS, &once, &[]).await.status, 303);
    let spelled = once.replace('+', " ");
    for text in [&once, &spelled, &format!(" {once}\n")] {
        let page = post(&app, &thief, CANVAS, text, &[]).await;
        assert_eq!(page.status, 403, "{page:?}");
        assert!(page.body.contains("reloaded") && page.set_cookies().is_empty(), "{page:?}");
        assert!(
            page.header("content-security-policy").contains(app.org.instance_url().trim_end_matches('/'))
        );
    }
    assert_eq!(user_of(&app, &first).await.as_deref(), Some(ADA));
    // Two at the same time.
    let again = signed(&app, ADA);
    let (one, two) = (Client::new(), Client::new());
    let (one, two) =
        futures_util::join!(post(&app, &one, CANVAS, &again, &[]), post(&app, &two, CANVAS, &again, &[]));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403]);
    // The next frame of the same user brings another one, and replaces the login of this frame.
    assert_eq!(post(&app, &first, CANVAS, &signed(&app, BEN), &[]).await.status, 303);
    assert_eq!(user_of(&app, &first).await.as_deref(), Some(BEN));
}

#[actix_web::test]
async fn only_what_salesforce_signed_is_taken() {
    let app = start().await;
    let browser = Client::new();
    let good = signed(&app, ADA);
    let (signature, payload) = good.split_once('.').unwrap();
    let ben = signed(&app, BEN);
    let (_, other) = ben.split_once('.').unwrap();
    let decoded = STANDARD.decode(payload).unwrap();
    let unsigned = String::from_utf8(decoded).unwrap().replace("HMACSHA256", "none");
    for text in [
        format!("{signature}.{other}"),
        format!(".{payload}"),
        payload.to_owned(),
        String::new(),
        format!("{}.{}", STANDARD.encode([0; 32]), payload),
        format!("{signature}.{}", STANDARD.encode(unsigned)),
        format!("{signature}.{payload}.{payload}"),
    ] {
        let page = post(&app, &browser, CANVAS, &text, &[]).await;
        assert!(page.status == 403 && page.set_cookies().is_empty(), "{text}: {page:?}");
        assert!(!page.body.contains(payload), "{page:?}");
    }
    for form in ["", "signed_request", "other=1", "signed_request=a.b&signed_request=a.b"] {
        assert_eq!(post_form(&app, &browser, CANVAS, form, &[]).await.status, 403, "{form}");
    }
    let twice = format!("signed_request=x.y&{}", good);
    assert_eq!(post_form(&app, &browser, CANVAS, &twice, &[]).await.status, 403);
    assert_eq!(requests_at_instance(&app), 0, "Salesforce is not asked about it");
    assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 0);
    // All of that has not used the good one up.
    assert_eq!(post(&app, &browser, CANVAS, &good, &[]).await.status, 303);
}

/// A link, a window, or a page of another site that got hold of a signed request.
#[actix_web::test]
async fn a_signed_request_is_taken_in_a_frame_of_salesforce_only() {
    let app = start().await;
    let browser = Client::new();
    let good = signed(&app, ADA);
    for headers in [
        [("sec-fetch-dest", "document")],
        [("sec-fetch-dest", "frame")],
        [("sec-fetch-dest", "empty")],
        [("sec-fetch-dest", "")],
        [("origin", "https://evil.example")],
        [("origin", "http://127.0.0.1:1")],
        [("origin", "https://acme.my.salesforce.com.evil.example")],
        [("origin", "http://acme.my.salesforce.com")],
        [("origin", "https://my.salesforce.com")],
    ] {
        let page = post(&app, &browser, CANVAS, &good, &headers).await;
        assert!(page.status == 403 && page.set_cookies().is_empty(), "{headers:?}: {page:?}");
    }
    for headers in [[("origin", "null")], [("origin", "")], [("origin", "https://acme.lightning.force.com")]]
    {
        let page = post(&app, &browser, CANVAS, &signed(&app, ADA), &headers).await;
        assert_eq!(page.status, 303, "{headers:?}: {page:?}");
    }
    // What Salesforce opens for a user who has to allow the app first.
    let query = "?loginUrl=https%3A%2F%2Facme.my.salesforce.com&_sfdc_canvas_auth=user_approval_required";
    let page = in_frame(&app, &Client::new(), &format!("{CANVAS}{query}")).await;
    assert!(page.status == 200 && page.body.contains("target=\"_blank\""), "{page:?}");
    assert!(!page.body.contains("acme.my"), "nothing of the query: {page:?}");
}

/// Userinfo says whose token it is, and that it lives.
#[actix_web::test]
async fn a_signed_request_counts_while_its_token_lives_and_for_its_user_only() {
    let app = start().await;
    let browser = Client::new();
    let expired = signed(&app, ADA);
    app.org.expire_access_tokens();
    let page = post(&app, &browser, CANVAS, &expired, &[]).await;
    assert!(page.status == 403 && page.body.contains("reloaded"), "{page:?}");

    let ben = app.org.user(BEN);
    for (member, value) in
        [("user_id", ben.id().to_owned()), ("organization_id", "00D000000000009EAA".to_owned())]
    {
        let ada = app.org.user(ADA);
        let mut info = serde_json::json!({
            "sub": "x", "user_id": ada.id(), "organization_id": ada.organization_id(), "name": "Ada",
        });
        info[member] = value.into();
        let fault = app.org.faults().at(Route::Userinfo, Fault::Json(info));
        let page = post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await;
        assert_eq!(page.status, 502, "{member}: {page:?}");
        fault.remove();
    }
    let outage = app.org.faults().at(Route::Userinfo, Fault::Status(503));
    assert_eq!(post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await.status, 503);
    outage.remove();
    assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 0, "nothing is stored");
    assert_eq!(user_of(&app, &browser).await, None);
}

/// An org that is not allowed is never contacted, and no token of Salesforce's is revoked.
#[actix_web::test]
async fn who_may_not_log_in_may_not_by_canvas() {
    let elsewhere = with(|builder| builder.allowed_orgs(["00D000000000009EAA"])).await;
    let page = post(&elsewhere, &Client::new(), CANVAS, &signed(&elsewhere, ADA), &[]).await;
    assert_eq!((page.status, requests_at_instance(&elsewhere)), (403, 0), "{page:?}");

    let app = with(|builder| builder.allow_org_if(|_| async { Ok::<_, std::io::Error>(false) })).await;
    let page = post(&app, &Client::new(), CANVAS, &signed(&app, ADA), &[]).await;
    assert_eq!((page.status, requests_at_instance(&app)), (403, 0), "{page:?}");

    let app = with(|builder| {
        builder.on_login(|login| async move {
            if login.username.as_deref() == Some(BEN) {
                return Ok::<_, InvalidFacts>(LoginDecision::refuse("Your contract has ended."));
            }
            LoginDecision::allow_with(&serde_json::json!({ "plan": "gold" }))
        })
    })
    .await;
    let browser = frame(&app, ADA).await;
    assert_eq!(in_frame(&app, &browser, "/facts").await.body, r#"{"plan":"gold"}"#);
    let page = post(&app, &browser, CANVAS, &signed(&app, BEN), &[]).await;
    assert!(page.status == 403 && page.body.contains("Your contract has ended."), "{page:?}");
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(ADA), "the login of the frame stays");
    assert!(!app.org.live_access_tokens(&app.org.user(BEN)).is_empty(), "the token is Salesforce's");
}

#[actix_web::test]
async fn an_instance_that_is_not_allowed_is_never_contacted() {
    let app = start().await;
    let foreign =
        FakeOrg::builder().client(&app.org.client_id(), &app.org.client_secret()).start().await.unwrap();
    let signed = foreign.canvas_signed_request(&foreign.user(ADA));
    let page = post(&app, &Client::new(), CANVAS, &signed, &[]).await;
    assert_eq!(page.status, 500, "{page:?}");
    assert!(foreign.requests().is_empty(), "{:?}", foreign.requests());
}

/// The stored grant is used where there is one, and nothing replaces, refreshes or revokes it.
#[actix_web::test]
async fn an_ordinary_grant_is_used_and_stays_as_it_is() {
    let app = start().await;
    let ada = app.org.user(ADA);
    let user = UserRef::new(ada.organization_id().parse().unwrap(), ada.id().parse().unwrap());
    app.org.sign_in(&ada);
    let ordinary = Client::new();
    app.log_in(&ordinary).await;
    let (refresh_tokens, bearer) = (app.org.live_refresh_tokens(&ada), last_bearer(&app));
    assert_eq!(refresh_tokens.len(), 1);

    let framed = frame(&app, ADA).await;
    assert_eq!(in_frame(&app, &framed, "/whoami").await.body, ADA);
    assert_eq!(last_bearer(&app), bearer, "the stored grant is used");
    let other = frame(&app, ADA).await;
    framed.submit(&app.url(LOGOUT), &app.server.url, &[]).await;
    let stored = |tokens: &[String]| refresh_tokens.iter().all(|token| tokens.contains(token));
    assert!(stored(&app.org.live_refresh_tokens(&ada)), "neither replaced nor revoked");
    assert!(app.is_logged_in(&ordinary).await);
    assert!(app.salesforce.user_connection(user).await.is_ok());

    // The ordinary login ends: the frame goes on with its own token, and jobs have none.
    ordinary.submit(&app.url(LOGOUT), &app.server.url, &[]).await;
    assert_eq!(in_frame(&app, &other, "/whoami").await.body, ADA);
    assert_ne!(last_bearer(&app), bearer);
    assert!(app.salesforce.user_connection(user).await.is_err());
    // A login after that is used again.
    let again = Client::new();
    app.log_in(&again).await;
    let bearer = last_bearer(&app);
    assert_eq!(in_frame(&app, &other, "/whoami").await.body, ADA);
    assert_eq!(last_bearer(&app), bearer);
    // Everywhere is in frames, too.
    again.submit(&app.url(LOGOUT), &app.server.url, &[("everywhere", "1")]).await;
    assert_eq!(user_of(&app, &other).await, None);
}

/// In a set-up in which both cookies come, such as one on one site.
#[actix_web::test]
async fn an_ordinary_login_of_the_browser_counts_first() {
    let app = start().await;
    app.org.sign_in(&app.org.user(BEN));
    let browser = Client::new();
    app.log_in(&browser).await;
    let before = browser.own_cookie("");
    assert_eq!(post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await.status, 303);
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(BEN));
    assert_eq!(browser.own_cookie(""), before, "the ordinary cookie is as it was");
    assert!(app.is_logged_in(&browser).await);
}

/// The cookie comes with requests from pages of other sites.
#[actix_web::test]
async fn an_unsafe_method_needs_the_apps_own_origin() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let own = app.server.url.clone();
    let frame = ("sec-fetch-dest", "iframe");
    for (headers, status) in [
        (vec![frame, ("origin", own.as_str())], 200),
        (vec![frame, ("origin", "null"), ("sec-fetch-site", "same-origin")], 200),
        (vec![("sec-fetch-dest", "empty"), ("sec-fetch-site", "same-origin"), ("origin", own.as_str())], 200),
        (vec![frame, ("origin", "https://evil.example")], 403),
        (vec![frame, ("origin", "null"), ("sec-fetch-site", "cross-site")], 403),
        (vec![frame, ("sec-fetch-site", "same-site")], 403),
        (vec![frame, ("origin", own.as_str()), ("origin", "https://evil.example")], 403),
        (vec![frame], 403),
    ] {
        for (method, path) in [(Method::POST, "/save"), (Method::DELETE, "/save"), (Method::POST, "/hook")] {
            let page = browser.send(method.clone(), &app.url(path), &headers, Some("")).await;
            let expected = if path == "/hook" || status == 403 { status } else { 200 };
            assert_eq!(page.status, expected, "{method} {path} {headers:?}: {page:?}");
        }
    }
    let forged = [frame, ("origin", "https://evil.example"), ("accept", "application/json")];
    let page = browser.send(Method::POST, &app.url("/save"), &forged, Some("")).await;
    assert!(page.body.contains("foreign"), "{page:?}");
    // Without the cookie a public route takes requests of other sites as ever.
    let page = Client::new().send(Method::POST, &app.url("/hook"), &forged, Some("")).await;
    assert_eq!(page.status, 200);
}

/// The token ends with the session in Salesforce: no grant waits to be reconnected.
#[actix_web::test]
async fn a_frame_whose_token_has_ended_asks_to_be_reloaded() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let app = with(|builder| builder.on_event(move |event| heard.lock().unwrap().push(event.clone()))).await;
    let browser = frame(&app, ADA).await;
    app.org.expire_access_tokens();
    let page = in_frame(&app, &browser, "/whoami").await;
    let page = if page.status == 403 { page } else { in_frame(&app, &browser, "/whoami").await };
    assert!(page.status == 403 && page.body.contains("Reload the page of Salesforce"), "{page:?}");
    let policies = page.headers.get_all("content-security-policy");
    let allows =
        |policy: &reqwest::header::HeaderValue| policy.to_str().unwrap().starts_with("frame-ancestors http");
    assert!(policies.iter().any(allows) && !page.headers.contains_key("x-frame-options"), "{page:?}");
    assert!(
        app.salesforce.list_grants(GrantFilter::All).await.unwrap().is_empty(),
        "none needs reconnecting"
    );
    let is_revocation = |event: &AuthEvent| matches!(event, AuthEvent::GrantRevoked { .. });
    assert!(!events.lock().unwrap().iter().any(is_revocation));
    let script = [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &script, None).await.status, 401);
    assert_eq!(post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await.status, 303);
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(ADA));
}

/// While the app's credentials rotate, Salesforce may sign with either secret.
#[actix_web::test]
async fn the_previous_secret_signs_too() {
    let org = FakeOrg::start().await.unwrap();
    let (id, secret) = (org.client_id(), org.client_secret());
    let app = around(org, |builder| {
        builder
            .client_id("3MVG9New")
            .client_secret("new-secret")
            .previous_client_id(id)
            .previous_client_secret(secret)
    })
    .await;
    let browser = frame(&app, ADA).await;
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(ADA));
    let org = FakeOrg::start().await.unwrap();
    let other = around(org, |builder| builder.client_secret("another-secret")).await;
    let page = post(&other, &Client::new(), CANVAS, &signed(&other, ADA), &[]).await;
    assert_eq!(page.status, 403, "a secret that the app does not have: {page:?}");
}

#[actix_web::test]
async fn an_app_without_a_secret_has_no_canvas_route() {
    let org = FakeOrg::builder().public_client().start().await.unwrap();
    let (listener, url) = reserve();
    let builder =
        actix_salesforce::Salesforce::builder().client_id(org.client_id()).login_url(org.login_url());
    let salesforce = builder.allowed_origin(org.instance_url()).public_url(&url).build().await.unwrap();
    let server = crate::support::app::standard(listener, 1, salesforce.clone());
    let app = TestApp { org, salesforce, server };
    assert_eq!(post(&app, &Client::new(), CANVAS, &signed(&app, ADA), &[]).await.status, 404);
}

/// A logout in the frame takes the frame's cookie, and a cookie of the frame is no other cookie.
#[actix_web::test]
async fn a_logout_in_the_frame_ends_its_login() {
    let app = with(|builder| builder.single_logout(true)).await;
    let browser = frame(&app, ADA).await;
    let (name, value) = browser.own_cookie(".canvas").unwrap();
    let ordinary = name.strip_suffix(".canvas").unwrap().to_owned();
    let moved = Client::new();
    moved.set_cookie("127.0.0.1", &ordinary, &value);
    assert!(!app.is_logged_in(&moved).await);

    let copy = browser.copy();
    let headers =
        [("origin", app.server.url.as_str()), ("sec-fetch-dest", "iframe"), ("accept", "text/html")];
    let page = browser.send(Method::POST, &app.url(LOGOUT), &headers, Some("")).await;
    assert_eq!((page.status, page.set_cookies().len()), (303, 1), "no cookie of a window: {page:?}");
    let removal = page.set_cookies().into_iter().find(|cookie| cookie.starts_with(&name)).unwrap();
    assert!(removal.contains("Max-Age=0") && removal.contains("Partitioned"), "{removal}");
    assert_eq!(user_of(&app, &copy).await, None, "the old cookie is dead");
}

/// Its token is Salesforce's own session there, and was never given to the app to end.
#[actix_web::test]
async fn the_token_of_a_signed_request_is_never_revoked() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let headers =
        [("origin", app.server.url.as_str()), ("sec-fetch-dest", "iframe"), ("accept", "text/html")];
    let page = browser.send(Method::POST, &app.url(LOGOUT), &headers, Some("")).await;
    assert_eq!(page.status, 303, "{page:?}");
    // By an operator.
    frame(&app, ADA).await;
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(), 1);
    // An ordinary grant, so that the revocations before it have been sent.
    let ada = app.org.user(ADA);
    let before = app.org.live_refresh_tokens(&ada).len();
    app.org.sign_in(&ada);
    app.logged_in().await;
    assert_eq!(app.org.live_refresh_tokens(&ada).len(), before + 1);
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(), 1);
    let revocations =
        || app.org.requests().iter().filter(|request| request.path == "/services/oauth2/revoke").count();
    for _ in 0..200 {
        if app.org.live_refresh_tokens(&ada).len() == before {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(app.org.live_refresh_tokens(&ada).len(), before);
    assert_eq!(revocations(), 1);
}

/// A browser without partitions sends the cookie with what pages of other sites load, too.
#[actix_web::test]
async fn outside_of_a_frame_the_cookie_counts_for_the_apps_own_pages_only() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let own = app.server.url.clone();
    for destination in ["empty", "image", "script", "websocket"] {
        for (site, status) in [("same-origin", 200), ("same-site", 401), ("cross-site", 401), ("none", 401)] {
            let headers = [("sec-fetch-dest", destination), ("sec-fetch-site", site)];
            let page = browser.send(Method::GET, &app.url("/user"), &headers, None).await;
            assert_eq!(page.status, status, "{destination} {site}: {page:?}");
        }
    }
    // What opens a WebSocket is a GET that changes something.
    let upgrade = [("sec-fetch-dest", "iframe"), ("upgrade", "websocket")];
    for (origin, status) in [(own.as_str(), 200), ("https://evil.example", 403), ("null", 403)] {
        let headers = [&upgrade[..], &[("origin", origin)]].concat();
        let page = browser.send(Method::GET, &app.url("/user"), &headers, None).await;
        assert_eq!(page.status, status, "{origin}: {page:?}");
    }
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &upgrade, None).await.status, 403);
}

/// The app's own session may come to frames: it gets another id, and the app removes what the former user left.
#[actix_web::test]
async fn a_login_in_the_frame_renews_the_apps_own_session() {
    let org = FakeOrg::start().await.unwrap();
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).session(SessionMode::App);
    let salesforce = salesforce.on_user_change(|session| session.clear()).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        let key = actix_web::cookie::Key::generate();
        listen!(listener, 4, move || {
            let own = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
            let own = own.cookie_secure(false).build();
            App::new().configure(routes).wrap(wrapped.clone()).wrap(own)
        })
    });
    let app = TestApp { org, salesforce, server };
    let browser = frame(&app, ADA).await;
    let count = async || in_frame(&app, &browser, "/session").await.body;
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
    let page = post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await;
    assert!(page.set_cookies().iter().any(|cookie| cookie.starts_with("id=")), "it is renewed: {page:?}");
    assert_eq!(count().await, "3", "the same user's stays");
    post(&app, &browser, CANVAS, &signed(&app, BEN), &[]).await;
    assert_eq!(count().await, "1");
}

/// A link within the frame comes from the app's own page. Salesforce's login refuses to be shown there.
#[actix_web::test]
async fn a_link_within_the_frame_that_needs_a_login_opens_a_window() {
    let app = start().await;
    for site in ["same-origin", "same-site", "cross-site", "none"] {
        for (browser, path) in [(Client::new(), "/user"), (frame(&app, ADA).await, "/recent")] {
            let headers = [&FRAME[..], &[("sec-fetch-site", site)]].concat();
            let page = browser.send(Method::GET, &app.url(path), &headers, None).await;
            assert!(!page.is_redirect(), "{site} {path}: {page:?}");
            assert!(page.body.contains("target=\"_blank\""), "{site} {path}: {page:?}");
            let policies = page.headers.get_all("content-security-policy").iter();
            let policies: Vec<_> = policies.map(|policy| policy.to_str().unwrap()).collect();
            assert!(policies.iter().any(|policy| policy.contains("frame-ancestors ")), "{policies:?}");
            assert!(!policies.iter().any(|policy| policy.contains("'none'; frame-ancestors 'none'")));
        }
    }
    // A form in the frame, and a page that another user may see: their links lead into a window.
    let browser = frame(&app, ADA).await;
    let own = [("accept", "text/html"), ("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")];
    let own = [&own[..], &[("sec-fetch-site", "same-origin"), ("origin", app.server.url.as_str())]].concat();
    for (method, path, status) in
        [(Method::POST, "/save", 401), (Method::POST, "/recent", 401), (Method::GET, "/forbidden", 403)]
    {
        let browser = if path == "/save" { Client::new() } else { browser.copy() };
        let body = (method == Method::POST).then_some("");
        let page = browser.send(method, &app.url(path), &own, body).await;
        assert_eq!(page.status, status, "{path}: {page:?}");
        let link = page.body.split("<a ").find(|link| link.contains("/auth/salesforce/login")).unwrap();
        assert!(link.contains("target=\"_blank\""), "{path}: {page:?}");
    }
}
