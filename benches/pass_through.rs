//! What the middleware costs a request, beside the floor: the same app without it, and with actix-session alone.
//!
//! `cargo bench --bench pass_through`. The services are called directly, so that no network hides the difference. Rounds
//! of all variants alternate; the figures are nanoseconds per request. `ONLY=protected` measures the variants whose names
//! contain the word, `ROUNDS=1 REQUESTS=2000` is short enough to count instructions under a profiler.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a separate program"
)]

use std::time::Instant;

use actix_salesforce::{Salesforce, SalesforceConn, SalesforceUser};
use actix_session::{Session, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{
    App, Error,
    body::MessageBody,
    cookie::{Cookie, Key},
    dev::{Service, ServiceResponse},
    http::header,
    test::{TestRequest, call_service, init_service},
    web,
};
use salesforce_fake_org::FakeOrg;

const NAMES: [&str; 7] = [
    "floor: the app alone",
    "floor: with actix-session, no cookie",
    "floor: with actix-session and its cookie",
    "floor: with actix-session, one key read",
    "with Salesforce, public, no cookie",
    "with Salesforce, public, logged in",
    "with Salesforce, protected, memory store",
];

async fn public() -> &'static str {
    "public"
}

/// Puts as much into a session as a login does.
async fn begin(session: Session) -> &'static str {
    session.insert("login", "x".repeat(43)).unwrap();
    "begun"
}

async fn read(session: Session) -> String {
    session.get("login").unwrap().unwrap()
}

async fn protected(sf: SalesforceConn, user: SalesforceUser) -> String {
    drop(sf);
    user.organization_id.to_string()
}

/// Reads a number from the environment.
fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default).max(1)
}

/// Nanoseconds per request.
async fn round<S, B>(app: &S, path: &str, cookie: Option<&Cookie<'_>>, requests: u32) -> f64
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let started = Instant::now();
    for _ in 0..requests {
        let mut request = TestRequest::get().uri(path);
        if let Some(cookie) = cookie {
            request = request.cookie(cookie.clone());
        }
        let response = app.call(request.to_request()).await.unwrap();
        assert!(response.status().is_success());
    }
    started.elapsed().as_nanos() as f64 / f64::from(requests)
}

/// Logs in as a browser does, and gives the session cookie.
async fn log_in<S, B>(app: &S) -> Cookie<'static>
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let response = call_service(app, TestRequest::get().uri("/auth/salesforce/login").to_request()).await;
    let attempt = response.response().cookies().next().unwrap().into_owned();
    let authorize = response.headers().get(header::LOCATION).unwrap().to_str().unwrap().to_owned();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = http.get(authorize).send().await.unwrap();
    let callback = url::Url::parse(response.headers()[header::LOCATION.as_str()].to_str().unwrap()).unwrap();
    let uri = format!("{}?{}", callback.path(), callback.query().unwrap());
    let response = call_service(app, TestRequest::get().uri(&uri).cookie(attempt).to_request()).await;
    // The loop guard's name has a dot, the login's has none.
    response.response().cookies().find(|cookie| !cookie.name().contains('.')).unwrap().into_owned()
}

fn figures(mut samples: Vec<f64>) -> String {
    samples.sort_by(f64::total_cmp);
    format!("{:>8.0} {:>8.0} {:>8.0}", samples[0], samples[samples.len() / 2], samples[samples.len() - 1])
}

#[actix_web::main]
async fn main() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.users()[0]);
    let salesforce = Salesforce::builder()
        .client_id(org.client_id())
        .client_secret(org.client_secret())
        .login_url(org.login_url())
        .allowed_origin(org.instance_url())
        .build()
        .await
        .unwrap();
    let floor = init_service(App::new().route("/", web::get().to(public))).await;
    let session = SessionMiddleware::builder(CookieSessionStore::default(), Key::generate()).build();
    let session = App::new().wrap(session).route("/", web::get().to(public));
    let session = session.route("/begin", web::get().to(begin)).route("/read", web::get().to(read));
    let session = init_service(session).await;
    let response = call_service(&session, TestRequest::get().uri("/begin").to_request()).await;
    let begun = response.response().cookies().next().unwrap().into_owned();
    let ours = init_service(
        App::new()
            .wrap(salesforce)
            .route("/", web::get().to(public))
            .route("/user", web::get().to(protected)),
    )
    .await;
    let cookie = log_in(&ours).await;

    let (rounds, requests) = (setting("ROUNDS", 15), setting("REQUESTS", 20_000));
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut samples: [Vec<f64>; NAMES.len()] = Default::default();
    for _ in 0..rounds {
        for (variant, _) in NAMES.iter().enumerate().filter(|(_, name)| name.contains(&only)) {
            samples[variant].push(match variant {
                0 => round(&floor, "/", None, requests).await,
                1 => round(&session, "/", None, requests).await,
                2 => round(&session, "/", Some(&begun), requests).await,
                3 => round(&session, "/read", Some(&begun), requests).await,
                4 => round(&ours, "/", None, requests).await,
                5 => round(&ours, "/", Some(&cookie), requests).await,
                _ => round(&ours, "/user", Some(&cookie), requests).await,
            });
        }
    }
    println!("{:<48} {:>8} {:>8} {:>8}", "ns per request", "min", "median", "max");
    for (name, samples) in NAMES.into_iter().zip(samples).filter(|(_, samples)| !samples.is_empty()) {
        println!("{name:<48} {}", figures(samples));
    }
}
