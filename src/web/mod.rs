//! Everything that knows actix: the middleware, its routes and pages, the extractors.

pub(crate) mod answer;
mod attempt;
mod error;
mod explain;
mod extract;
mod finish;
mod handle;
mod middleware;
mod pages;
mod protected;
mod require;
pub mod routes;
mod rows;
mod session;
#[cfg(feature = "test-util")]
pub mod test;
mod worker;

pub use self::{
    extract::{MaybeSalesforceConn, SalesforceConn, SalesforceUser},
    middleware::SalesforceMiddleware,
    require::{RequireLogin, RequireLoginMiddleware},
    rows::RowsAs,
};
