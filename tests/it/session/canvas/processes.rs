//! Canvas with several processes of the app on one store.

use std::sync::Arc;

use crate::support::{ADA, Client};
use actix_salesforce::store::MemoryStore;
use serde_json::json;

use super::*;

const KEY: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

async fn post_to(org: &FakeOrg, server: &Server, browser: &Client, signed: &str) -> Page {
    let form =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("signed_request", signed).finish();
    post_form_to(org, &format!("{}{CANVAS}", server.url), browser, &form, &[]).await
}

async fn user_at(server: &Server, browser: &Client) -> Option<String> {
    let page = browser.send(Method::GET, &format!("{}/user", server.url), &FRAME, None).await;
    let is_user = page.status == 200 && page.header("content-type").contains("json");
    is_user.then(|| page.json()["username"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_signed_request_counts_once_in_all_processes() {
    let store = Arc::new(MemoryStore::default());
    let shared = |builder: SalesforceBuilder| builder.keys(KEY).cookie_name("app").store(store.clone());
    let org = FakeOrg::start().await.unwrap();
    let ((_, first), (_, second)) = (run(&org, shared).await, run(&org, shared).await);
    let once = org.canvas_signed_request(&org.user(ADA));
    let (browser, thief) = (Client::new(), Client::new());
    assert_eq!(post_to(&org, &first, &browser, &once).await.status, 303);
    let page = post_to(&org, &second, &thief, &once).await;
    assert!(page.status == 403 && page.set_cookies().is_empty(), "{page:?}");
    assert_eq!(user_at(&second, &browser).await.as_deref(), Some(ADA), "the login counts in both");

    // Both at the same time, again and again.
    for _ in 0..5 {
        let again = org.canvas_signed_request(&org.user(ADA));
        let (one, two) = (Client::new(), Client::new());
        let (one, two) =
            futures_util::join!(post_to(&org, &first, &one, &again), post_to(&org, &second, &two, &again));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 403]);
    }
}

/// The next version of the app denies the org. A frame from before is out, and no new one gets in.
#[actix_web::test]
async fn a_frame_of_an_org_that_is_denied_later_is_out() {
    let store = Arc::new(MemoryStore::default());
    let shared = |builder: SalesforceBuilder| builder.keys(KEY).cookie_name("app").store(store.clone());
    let org = FakeOrg::start().await.unwrap();
    org.set_policy(&json!({ "is_sandbox": true })).unwrap();
    let (_, before) = run(&org, shared).await;
    let browser = Client::new();
    let signed = || org.canvas_signed_request(&org.user(ADA));
    assert_eq!(post_to(&org, &before, &browser, &signed()).await.status, 303);
    assert_eq!(user_at(&before, &browser).await.as_deref(), Some(ADA));
    let denying = run(&org, |builder| shared(builder).denied_orgs([org.organization_id()])).await;
    let strict = run(&org, |builder| shared(builder).allow_sandboxes(false)).await;
    for (_, server) in [denying, strict] {
        assert_eq!(user_at(&server, &browser).await, None);
        let page = post_to(&org, &server, &Client::new(), &signed()).await;
        assert!(page.status == 403 && page.set_cookies().is_empty(), "{page:?}");
    }
    assert_eq!(user_at(&before, &browser).await.as_deref(), Some(ADA), "nothing was deleted");
}
