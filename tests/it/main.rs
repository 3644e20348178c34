//! The tests that run beside each other in one process: an app of several workers, a fake org, and browsers.
//!
//! A test that changes something of the whole process (what is logged, the clock, counters, memory) is in `isolated`; a
//! test that starts programs is in `process`. `docs/test-map.md` says which test proves which requirement.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "../support/mod.rs"]
mod support;

mod broken_connections;
mod documents;
mod events;
mod field_logins;
mod ip_restrictions;
mod lifetimes;
mod logged_reasons;
mod parsers;
mod refresh;
mod refresh_responses;
mod service_user;
#[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod several_processes;
mod thin_refreshes;

/// From the first redirect to the end of the callback.
mod login {
    mod addresses;
    mod admission;
    mod browsers;
    mod callbacks;
    mod choose_host;
    mod flow;
    mod hostile_requests;
    mod login_hosts;
    mod own_pages;
    mod refused;
    mod responses;
    mod return_targets;
    mod sandboxes;
    mod set_up;
    mod silent;
    mod site;
    mod tls;
    mod written_targets;
}

/// What a browser holds, and how it ends.
mod session {
    mod admin;
    mod canvas;
    mod cookies_and_headers;
    mod credential_rotation;
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
    mod ended_logins;
    mod former_user;
    mod key_rotation;
    mod login_cookie;
    mod logout;
    mod logout_policy;
    #[cfg(feature = "redis")]
    mod logout_races;
    mod several_orgs;
    mod single_logout;
    mod user_isolation;
}

/// Connections of the app's own users.
mod owners {
    mod admission;
    mod app;
    mod attacks;
    #[cfg(feature = "sqlite")]
    mod lives;
    #[cfg(feature = "sqlite")]
    mod outages;
    mod rotation;
}

/// Who may use a route.
mod rules {
    mod fresh;
    mod guarded_app;
    mod permissions;
    mod refused;
    mod unreadable;
}

/// Stores that work, and stores that do not.
mod store {
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres", feature = "test-util"))]
    mod dead_connections;
    mod failing_store;
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
    mod former_stores;
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres", feature = "test-util"))]
    mod login_cache;
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
    mod moved_records;
    #[cfg(feature = "redis")]
    mod redis_store;
    #[cfg(all(feature = "redis", feature = "test-util"))]
    mod redis_tls;
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres", feature = "test-util"))]
    mod rolling_deploy;
    #[cfg(all(feature = "sqlite", feature = "postgres"))]
    mod sql_store;
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres", feature = "test-util"))]
    mod store_faults;
    #[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres", feature = "test-util"))]
    mod stored_records;
}

/// Durable consumers of events.
#[cfg(all(feature = "events", feature = "test-util"))]
mod consumer {
    mod delivery;
    mod former;
    #[cfg(feature = "redis")]
    mod lost_store;
    mod scene;
    mod trouble;
}

/// The methods of a connection.
mod api {
    mod allowed_hosts;
    mod bound_values;
    #[cfg(feature = "bulk")]
    mod bulk;
    #[cfg(feature = "bulk")]
    mod bulk_operations;
    mod composite;
    mod field_reports;
    #[cfg(feature = "test-util")]
    mod literals;
    mod many_records;
    mod queries;
    mod records;
    mod retry_and_limits;
    mod select;
}

/// The middleware and the extractors in an app.
mod web {
    mod error_responses;
    #[cfg(feature = "events")]
    mod event_source;
    #[cfg(feature = "events")]
    mod feed;
    mod middleware_composition;
    mod mistakes;
    mod mounted;
    #[cfg(feature = "test-util")]
    mod open_in_salesforce;
    mod protected_routes;
    mod references;
    mod several_salesforces;
    mod streaming;
    #[cfg(feature = "test-util")]
    mod test_util;
    #[cfg(feature = "events")]
    mod visible_feed;
}
