//! Several orgs in one browser, whose requests go to several processes of the app on one store.

use std::sync::Arc;

use crate::support::Client;
use actix_salesforce::{SessionMode, store::MemoryStore};

use super::*;

/// Adds, switches and drops at one process; the other one knows it with the next request.
#[actix_web::test]
async fn the_orgs_of_a_browser_are_the_same_in_all_processes() {
    let store = Arc::new(MemoryStore::default());
    let shared = |builder: SalesforceBuilder| builder.keys(KEYS).cookie_name("app").store(store.clone());
    let mut first = Several::with(3, SessionMode::Embedded, shared).await;
    let (listener, url) = reserve();
    let salesforce = shared(settings_of(&first.orgs, &url, SessionMode::Embedded)).build().await.unwrap();
    let second = run(listener, salesforce, SessionMode::Embedded);
    // Each request may go to another process.
    let switch = |app: &mut Several, other: &mut Server| std::mem::swap(&mut app.server, other);
    let mut other = second;

    let browser = Client::new();
    browser.visit(&first.url("/whoami")).await;
    for org in [1, 2] {
        // Pages and callback at one process, the next request at the other.
        first.add(&browser, org).await;
        switch(&mut first, &mut other);
        assert_eq!(first.listed(&browser).await, (org + 1, Some(org)));
        assert_eq!(first.works_in(&browser).await, Some(org));
    }
    for org in [0, 2, 1] {
        assert_eq!(first.post(&browser, &[("switch", &first.id(org))]).await.status, 303);
        switch(&mut first, &mut other);
        assert_eq!(
            (first.works_in(&browser).await, first.listed(&browser).await),
            (Some(org), (3, Some(org)))
        );
    }
    let pair = format!("/pair/{}/{}", first.id(0), first.id(2));
    let names = browser.fetch(&first.url(&pair)).await.json();
    assert!(names[0].as_str().unwrap().starts_with(&first.id(0)), "{names}");
    assert!(names[1].as_str().unwrap().starts_with(&first.id(2)), "{names}");
    assert!(names[2].as_str().unwrap().starts_with(&first.id(1)), "{names}");

    let before = browser.copy();
    assert_eq!(first.post(&browser, &[("drop", &first.id(1))]).await.status, 303);
    switch(&mut first, &mut other);
    let (count, current) = first.listed(&browser).await;
    assert!(count == 2 && matches!(current, Some(0 | 2)), "{current:?}");
    // A cookie of the dropped login that comes late is none of a login in any process.
    assert_eq!(first.listed(&before).await.0, 2);
    let out = browser.submit(&first.url("/auth/salesforce/logout"), &first.server.url, &[]).await;
    assert_eq!(out.status, 303);
    switch(&mut first, &mut other);
    assert_eq!(first.works_in(&before).await, None, "a logout counts in both");
}
