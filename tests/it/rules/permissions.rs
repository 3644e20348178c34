//! Who may use a route: scopes, orgs, and what the visitor's own org says about a user.

use std::time::Duration;

use super::guarded_app::{BEN, GuardedApp, ONE, PAGE, user_ref};
use crate::support::{ADA, Client};
use actix_salesforce::{RequireLogin, SalesforceBuilder, store::GrantFilter, token::ServiceUser};
use futures_util::future::join_all;
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::json;

/// An org whose client credentials run as Ada, and the settings that use them.
pub(super) async fn org_with_service_user() -> (FakeOrg, impl FnOnce(SalesforceBuilder) -> SalesforceBuilder)
{
    let org = FakeOrg::builder().execution_user(ADA).start().await.unwrap();
    let service = ServiceUser::client_credentials(org.instance_url().parse().unwrap());
    (org, |builder: SalesforceBuilder| builder.service_user(service))
}

#[actix_web::test]
async fn a_custom_permission_a_user_type_and_a_profile_let_in_whom_they_name() {
    let rule = || RequireLogin::new().any_org();
    for (rule, code, granted, taken) in [
        (
            rule().permission("Export").permission("Audit"),
            "permission",
            json!({ "custom_permissions": ["Export", "Audit"] }),
            json!({ "custom_permissions": ["Export"] }),
        ),
        (
            rule().user_type("POWER_PARTNER").user_type("CSN_ONLY"),
            "user_type",
            json!({ "user_type": "CSN_ONLY" }),
            json!({ "user_type": "STANDARD" }),
        ),
        (
            rule().profile("Sales").profile("Service"),
            "profile",
            json!({ "profile": "Service" }),
            json!({ "profile": "Marketing" }),
        ),
    ] {
        let app = GuardedApp::start(rule).await;
        let ben = app.org.user(BEN);
        let browser = app.logged_in(BEN).await;
        assert!(!app.lets_in(&browser).await, "{code}");
        assert_eq!(app.refusal(&browser).await["reason"], code);
        app.change(&ben, &granted).await;
        assert!(app.lets_in(&browser).await, "{code}");
        app.change(&ben, &taken).await;
        assert!(!app.lets_in(&browser).await, "{code}");
        assert_eq!(app.exchanges(), 1, "a refusal leads to no login");
    }
}

#[actix_web::test]
async fn a_permission_set_is_read_by_the_service_user() {
    let (org, settings) = org_with_service_user().await;
    let rule = RequireLogin::new().org(org.organization_id()).permission_set("Billing");
    let app = GuardedApp::around(org, settings, rule).await;
    let ben = app.org.user(BEN);
    // He may not read assignments himself.
    app.org.set_user_access(&ben, &json!({ "profile": "Standard User" })).unwrap();
    let browser = app.logged_in(BEN).await;
    assert!(!app.lets_in(&browser).await);
    assert_eq!(app.refusal(&browser).await["reason"], "permission_set");
    app.change(&ben, &json!({ "permission_sets": ["Other", "Billing"] })).await;
    assert!(app.lets_in(&browser).await);
    app.change(&ben, &json!({ "permission_sets": ["Other"] })).await;
    assert!(!app.lets_in(&browser).await);
}

/// A package may bring a permission set of any name, and an admin assigns it for the package's sake.
#[actix_web::test]
async fn a_permission_set_of_a_package_is_another_one_than_the_orgs_own() {
    for (wanted, assigned) in [("Billing", "acme__Billing"), ("acme__Billing", "Billing")] {
        let (org, settings) = org_with_service_user().await;
        let rule = RequireLogin::new().org(org.organization_id()).permission_set(wanted);
        let app = GuardedApp::around(org, settings, rule).await;
        let ben = app.org.user(BEN);
        app.change(&ben, &json!({ "permission_sets": [assigned] })).await;
        let browser = app.logged_in(BEN).await;
        assert!(!app.lets_in(&browser).await, "{wanted} is not {assigned}");
        app.change(&ben, &json!({ "permission_sets": [assigned, wanted] })).await;
        assert!(app.lets_in(&browser).await, "{wanted}");
    }
}

