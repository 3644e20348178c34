//! `doctor`: the program itself, against fake orgs that are broken in one way each, and against one that is fine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod breaks;
mod browser;
mod fine;
mod interrupted;
mod login;
mod public_url;
mod run;
mod store;
mod terminal;
