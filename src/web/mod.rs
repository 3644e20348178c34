//! Everything that knows actix: the middleware, its routes and pages, the extractors.

mod builder;
mod context;
mod cookie;
mod error;
mod error_rewrite;
mod export;
mod extract;
pub mod login;
mod middleware;
mod no_store;
pub mod pages;
mod request_info;
mod require;
mod response;
mod salesforce;
mod session;
#[cfg(feature = "test-util")]
pub mod test;

/// The public name of the module.
pub use self::login as routes;
pub use self::{
    builder::Builder,
    export::{ExportFormat, RecordsExt},
    extract::{MaybeSalesforceConn, SalesforceConn, SalesforceUser},
    middleware::{Routed, SalesforceMiddleware},
    require::{RequireLogin, RequireLoginMiddleware},
    salesforce::Salesforce,
};
