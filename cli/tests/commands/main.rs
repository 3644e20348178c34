//! The program `actix-salesforce` as its users run it.
//!
//! What `types` writes is part of this program, which does not compile with a warning.
#![deny(warnings)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in tests a wrong expectation is a failure"
)]

mod app_metadata;
mod call_metadata;
mod fake;
mod key;
mod next_step;
mod program;
mod shell;
mod types;
