//! The REST API below `/services/data`.

mod actions;
mod apex;
mod approvals;
mod batch;
mod blob;
mod bulk;
mod collections;
mod collections_read;
mod composite;
mod conditional;
mod data360;
mod describe;
mod dispatch;
mod external_id;
mod graph;
mod graphql;
mod guard;
mod highlight;
mod inner_fault;
mod language;
mod limits;
mod multipart;
mod named_query;
mod parameterized;
mod query;
mod quick_actions;
mod recent;
mod records;
mod response;
mod rest_request;
mod search;
mod sosl;
mod sosl_clauses;
mod term;
mod tree;
mod ui;
mod versions;
mod xml;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};

use crate::state::Org;

/// The instance host's data routes.
pub(crate) fn routes() -> Router<Arc<Org>> {
    Router::new()
        .route("/services/data", get(versions::versions))
        .route("/services/data.xml", get(versions::versions))
        .route("/services/data.json", get(versions::versions))
        .route("/services/data/{version}", any(guard::data))
        .route("/services/data/{version}/{*rest}", any(guard::data))
        .route("/services/apexrest/{*rest}", any(apex::response))
}

/// What the login host says to data requests.
pub(crate) fn wrong_host() -> Router<Arc<Org>> {
    Router::new()
        .route("/services/data", any(guard::url_not_reset))
        .route("/services/data/{*rest}", any(guard::url_not_reset))
}
