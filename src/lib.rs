#![doc = include_str!("../docs/rustdoc-links.md")]
#![doc = include_str!("../docs/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
mod builder;
pub mod config;
#[cfg(feature = "events")]
pub mod consumer;
#[cfg(feature = "events")]
pub mod feed;
mod grants;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "inbound")]
pub mod inbound;
mod salesforce;
pub mod store;
mod web;

// The connection and its values.
pub use salesforce_connection::{
    ApiVersion, Connection, Error, OrgId, Page, Query, Records, Result, SalesforceId, Secret, UserId, UserRef,
};
// The derive names this crate in the code that it writes, the trait is the connection's.
pub use salesforce_connection::query::SObject;
pub use salesforce_connection_derive::SObject;
// The parts of the API, and OAuth.
#[cfg(feature = "bulk")]
pub use salesforce_connection::bulk;
#[cfg(feature = "events")]
pub use salesforce_connection::events;
pub use salesforce_connection::{
    VersionChoice, actions, actix as export, agent, api_host, composite, data360, describe, error, frontdoor,
    graphql, http, oauth, org, query, records, request, search, serde_helpers, soql, token, ui,
};

#[cfg(feature = "test-util")]
#[doc(hidden)]
pub use self::web::test_parsers;
#[cfg(feature = "test-util")]
pub use self::web::testing;
pub use self::{
    builder::SalesforceBuilder,
    config::{Config, ConfigError, SessionMode},
    grants::{AuthEvent, InvalidFacts, LoginDecision, VerifiedLogin},
    salesforce::Salesforce,
    web::{
        AccessRule, Allowed, FormLogin, LoginFacts, MayUse, MaybeSalesforceConn, OrgLogin, RequireLogin,
        SalesforceConn, SalesforceOrgs, SalesforceUser, SameLogin, SilentLogin, middleware, pages, routes,
    },
};

/// Connections of the app's own users, see [`SalesforceBuilder::connect_owner`].
pub mod owner {
    pub use crate::{
        grants::OwnerConnection,
        store::{ConnectionName, InvalidOwner, Owner},
        web::owner::{ConnectDecision, ConnectRequest},
    };
}

/// What operators see: logins, grants, and the health of a process.
pub mod admin {
    #[cfg(feature = "events")]
    pub use crate::consumer::{ConsumerHealth, ConsumerProblem, ConsumerState};
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub use crate::grants::Timing;
    pub use crate::{
        grants::{
            GrantInfo, KeyHealth, LoginInfo, OutageKind, PendingWork, StoreHealth, StoreStatus, TokenOutage,
        },
        salesforce::Health,
        store::GrantFilter,
    };
}

/// The actix-session that this crate links: the one to use with [`SessionMode::App`].
pub use actix_session;

#[doc(hidden)]
pub mod __private {
    pub use salesforce_connection::__private::*;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
