//! Everything that knows actix: the middleware, its routes and pages, the extractors.

pub(crate) mod answer;
mod attempt;
mod builder;
mod context;
mod cookie;
mod error;
mod explain;
mod extract;
mod finish;
mod middleware;
mod pages;
mod protected;
mod require;
pub mod routes;
mod salesforce;
mod session;
#[cfg(feature = "test-util")]
pub mod test;

pub use self::{
    builder::Builder,
    extract::{MaybeSalesforceConn, SalesforceConn, SalesforceUser},
    middleware::{Routed, SalesforceMiddleware},
    require::{RequireLogin, RequireLoginMiddleware},
    salesforce::Salesforce,
};
