//! Salesforce login, protected routes and an authenticated connection for Actix Web.
//!
//! Wrap the app once, ask for [`SalesforceConn`] in a handler: the person in front of the browser is logged in, the
//! route is protected, and the handler holds a live connection to *their* organization that keeps itself alive.
//!
//! ```no_run
//! use actix_salesforce::{Salesforce, SalesforceConn};
//! use actix_web::{App, HttpServer, Responder, get, web::Json};
//!
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct Account {
//!     #[serde(rename = "Id")]
//!     id: String,
//!     #[serde(rename = "Name")]
//!     name: String,
//! }
//!
//! #[get("/accounts")]
//! async fn accounts(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
//!     Ok(Json(sf.query::<Account>("SELECT Id, Name FROM Account LIMIT 10").fetch_all().await?))
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let salesforce = Salesforce::from_env().await?;
//!     HttpServer::new(move || App::new().wrap(salesforce.clone()).service(accounts))
//!         .bind(("127.0.0.1", 8080))?
//!         .run()
//!         .await?;
//!     Ok(())
//! }
//! ```
//!
//! # Overview
//!
//! * **Set up**: [`Salesforce::from_env`] reads the environment, [`Salesforce::builder`] takes settings in code, and
//!   [`Config`] comes from a settings file. A weak set-up does not start: [`ConfigError`] names each mistake and its
//!   fix. In Salesforce, register `PUBLIC_URL/auth/salesforce/callback` as the callback URL.
//! * **Wrap**: `.wrap(salesforce.clone())` mounts login, callback, logout and `me` (see [`routes`]). A login is a sealed
//!   cookie that holds an opaque id; beside it handlers get an actix-session session. An app that wraps its own session
//!   keeps it with [`SessionMode::App`]; it must be one of the same [`actix_session`].
//! * **Protect**: asking for [`SalesforceConn`] or [`SalesforceUser`] protects a route, [`RequireLogin`] a scope;
//!   [`MaybeSalesforceConn`] is for pages that are for everybody. A page navigation is sent to log in and comes back,
//!   everything else gets 401; an outage gets 503 and logs nobody out.
//! * **Pages**: [`Builder::login_pages`] translates the pages that users see, or replaces them (see [`pages`]).
//! * **Use**: a [`Connection`] queries with bound values ([`soql`]) or for what a struct reads ([`SObject`]), reads and
//!   writes records ([`SObjectHandle`]), many calls in one ([`composite`]) or millions of records ([`bulk`]), describes
//!   objects ([`mod@describe`]) and sends any other request ([`RawRequest`]). It is `Clone + Send + Sync` and knows its
//!   tokens by reference: hand it to a background task, or get one there with [`Salesforce::connection_for`].
//! * **Errors**: `?` is enough; an [`Error`] becomes a response with the right status that tells no secret. The log
//!   tells the rest.
//! * **Stores**: logins live in a [`store::Store`]: memory, SQLite, Redis or Postgres, as `SALESFORCE_STORE` says, or
//!   one of your own.
//! * **Events**: [`Builder::on_event`] tells what happened: logins, refreshes, refusals, a store that is down.
//! * **Spans**: with a `tracing` subscriber, `salesforce.refresh`, `salesforce.service_token`, `salesforce.login`,
//!   `salesforce.logout` and `salesforce.revoke` (operators) at info level tell which grant it was about and, where it
//!   can differ, what came of it (`outcome`); at debug level `salesforce.call` tells method, resource, status and
//!   retries of an API call, and `salesforce.store` a call of a store that is not memory. None holds a token, a query,
//!   or the id or value of a record. A request that has nothing to do with Salesforce makes none.
//! * **Beside others**: [`comparison`] lists what jsforce and cirrus do, and where it is here.
//! * **By hand**: [`oauth`] is the protocol alone, for a login of your own making.
//!
//! # How a login is kept alive
//!
//! Salesforce does not say when an access token expires, and may replace the refresh token at every use; a spent one
//! that is seen again ends the login. So a refused token is the signal, one refresh per grant runs at a time, in a task
//! that no request owns and under a lease in the store; its outcome is stored before anyone uses it, and every request
//! that waited is sent once more. Only Salesforce's word that the grant is no longer good ends a login.
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `sqlite` | `SALESFORCE_STORE=sqlite:PATH`: one machine, survives a restart |
//! | `redis` | `redis://…`, `redis+sentinel://…`, `redis+cluster://…`, each with `rediss` for TLS: several processes |
//! | `postgres` | `postgres://…`: several processes, durable |
//! | `bulk` | Bulk API 2.0: [`Connection::bulk`] and [`Query::fetch_bulk`] |
//! | `metrics` | counts each [`AuthEvent`] through the `metrics` facade |
//! | `test-util` | for tests: people who are logged in ([`mod@test`]); the suite that stores must pass, `store::contract` |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doc)]
#[doc = include_str!("comparison.md")]
pub mod comparison {}

mod api;
mod base;
mod config;
mod error;
mod grants;
mod http;
mod id;
pub mod oauth;
mod response_error;
mod return_to;
mod salesforce;
mod secret;
pub mod store;
mod user_ref;
mod web;

#[cfg(feature = "bulk")]
pub use self::api::bulk;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub use self::grants::Timing;
#[cfg(feature = "test-util")]
pub use self::web::test;
pub use self::{
    api::{
        ApiUsage, ApiVersion, AssignmentRule, Base64, Blob, BlobUpload, CallOptions, Connection, Cursor,
        Deleted, DeletedRecord, DuplicateRecord, DuplicateRules, Duplicates, Hit, InvalidApiVersion,
        InvalidCallOption, InvalidPath, InvalidRevision, Limit, Page, Query, RawRequest, RawResponse,
        RecordError, Records, Retry, Revision, SObject, SObjectHandle, SaveResult, SavedRecord, Search,
        SearchIn, Select, Sosl, SplitQuery, ToRecordId, Updated, VersionInfo, children, composite, describe,
        soql,
    },
    config::{ApiConfig, Config, ConfigError, ConfigProblem, RoutePaths, ServiceUserConfig, SessionMode},
    error::{Error, ErrorEntry, InvalidAnswer, InvalidRequest, Result},
    grants::{
        AuthEvent, GrantInfo, Health, KeyHealth, LoginInfo, OutageKind, PendingWork, StoreHealth,
        StoreStatus, TokenOutage,
    },
    http::{HttpError, NotAllowed},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    salesforce::Salesforce,
    secret::Secret,
    user_ref::UserRef,
    web::{
        Builder, ExportFormat, MaybeSalesforceConn, RecordsExt, RequireLogin, RequireLoginMiddleware, Routed,
        Salesforce, SalesforceConn, SalesforceMiddleware, SalesforceUser, pages, routes,
    },
};

pub use actix_salesforce_derive::SObject;
/// The actix-session that this crate links: the one to use with [`SessionMode::App`].
pub use actix_session;

#[doc(hidden)]
pub mod __private {
    pub use crate::api::derive::*;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
