//! `--keep`: a login that stays in the keyring, and is used in place of a new one.

use std::time::Duration;

use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::json;
use tokio::{process::Command, time::sleep};

use crate::{
    keyring::Keyring,
    run::{ADA, Doctor, Ended},
};

fn doctor<'a>(org: &'a FakeOrg, keyring: &Keyring) -> Doctor<'a> {
    Doctor::of(org).set("DBUS_SESSION_BUS_ADDRESS", &keyring.address)
}

/// Runs it with `--keep`, and expects that the login is kept.
async fn keep(org: &FakeOrg, keyring: &Keyring) -> Ended {
    let ended = doctor(org, keyring).with(["--keep"]).run().await;
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
    assert_eq!(ended.finding("kept")["outcome"], "passed");
    assert_eq!((org.live_refresh_tokens(&org.user(ADA)).len(), keyring.entries()), (1, 1), "{ended:?}");
    ended
}

fn is_clean(org: &FakeOrg, keyring: &Keyring) -> bool {
    let ada = org.user(ADA);
    (org.live_refresh_tokens(&ada).len(), org.live_access_tokens(&ada).len(), keyring.entries()) == (0, 0, 0)
}

#[tokio::test]
async fn a_kept_login_is_used_by_the_next_runs_and_revoked_by_one_without_keep() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    let first = keep(&org, &keyring).await;
    assert!(first.stderr.contains("one without --keep revokes it"), "{first:?}");
    assert!(!first.checks(&["passed", "failed"]).contains(&"revoked".to_owned()), "{first:?}");
    for _ in 0..2 {
        let again = keep(&org, &keyring).await;
        assert!(again.finding("login")["what"].to_string().contains("no approval was taken"), "{again:?}");
        assert!(!again.stderr.contains("five approvals"), "{again:?}");
    }
    let last = doctor(&org, &keyring).run().await;
    assert_eq!((last.status, last.checks(&["failed", "warning"])), (Some(0), vec![]), "{last:?}");
    assert_eq!(last.finding("revoked")["outcome"], "passed");
    assert!(is_clean(&org, &keyring), "{last:?}");
    assert_eq!(org.token_calls("authorization_code"), 1);
    assert_eq!(org.refresh_reuse_count(), 0, "a used refresh token is never sent again");
}

#[tokio::test]
async fn a_kept_login_remembers_the_scopes_that_it_was_made_with() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    let run = |scopes| doctor(&org, &keyring).set("SALESFORCE_SCOPES", scopes).with(["--keep"]).run();
    let first = run("api refresh_token").await;
    assert_eq!(first.finding("granted-scopes")["outcome"], "passed", "{first:?}");
    for _ in 0..2 {
        let ended = run("api refresh_token openid").await;
        assert_eq!(ended.finding("granted-scopes")["outcome"], "skipped", "{ended:?}");
    }
}

/// The entry of one may come between the look and the storing of the other.
#[tokio::test]
async fn two_runs_at_a_time_leave_no_login_without_an_entry() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    let run = async |after: u64| {
        sleep(Duration::from_millis(after)).await;
        doctor(&org, &keyring).with(["--keep"]).run().await
    };
    let (first, second) = tokio::join!(run(0), run(300));
    let live = org.live_refresh_tokens(&org.user(ADA)).len();
    assert_eq!((live, keyring.entries()), (1, 1), "{first:?} {second:?}");
}

/// It needs no leave, and no callback: what CI and an app with a callback at https lack.
#[tokio::test]
async fn a_kept_login_needs_neither_leave_nor_a_loopback_callback() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    keep(&org, &keyring).await;
    let app = format!("https://127.0.0.1:{}", crate::free_port());
    org.set_policy(&json!({"redirect_uris": [format!("{app}/auth/salesforce/callback")]})).unwrap();
    let doctor = doctor(&org, &keyring).set("SALESFORCE_PUBLIC_URL", &app).arguments(["--json"]);
    let ended = doctor.run().await;
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
    for (check, outcome) in [("login-callback", "skipped"), ("rotation", "passed"), ("api", "passed")] {
        assert_eq!(ended.finding(check)["outcome"], outcome, "{check}: {ended:?}");
    }
    assert!(is_clean(&org, &keyring), "{ended:?}");
}

