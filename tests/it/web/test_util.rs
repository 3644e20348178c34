//! `test::log_in_as`: a user is logged in as the callback does it, and only in tests.

use crate::support::app::{listen, reserve, routes, serve};
use actix_salesforce::{
    Config, LoginDecision, LoginFacts, OrgId, RequireLogin, Salesforce, SalesforceOrgs, SessionMode,
    store::GrantFilter,
    testing::{LogInAsError, log_in_as, log_in_as_at},
};
use actix_web::{
    App,
    cookie::Key,
    http::StatusCode,
    test::{call_and_read_body, call_service, init_service},
    web,
};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

const ADA: &str = "ada@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

async fn salesforce(org: &FakeOrg) -> Salesforce {
    Salesforce::from_config(Config::from_variables(|name| org.variable(name))).await.unwrap()
}

#[actix_web::test]
async fn the_user_is_logged_in_as_by_the_callback() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = salesforce(&org).await;
    let ada =
        log_in_as(&salesforce, &org.issue_tokens(&org.user(ADA), "api openid refresh_token")).await.unwrap();
    let app = init_service(App::new().configure(routes).wrap(salesforce.clone())).await;
    assert_eq!(call_and_read_body(&app, ada.get("/whoami").to_request()).await, ADA);
    let me = call_and_read_body(&app, ada.get("/auth/salesforce/me").to_request()).await;
    let me: serde_json::Value = serde_json::from_slice(&me).unwrap();
    assert_eq!((&me["username"], &me["user_id"]), (&json!(ADA), &json!(org.user(ADA).id())));
    assert_eq!(salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1);
    assert_eq!(ada.connection().identity().await.unwrap().username, ADA);

    // It is a login like any other: it renews, and it ends.
    org.expire_access_tokens();
    assert_eq!(call_and_read_body(&app, ada.get("/whoami").to_request()).await, ADA);
    assert_eq!(org.token_calls("refresh_token"), 1);
    let out = call_service(&app, ada.post("/auth/salesforce/logout").to_request()).await;
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    assert_eq!(call_service(&app, ada.get("/whoami").to_request()).await.status(), StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_test_user_can_have_logged_in_just_now_and_has_the_facts_of_on_login() {
    let org = FakeOrg::start().await.unwrap();
    let builder = crate::support::settings_for(&org, "http://127.0.0.1:8080");
    let salesforce =
        builder.on_login(|_| async { LoginDecision::allow_with(&"gold".to_owned()) }).build().await.unwrap();
    let danger = web::resource("/danger")
        .post(|plan: LoginFacts<String>| async { plan.into_inner() })
        .wrap(RequireLogin::new().fresh(5));
    let app = init_service(App::new().service(danger).wrap(salesforce.clone())).await;
    let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user(ADA), "api")).await.unwrap();
    let refused = call_service(&app, ada.post("/danger").to_request()).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let ada = ada.freshly_logged_in().unwrap();
    assert_eq!(call_and_read_body(&app, ada.post("/danger").to_request()).await, "gold");
}

/// A handler of two orgs, as its unit test sees it.
#[actix_web::test]
async fn a_test_user_is_logged_in_at_several_orgs() {
    let source = FakeOrg::start().await.unwrap();
    let (id, secret) = (source.client_id(), source.client_secret());
    let target = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    let builder = crate::support::settings_for(&source, "http://127.0.0.1:8080");
    let salesforce = builder
        .login_host("target", target.login_url())
        .allowed_origin(target.instance_url())
        .build()
        .await
        .unwrap();
    let of = |orgs: SalesforceOrgs, path: web::Path<OrgId>| async move {
        Ok::<_, actix_salesforce::Error>(orgs.connection(*path)?.identity().await?.username)
    };
    let recent = web::scope("/recent").route("/{org}", web::get().to(of)).wrap(RequireLogin::new().fresh(5));
    let app = App::new().service(recent).route("/{org}", web::get().to(of)).wrap(salesforce.clone());
    let app = init_service(app).await;
    let path = |org: &FakeOrg| format!("/{}", org.organization_id());

    let ben = target.issue_tokens(&target.user("ben@example.com"), "api refresh_token");
    let ben = log_in_as_at(&salesforce, "target", &ben).await.unwrap();
    let ada = source.issue_tokens(&source.user(ADA), "api");
    let ada = log_in_as(&salesforce, &ada).await.unwrap();
    let missing = call_service(&app, ada.get(&path(&target)).to_request()).await;
    assert_eq!(missing.status(), StatusCode::FORBIDDEN);
    let both = ada.also_logged_in(&ben).unwrap();
    target.expire_access_tokens();
    for (org, name) in [(&source, ADA), (&target, "ben@example.com")] {
        assert_eq!(call_and_read_body(&app, both.get(&path(org)).to_request()).await, name);
    }
    assert_eq!(target.token_calls("refresh_token"), 1, "at its own login host");

    let recent = format!("/recent{}", path(&target));
    let both = both.freshly_logged_in().unwrap();
    assert_eq!(call_service(&app, both.get(&recent).to_request()).await.status(), StatusCode::UNAUTHORIZED);
    let both = both.also_logged_in(&ben.freshly_logged_in().unwrap()).unwrap();
    assert_eq!(call_and_read_body(&app, both.get(&recent).to_request()).await, "ben@example.com");
    let unknown = log_in_as_at(&salesforce, "nowhere", &json!({})).await.unwrap_err();
    assert!(matches!(unknown, LogInAsError::UnknownHost));
}