#[actix_web::test]
async fn scopes_orgs_and_own_rules_send_no_request_to_salesforce() {
    let org = FakeOrg::start().await.unwrap();
    let id = org.organization_id();
    let foreign = "00D000000000009EAA";
    let rule = || RequireLogin::new();
    for (rule, code) in [
        (rule().org(&id[..15]).scope("api"), None),
        (rule().org(foreign).org(&id), None),
        (rule().allow_if(|user| user.username.as_deref() == Some(BEN)), None),
        (rule().org(foreign), Some("organization")),
        (rule().scope("api").scope("refresh_token").allow_if(|user| user.username.is_none()), Some("rule")),
    ] {
        let text = format!("{rule:?}");
        let (listener_org, settings) = (FakeOrg::builder().organization_id(&id), |builder| builder);
        let app = GuardedApp::around(listener_org.start().await.unwrap(), settings, rule).await;
        let browser = app.logged_in(BEN).await;
        app.org.clear_requests();
        assert_eq!(app.lets_in(&browser).await, code.is_none(), "{text}");
        if let Some(code) = code {
            assert_eq!(app.refusal(&browser).await["reason"], code, "{text}");
        }
        assert_eq!(app.org.requests().len(), 0, "{text}");
    }
}

#[actix_web::test]
async fn an_own_rule_may_ask_salesforce_or_a_table() {
    let rule =
        RequireLogin::new().reason("Only while cases are open.").allow_if_async(|user, sf| async move {
            assert_eq!(user.username.as_deref(), Some(BEN));
            let open = sf.query::<()>("SELECT COUNT() FROM Account WHERE Name = 'Open'").count().await?;
            Ok::<_, actix_salesforce::Error>(open > 0)
        });
    let app = GuardedApp::start(rule).await;
    let browser = app.logged_in(BEN).await;
    assert!(!app.lets_in(&browser).await);
    let refusal = app.refusal(&browser).await;
    assert_eq!(
        (&refusal["reason"], &refusal["message"]),
        (&"rule".into(), &"Only while cases are open.".into())
    );
    let sf = app.salesforce.user_connection(user_ref(&app.org.user(BEN))).await.unwrap();
    sf.sobject("Account").create(&json!({ "Name": "Open" })).await.unwrap();
    assert!(app.lets_in(&browser).await, "it is called for each request");

    // An outage closes the route, and so does an error of the app's own.
    app.org.faults().query(Fault::Status(503));
    let page = browser.open(&app.url(PAGE)).await;
    assert_eq!((page.status, page.header("retry-after").is_empty()), (503, false), "{page:?}");
    let rule = RequireLogin::new()
        .allow_if_async(|_, _| async { Err::<bool, _>(actix_web::error::ErrorBadGateway("table")) });
    let app = GuardedApp::start(rule).await;
    let browser = app.logged_in(BEN).await;
    assert_eq!(browser.open(&app.url(PAGE)).await.status, 502);
    assert_eq!(browser.open(&app.url("/menu")).await.status, 502);
}

/// What was read holds for all workers, until its age, a new login, or a refresh on demand.
#[actix_web::test]
async fn what_salesforce_says_is_read_once_for_many_requests() {
    let app = GuardedApp::start(RequireLogin::new().any_org().permission("Export").profile("Sales")).await;
    let ben = app.org.user(BEN);
    let access = json!({ "custom_permissions": ["Export"], "profile": "Sales" });
    app.org.set_user_access(&ben, &access).unwrap();
    let browser = app.logged_in(BEN).await;
    app.org.clear_requests();
    let reads = || {
        let requests = app.org.requests();
        let of = |part: &str| requests.iter().filter(|request| request.path.contains(part)).count();
        (of("/id/"), of("/query"))
    };
    let page = app.url(PAGE);
    let pages = join_all((0..40).map(|_| browser.open(&page))).await;
    assert!(pages.iter().all(|page| page.status == 200), "{pages:?}");
    assert_eq!(reads(), (1, 1), "one identity and one profile for 40 requests to four workers");

    app.org.set_user_access(&ben, &json!({ "custom_permissions": [] })).unwrap();
    assert!(app.lets_in(&browser).await, "still what was read");
    app.look_again(&ben).await;
    assert!(!app.lets_in(&browser).await);
    assert_eq!(reads().0, 2);
    app.org.set_user_access(&ben, &access).unwrap();
    assert!(!app.lets_in(&browser).await);
    let again = app.logged_in(BEN).await;
    assert!(app.lets_in(&again).await && app.lets_in(&browser).await, "a new login reads again");

    let app =
        GuardedApp::start(RequireLogin::new().any_org().permission("Export").max_age(Duration::ZERO)).await;
    let browser = app.logged_in(BEN).await;
    assert!(!app.lets_in(&browser).await);
    app.org.set_user_access(&app.org.user(BEN), &access).unwrap();
    assert!(app.lets_in(&browser).await, "read for each request");
}

