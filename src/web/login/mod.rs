//! The auth routes as functions.
//!
//! The middleware calls them for the paths of [`RoutePaths`](crate::config::RoutePaths). Other methods than a route's
//! own get 405, OPTIONS included: wrap `Cors` outermost (register it last, after [`Salesforce`](crate::Salesforce)), so
//! that it responds to preflights itself.
//!
//! A route that is left out there can be mounted by hand, below the middleware:
//!
//! ```
//! use actix_salesforce::routes;
//! use actix_web::web;
//!
//! fn configure(app: &mut web::ServiceConfig) {
//!     app.route("/sign-in", web::get().to(routes::login));
//! }
//! ```

mod callback;
mod canvas;
mod connect;
pub(crate) mod failure;
mod form;
mod hosts;
mod logout;
mod loop_guard;
mod me;
mod orgs;
mod pending_login;
mod placement;
mod query;
mod route;
mod same_site;
pub(crate) mod silent;
mod single_logout;
mod start;

pub use self::{
    callback::callback, canvas::canvas, connect::connect, hosts::hosts, logout::logout, me::me, orgs::orgs,
    single_logout::single_logout, start::login,
};
pub(crate) use self::{route::Route, single_logout::CallLimit};

use crate::{
    config::{ReturnTo, Settings},
    web::session::cookie_header::percent_decode,
};
use actix_web::{HttpResponse, cookie::Cookie};
use salesforce_connection::oauth::LoginHost;
use url::form_urlencoded;

/// Returns the return target in a parameter, unless it is an auth route in any spelling: a redirect there would log in or
/// out again.
fn return_target(settings: &Settings, text: &str) -> Option<ReturnTo> {
    let target = ReturnTo::of_request(&settings.public_url, text)?;
    let path = percent_decode(target.path().as_bytes());
    let path = String::from_utf8_lossy(&path);
    let path = path.trim_end_matches('/');
    let is_auth_route = |path: &str| {
        let relative = path.strip_prefix(&*settings.paths.full("")).unwrap_or(path);
        Route::find(&settings.paths, relative).is_some()
    };
    (!is_auth_route(path)).then_some(target)
}

/// Returns the link that starts the same login again. `None` if the app has no login route.
fn retry_link(settings: &Settings, host: &LoginHost, return_to: &ReturnTo) -> Option<String> {
    settings.login_link(host, Some(return_to.as_str()))
}

/// Returns the link to the chooser of login hosts. `None` if there is nothing to choose.
fn hosts_link(settings: &Settings, return_to: &ReturnTo) -> Option<String> {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("return_to", return_to.as_str()).finish();
    Some(format!("{}?{query}", settings.paths.full(settings.paths.hosts.as_deref()?)))
}

pub(super) fn add_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // Fails for a name or value that is an invalid header value; ours are base64 and plain ASCII.
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "cookie not written");
    }
}