/// Two people at once, each with their own data.
#[actix_web::test]
async fn several_people_act_side_by_side() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = salesforce(&org).await;
    let app = init_service(App::new().configure(routes).wrap(salesforce.clone())).await;
    for name in [ADA, "ben@example.com", "a-new-user@example.com"] {
        let person = log_in_as(&salesforce, &org.issue_tokens(&org.user(name), "api")).await.unwrap();
        assert_eq!(call_and_read_body(&app, person.get("/whoami").to_request()).await, name);
    }
}

/// The cookie works over the network too, against a running server.
#[actix_web::test]
async fn the_cookie_serves_a_real_client() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = salesforce(&org).await;
    let (listener, url) = reserve();
    let served = salesforce.clone();
    let _server = serve(listener, move |listener| {
        listen!(listener, 2, move || App::new().configure(routes).wrap(served.clone()))
    });
    let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user(ADA), "api")).await.unwrap();
    let cookie = ada.cookie().stripped().encoded().to_string();
    let response = reqwest::Client::new().get(format!("{url}/whoami")).header("cookie", cookie).send().await;
    assert_eq!(response.unwrap().text().await.unwrap(), ADA);
}

/// An app that brings its own session needs nothing else: the login has a cookie beside it.
#[actix_web::test]
async fn an_app_with_its_own_session_is_no_different() {
    let org = FakeOrg::start().await.unwrap();
    let mut config = Config::from_variables(|name| org.variable(name));
    config.session = SessionMode::App;
    let salesforce = Salesforce::from_config(config).await.unwrap();
    let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user(ADA), "api")).await.unwrap();
    let session = actix_session::SessionMiddleware::new(
        actix_session::storage::CookieSessionStore::default(),
        Key::generate(),
    );
    let app = init_service(App::new().configure(routes).wrap(salesforce).wrap(session)).await;
    assert_eq!(call_and_read_body(&app, ada.get("/whoami").to_request()).await, ADA);
}

/// Behind https the cookie has its `__Host-` name.
#[actix_web::test]
async fn behind_https_too() {
    let org = FakeOrg::start().await.unwrap();
    let mut config = Config::from_variables(|name| org.variable(name));
    config.public_url = "https://app.example".to_owned();
    config.keys = Some(KEYS.into());
    let salesforce = Salesforce::from_config(config).await.unwrap();
    let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user(ADA), "api")).await.unwrap();
    assert!(ada.cookie().name().starts_with("__Host-"));
    let app = init_service(App::new().configure(routes).wrap(salesforce)).await;
    assert_eq!(call_and_read_body(&app, ada.get("/whoami").to_request()).await, ADA);
}

/// Should the feature ever be deployed: a login host that is not on this machine is rejected.
#[actix_web::test]
async fn a_real_login_host_logs_no_user_in() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = Salesforce::builder().client_id("3MVG9").build().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), "api");
    assert!(matches!(log_in_as(&salesforce, &tokens).await, Err(LogInAsError::NotATest)));
    assert!(salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());
}

/// An invalid or altered token response makes no login, and is not repeated in the error.
#[actix_web::test]
async fn wrong_tokens_log_no_user_in() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = salesforce(&org).await;
    let right = serde_json::to_value(org.issue_tokens(&org.user(ADA), "api openid")).unwrap();
    for (member, value) in [
        ("signature", json!("AAAA")),
        ("instance_url", json!("https://evil.example")),
        ("id", json!("https://evil.example/id/x/y")),
        ("access_token", json!("")),
        ("id_token", json!("canary.canary.canary")),
    ] {
        let mut wrong = right.clone();
        wrong[member] = value;
        let error = log_in_as(&salesforce, &wrong).await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(matches!(error, LogInAsError::Refused(_)), "{member}");
        assert!(!told.contains("canary") && !told.contains("evil.example"), "{told}");
    }
    assert!(log_in_as(&salesforce, &json!([])).await.is_err());
    assert!(salesforce.list_logins(GrantFilter::All).await.unwrap().is_empty());
}