#[actix_web::test]
async fn what_cannot_be_read_closes_the_route() {
    let rule = RequireLogin::new().any_org().permission("Export").profile("Sales");
    let app = GuardedApp::start(rule).await;
    let ben = app.org.user(BEN);
    let access = json!({ "custom_permissions": ["Export"], "profile": "Sales" });
    app.org.set_user_access(&ben, &access).unwrap();
    let browser = app.logged_in(BEN).await;

    // An outage: 503, and no logout.
    for route in [Route::Identity, Route::Query] {
        let fault = app.org.faults().at(route, Fault::Status(503));
        for path in [PAGE, ONE, "/menu"] {
            let page = browser.open(&app.url(path)).await;
            assert_eq!(
                (page.status, page.header("retry-after").is_empty()),
                (503, false),
                "{path}: {page:?}"
            );
        }
        fault.remove();
    }
    assert!(app.lets_in(&browser).await, "an outage is not remembered");

    // Salesforce refuses to say it: 403, naming what is missing.
    app.look_again(&ben).await;
    app.org.faults().query(Fault::RawBody {
        status: 400,
        content_type: "application/json".into(),
        body: json!([{ "errorCode": "INVALID_FIELD", "message": "No such column" }]).to_string().into(),
    });
    let refusal = app.refusal(&browser).await;
    assert_eq!(refusal["reason"], "unreadable");
    assert!(refusal["message"].as_str().unwrap().contains("Profile.Name"), "{refusal}");
    assert_eq!(browser.open(&app.url(PAGE)).await.status, 403);
}

/// Without the setting the server would not start. A login from before the setting lacks the scope, too.
#[cfg(feature = "test-util")]
#[actix_web::test]
async fn a_login_without_the_scope_is_told_which_one_it_lacks() {
    let app = GuardedApp::start(RequireLogin::new().any_org().permission("Export")).await;
    let ben = app.org.user(BEN);
    app.org.set_user_access(&ben, &json!({ "custom_permissions": ["Export"] })).unwrap();
    let tokens = app.org.issue_tokens(&ben, "api refresh_token");
    let login = actix_salesforce::testing::log_in_as(&app.salesforce, &tokens).await.unwrap();
    let browser = Client::new();
    browser.set_cookie("127.0.0.1", login.cookie().name(), login.cookie().value());
    let refusal = app.refusal(&browser).await;
    assert_eq!(refusal["reason"], "unreadable");
    assert!(refusal["message"].as_str().unwrap().contains("the scope custom_permissions"), "{refusal}");
}

#[actix_web::test]
async fn permission_sets_of_another_org_than_the_service_users_cannot_be_read() {
    let (service_org, settings) = org_with_service_user().await;
    let (id, secret) = (service_org.client_id(), service_org.client_secret());
    let org = FakeOrg::builder().client(&id, &secret).start().await.unwrap();
    let origin = service_org.instance_url();
    let rule = RequireLogin::new().any_org().permission_set("Billing");
    let app = GuardedApp::around(org, |builder| settings(builder).allowed_origin(origin), rule).await;
    // The same user id has it in the service user's org.
    service_org.set_user_access(&service_org.user(BEN), &json!({ "permission_sets": ["Billing"] })).unwrap();
    app.org.set_user_access(&app.org.user(BEN), &json!({ "permission_sets": ["Billing"] })).unwrap();
    let browser = app.logged_in(BEN).await;
    assert!(!app.lets_in(&browser).await);
    let refusal = app.refusal(&browser).await;
    assert_eq!(refusal["reason"], "unreadable");
    assert!(refusal["message"].as_str().unwrap().contains("service user"), "{refusal}");
}

