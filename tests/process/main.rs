//! The tests that start programs: the examples of this package, databases that fail over, and a browser.
//!
//! `cargo build --all-features --examples` makes the programs; `scripts/test` does so first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "../support/mod.rs"]
mod support;

mod accounts_admin;
mod accounts_axe;
mod accounts_example;
mod accounts_pages;
mod browser;
mod choices_browser;
#[cfg(all(feature = "events", feature = "redis", feature = "sqlite", feature = "postgres"))]
mod consumer;
#[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod faults;
mod field_browser;
#[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod fleet;
#[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod fleet_example;
mod forward_proxy;
mod frames;
#[cfg(feature = "events")]
mod live;
#[cfg(feature = "sqlite")]
mod my_domain;
mod pages;
#[cfg(all(feature = "redis", feature = "test-util"))]
mod redis_many;
mod refused_logins;
mod request_pages;
#[cfg(feature = "sqlite")]
mod shutdown;
mod small_examples;
mod tenants;
#[cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
mod wait;