#[tokio::test]
async fn without_a_keyring_keep_is_refused_before_salesforce_is_asked_anything() {
    let (org, mut keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    keyring.stop();
    let ended = doctor(&org, &keyring).with(["--keep"]).run().await;
    assert_eq!((ended.status, org.requests().len()), (Some(2), 0), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    for text in ["error: --keep: this machine has no keyring", "help: run it without --keep", "Secret"] {
        assert!(ended.stderr.contains(text), "{text}: {ended:?}");
    }
    // Without --keep the lack of a keyring needs no word.
    let ended = doctor(&org, &keyring).run().await;
    assert_eq!(
        (ended.status, ended.stderr.to_lowercase().contains("keyring")),
        (Some(0), false),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_kept_login_that_salesforce_has_ended_is_replaced_by_a_new_one() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    keep(&org, &keyring).await;
    org.revoke_user(&org.user(ADA));
    let ended = doctor(&org, &keyring).run().await;
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
    assert!(ended.stderr.contains("Salesforce has ended the kept login"), "{ended:?}");
    assert_eq!(org.token_calls("authorization_code"), 2);
    assert!(is_clean(&org, &keyring), "{ended:?}");
}

#[tokio::test]
async fn runs_without_a_login_leave_a_kept_one_alone() {
    let org = FakeOrg::builder().execution_user(ADA).start().await.unwrap();
    let keyring = Keyring::start();
    keep(&org, &keyring).await;
    for argument in ["--no-login", "--client-credentials"] {
        let ended = doctor(&org, &keyring).arguments(["--json", argument]).run().await;
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let refused = doctor(&org, &keyring).arguments(["--keep", argument]).run().await;
        assert_eq!((refused.status, refused.stderr.contains("cannot be used with")), (Some(2), true));
    }
    assert_eq!((org.live_refresh_tokens(&org.user(ADA)).len(), keyring.entries()), (1, 1));
}

#[tokio::test]
async fn a_kept_login_that_cannot_be_revoked_goes_back_into_the_keyring() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    keep(&org, &keyring).await;
    let fault = org.faults().at(Route::Revoke, Fault::Status(503));
    let ended = doctor(&org, &keyring).run().await;
    assert_eq!(
        (ended.status, ended.checks(&["failed", "warning"])),
        (Some(1), vec!["revoked".into()]),
        "{ended:?}"
    );
    assert!(ended.finding("revoked")["what"].to_string().contains("in the keyring again"), "{ended:?}");
    assert_eq!((org.live_refresh_tokens(&org.user(ADA)).len(), keyring.entries()), (1, 1));
    fault.remove();
    let ended = doctor(&org, &keyring).run().await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(is_clean(&org, &keyring), "{ended:?}");
}

#[tokio::test]
async fn a_kept_login_that_cannot_be_refreshed_now_stays_or_is_revoked() {
    let refused = json!({"token_errors": {"refresh_token": {"error": "invalid_grant", "description": "ip restricted"}}});
    for arguments in [&["--keep"][..], &[]] {
        let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
        keep(&org, &keyring).await;
        org.set_policy(&refused).unwrap();
        let ended = match arguments {
            [] => doctor(&org, &keyring),
            _ => doctor(&org, &keyring).with(["--keep"]),
        };
        let ended = ended.run().await;
        assert_eq!(ended.checks(&["failed", "warning"]), ["ip-restrictions"], "{ended:?}");
        assert_eq!(org.token_calls("authorization_code"), 1, "no approval is taken for it");
        match arguments {
            [] => assert!(is_clean(&org, &keyring), "{ended:?}"),
            _ => assert_eq!((org.live_refresh_tokens(&org.user(ADA)).len(), keyring.entries()), (1, 1)),
        }
    }
}

#[tokio::test]
async fn a_login_in_doubt_or_without_a_refresh_token_is_not_kept() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    org.faults().refresh(Fault::LoseResponse.once());
    let ended = doctor(&org, &keyring).with(["--keep"]).run().await;
    assert_eq!(
        (ended.finding("kept")["outcome"].as_str(), keyring.entries()),
        (Some("skipped"), 0),
        "{ended:?}"
    );
    assert_eq!(ended.finding("revoked")["outcome"], "failed");
    let ended = doctor(&org, &keyring).set("SALESFORCE_SCOPES", "api openid").with(["--keep"]).run().await;
    assert_eq!(
        (ended.finding("kept")["outcome"].as_str(), keyring.entries()),
        (Some("skipped"), 0),
        "{ended:?}"
    );
    assert_eq!(ended.finding("revoked")["outcome"], "passed");
}

#[tokio::test]
async fn an_interrupted_run_revokes_a_kept_login_too() {
    let (org, keyring) = (FakeOrg::start().await.unwrap(), Keyring::start());
    keep(&org, &keyring).await;
    let before = org.token_calls("refresh_token");
    org.faults().refresh(Fault::Delay(Duration::from_millis(700)).once());
    let doctor = doctor(&org, &keyring).with(["--keep"]);
    let (mut child, reader) = doctor.start();
    let refreshes =
        || org.requests().iter().filter(|request| request.form.contains_key("refresh_token")).count() as u64;
    while refreshes() == before {
        sleep(Duration::from_millis(5)).await;
    }
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let status = child.wait().await.unwrap().code();
    let (stdout, stderr) = reader.await.unwrap();
    let ended = Ended { status, stdout, stderr };
    assert_eq!(ended.status, Some(130), "{ended:?}");
    assert!(is_clean(&org, &keyring), "{ended:?}");
    ended.shows_no_secret(&org);
}
