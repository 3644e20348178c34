//! Responses to a refresh that lack what the grant knows already, in each form of lacking: the login goes on.

use crate::support::{ADA, TestApp};
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

/// The refresh token that was sent may be used by then, and the next response is as thin: a login that needed the missing
/// member would never recover.
#[actix_web::test]
async fn a_member_that_is_missing_empty_or_null_counts_as_unchanged() {
    for rotation in [true, false] {
        let org = FakeOrg::builder().rotation(rotation).start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let app = TestApp::around(org, |builder| builder).await;
        let browser = app.logged_in().await;
        let mut refreshes = app.refreshes();
        for thin in [
            json!({ "token_type": null }),
            json!({ "token_type": "" }),
            json!({ "instance_url": "" }),
            json!({ "id": "" }),
            json!({ "id": null, "instance_url": "", "signature": "", "issued_at": null }),
            json!({ "scope": "" }),
            json!({ "scope": null, "token_type": null, "signature": null }),
            json!({ "expires_in": "7200" }),
            json!({ "expires_in": -1 }),
            json!({ "expires_in": null }),
            json!({ "id_token": "" }),
            json!({ "id_token": "not.a.token" }),
            json!({ "sfdc_community_url": "" }),
            // What has another type says no more.
            json!({ "id": 7, "instance_url": false, "sfdc_community_url": 7 }),
            json!({ "id": {}, "instance_url": [], "signature": [] }),
            json!({ "scope": ["api"], "token_type": 7, "signature": 7, "id_token": {} }),
            json!({ "issued_at": null }),
            json!({ "issued_at": {}, "expires_in": 1.5 }),
            json!({ "issued_at": " ", "id": " ", "instance_url": " ", "scope": " ", "id_token": "\t" }),
        ] {
            let fault = app.org.faults().refresh(Fault::MergeJson(thin.clone()));
            for _ in 0..2 {
                app.org.expire_access_tokens();
                let page = browser.fetch(&app.url("/names")).await;
                assert_eq!(page.status, 200, "{thin}, rotation {rotation}: {page:?}");
                refreshes += 1;
                assert_eq!(app.refreshes(), refreshes, "{thin}, rotation {rotation}");
            }
            fault.remove();
        }
        assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA);
        assert_eq!(app.org.refresh_reuse_count(), 0);
        if !rotation {
            // Nothing replaces the refresh token then.
            for useless in [json!(""), json!(" "), json!(7), json!([])] {
                let fault = app.org.faults().refresh(Fault::MergeJson(json!({ "refresh_token": useless })));
                for _ in 0..2 {
                    app.org.expire_access_tokens();
                    assert_eq!(browser.fetch(&app.url("/names")).await.status, 200, "{useless}");
                }
                fault.remove();
            }
        }
    }
}

/// W-02 in the forms in which servers in front of Salesforce may send it.
#[actix_web::test]
async fn a_refusal_for_good_is_understood_with_each_status_and_in_each_spelling() {
    for (error, status) in [
        ("inactive_user", 401),
        ("inactive_user", 403),
        ("INACTIVE_USER", 400),
        ("inactive-user", 400),
        ("invalid_grant", 401),
        ("INVALID_GRANT", 403),
        ("invalid_grant", 200),
        ("inactive_user", 404),
    ] {
        let (error, description) = (error.to_owned(), String::new());
        refused(&error.clone(), Fault::OauthError { error, description, status }).await;
    }
    for (error, body) in [
        ("invalid_grant", r#"{"error":"invalid_grant","error_description":null}"#),
        ("invalid_grant", r#"{"error":"invalid_grant","error_description":{"text":"expired"}}"#),
        ("inactive_user", "\u{feff}{\"error\":\"inactive_user\"}"),
        ("inactive_user", "error=inactive_user&error_description=user+is+inactive"),
    ] {
        let content_type = "application/json".to_owned();
        let body = body.as_bytes().to_vec().into();
        refused(error, Fault::RawBody { status: 400, content_type, body }).await;
    }
}

/// The login ends with this response to a refresh, and the next one works.
async fn refused(error: &str, fault: Fault) {
    let status = format!("{fault:?}");
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.expire_access_tokens();
    let fault = app.org.faults().refresh(fault);
    let first = browser.fetch(&app.url("/names")).await.status;
    assert_eq!(first, if error.to_ascii_lowercase().starts_with("invalid") { 401 } else { 403 }, "{error}");
    for _ in 0..3 {
        assert_eq!(browser.fetch(&app.url("/names")).await.status, 401, "{error}, {status}");
        assert_eq!(browser.open(&app.url("/names")).await.status, 303, "{error}, {status}");
    }
    assert_eq!(fault.hits(), 1, "{error}, {status}");
    fault.remove();
    assert_eq!(browser.visit(&app.url("/whoami")).await.body, ADA, "the next login works");
}
