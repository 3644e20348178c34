#![doc = include_str!("../docs/rustdoc-links.md")]
#![doc = include_str!("../docs/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod background;
mod clock;
mod config;
mod error_chain;
mod events;
mod grant;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(test)]
mod logged;
mod return_to;
pub mod store;
mod web;

#[cfg(feature = "test-util")]
pub use self::web::test;
pub use self::{
    config::{ApiConfig, Config, ConfigError, Problem, Routes, ServiceUserConfig, SessionMode},
    events::Event,
    grant::{AppKey, GrantInfo, GrantKey, InvalidGrantKey, LoginInfo, Version},
    web::{
        Builder, MaybeSalesforceConn, RequireLogin, RequireLoginMiddleware, Routed, Salesforce,
        SalesforceConn, SalesforceMiddleware, SalesforceUser, routes,
    },
};
#[cfg(feature = "bulk")]
pub use salesforce_connection::bulk;
pub use salesforce_connection::{
    ApiVersion, Connection, Error, InvalidApiVersion, InvalidId, OrgId, Page, Query, Records, Result,
    SObject, SalesforceId, Secret, UserId, UserRef, actix::ExportFormat, composite, describe, error, http,
    oauth, org, query, records, request, search, soql, token,
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
