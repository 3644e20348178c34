//! The OAuth and OpenID Connect endpoints.

mod admission;
mod authorize;
mod authorize_request;
mod caller;
mod consent;
mod discovery;
mod front_door;
mod headless;
mod headless_init;
mod helpers;
mod hybrid;
mod identity;
mod introspect;
mod login;
mod logout;
mod revoke;
mod token;
mod token_response;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};

use crate::state::Org;

pub(crate) use token_response::issue_tokens;

/// What every host with OAuth has.
pub(crate) fn endpoints() -> Router<Arc<Org>> {
    Router::new()
        .route("/services/oauth2/authorize", any(authorize::authorize))
        .route("/services/oauth2/token", any(token::token))
        .route("/services/oauth2/revoke", get(revoke::revoke).post(revoke::revoke))
        .route("/services/oauth2/introspect", post(introspect::introspect))
        .route("/services/oauth2/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .route("/services/oauth2/pkce/generator", get(helpers::pkce_pair))
        .route("/services/oauth2/register", post(helpers::register))
        .route("/services/oauth2/echo", get(helpers::echo))
        .route(authorize_request::SUCCESS, get(helpers::success))
        .route("/services/Soap/{*rest}", post(helpers::soap))
        .route("/.well-known/auth-configuration", get(helpers::auth_configuration))
        .route("/.well-known/openid-configuration", get(discovery::configuration))
        .route("/id/keys", get(discovery::keys))
        .route("/id/{org}/{user}", get(identity::identity).post(identity::identity))
}

/// The forms of the login.
pub(crate) fn login_pages() -> Router<Arc<Org>> {
    Router::new()
        .route("/login", post(login::submit))
        .route("/consent", post(consent::submit))
        .route("/secur/logout.jsp", get(logout::logout))
        .route("/services/auth/idp/oidc/logout", get(logout::single_logout))
}

/// What only a site has. It shares the login host's port, and its handlers look where the request came in.
pub(crate) fn site() -> Router<Arc<Org>> {
    Router::new()
        .route("/services/auth/headless/init/registration", post(headless_init::registration))
        .route("/services/auth/headless/init/passwordless/login", post(headless_init::passwordless_login))
        .route("/services/auth/headless/forgot_password", post(headless_init::forgot_password))
}

/// What only a My Domain has.
pub(crate) fn my_domain() -> Router<Arc<Org>> {
    Router::new()
        .route(
            "/services/oauth2/singleaccess",
            get(front_door::single_access).post(front_door::single_access),
        )
        .route("/secur/frontdoor.jsp", get(front_door::front_door).post(front_door::front_door))
}
