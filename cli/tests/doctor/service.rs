//! The service user by JWT bearer.

use salesforce_fake_org::{FakeOrg, PermittedUsers};

use crate::{
    key,
    run::{ADA, Doctor},
};

#[tokio::test]
async fn a_service_user_with_a_key_is_checked_and_one_who_is_not_approved_is_named() {
    let (key, certificate) = key::pair();
    let org = FakeOrg::builder().certificate(&certificate).unwrap().start().await.unwrap();
    for (approved, status) in [(ADA, 0), ("ben@example.com", 1)] {
        org.set_permitted_users(PermittedUsers::AdminApproved(vec![approved.into()]));
        let ended = Doctor::of(&org).with_key(&key).arguments(["--json", "--client-credentials"]).run().await;
        assert_eq!(ended.status, Some(status), "{ended:?}");
        let finding = ended.finding("service-user");
        if status == 0 {
            for check in ["service-user", "api", "revoked"] {
                assert_eq!(ended.finding(check)["outcome"], "passed", "{ended:?}");
            }
        } else {
            assert_eq!((&finding["outcome"], &finding["code"]), (&"failed".into(), &"invalid_grant".into()));
            assert!(finding["fix"].as_str().unwrap().starts_with("approve the app"), "{finding}");
            assert!(finding["setup"].as_str().unwrap().ends_with("\"Permitted Users\""), "{finding}");
        }
        assert!(!ended.stdout.contains("PRIVATE KEY") && !ended.stderr.contains("PRIVATE KEY"), "{ended:?}");
    }
    assert_eq!(org.live_access_tokens(&org.user(ADA)), [""; 0]);
}
