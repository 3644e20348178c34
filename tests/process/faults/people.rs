//! F-34 to F-36: many people, five approvals, several workers.

use std::time::Duration;

use futures_util::future::join_all;
use salesforce_fake_org::Fault;

use crate::{
    faults::fleet::{Fleet, Kind, all},
    faults::on_each_store,
    support::{ADA, Client},
};

on_each_store!(
    f_34_many_people_refresh_at_once_within_bounds,
    f_35_a_grant_that_was_pushed_out_asks_to_log_in_again,
    f_36_any_worker_of_any_process_serves_any_login,
);

async fn f_34_many_people_refresh_at_once_within_bounds(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let mut browsers: Vec<Client> = Vec::new();
    // Each logs in by the pages, which takes its time.
    let people = if kind == Kind::Redis { 200 } else { 60 };
    for n in 0..people {
        let user = fleet.org.user(&format!("person{n}@example.com"));
        fleet.org.sign_in(&user);
        browsers.push(fleet.logged_in().await);
    }
    fleet.org.faults().refresh(Fault::Delay(Duration::from_millis(100)));
    fleet.org.expire_access_tokens();
    let urls = [fleet.url(0, "/accounts"), fleet.url(1, "/accounts")];
    let asks = browsers.iter().enumerate().map(|(n, browser)| browser.fetch(&urls[n % 2]));
    all(&join_all(asks).await, 200);
    fleet.check_tokens(people);
    let most = fleet.org.tokens_in_flight_max();
    assert!(most <= 2 * 16, "{most} at once from two processes");
}

async fn f_35_a_grant_that_was_pushed_out_asks_to_log_in_again(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    for _ in 0..5 {
        let _ = fleet.org.issue_tokens(&fleet.org.user(ADA), "api refresh_token");
    }
    fleet.org.expire_access_tokens();
    let pages = fleet.burst(&browser, 20).await;
    all(&pages, 401);
    assert_eq!(fleet.refreshes(), 1);
    fleet.log_in(&browser).await;
}

async fn f_36_any_worker_of_any_process_serves_any_login(kind: Kind) {
    let fleet = Fleet::start(kind, 2).await;
    let browser = fleet.logged_in().await;
    for n in 0..40 {
        // A new connection each time, so that workers take turns.
        assert_eq!(browser.copy().fetch(&fleet.url(n % 2, "/whoami")).await.status, 200);
    }
}
