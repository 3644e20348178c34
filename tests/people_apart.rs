//! Promise 10: two people never see each other's data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use std::time::Duration;

use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use support::{Client, World};

#[actix_web::test]
async fn people_stay_apart_through_expiry() {
    let world = World::start().await;
    let mut people = Vec::new();
    for user in world.org.users() {
        world.org.sign_in(&user);
        for _ in 0..4 {
            people.push((user.username().to_owned(), world.logged_in().await));
        }
    }
    assert!(people.len() >= 12);
    world.org.faults().refresh(Fault::Delay(Duration::from_millis(80)));
    let (user, whoami) = (world.url("/user"), world.url("/whoami"));
    for round in 0..8 {
        world.org.expire_access_tokens();
        join_all(people.iter().enumerate().map(async |(index, (name, browser))| {
            tokio::time::sleep(Duration::from_millis(((index + round) % 7) as u64 * 15)).await;
            let page = browser.fetch(&whoami).await;
            assert_eq!((page.status, &page.body), (200, name));
            assert_eq!(browser.fetch(&user).await.json()["username"], **name);
        }))
        .await;
    }
    assert_eq!(world.org.refresh_reuse_count(), 0);
}

/// The same user id in two organizations (a sandbox copy keeps record ids) is two people.
#[actix_web::test]
async fn the_same_user_of_two_organizations_is_two_people() {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user(support::ADA));
    let org = FakeOrg::builder().start().await.unwrap();
    org.sign_in(&org.user(support::ADA));
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let world =
        World::around(org, |builder| builder.login_host("sandbox", login).allowed_origin(instance)).await;
    let (one, two) = (world.logged_in().await, Client::new());
    two.visit(&world.url("/auth/salesforce/login?host=sandbox&return_to=/user")).await;
    let (one, two) =
        (one.fetch(&world.url("/user")).await.json(), two.fetch(&world.url("/user")).await.json());
    assert_eq!(one["user_id"], two["user_id"]);
    assert_ne!(one["organization_id"], two["organization_id"]);
    assert_ne!(one["instance_url"], two["instance_url"]);
    let grants = world.salesforce.grants(actix_salesforce::store::Subject::All).await.unwrap();
    assert_eq!(grants.len(), 2);
}
