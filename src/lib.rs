#![doc = include_str!("../docs/rustdoc-links.md")]
#![doc = include_str!("../docs/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
mod builder;
pub mod config;
mod grants;
#[cfg(any(doc, doctest))]
pub mod guide;
mod salesforce;
pub mod store;
mod web;

#[cfg(feature = "test-util")]
pub use self::web::test;
pub use self::{
    builder::Builder,
    config::{ApiConfig, Config, ConfigError, ConfigProblem, RoutePaths, ServiceUserConfig, SessionMode},
    grants::{
        AuthEvent, GrantInfo, Health, KeyHealth, LoginInfo, OutageKind, PendingWork, StoreHealth,
        StoreStatus, TokenOutage,
    },
    salesforce::Salesforce,
    web::{
        MaybeSalesforceConn, RequireLogin, RequireLoginMiddleware, SalesforceConn, SalesforceMiddleware,
        SalesforceUser, pages, routes,
    },
};
#[cfg(feature = "bulk")]
pub use salesforce_connection::bulk;
pub use salesforce_connection::{
    ApiVersion, Connection, Error, InvalidApiVersion, InvalidId, OrgId, Page, Query, Records, Result,
    SObject, SalesforceId, Secret, UserId, UserRef, actix::ExportFormat, composite, describe, error, http,
    oauth, org, query, records, request, search, serde_helpers, soql, token,
};

/// The actix-session that this crate links: the one to use with [`SessionMode::App`].
pub use actix_session;

#[doc(hidden)]
pub mod __private {
    pub use salesforce_connection::__private::*;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
