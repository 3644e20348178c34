//! Grants: what Salesforce gave for one (app, organization, user), and the manager that keeps them valid.
//!
//! [`refresh_state`], [`refresh_policy`] and [`timing`] decide without I/O; `model` checks their decisions in every
//! interleaving of two processes.
//!
//! To read: `manager` (what a request calls), `entry` (one grant in this process), `refresh` with `in_flight` and
//! `pending_write` (one refresh, from the lease to the store), `login` and `callback`, `logout` with `revoke`. The others
//! are work in the background (`keep_alive`, `recheck`, `reseal`) and what operators see (`admin`, `health`, `events`).

mod admin;
mod admission;
mod apps;
mod broken;
mod browser_logout;
mod callback;
mod canvas;
mod end_retries;
mod entry;
mod error;
mod events;
mod find_login;
mod health;
mod host_limit;
mod host_orgs;
mod in_flight;
#[cfg(feature = "inbound")]
mod inbound;
pub(crate) mod keep_alive;
mod last_seen;
mod login;
mod login_id;
#[cfg(feature = "events")]
mod login_watch;
mod logout;
mod logout_policy;
mod manager;
#[cfg(test)]
mod model;
mod new_login;
mod owners;
mod pending_logouts;
mod pending_write;
mod recheck;
mod refresh;
mod refresh_policy;
mod refresh_state;
mod rejected;
pub(crate) mod reseal;
mod revoke;
pub(crate) mod rotation;
mod sandboxes;
mod stored_grant;
#[cfg(test)]
mod tests;
mod timing;
mod tokens;
mod undo_login;

#[cfg(feature = "events")]
pub(crate) use self::health::unix_seconds;
#[cfg(feature = "inbound")]
pub(crate) use self::inbound::NotNow;
#[cfg(feature = "test-util")]
pub(crate) use self::login::Destination;
#[cfg(feature = "test-util")]
pub(crate) use self::login_id::random_login_id;
#[cfg(feature = "events")]
pub(crate) use self::login_watch::LoginWatch;
#[cfg(feature = "test-util")]
pub use self::timing::Timing;
#[cfg(not(feature = "test-util"))]
pub(crate) use self::timing::Timing;
pub use self::{
    admin::{GrantInfo, LoginInfo},
    admission::{InvalidFacts, LoginDecision, VerifiedLogin},
    events::AuthEvent,
    health::{KeyHealth, OutageKind, PendingWork, StoreHealth, StoreStatus, TokenOutage},
    logout_policy::{InvalidRevokeOnLogout, RevokeOnLogout},
    owners::OwnerConnection,
};
pub(crate) use self::{
    admission::{Admission, AppFunctions, RefusedOrg},
    apps::Apps,
    broken::{JobGrant, LoginPath},
    browser_logout::BrowserLogout,
    callback::{Callback, CallbackPurpose, Completed, random_secret},
    canvas::CanvasError,
    error::GrantError,
    events::Events,
    find_login::FoundLogin,
    health::GrantsHealth,
    host_orgs::{HostOrgs, Orgs, is_run_by_salesforce},
    login::LogInError,
    login_id::LoginId,
    manager::{GrantHandle, GrantManager, GrantManagerConfig, Lifetimes},
    new_login::{LoginOutcome, NewLogin},
    owners::{ConnectPath, OwnedName},
    sandboxes::Undecided,
    stored_grant::StoredGrant,
    tokens::{GrantTokens, Profile},
};
