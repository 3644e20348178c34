//! `doctor`: the program itself, against fake orgs that are broken in one way each, and against one that is fine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod breaks;
mod browser;
mod fine;
mod interrupted;
#[cfg(target_os = "linux")]
mod keep;
#[path = "../commands/key.rs"]
mod key;
#[cfg(target_os = "linux")]
mod keyring;
mod login;
mod public_url;
mod run;
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
#[path = "../../../tests/support/servers.rs"]
mod servers;
mod service;
mod settings_file;
mod store;
mod tables;
mod terminal;

use run::free_port;
