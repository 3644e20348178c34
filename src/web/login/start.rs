//! The login route: starts a login and redirects the browser to Salesforce.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};

use super::{
    add_cookie,
    failure::{FailedLogin, InvalidLink, LoginError, LoginFailure},
    loop_guard::{self, LoopGuard},
    not_an_auth_route,
    pending_login::PendingLogin,
    query::Query,
    retry_link,
};
use crate::{
    config::{ReturnTo, Settings},
    web::{response, worker::WorkerState},
};
use salesforce_connection::{
    Error,
    oauth::{AuthorizeOptions, LoginHost, Prompt},
};

/// Starts a login: seals a pending login into a cookie and redirects by 303 to the login host.
///
/// Query: `return_to` (a path of this app), `host` (a configured login host by name, or a My Domain host when allowed),
/// `prompt` (`login`, `consent`, `select_account`, separated by spaces), `login_hint`. Other parameters are ignored.
pub async fn login(request: HttpRequest) -> HttpResponse {
    start(&request).await.unwrap_or_else(|error| error.into_response(&request))
}

async fn start(request: &HttpRequest) -> Result<HttpResponse, LoginError> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    if response::is_prefetch(request.headers()) {
        // A browser stores any 2xx for the click that follows, and the click would lead nowhere.
        let mut response = response::builder(StatusCode::SERVICE_UNAVAILABLE);
        return Ok(response.insert_header((header::VARY, "Sec-Purpose")).finish());
    }
    let invalid = LoginFailure::InvalidLink;
    let query = Query::parse(request.query_string()).map_err(|_| invalid(InvalidLink::Query))?;
    // An invalid target is replaced, so that it does not prevent the login.
    let return_to = query
        .first("return_to")
        .and_then(ReturnTo::parse)
        .and_then(|target| not_an_auth_route(settings, target))
        .unwrap_or_else(|| settings.after_login.clone());
    let host = query.one("host", 255).ok().and_then(|name| find_host(settings, name));
    let host = host.ok_or(invalid(InvalidLink::Host))?;
    let options = options(settings, &query).ok_or(invalid(InvalidLink::Options))?;

    let now = worker.salesforce().now();
    let mut completed_before = 0;
    if let Some(guard) = LoopGuard::read(settings, request.headers(), now)
        // While the last login is valid, the user logs in once more: that is no loop.
        && worker.login(request).await?.is_none()
    {
        completed_before = guard.completed;
        // The browser returned the guard's cookie without the login's: no request can use that login.
        worker.engine().log_out_later(guard.login);
    }
    if loop_guard::is_loop(completed_before) {
        let link = retry_link(settings, &host, &return_to);
        let failed = FailedLogin::from(LoginFailure::LoginLoop).retry_at(link);
        return Err(LoginError::from(failed).with_cookie(LoopGuard::removal(settings)));
    }

    let authorization = worker.engine().oauth().authorize(&host, &settings.redirect_uri, &options);
    let pending = PendingLogin {
        state: authorization.state,
        verifier: authorization.verifier,
        nonce: authorization.nonce,
        host: host.as_url().to_string(),
        return_to,
        started_at: now,
        completed_before,
    };
    let mut response = response::see_other(authorization.url.as_str());
    for cookie in pending.cookies(settings, request.headers()).map_err(Error::from)? {
        add_cookie(&mut response, &cookie);
    }
    Ok(response)
}

/// Returns the options of the authorization request, or `None` if a parameter is invalid.
fn options(settings: &Settings, query: &Query) -> Option<AuthorizeOptions> {
    let prompt = query.one("prompt", 64).ok()?.map(Prompt::parse_list).transpose().ok()?;
    let options = AuthorizeOptions::new(settings.scopes.clone()).prompt(prompt.unwrap_or_default());
    Some(match query.one("login_hint", 256).ok()? {
        Some(hint) => options.login_hint(hint),
        None => options,
    })
}

/// Returns the login host of this name: a configured one, or a My Domain host where the app allows them.
fn find_host(settings: &Settings, name: Option<&str>) -> Option<LoginHost> {
    let Some(name) = name else { return Some(settings.default_host.clone()) };
    if let Some(host) = settings.hosts.get(name) {
        return Some(host.clone());
    }
    // A URL as people copy it: only what names a configured host, or a My Domain.
    let host: LoginHost = name.parse().ok()?;
    let is_configured = host == settings.default_host || settings.hosts.values().any(|other| *other == host);
    let url = host.as_url();
    let is_my_domain = url.scheme() == "https"
        && url.port().is_none()
        && url.host_str().is_some_and(|host| host.ends_with(".my.salesforce.com"));
    (is_configured || (settings.allow_my_domain && is_my_domain)).then_some(host)
}
