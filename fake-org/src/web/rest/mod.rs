//! The REST API below `/services/data`.

mod answer;
mod body;
mod by_key;
mod guard;
mod limits;
mod query;
mod rows;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post};

use crate::shared::Org;
use crate::web::reply::Reply;

/// The newest version, as `version=latest` means it.
pub(crate) const LATEST: &str = "67.0";

/// The instance host's data routes.
pub(crate) fn routes(org: &Arc<Org>) -> Router<Arc<Org>> {
    let guarded = Router::new()
        .route("/services/data/{version}", only("GET,HEAD", get(versions::resources)))
        .route("/services/data/{version}/query", only("GET,HEAD", get(query::query)))
        .route("/services/data/{version}/queryAll", only("GET,HEAD", get(query::query_all)))
        .route("/services/data/{version}/query/{locator}", only("GET,HEAD", get(query::next)))
        .route("/services/data/{version}/queryAll/{locator}", only("GET,HEAD", get(query::next)))
        .route("/services/data/{version}/limits", only("GET,HEAD", get(limits::limits)))
        .route("/services/data/{version}/sobjects/{object}", only("GET,HEAD,POST", post(rows::create)))
        .route(
            "/services/data/{version}/sobjects/{object}/{id}",
            only(
                "GET,HEAD,PATCH,DELETE",
                get(rows::retrieve).patch(rows::update).delete(rows::delete).post(rows::tunnelled),
            ),
        )
        .route(
            "/services/data/{version}/sobjects/{object}/{field}/{value}",
            only(
                "GET,HEAD,PATCH,DELETE",
                get(by_key::retrieve).patch(by_key::upsert).delete(by_key::delete).post(by_key::tunnelled),
            ),
        )
        .route("/services/data/{version}/{*rest}", any(answer::not_found))
        .route_layer(from_fn_with_state(Arc::clone(org), guard::guard));
    Router::new().route("/services/data", only("GET,HEAD", get(versions::versions))).merge(guarded)
}

/// What the login host says to data calls.
pub(crate) fn wrong_host() -> Router<Arc<Org>> {
    Router::new()
        .route("/services/data", any(answer::url_not_reset))
        .route("/services/data/{*rest}", any(answer::url_not_reset))
}

fn only(allowed: &'static str, methods: MethodRouter<Arc<Org>>) -> MethodRouter<Arc<Org>> {
    methods.fallback(move |method: axum::http::Method| async move { not_allowed(&method, allowed) })
}

fn not_allowed(method: &axum::http::Method, allowed: &str) -> Reply {
    answer::error(
        405,
        "METHOD_NOT_ALLOWED",
        &format!("HTTP Method '{method}' not allowed. Allowed are {allowed}"),
    )
}
