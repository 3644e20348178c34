//! Implementations for actix-web (feature `actix-web`).
//!
//! They are in this crate because only the crate of a type can implement a foreign trait or a method for it. The crate
//! `actix-salesforce` re-exports them.

mod export;
mod frontdoor;
mod response_error;

pub use self::export::ExportFormat;
