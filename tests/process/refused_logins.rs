//! The pages of logins that the app refuses, and of requests from other origins, in headless Chromium: axe-core finds
//! nothing on them.

use std::sync::{Arc, Mutex};

use crate::support::{
    ADA, Server,
    app::{listen, serve},
    axe,
    browser::Browser,
    reserve, settings_for,
};
use actix_salesforce::{
    LoginDecision,
    owner::{ConnectDecision, InvalidOwner, Owner},
};
use actix_web::{App, HttpRequest, HttpResponse, web};
use salesforce_fake_org::{FakeOrg, Fault};

/// What the functions of the app say.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Allow,
    RefuseOrg,
    RefuseUser,
    Fail,
    /// No user is logged in to the app itself.
    NoOwner,
    /// Another user is logged in to the app at the callback than at the start.
    OtherOwner,
}

type Shared = Arc<Mutex<Mood>>;

fn owner(mood: Mood, request: &HttpRequest) -> Result<ConnectDecision, InvalidOwner> {
    Ok(match mood {
        Mood::NoOwner => ConnectDecision::not_logged_in(),
        Mood::OtherOwner if request.path().ends_with("/callback") => ConnectDecision::owner(Owner::new("8")?),
        _ => ConnectDecision::owner(Owner::new("7")?),
    })
}

async fn start() -> (FakeOrg, Server, Shared) {
    let org = FakeOrg::start().await.unwrap();
    let shared = Shared::default();
    let now = |shared: &Shared| {
        let shared = Arc::clone(shared);
        move || *shared.lock().unwrap()
    };
    let (of_org, of_login, of_owner) = (now(&shared), now(&shared), now(&shared));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url)
        .allow_sandboxes(false)
        .allow_org_if(move |_| {
            let mood = of_org();
            async move { Ok::<_, std::io::Error>(mood != Mood::RefuseOrg) }
        })
        .on_login(move |_| {
            let mood = of_login();
            async move {
                match mood {
                    Mood::RefuseUser => Ok(LoginDecision::refuse("Your contract has ended.")),
                    Mood::Fail => Err(std::io::Error::other("the table is locked")),
                    _ => Ok(LoginDecision::allow()),
                }
            }
        })
        .connect_owner(move |request| {
            let decision = owner(of_owner(), &request.http);
            async move { decision }
        })
        .build()
        .await
        .unwrap();
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            App::new().route("/", web::get().to(|| async { "home" })).wrap(salesforce.clone())
        })
    });
    (org, server, shared)
}

/// A page of another origin with these forms.
fn other_origin(app: &str) -> Server {
    let form = |(path, _)| {
        format!(
            "<form method=\"post\" action=\"{app}{path}\"><button data-to=\"{path}\">{path}</button></form>"
        )
    };
    let html = format!("<!doctype html><title>Forms</title>{}", FORMS.map(form).concat());
    let (listener, _) = reserve();
    serve(listener, move |listener| {
        listen!(listener, 1, move || {
            let html = html.clone();
            App::new().default_service(web::to(move || {
                let response = HttpResponse::Ok().content_type("text/html").body(html.clone());
                async move { response }
            }))
        })
    })
}

/// Token responses, and the title of the page that each leads to.
fn token_responses() -> [(Fault, &'static str); 5] {
    let refused = Fault::OauthError {
        error: "invalid_client".to_owned(),
        description: "invalid client credentials".to_owned(),
        status: 400,
    };
    let with = |member: &str, value: &str| Fault::MergeJson(serde_json::json!({ member: value }));
    [
        (refused, "This app is not set up correctly"),
        (Fault::Status(503), "Salesforce did not respond"),
        (
            Fault::MergeJson(serde_json::json!({ "token_type": "mac" })),
            "Salesforce's response could not be used",
        ),
        (with("instance_url", "https://evil.example"), "This app's set-up refuses your Salesforce"),
        (with("id_token", "e30.e30.e30"), "This login could not be confirmed"),
    ]
}

/// What a form of another origin is sent to, and the title of the page that it leads to.
const FORMS: [(&str, &str); 3] = [
    ("/auth/salesforce/logout", "You were not logged out"),
    ("/auth/salesforce/orgs", "Nothing was changed"),
    ("/auth/salesforce/connect", "Salesforce was not connected"),
];

async fn check(browser: Browser) {
    let (org, app, mood) = start().await;
    let set = |to: Mood| *mood.lock().unwrap() = to;
    let mut wrong = Vec::new();
    let mut look = async |browser: &Browser, expected: &str| {
        browser.wait_for_text(expected).await;
        wrong.extend(axe::findings(browser).await.into_iter().map(|found| format!("{expected}: {found}")));
    };
    let url = |path: &str| format!("{}{path}", app.url);
    let login = url("/auth/salesforce/login?return_to=/");
    org.sign_in(&org.user(ADA));
    for (refusal, expected) in [
        (Mood::RefuseOrg, "Your organization may not use this app"),
        (Mood::RefuseUser, "Your contract has ended."),
        (Mood::Fail, "could not find out whether you may use it"),
    ] {
        set(refusal);
        browser.goto(&login).await;
        look(&browser, expected).await;
    }
    set(Mood::Allow);
    for (response, expected) in token_responses() {
        let fault = org.faults().token_endpoint(response);
        browser.goto(&login).await;
        look(&browser, expected).await;
        fault.remove();
    }

    let connect = url("/auth/salesforce/connect?name=prod&return_to=/");
    set(Mood::NoOwner);
    browser.goto(&connect).await;
    look(&browser, "Log in to this app first").await;
    set(Mood::OtherOwner);
    browser.goto(&connect).await;
    browser.click("main form button").await;
    browser.wait_for_path("/auth/salesforce/callback").await;
    look(&browser, "Another account of this app is logged in now").await;
    set(Mood::Allow);

    browser.goto(&login).await;
    browser.wait_for_path("/").await;
    let other = other_origin(&app.url);
    for (path, expected) in FORMS {
        browser.goto(&other.url).await;
        browser.click(&format!("[data-to='{path}']")).await;
        browser.wait_for_path(path).await;
        look(&browser, expected).await;
    }

    // The sixth user has no room in this browser.
    for name in ["ben", "chiara", "dora", "emil", "frida"] {
        org.sign_in(&org.user(&format!("{name}@example.com")));
        browser.goto(&url("/auth/salesforce/login?add=1&return_to=/")).await;
        browser.click("main form button").await;
        browser.wait_for_text(if name == "frida" { "at too many organizations" } else { "home" }).await;
    }
    look(&browser, "logged in at too many organizations").await;

    let (org, app, _) = start().await;
    org.set_policy(&serde_json::json!({ "is_sandbox": true })).unwrap();
    org.sign_in(&org.user(ADA));
    browser.goto(&format!("{}/auth/salesforce/login?return_to=/", app.url)).await;
    look(&browser, "production organizations only").await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    browser.close().await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_light_pages_of_refused_logins() {
    check(Browser::start().await).await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_dark_pages_of_refused_logins() {
    check(Browser::dark().await).await;
}
