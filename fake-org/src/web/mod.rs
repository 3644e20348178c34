//! The HTTP surface: which path is answered by what, on which host.

pub(crate) mod call;
mod canvas;
mod control;
pub(crate) mod cors;
mod format;
mod oauth;
mod pages;
mod reply;
mod rest;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub(crate) use canvas::signed_request;
pub(crate) use oauth::{id_url, token_answer};

use crate::shared::Org;

/// The login host: OAuth, pages, control. Data calls get `URL_NOT_RESET`.
pub(crate) fn login_host(org: &Arc<Org>) -> Router {
    Router::new()
        .route("/", get(pages::home::show))
        .merge(oauth::endpoints())
        .merge(oauth::login_pages())
        .merge(oauth::site())
        .merge(control::routes())
        .merge(rest::wrong_host())
        .fallback(pages::stop::no_longer_exists)
        .with_state(Arc::clone(org))
}

/// The instance host, the org's My Domain: data and OAuth.
pub(crate) fn instance_host(org: &Arc<Org>) -> Router {
    Router::new()
        .route("/", get(pages::home::show))
        .merge(oauth::endpoints())
        .merge(oauth::login_pages())
        .merge(oauth::my_domain())
        .merge(canvas::routes())
        .merge(rest::routes())
        .fallback(pages::stop::no_longer_exists)
        .with_state(Arc::clone(org))
}
