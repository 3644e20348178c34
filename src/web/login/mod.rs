//! The auth routes as functions.
//!
//! The middleware calls them for the paths of [`RoutePaths`](crate::RoutePaths). Other methods than a route's own get 405,
//! OPTIONS included: wrap `Cors` outermost (register it last, after [`Salesforce`](crate::Salesforce)), so that it
//! responds to preflights itself.
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
pub(crate) mod failure;
mod logout;
mod loop_guard;
mod me;
mod pending_login;
mod query;
mod start;

pub(crate) use self::logout::is_cross_origin;
pub use self::{callback::callback, logout::logout, me::me, start::login};

use actix_web::{HttpResponse, cookie::Cookie};
use url::form_urlencoded;

use crate::config::{Paths, ReturnTo, Settings};
use salesforce_connection::oauth::LoginHost;

/// One of the mounted routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Login,
    Callback,
    Logout,
    Me,
}

impl Route {
    /// Returns the route at `path`, which is decoded and relative to the scope of the middleware.
    pub(crate) fn find(paths: &Paths, path: &str) -> Option<Self> {
        [
            (&paths.login, Self::Login),
            (&paths.callback, Self::Callback),
            (&paths.logout, Self::Logout),
            (&paths.me, Self::Me),
        ]
        .into_iter()
        .find_map(|(mounted, route)| (mounted.as_deref() == Some(path)).then_some(route))
    }
}

/// Returns the target unless it is an auth route: a redirect there would log in or out again.
fn not_an_auth_route(settings: &Settings, target: ReturnTo) -> Option<ReturnTo> {
    let paths = &settings.paths;
    (!paths.mounted().any(|own| target.path() == paths.full(own))).then_some(target)
}

/// Returns the link that starts the same login again. `None` if the app has no login route.
fn retry_link(settings: &Settings, host: &LoginHost, return_to: &ReturnTo) -> Option<String> {
    let login = settings.paths.full(settings.paths.login.as_deref()?);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("return_to", return_to.as_str());
    if *host != settings.default_host {
        let name = settings.hosts.iter().find(|(_, known)| *known == host).map(|(name, _)| name.as_str());
        query.append_pair("host", name.unwrap_or_else(|| host.as_url().host_str().unwrap_or_default()));
    }
    Some(format!("{login}?{}", query.finish()))
}

fn add_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // Fails for a name or value that is an invalid header value; ours are base64 and plain ASCII.
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "cookie not written");
    }
}
