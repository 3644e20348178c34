//! The login of the checks: its callback, and what is left of it.

use std::net::TcpListener;

use salesforce_fake_org::{FakeOrg, Fault};

use crate::run::{ADA, Doctor};

#[tokio::test]
async fn a_callback_whose_port_is_in_use_is_named_and_no_login_is_made() {
    let org = FakeOrg::start().await.unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let callback = format!("http://127.0.0.1:{}/OauthRedirect", other.local_addr().unwrap().port());
    let ended = Doctor::of(&org).with(["--callback", &callback]).run().await;
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
    let finding = ended.finding("login-callback");
    assert_eq!(finding["outcome"], "skipped");
    assert!(
        finding["what"].as_str().unwrap().starts_with(&format!("{callback} cannot be listened on")),
        "{finding}"
    );
    assert!(finding["fix"].as_str().unwrap().contains("--callback"), "{finding}");
    for check in ["login", "refresh", "rotation", "api"] {
        assert_eq!(ended.finding(check)["outcome"], "skipped", "{check}: {ended:?}");
    }
    assert_eq!(org.token_calls("authorization_code"), 0);
}

/// The org has issued a refresh token that never arrived, so that no program can revoke it.
#[tokio::test]
async fn a_login_whose_refreshed_tokens_are_lost_is_not_called_revoked() {
    let org = FakeOrg::start().await.unwrap();
    org.faults().refresh(Fault::LoseResponse.once());
    let ended = Doctor::of(&org).run().await;
    let revoked = ended.finding("revoked");
    assert_eq!(revoked["outcome"], "failed");
    assert!(revoked["what"].as_str().unwrap().contains("the response to a refresh was lost"), "{revoked}");
    assert!(revoked["setup"].as_str().unwrap().contains("OAuth Connected Apps"), "{revoked}");
    assert_eq!(org.token_calls("refresh_token"), 1, "a refresh token that may be used is not sent again");
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)).len(), 1, "the login would be revoked after all");
}
