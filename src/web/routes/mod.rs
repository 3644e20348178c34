//! The auth routes as functions, one file each.
//!
//! The middleware calls them for the paths of [`RoutePaths`](crate::RoutePaths). Methods that a route does not take are
//! answered 405, OPTIONS among them: wrap `Cors` outermost (register it last, after [`Salesforce`](crate::Salesforce)),
//! and it answers preflights itself.
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
mod login;
mod logout;
mod me;
mod query;

pub(crate) use self::logout::is_cross_origin;
pub use self::{callback::callback, login::login, logout::logout, me::me};

use actix_web::{HttpResponse, http::StatusCode};
use url::form_urlencoded;

use super::{
    answer,
    context::Worker,
    pages::{Action, Page},
};
use crate::{
    config::{Paths, Settings},
    oauth::LoginHost,
    return_to::ReturnTo,
};

/// One of the mounted routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Login,
    Callback,
    Logout,
    Me,
}

impl Route {
    /// The route at `path`, which is decoded and relative to where the middleware is wrapped.
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

/// A target that is not one of the auth routes: going back to those would log in or out again.
fn keep_off_auth_routes(settings: &Settings, target: ReturnTo) -> Option<ReturnTo> {
    let paths = &settings.paths;
    (!paths.mounted().any(|own| target.path() == paths.full(own))).then_some(target)
}

/// The login route's address that leads to the same login once more.
fn login_again(settings: &Settings, host: &LoginHost, return_to: &ReturnTo) -> Option<String> {
    let login = settings.paths.full(settings.paths.login.as_deref()?);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("return_to", return_to.as_str());
    if *host != settings.default_host {
        let name = settings.hosts.iter().find(|(_, known)| *known == host).map(|(name, _)| name.as_str());
        query.append_pair("host", name.unwrap_or_else(|| host.as_url().host_str().unwrap_or_default()));
    }
    Some(format!("{login}?{}", query.finish()))
}

/// A page about a login that did not work out, with a way to try again.
struct Refusal<'a> {
    status: StatusCode,
    title: &'a str,
    text: Vec<String>,
    code: Option<&'a str>,
    try_again: Option<String>,
}

impl Refusal<'_> {
    fn page(self, worker: &Worker) -> HttpResponse {
        let mut actions = Vec::with_capacity(2);
        if let Some(href) = self.try_again {
            actions.push(Action::Link { label: "Try again", href });
        }
        let home = worker.settings().after_logout.as_str().to_owned();
        actions.push(Action::Link { label: "Go to the start page", href: home });
        let page = Page { title: self.title, text: self.text, code: self.code, actions };
        answer::page(self.status, &page)
    }
}
