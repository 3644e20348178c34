//! The Salesforce REST API for Rust programs: queries, records, bulk jobs and OAuth, without a web framework.
//!
//! A [`Connection`] sends requests as one user of one org (organization). It gets its access token from a
//! [`TokenSource`](token::TokenSource): a [fixed token](token::FixedToken), a [service user](token::ServiceUser) (client
//! credentials or JWT bearer), or a source that the program implements. The crate `actix-salesforce` adds logins of
//! users with a browser.
//!
//! With a token from the Salesforce CLI (`sf org auth show-access-token`; the instance is in `sf org display`):
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use salesforce_connection::{Client, Connection, SObject, Secret, UserRef, token::FixedToken};
//!
//! #[derive(serde::Deserialize, SObject)]
//! #[serde(rename_all = "PascalCase")]
//! struct Account {
//!     name: String,
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let user = UserRef::new("00Dx0000000BV7z".parse()?, "005x00000012Q9P".parse()?);
//! let token = Secret::new(std::env::var("SF_ACCESS_TOKEN")?);
//! let source = FixedToken::new(user, "https://acme.my.salesforce.com".parse()?, &token)?;
//! let sf = Connection::new(&Client::builder().build()?, Arc::new(source));
//!
//! let query = sf.query("SELECT Name FROM Account WHERE Industry = :industry LIMIT 10");
//! let accounts: Vec<Account> = query.bind("industry", "Energy").fetch_all().await?;
//! for account in accounts {
//!     println!("{}", account.name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A program that runs for longer has a service user: see [`token::ServiceTokenSource`].
//!
//! # Where to start
//!
//! | task | item |
//! |---|---|
//! | a connection | [`Client::builder`], [`token::FixedToken`], [`token::ServiceTokenSource`], [`Connection::new`] |
//! | queries and search | [`Connection::query`], [`soql`], [`derive@SObject`], [`search`] |
//! | records | [`Connection::sobject`], [`records`], [`composite`] |
//! | events, agents, Data 360 | `Connection::subscribe` (feature `events`), [`Connection::api_host`], [`agent`], [`data360`] |
//! | a portal with its login elsewhere | [`token::ExchangedTokenSource`] |
//! | anything else of the REST API | [`Connection::request`] |
//! | OAuth without a connection | [`oauth::OAuthClient`] |
//! | what can fail | [`Error`] |
//!
//! # Features
//!
//! | feature | effect |
//! |---|---|
//! | `bulk` | Bulk API 2.0: [`Connection::bulk`] and [`Query::fetch_bulk`] |
//! | `events` | change events and platform events: `Connection::subscribe` and `Connection::publish` |
//! | `inbound` | requests of Salesforce to the program: [`inbound::CallVerifier`] |
//! | `actix-web` | `actix_web::ResponseError` for [`Error`]; enabled by `actix-salesforce` |
//! | `test-util` | hooks for the tests of `actix-salesforce`; exempt from semantic versioning |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod actions;
#[cfg(feature = "actix-web")]
pub mod actix;
pub mod agent;
pub mod api_host;
#[cfg(feature = "bulk")]
pub mod bulk;
mod client;
pub mod composite;
mod connection;
pub mod data360;
mod debug;
pub mod describe;
mod deserialize;
pub mod error;
#[cfg(feature = "events")]
pub mod events;
mod fields;
pub mod frontdoor;
pub mod graphql;
pub mod http;
mod id;
#[cfg(feature = "inbound")]
pub mod inbound;
mod json;
mod name;
mod number;
pub mod oauth;
pub mod org;
pub mod query;
mod random;
pub mod records;
pub mod request;
pub mod search;
mod secret;
pub mod serde_helpers;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod test_errors;
#[cfg(test)]
mod test_log;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod test_parsers;
#[cfg(test)]
mod tests;
pub mod token;
pub mod ui;
mod user_ref;
mod version;

pub use self::{
    client::{Client, ClientBuilder},
    connection::Connection,
    error::{Error, Result},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    query::{Page, Query, projection::SObject, records::Records, soql},
    secret::Secret,
    user_ref::UserRef,
    version::{ApiVersion, InvalidApiVersion, VersionChoice},
};
pub use salesforce_connection_derive::ConnectionSObject as SObject;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[doc(hidden)]
pub mod __private {
    pub use crate::query::projection::{FieldShape, Projection, SelectField, check_depth};
}
