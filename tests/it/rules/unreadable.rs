//! What cannot be read closes the route: with 403, naming what is missing, or with 503 in an outage.

use super::{
    guarded_app::{BEN, GuardedApp, PAGE},
    permissions::org_with_service_user,
};
use crate::support::ADA;
use actix_salesforce::RequireLogin;
use salesforce_fake_org::{FakeOrg, Fault, FaultHandle, Route, Rule};
use serde_json::json;

/// How an org is broken, what then comes, and what the refusal names.
type Case = (&'static str, fn(&FakeOrg) -> Option<FaultHandle>, u16, &'static str);

/// The route is closed while the org is broken, also for scripts and menus, and open again afterwards.
async fn asserts_closed(app: &GuardedApp, (case, break_it, status, names): Case) {
    let browser = app.logged_in(BEN).await;
    app.look_again(&app.org.user(BEN)).await;
    let fault = break_it(&app.org);
    if status == 403 {
        assert!(!app.lets_in(&browser).await, "{case}");
        let refusal = app.refusal(&browser).await;
        assert_eq!(refusal["reason"], "unreadable", "{case}: {refusal}");
        let message = refusal["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("What is missing: {names}.")), "{case}: {message}");
    } else {
        for path in [PAGE, "/menu"] {
            let page = browser.open(&app.url(path)).await;
            assert_eq!(
                (page.status, page.header("retry-after").is_empty()),
                (status, false),
                "{case}: {page:?}"
            );
        }
    }
    let Some(fault) = fault else { return };
    fault.remove();
    if status == 403 {
        app.look_again(&app.org.user(BEN)).await;
    }
    assert!(app.lets_in(&browser).await, "{case}: it is over");
}

fn at(org: &FakeOrg, route: Route, fault: impl Into<Rule>) -> Option<FaultHandle> {
    Some(org.faults().at(route, fault))
}

#[actix_web::test]
async fn an_identity_that_does_not_say_enough_closes_the_route() {
    const IDENTITY: &str = "the identity of the user";
    let cases: [Case; 5] = [
        ("refused", |org| at(org, Route::Identity, Fault::Status(403)), 403, IDENTITY),
        ("down", |org| at(org, Route::Identity, Fault::Status(503)), 503, ""),
        (
            "of another user",
            |org| at(org, Route::Identity, Fault::MergeJson(json!({ "user_id": org.user(ADA).id() }))),
            403,
            IDENTITY,
        ),
        (
            "without custom permissions",
            |org| at(org, Route::Identity, Fault::MergeJson(json!({ "custom_permissions": null }))),
            403,
            "custom_permissions in the identity",
        ),
        (
            "without the kind of user",
            |org| at(org, Route::Identity, Fault::MergeJson(json!({ "user_type": null }))),
            403,
            "user_type",
        ),
    ];
    let app =
        GuardedApp::start(RequireLogin::new().any_org().permission("Export").user_type("STANDARD")).await;
    app.org.set_user_access(&app.org.user(BEN), &json!({ "custom_permissions": ["Export"] })).unwrap();
    for case in cases {
        asserts_closed(&app, case).await;
    }
}

#[actix_web::test]
async fn a_service_user_that_may_not_read_permission_sets_closes_the_route() {
    const TOKEN: &str = "a service user with a valid token";
    const SETS: &str = "PermissionSetAssignment for the service user";
    let cases: [Case; 5] = [
        (
            "no token",
            |org| {
                let refusal = Fault::OauthError {
                    status: 400,
                    error: "invalid_grant".into(),
                    description: "no client credentials user enabled".into(),
                };
                at(org, Route::Token, refusal.grant_type("client_credentials"));
                // The token source asks again after its cool-down.
                None
            },
            403,
            TOKEN,
        ),
        (
            "the token endpoint is down",
            |org| {
                at(org, Route::Token, Fault::Status(503).grant_type("client_credentials"));
                None
            },
            503,
            "",
        ),
        ("the org is down", |org| at(org, Route::Query, Fault::Status(503)), 503, ""),
        (
            "its session is refused",
            |org| {
                let refusal =
                    json!([{ "errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid" }]);
                let body = refusal.to_string().into();
                let content_type = "application/json".into();
                at(org, Route::Query, Fault::RawBody { status: 401, content_type, body })
            },
            403,
            SETS,
        ),
        (
            "no setup permission",
            |org| {
                org.set_user_access(&org.user(ADA), &json!({ "view_setup": false })).unwrap();
                None
            },
            403,
            SETS,
        ),
    ];
    for case in cases {
        // A new one each time: the service user's token is fetched once.
        let (org, settings) = org_with_service_user().await;
        let rule = RequireLogin::new().org(org.organization_id()).permission_set("Billing");
        let app = GuardedApp::around(org, settings, rule).await;
        app.org.set_user_access(&app.org.user(BEN), &json!({ "permission_sets": ["Billing"] })).unwrap();
        asserts_closed(&app, case).await;
    }
}

/// Time stands still but for the waits, so that the ten seconds take none.
#[cfg(feature = "test-util")]
#[actix_web::test]
async fn a_rule_that_does_not_return_closes_the_route_after_ten_seconds() {
    use actix_salesforce::testing::log_in_as;
    use actix_web::{
        App,
        http::header,
        test::{call_service, init_service},
        web,
    };

    let org = FakeOrg::start().await.unwrap();
    let salesforce = crate::support::settings_for(&org, "http://127.0.0.1:8080").build().await.unwrap();
    let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user(ADA), "api")).await.unwrap();
    let rule = RequireLogin::new().allow_if_async(|_, _| async {
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        Ok::<_, actix_salesforce::Error>(true)
    });
    let page = web::resource("/").get(|| async { "in" }).wrap(rule);
    let app = init_service(App::new().service(page).wrap(salesforce.clone())).await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let response = call_service(&app, ada.get("/").to_request()).await;
    let waited = start.elapsed().as_secs();
    assert_eq!(response.status().as_u16(), 503);
    assert!(response.headers().contains_key(header::RETRY_AFTER) && (10..12).contains(&waited), "{waited}");
}
