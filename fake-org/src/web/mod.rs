//! The HTTP surface: which handler serves which path, on which host.

mod agent_api;
mod canvas;
mod control;
pub(crate) mod cors;
mod data360_direct;
mod format;
mod html;
pub(crate) mod http_request;
mod http_response;
mod oauth;
pub(crate) mod old_instance;
mod pages;
mod rest;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub(crate) use canvas::signed_request;
pub(crate) use html::escape;
pub(crate) use oauth::issue_tokens;
pub(crate) use pages::duplicate::show as duplicate_callback;
pub(crate) use pages::error_page::no_longer_exists;

use crate::state::Org;

/// The login host: OAuth, pages, control. Data requests get `URL_NOT_RESET`.
pub(crate) fn login_host(org: &Arc<Org>) -> Router {
    Router::new()
        .route("/", get(pages::dashboard::show))
        .merge(oauth::endpoints())
        .merge(oauth::login_pages())
        .merge(oauth::site())
        .merge(control::routes())
        .merge(agent_api::routes())
        .merge(data360_direct::queries())
        .merge(rest::wrong_host())
        .fallback(pages::error_page::no_longer_exists)
        .with_state(Arc::clone(org))
}

/// The instance host, the org's My Domain: data and OAuth.
pub(crate) fn instance_host(org: &Arc<Org>) -> Router {
    Router::new()
        .route("/", get(pages::dashboard::show))
        .merge(oauth::endpoints())
        .merge(oauth::login_pages())
        .merge(oauth::my_domain())
        .merge(canvas::routes())
        .merge(rest::routes())
        .merge(data360_direct::tokens())
        .fallback(pages::error_page::no_longer_exists)
        .with_state(Arc::clone(org))
}
