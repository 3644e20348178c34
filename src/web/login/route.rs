//! [`Route`]: the mounted routes by path, their methods and who serves them.

use actix_web::{FromRequest as _, HttpRequest, HttpResponse, dev::Payload, http::Method, web};

use super::{callback, canvas, connect, hosts, login, logout, me, orgs, single_logout};
use crate::config::Paths;

/// One of the mounted routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Login,
    Callback,
    Logout,
    Me,
    Hosts,
    Orgs,
    Connect,
    SingleLogout,
    Canvas,
}

impl Route {
    /// Returns the route at `path`, which is decoded and relative to the scope of the middleware. A slash at the end is
    /// ignored: `NormalizePath` may add one, and callback URLs are registered with one.
    pub(crate) fn find(paths: &Paths, path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        // The callbacks of login hosts that Salesforce does not run have the host's name behind the path.
        let is_named_callback = |callback: &String| {
            let name = path.strip_prefix(&**callback).and_then(|rest| rest.strip_prefix('/'));
            name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
        };
        if paths.named_callbacks && paths.callback.as_ref().is_some_and(is_named_callback) {
            return Some(Self::Callback);
        }
        [
            (&paths.login, Self::Login),
            (&paths.callback, Self::Callback),
            (&paths.logout, Self::Logout),
            (&paths.me, Self::Me),
            (&paths.hosts, Self::Hosts),
            (&paths.orgs, Self::Orgs),
            (&paths.connect, Self::Connect),
            (&paths.slo, Self::SingleLogout),
            (&paths.canvas, Self::Canvas),
        ]
        .into_iter()
        .find_map(|(mounted, route)| (mounted.as_deref() == Some(path)).then_some(route))
    }

    /// Returns the methods that the route takes as an error (for the header `Allow`) if `method` is none of them.
    pub(crate) fn accept(self, method: &Method) -> Result<(), &'static str> {
        let (gets, posts) = (*method == Method::GET, *method == Method::POST);
        let looks = gets || *method == Method::HEAD;
        let (allow, accepted) = match self {
            // Each GET starts, completes or ends a login.
            Self::Login | Self::Callback | Self::SingleLogout => ("GET", gets),
            Self::Me | Self::Hosts => ("GET, HEAD", looks),
            Self::Logout | Self::Orgs | Self::Connect => ("GET, HEAD, POST", looks || posts),
            Self::Canvas => ("GET, POST", gets || posts),
        };
        if accepted { Ok(()) } else { Err(allow) }
    }

    /// Responds to a request for the route.
    pub(crate) async fn serve(self, request: HttpRequest, mut payload: Payload) -> HttpResponse {
        let payload = match web::Payload::from_request(&request, &mut payload).await {
            Ok(payload) => payload,
            Err(error) => return error.error_response(),
        };
        match self {
            Self::Login => login(request).await,
            Self::Callback => callback(request).await,
            Self::Logout => logout(request, payload).await,
            Self::Me => me(request).await,
            Self::Hosts => hosts(request).await,
            Self::Orgs => orgs(request, payload).await,
            Self::Connect => connect(request, payload).await,
            Self::SingleLogout => single_logout(request).await,
            Self::Canvas => canvas(request, payload).await,
        }
    }
}
