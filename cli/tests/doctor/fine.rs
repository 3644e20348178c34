//! An org and settings without a fault, and what is skipped.

use salesforce_fake_org::FakeOrg;

use crate::run::{ADA, Doctor, KEY};

#[tokio::test]
async fn a_fine_org_passes_every_check_and_keeps_no_login() {
    let org = FakeOrg::builder().execution_user(ADA).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ended = Doctor::of(&org)
        .set("SALESFORCE_KEYS", KEY)
        .set("SALESFORCE_STORE", &format!("sqlite:{}", folder.path().join("logins.db").display()))
        .run()
        .await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.checks(&["failed", "warning"]), [""; 0]);
    // No app runs, and its store is missing yet.
    assert_eq!(ended.checks(&["skipped"]), ["proxy-headers", "public-url", "stored-grants"], "{ended:?}");
    let names = [
        "api",
        "api-usage",
        "api-version",
        "app",
        "callback",
        "clock",
        "granted-scopes",
        "id-token",
        "ip-restrictions",
        "keys",
        "login",
        "login-callback",
        "pkce",
        "reach",
        "refresh",
        "refresh-token",
        "revoked",
        "rotation",
        "scopes",
        "secret",
        "service-user",
        "settings",
        "store",
        "store-latency",
        "store-lease",
    ];
    assert_eq!(ended.checks(&["passed"]), names);
    assert_eq!(org.token_calls("refresh_token"), 2);
    assert_eq!(org.refresh_reuse_count(), 0, "a used refresh token is never sent again");
    let ada = org.user(ADA);
    assert_eq!((org.live_refresh_tokens(&ada), org.live_access_tokens(&ada)), (vec![], vec![]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is left");
}

#[tokio::test]
async fn the_cost_of_a_login_is_said_before_it() {
    let org = FakeOrg::start().await.unwrap();
    let ended = Doctor::of(&org).run().await;
    let (cost, url) = (ended.stderr.find("five approvals"), ended.stderr.find("/services/oauth2/authorize"));
    assert!(cost.unwrap() < url.unwrap(), "{ended:?}");
}

#[tokio::test]
async fn without_leave_no_login_is_made_and_what_needs_one_is_skipped() {
    let org = FakeOrg::start().await.unwrap();
    for arguments in [["--json", "--no-login"], ["--json", "--timeout=5"]] {
        let ended = Doctor::of(&org).arguments(arguments).run().await;
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let skipped = ended.checks(&["skipped"]);
        for check in [
            "login",
            "id-token",
            "granted-scopes",
            "ip-restrictions",
            "refresh-token",
            "refresh",
            "rotation",
            "api",
            "api-usage",
            "api-version",
        ] {
            assert!(skipped.iter().any(|name| name == check), "{check}: {ended:?}");
        }
    }
    assert_eq!(org.token_calls("authorization_code"), 0);
}

#[tokio::test]
async fn client_credentials_check_the_api_without_a_login() {
    let org = FakeOrg::builder().execution_user(ADA).start().await.unwrap();
    let ended = Doctor::of(&org).arguments(["--json", "--client-credentials"]).run().await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let passed = ended.checks(&["passed"]);
    for check in ["service-user", "api", "api-version", "revoked"] {
        assert!(passed.iter().any(|name| name == check), "{check}: {ended:?}");
    }
    let skipped = ended.checks(&["skipped"]);
    assert!(skipped.iter().any(|name| name == "rotation"), "{ended:?}");
    assert_eq!(org.token_calls("authorization_code"), 0);
    assert_eq!(org.live_access_tokens(&org.user(ADA)), [""; 0]);
}

#[tokio::test]
async fn the_text_names_each_check_with_fix_and_place_and_has_no_colours_in_a_pipe() {
    let org = FakeOrg::builder().pkce_required(false).start().await.unwrap();
    let ended = Doctor::of(&org).arguments(["--yes", "--timeout=30"]).run().await;
    assert_eq!(ended.status, Some(1));
    for text in ["passed   app ", "warning  pkce ", "fix ", "where ", "Setup > Apps", "1 warned, 0 failed"] {
        assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'), "{ended:?}");
}

#[tokio::test]
async fn an_allowed_finding_is_shown_and_not_counted() {
    let org = FakeOrg::builder().pkce_required(false).rotation(false).start().await.unwrap();
    let ended = Doctor::of(&org).with(["--allow", "pkce"]).run().await;
    assert_eq!((ended.status, ended.checks(&["warning"])), (Some(1), vec!["pkce".into(), "rotation".into()]));
    let ended = Doctor::of(&org).with(["--allow", "pkce", "--allow", "rotation"]).run().await;
    assert_eq!((ended.status, ended.checks(&["warning"])), (Some(0), vec!["pkce".into(), "rotation".into()]));
}

#[tokio::test]
async fn wrong_use_is_status_2_with_a_next_step() {
    let org = FakeOrg::start().await.unwrap();
    for (arguments, text) in [
        (["--callback", "https://app.example/callback"], "http://localhost:PORT/PATH"),
        (["--yes", "--no-login"], "cannot be used with"),
        (["--allow", "rotatoin"], "'rotation'"),
        (["--host", "sandbox"], "help: it names none"),
    ] {
        let ended = Doctor::of(&org).arguments(arguments).run().await;
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(text), "{text}: {ended:?}");
    }
}

#[tokio::test]
async fn each_login_host_is_checked() {
    let org = FakeOrg::start().await.unwrap();
    let id = org.organization_id();
    for (second, status) in [(org.instance_url(), 0), ("http://127.0.0.1:1".to_owned(), 1)] {
        let ended = Doctor::of(&org)
            .arguments(["--json", "--no-login"])
            .set("SALESFORCE_ALLOWED_ORGS", &id)
            .set("SALESFORCE_LOGIN_HOSTS", &format!("second={second}|{id}"))
            .run()
            .await;
        assert_eq!(ended.status, Some(status), "{ended:?}");
        let findings = ended.findings();
        let of_second = |check: &str| {
            let is_it = |finding: &&serde_json::Value| {
                let what = finding["what"].as_str().unwrap();
                finding["check"] == check && (what.contains(&second) || what.contains("/callback/second"))
            };
            findings.iter().find(is_it).map(|finding| finding["outcome"].as_str().unwrap().to_owned())
        };
        let reached = if status == 0 { "passed" } else { "failed" };
        assert_eq!(of_second("reach").as_deref(), Some(reached), "{ended:?}");
        assert_eq!(of_second("callback").as_deref(), (status == 0).then_some("passed"), "{ended:?}");
    }
}

#[tokio::test]
async fn both_credentials_of_a_rotation_are_fine() {
    let org = FakeOrg::start().await.unwrap();
    let rotated = serde_json::json!({"client_id": "3MVG9.New", "client_secret": "newer-than-before"});
    org.set_policy(&serde_json::json!({"rotated_credentials": rotated})).unwrap();
    let ended = Doctor::of(&org).rotated().run().await;
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
    assert_eq!(ended.finding("secret")["outcome"], "passed");
}

/// A variable of an app with other features of the crate than this program's is one all the same.
#[tokio::test]
async fn each_variable_of_the_settings_page_is_known() {
    let org = FakeOrg::start().await.unwrap();
    let page = include_str!("../../../docs/settings.md");
    let words = page.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
    let names: std::collections::BTreeSet<_> = words.filter(|word| word.starts_with("SALESFORCE_")).collect();
    assert!(names.len() > 40, "{names:?}");
    let mut doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_NO_SUCH", "x");
    // An empty value counts as absent, and the variable's name counts.
    for name in names {
        if org.variable(name).is_none() && name != "SALESFORCE_PUBLIC_URL" {
            doctor = doctor.set(name, "");
        }
    }
    let ended = doctor.run().await;
    assert_eq!(ended.checks(&["failed", "warning"]), ["settings"], "{ended:?}");
    let findings = ended.findings();
    let warnings: Vec<_> = findings.iter().filter(|finding| finding["check"] == "settings").collect();
    assert!(warnings.len() == 1 && warnings[0].to_string().contains("SALESFORCE_NO_SUCH"), "{warnings:?}");
}
