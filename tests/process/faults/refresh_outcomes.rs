//! F-37 to F-39: how a refresh ends that neither succeeds as usual nor fails for now, over two processes.

use salesforce_fake_org::Fault;
use serde_json::json;

use crate::{
    faults::fleet::{Fleet, Kind, all},
    faults::on_each_store,
    support::Client,
};

on_each_store!(
    f_37_a_refusal_for_good_ends_the_grant_once_and_is_listed,
    f_38_a_redirected_refresh_uses_each_token_once,
    f_39_a_thin_response_to_a_refresh_uses_each_token_once,
);

async fn f_37_a_refusal_for_good_ends_the_grant_once_and_is_listed(kind: Kind) {
    let fleet = Fleet::start_with(kind, 2, &[("ACCOUNTS_ADMIN", "Manage_Logins")]).await;
    let browser = fleet.logged_in().await;
    let (ben, administrator) = (Client::new(), fleet.org.user("ben@example.com"));
    fleet.org.set_user_access(&administrator, &json!({ "custom_permissions": ["Manage_Logins"] })).unwrap();
    fleet.org.sign_in(&administrator);
    fleet.log_in(&ben).await;
    fleet.org.sign_in(&fleet.org.user(crate::support::ADA));
    let admin_page = async || ben.visit(&fleet.url(1, "/admin/")).await.body;
    assert!(!admin_page().await.contains("Needs reconnecting"));
    for round in 1..=2 {
        fleet.org.expire_access_tokens();
        let refused = fleet.org.faults().refresh(Fault::OauthError {
            error: "inactive_user".to_owned(),
            description: "user is inactive".to_owned(),
            status: 400,
        });
        let pages = fleet.burst(&browser, 50).await;
        assert!(pages.iter().all(|page| [401, 403].contains(&page.status)), "{round}: {pages:?}");
        assert!(pages.iter().any(|page| page.status == 403), "{round}: {pages:?}");
        assert_eq!(refused.hits(), 1, "{round}: one token request over both processes");
        refused.remove();
        all(&fleet.burst(&browser, 4).await, 401);
        let page = admin_page().await;
        assert!(page.contains("Needs reconnecting") && page.contains("user is inactive"), "{round}: {page}");
        fleet.log_in(&browser).await;
        all(&fleet.burst(&browser, 4).await, 200);
        assert!(!admin_page().await.contains("Needs reconnecting"), "{round}");
    }
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

async fn f_38_a_redirected_refresh_uses_each_token_once(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    fleet.org.set_policy(&json!({ "refresh_redirect": 307 })).unwrap();
    several_expiries(&fleet, &browser).await;
}

async fn f_39_a_thin_response_to_a_refresh_uses_each_token_once(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    let lacking = json!(["instance_url", "id", "scope", "signature"]);
    fleet.org.set_policy(&json!({ "refresh_response_without": lacking })).unwrap();
    several_expiries(&fleet, &browser).await;
}

async fn several_expiries(fleet: &Fleet, browser: &Client) {
    for _ in 0..3 {
        fleet.org.expire_access_tokens();
        all(&fleet.burst(browser, 50).await, 200);
    }
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
    fleet.org.expire_access_tokens();
    all(&fleet.burst(browser, 4).await, 200);
}
