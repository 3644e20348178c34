//! A Salesforce org in your test process: OAuth with refresh token rotation, REST, and faults on demand.
//!
//! ```
//! # #[cfg(feature = "embedded")]
//! # async fn test() -> Result<(), salesforce_fake_org::StartError> {
//! use salesforce_fake_org::{FakeOrg, Fault};
//!
//! let org = FakeOrg::start().await?;
//! org.sign_in(&org.user("ada@example.com")); // or let the test fill in the login form
//! // … point the app at org.login_url(), org.client_id() and org.client_secret() …
//! org.expire_access_tokens();
//! org.faults().token_endpoint(Fault::Status(503).times(2));
//! // … the app must cope …
//! assert_eq!(org.refresh_reuse_count(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! The org has two origins on loopback: a login host (`/services/oauth2/…`, its pages, and `/fake/…` to drive it
//! over HTTP) and an instance host with the data. It holds accounts, contacts, opportunities and users, keeps
//! everything in memory, and runs on a separate thread and runtime.
//!
//! What it does follows Salesforce's documentation and captured responses; where neither settles a point, the
//! comment in the source says "unverified".
//!
//! The program `fake-org` is the same for any language: it prints one JSON line with the addresses and the app's
//! credentials, and is driven over `/fake/…`. [`FakeOrgProcess`] is a handle of that program with the methods of
//! `FakeOrg`.
//!
//! # Features
//!
//! `embedded`, on by default, is the org itself. Without it only [`FakeOrgProcess`] is left, which brings no SQLite:
//! Cargo allows one `libsqlite3-sys` in a tree, and the app may have another version.

// Arrows point down only: builder → org → server → web → state → (auth, data, soql, fault, log) → base.
#[cfg(feature = "embedded")]
mod action_specs;
#[cfg(feature = "embedded")]
mod api_specs;
#[cfg(feature = "embedded")]
mod auth;
mod base;
#[cfg(feature = "embedded")]
mod builder;
#[cfg(feature = "embedded")]
mod call;
#[cfg(feature = "embedded")]
mod data;
#[cfg(feature = "embedded")]
mod deliver;
mod environment;
#[cfg(feature = "embedded")]
mod error;
mod fault;
mod granted;
#[cfg(feature = "embedded")]
mod graphql;
#[cfg(feature = "embedded")]
mod jobs;
#[cfg(feature = "embedded")]
mod log;
#[cfg(feature = "embedded")]
mod org;
#[cfg(feature = "embedded")]
mod outbound;
#[cfg(feature = "embedded")]
mod policy;
mod process;
#[cfg(feature = "embedded")]
mod pubsub;
mod request;
#[cfg(feature = "embedded")]
mod schema_builder;
#[cfg(feature = "embedded")]
mod schema_file;
#[cfg(feature = "embedded")]
mod senders;
#[cfg(feature = "embedded")]
mod server;
#[cfg(feature = "embedded")]
mod soql;
#[cfg(feature = "embedded")]
mod state;
mod tokens;
#[cfg(feature = "embedded")]
mod ui_specs;
mod user;
#[cfg(feature = "embedded")]
mod user_access;
#[cfg(feature = "embedded")]
mod web;

#[cfg(feature = "embedded")]
pub use auth::settings::{AccessTokens, AppState, ParallelRefresh, PermittedUsers, RefreshPolicy};
#[cfg(feature = "embedded")]
pub use builder::Builder;
#[cfg(feature = "embedded")]
pub use call::Call;
#[cfg(feature = "embedded")]
pub use data::schema::spec::{FieldSpec, ObjectSpec};
#[cfg(feature = "embedded")]
pub use deliver::OutboundAttempt;
#[cfg(feature = "embedded")]
pub use error::StartError;
pub use fault::{Fault, RawBytes, Route, Rule};
#[cfg(feature = "embedded")]
pub use fault::{FaultHandle, Faults};
#[cfg(feature = "embedded")]
pub use org::FakeOrg;
pub use process::{FakeOrgProcess, ProcessBuilder, ProcessError, ProcessFaults};
#[cfg(feature = "embedded")]
pub use pubsub::{Fetch, PubSub, PubSubFault};
pub use request::{Host, Request};
pub use tokens::Tokens;
pub use user::User;
