//! The admin page of the example `accounts` with two orgs: an administrator sees and ends what belongs to the own org.

use crate::support::{ADA, Client, example::Example, free_port};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

const BEN: &str = "ben@example.com";

/// The references of the logins that the page of this browser lists.
async fn references(example: &Example, browser: &Client) -> Vec<String> {
    let page = browser.visit(&example.url("/admin/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let forms = page.body.split("action=\"/admin/logins/").skip(1);
    forms.map(|form| form.split('/').next().unwrap().to_owned()).collect()
}

/// Both orgs have an Ada with the permission, and a Ben. Users have the same ids in both.
#[actix_web::test]
async fn an_administrator_ends_logins_and_grants_of_the_own_org_only() {
    let here = FakeOrg::start().await.unwrap();
    let there = FakeOrg::builder().client(&here.client_id(), &here.client_secret()).start().await.unwrap();
    assert_eq!(here.user(BEN).id(), there.user(BEN).id());
    for org in [&here, &there] {
        org.set_user_access(&org.user(ADA), &json!({ "custom_permissions": ["Manage_Logins"] })).unwrap();
    }
    let more = [
        ("ACCOUNTS_ADMIN", "Manage_Logins"),
        ("SALESFORCE_LOGIN_HOSTS", &*format!("there={}", there.login_url())),
        ("SALESFORCE_ALLOWED_ORIGINS", &*format!("{} {}", here.instance_url(), there.instance_url())),
    ];
    let example = Example::with("127.0.0.1", free_port(), "accounts", &here, &more).await;
    let log_in = async |org: &FakeOrg, host: &str, name: &str| {
        org.sign_in(&org.user(name));
        let browser = Client::new();
        let page =
            browser.visit(&example.url(&format!("/auth/salesforce/login?return_to=/whoami{host}"))).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(browser.fetch(&example.url("/whoami")).await.json()["username"], name);
        browser
    };
    let is_in = async |browser: &Client| browser.fetch(&example.url("/whoami")).await.status == 200;
    let post = async |browser: &Client, path: String| {
        browser.submit(&example.url(&path), &example.url(""), &[]).await.status
    };

    let ada = log_in(&here, "", ADA).await;
    let other_ada = log_in(&there, "&host=there", ADA).await;
    let other_ben = log_in(&there, "&host=there", BEN).await;
    let own = references(&example, &ada).await;
    assert_eq!(own.len(), 1, "those of the other org are not listed");
    let ben = log_in(&here, "", BEN).await;
    let of_ben = references(&example, &ada).await.into_iter().find(|found| *found != own[0]).unwrap();
    let of_others = references(&example, &other_ada).await;
    assert_eq!(of_others.len(), 2);

    // The login of another user of the org, and one of the other org.
    for reference in &of_others {
        assert_eq!(post(&ada, format!("/admin/logins/{reference}/end")).await, 303);
    }
    assert!(is_in(&other_ada).await && is_in(&other_ben).await && is_in(&ben).await);
    assert_eq!(post(&ben, format!("/admin/logins/{}/end", own[0])).await, 403, "without the permission");
    assert_eq!(post(&ada, format!("/admin/logins/{of_ben}/end")).await, 303);
    assert!(!is_in(&ben).await && is_in(&ada).await);

    // The grant: that of the same user id in the other org stays.
    let ben = log_in(&here, "", BEN).await;
    assert_eq!(post(&ada, format!("/admin/grants/{}/revoke", here.user(BEN).id())).await, 303);
    assert!(!is_in(&ben).await && is_in(&other_ben).await && is_in(&other_ada).await && is_in(&ada).await);
    assert!(!there.live_refresh_tokens(&there.user(BEN)).is_empty());
    assert_eq!(post(&other_ada, format!("/admin/grants/{}/revoke", there.user(BEN).id())).await, 303);
    assert!(!is_in(&other_ben).await && is_in(&ada).await);
}