/// A permission is the word of the visitor's own org: an admin of any other org can make one of the same name.
#[actix_web::test]
async fn a_second_org_with_the_same_permission_sees_and_revokes_nothing_of_the_first() {
    use actix_salesforce::{Salesforce, SalesforceUser};
    use actix_web::{App, HttpResponse, Responder, web};

    async fn logins(
        salesforce: Salesforce,
        user: SalesforceUser,
    ) -> actix_salesforce::Result<impl Responder> {
        Ok(salesforce.list_logins(GrantFilter::Org(user.organization_id)).await?.len().to_string())
    }
    async fn revoke(salesforce: Salesforce, user: SalesforceUser) -> actix_salesforce::Result<HttpResponse> {
        let ended = salesforce.revoke_grants(GrantFilter::Org(user.organization_id)).await?;
        Ok(HttpResponse::Ok().body(ended.to_string()))
    }

    let (first, second) = (FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap());
    for org in [&first, &second] {
        org.set_user_access(&org.user(ADA), &json!({ "custom_permissions": ["Admin"] })).unwrap();
    }
    let named = RequireLogin::new().org(first.organization_id()).permission("Admin");
    let any = RequireLogin::new().any_org().permission("Admin");
    let (listener, url) = crate::support::reserve();
    let salesforce = crate::support::settings_for(&first, &url)
        .scopes("api openid refresh_token custom_permissions")
        .login_host("second", second.login_url())
        .allowed_origin(second.instance_url())
        .build()
        .await
        .unwrap();
    let server = crate::support::serve(listener, move |listener| {
        crate::support::app::listen!(listener, 4, move || {
            let admin = |path: &str, rule: &RequireLogin| {
                web::scope(path)
                    .route("/logins", web::get().to(logins))
                    .route("/revoke", web::post().to(revoke))
                    .wrap(rule.clone())
            };
            App::new()
                .route("/user", web::get().to(|user: SalesforceUser| async { web::Json(user) }))
                .service(admin("/named", &named))
                .service(admin("/any", &any))
                .wrap(salesforce.clone())
        })
    });
    let at = |path: &str| format!("{}{path}", server.url);
    let log_in = async |org: &FakeOrg, host: &str, name: &str| {
        org.sign_in(&org.user(name));
        let browser = Client::new();
        let page = browser.visit(&at(&format!("/auth/salesforce/login?return_to=/user{host}"))).await;
        assert_eq!(page.json()["username"], name, "{page:?}");
        browser
    };
    let ada = log_in(&first, "", ADA).await;
    let ben = log_in(&first, "", BEN).await;
    let stranger = log_in(&second, "&host=second", ADA).await;
    let post =
        async |browser: &Client, path: &str| browser.send(Method::POST, &at(path), &[], Some("")).await;

    for path in ["/named/logins", "/any/logins"] {
        assert_eq!(ada.fetch(&at(path)).await.body, "2");
        assert_eq!(ben.fetch(&at(path)).await.status, 403, "the permission is missing");
    }
    // The same user id and permission, in another org.
    assert_eq!(stranger.fetch(&at("/named/logins")).await.json()["reason"], "organization");
    assert_eq!(post(&stranger, "/named/revoke").await.status, 403);
    assert_eq!(stranger.fetch(&at("/any/logins")).await.body, "1", "only the own org's");
    assert_eq!(post(&stranger, "/any/revoke").await.body, "1");
    assert_eq!(stranger.fetch(&at("/user")).await.status, 401);
    for browser in [&ada, &ben] {
        assert_eq!(browser.fetch(&at("/user")).await.status, 200, "the first org's logins are untouched");
    }
    assert!(!first.live_refresh_tokens(&first.user(ADA)).is_empty());
}
