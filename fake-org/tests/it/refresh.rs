//! Refresh: rotation and reuse, five approvals, policies, parallel calls.
use std::time::Duration;

use crate::support::{ADA, ALL, Response, refresh, userinfo};
use salesforce_fake_org::{FakeOrg, Fault, ParallelRefresh, RefreshPolicy, Rule};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn dead() -> (String, String) {
    ("invalid_grant".to_owned(), "expired access/refresh token".to_owned())
}

fn member(response: &Response, name: &str) -> String {
    response.json()[name].as_str().unwrap_or_default().to_owned()
}

fn approve(org: &FakeOrg) -> String {
    org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap()
}

/// Section 3.3: a new refresh token each time; one presented again ends the family and its access tokens.
#[tokio::test]
async fn rotation_replaces_and_reuse_ends_the_family() {
    let org = FakeOrg::start().await.unwrap();
    let first = approve(&org);
    let response = refresh(&org, &first).await;
    assert_eq!(response.status, 200);
    let (access, second) = (member(&response, "access_token"), member(&response, "refresh_token"));
    assert!(!second.is_empty());
    assert_ne!(second, first);
    assert_eq!(userinfo(&org, &access).await.status, 200);

    let replay = refresh(&org, &first).await;
    assert_eq!((replay.status, replay.error()), (400, dead()));
    assert_eq!(org.refresh_reuse_count(), 1);
    assert_eq!(userinfo(&org, &access).await.status, 403, "its access tokens end");
    assert_eq!(refresh(&org, &second).await.error(), dead(), "so does the current refresh token");
    assert!(org.live_refresh_tokens(&org.user(ADA)).is_empty());
}

/// Section 3.1: without rotation the response has no refresh token and the old one goes on working.
#[tokio::test]
async fn without_rotation_the_refresh_token_stays() {
    let org = FakeOrg::builder().rotation(false).start().await.unwrap();
    let token = approve(&org);
    for _ in 0..3 {
        let response = refresh(&org, &token).await;
        assert_eq!(response.status, 200);
        assert!(response.json().get("refresh_token").is_none());
    }
    assert_eq!(org.refresh_reuse_count(), 0);
}

/// Section 3.2: the sixth approval removes the oldest silently.
#[tokio::test]
async fn five_approvals_are_kept() {
    let org = FakeOrg::start().await.unwrap();
    let tokens: Vec<String> = (0..6).map(|_| approve(&org)).collect();
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)), tokens[1..]);
    assert_eq!(refresh(&org, &tokens[0]).await.error(), dead());
    for token in &tokens[1..] {
        assert_eq!(refresh(&org, token).await.status, 200);
    }
    // Another user's approvals are not counted with these.
    let ben = org.issue_tokens(&org.user("ben@example.com"), ALL);
    assert!(org.live_refresh_tokens(&org.user(ADA)).len() == 5 && ben.refresh_token.is_some());
    // Neither are logins without a refresh token.
    assert_eq!(org.issue_tokens(&org.user(ADA), "api id").refresh_token, None);
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)).len(), 5);
}

/// Section 3.2.
#[tokio::test]
async fn policies_end_refresh_tokens() {
    let org = FakeOrg::builder().rotation(false).start().await.unwrap();
    let token = approve(&org);
    org.advance(DAY * 4_000);
    assert_eq!(refresh(&org, &token).await.status, 200, "until revoked");

    org.set_refresh_policy(RefreshPolicy::Idle(DAY * 30));
    for _ in 0..3 {
        org.advance(DAY * 29);
        assert_eq!(refresh(&org, &token).await.status, 200, "each use restarts the time");
    }
    org.advance(DAY * 30);
    assert_eq!(refresh(&org, &token).await.error(), dead());

    let token = approve(&org);
    org.set_refresh_policy(RefreshPolicy::Lifetime(DAY * 30));
    org.advance(DAY * 29);
    assert_eq!(refresh(&org, &token).await.status, 200);
    org.advance(DAY * 2);
    assert_eq!(refresh(&org, &token).await.error(), dead(), "uses do not extend it");

    org.set_refresh_policy(RefreshPolicy::Never);
    let token = approve(&org);
    assert_eq!(refresh(&org, &token).await.error(), dead());
}

/// Section 3.3: what several clients report of refreshes that overlap.
#[tokio::test]
async fn parallel_refreshes_get_what_was_chosen() {
    let parallel = async |response: ParallelRefresh| {
        let org = FakeOrg::builder().parallel_refresh(response).start().await.unwrap();
        org.faults().refresh(Rule::from(Fault::Slow).delay(Duration::from_millis(300)));
        let token = approve(&org);
        let (a, b) = tokio::join!(refresh(&org, &token), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            refresh(&org, &token).await
        });
        assert_eq!(org.tokens_in_flight_max(), 2);
        (a, b)
    };
    let (a, b) = parallel(ParallelRefresh::AlreadyProcessing).await;
    assert_eq!((a.status, b.status), (200, 400));
    assert_eq!(b.error().1, "Token request is already being processed");
    let (a, b) = parallel(ParallelRefresh::ExpiredCode).await;
    assert_eq!((a.status, b.error().1.as_str()), (200, "expired authorization code"));
    let (a, b) = parallel(ParallelRefresh::Allowed).await;
    assert_eq!((a.status, b.error()), (200, dead()), "handled one after the other, the second is reuse");
}

#[tokio::test]
async fn deactivation_and_revocation_end_refreshing() {
    let org = FakeOrg::start().await.unwrap();
    let ada = org.user(ADA);
    let token = approve(&org);
    org.deactivate_user(&ada);
    let response = refresh(&org, &token).await;
    assert_eq!((response.status, response.error().0.as_str()), (400, "inactive_user"));
    org.activate_user(&ada);
    assert_eq!(refresh(&org, &token).await.status, 200);
    let token = approve(&org);
    org.revoke_user(&ada);
    assert_eq!(refresh(&org, &token).await.error(), dead());
    assert_eq!(refresh(&org, "5Aep861never.issued").await.error(), dead());
}

/// Section 1.1: each response names the instance.
#[tokio::test]
async fn a_moved_instance_shows_in_the_next_refresh() {
    let org = FakeOrg::start().await.unwrap();
    let before = org.instance_url();
    let response = refresh(&org, &approve(&org)).await;
    assert_eq!(member(&response, "instance_url"), before);
    org.move_instance();
    assert_ne!(org.instance_url(), before);
    let old = member(&response, "access_token");
    let http = crate::support::http();
    let there =
        crate::support::send(http.get(format!("{before}/services/data/v66.0/limits")).bearer_auth(&old))
            .await;
    assert_eq!((there.status, there.error().0.as_str()), (401, "INVALID_SESSION_ID"));
    let response = refresh(&org, &member(&response, "refresh_token")).await;
    assert_eq!(member(&response, "instance_url"), org.instance_url());
    let url = format!("{}/services/data/v66.0/limits", org.instance_url());
    assert_eq!(
        crate::support::send(http.get(url).bearer_auth(member(&response, "access_token"))).await.status,
        200
    );
}
