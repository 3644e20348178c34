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

/// The usual app: its callback is at https, and no other one is registered.
#[tokio::test]
async fn where_no_loopback_callback_is_registered_its_url_is_printed_and_what_needs_a_login_is_skipped() {
    let app = format!("https://127.0.0.1:{}", crate::free_port());
    let own = format!("{app}/auth/salesforce/callback");
    let org = FakeOrg::builder().redirect_uri(&own).start().await.unwrap();
    for arguments in [&[][..], &["--callback", "http://127.0.0.1:19877/callback"]] {
        let loopback = arguments.get(1).copied().unwrap_or("http://localhost:1717/OauthRedirect");
        let doctor = Doctor::of(&org).set("SALESFORCE_PUBLIC_URL", &app);
        let ended =
            if arguments.is_empty() { doctor } else { doctor.with(["--callback", loopback]) }.run().await;
        assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
        let finding = ended.finding("login-callback");
        assert_eq!(finding["outcome"], "skipped");
        let register = format!("add {loopback} to the app's callback URLs");
        assert!(finding["fix"].as_str().unwrap().contains(&register), "{finding}");
        assert!(finding["setup"].as_str().unwrap().ends_with("\"Callback URL\""), "{finding}");
        assert!(ended.finding("callback")["what"].as_str().unwrap().contains(&own), "{ended:?}");
        // The app's own callback is enough for these.
        for check in ["callback", "app", "scopes", "pkce", "secret"] {
            assert_eq!(ended.finding(check)["outcome"], "passed", "{check}: {ended:?}");
        }
        for check in
            ["login", "id-token", "granted-scopes", "ip-restrictions", "refresh-token", "refresh", "rotation"]
        {
            let what = ended.finding(check)["what"].to_string();
            assert!(what.contains("no loopback callback is registered"), "{check}: {what}");
        }
        assert_eq!(ended.finding("api")["outcome"], "skipped");
    }
    assert_eq!(org.token_calls("authorization_code"), 0);
}
