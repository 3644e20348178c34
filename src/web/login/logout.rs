//! The logout route: ends this browser's logins, or all logins of their users.

use std::time::Duration;

use actix_session::SessionExt as _;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::HeaderMap},
    web,
};
use futures_util::future;

use super::{add_cookie, loop_guard::LoopGuard, query::Query, return_target, silent};
use crate::{
    config::{ReturnTo, SessionMode},
    web::{
        error,
        pages::{Action, ActionKind, PageKind, Reply},
        request_info::RequestInfo,
        response::{self, ResponseFormat},
        session::{RemoveMainSession, Slot, canvas_cookie, logout_handle},
        worker::WorkerState,
    },
};
use salesforce_connection::{Result, Secret};
use url::Url;

/// Largest form in bytes. A return target has at most 900 bytes; a longer one loses its query.
const MAX_FORM_BYTES: usize = 16 * 1024;
/// Longest time in which a form has to arrive. The login has ended before.
const FORM_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends this browser's login, or all of them if it has several, by POST from a page of this app, then redirects to
/// `return_to`. GET shows a page that asks for a confirmation. A single one of several ends by the orgs route.
///
/// Further parameters, in the form or the query: `everywhere=1` ends all logins of the user, in other browsers too;
/// `salesforce=1` redirects to Salesforce's single logout page, which ends the user's session there, at the org of the
/// current login. Where the browser goes then is a setting of the org (Salesforce Help "OpenID Connect Single Logout"), so
/// that `return_to` does not count.
///
/// The login ends here first. Its tokens are revoked at Salesforce afterwards, as `SALESFORCE_REVOKE_ON_LOGOUT` says, and
/// the response does not wait for that. If the other logins cannot be ended because the store is down, the response is an
/// error, and this browser is logged out.
pub async fn logout(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match respond(&request, payload).await {
        Ok(response) => response,
        Err(error) => error::response(&error, &request),
    }
}

async fn respond(request: &HttpRequest, payload: web::Payload) -> Result<HttpResponse> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    if *request.method() != Method::POST {
        return Ok(confirm(&worker, request));
    }
    if !is_same_origin(&settings.public_url, request.headers()) {
        return Ok(cross_origin(&worker, request));
    }
    let framed = worker.framed_login(request);
    let ids = ids_of(&worker, request, framed.is_some());
    let session = request.get_session();
    match settings.session {
        // A session that another Salesforce further out brings also serves users of that one.
        SessionMode::Embedded if !worker.is_nested() => {
            session.purge();
            RemoveMainSession::mark(request);
        }
        _ => session.renew(),
    }
    let (mut ended, mut outage) = (Vec::new(), None);
    for outcome in future::join_all(ids.iter().map(|id| worker.grants().log_out(id))).await {
        match outcome {
            Ok(login) => ended.extend(login),
            // During an outage of the store the grant manager tries again; the browser has lost its cookie already.
            Err(error) => {
                tracing::error!(%error, "logout not stored yet. It is tried again in the background");
                outage = Some(error);
            }
        }
    }
    // Only now, because a form that arrives slowly or never must not keep the login alive.
    let form = match tokio::time::timeout(FORM_TIMEOUT, payload.to_bytes_limited(MAX_FORM_BYTES)).await {
        Ok(Ok(Ok(body))) => String::from_utf8(body.to_vec()).unwrap_or_default(),
        _ => String::new(),
    };
    let has = |name| is_set(&form, name) || is_set(request.query_string(), name);
    let mut everywhere = Ok(());
    if has("everywhere") {
        for login in &ended {
            everywhere = everywhere.and(worker.salesforce().log_out_everywhere(login.user).await);
        }
        // Whose login it was is unknown.
        if let Some(error) = outage {
            everywhere = Err(error.into());
        }
    }
    let current = ended.into_iter().next().filter(|_| has("salesforce"));
    let at_salesforce = current.and_then(|login| login.instance).map(single_logout_page);
    let target = target(&worker, &form)
        .or_else(|| target(&worker, request.query_string()))
        .unwrap_or_else(|| settings.after_logout.clone());
    let location = at_salesforce.as_ref().map_or(target.location(), Url::as_str);
    let mut response = match (everywhere, ResponseFormat::of(request.headers())) {
        (Err(error), _) => error::response(&error, request),
        (Ok(()), ResponseFormat::Navigation | ResponseFormat::Json) => response::see_other(location),
        (Ok(()), ResponseFormat::Htmx) => {
            response::builder(StatusCode::OK).insert_header(("hx-redirect", location)).finish()
        }
    };
    if framed.is_some() {
        canvas_cookie::remove(settings, &mut response);
    }
    add_cookie(&mut response, &worker.login_removal(&Slot::Main));
    for cookie in worker.further_removals(request) {
        add_cookie(&mut response, &cookie);
    }
    add_cookie(&mut response, &LoopGuard::removal(settings));
    if settings.paths.slo.is_some() {
        add_cookie(&mut response, &logout_handle::removal(settings));
    }
    if worker.has_silent_routes() {
        add_cookie(&mut response, &silent::after_logout(settings));
    }
    for cookie in worker.leftovers(request) {
        add_cookie(&mut response, &cookie);
    }
    Ok(response)
}

/// Returns the ids of the logins that a logout ends, the current one first: the logout at Salesforce is at its org. In a frame
/// of Salesforce that is the login of the frame alone.
fn ids_of(worker: &WorkerState, request: &HttpRequest, is_framed: bool) -> Vec<Secret> {
    let current = worker.login_id(request);
    let others = if is_framed { Vec::new() } else { worker.browser_logins(request) };
    let others = others.into_iter().map(|login| login.contents.id);
    let others = others.filter(|id| current.as_ref() != Some(id)).collect::<Vec<_>>();
    current.iter().cloned().chain(others).collect()
}

/// Returns the page of Salesforce that ends the user's session there. The instance is the org's My Domain; that the page
/// of an Experience Cloud site is at its instance, too, is unverified.
fn single_logout_page(mut instance: Url) -> Url {
    instance.set_path("/services/auth/idp/oidc/logout");
    instance
}

fn is_set(form: &str, name: &str) -> bool {
    Query::parse(form).is_ok_and(|query| query.first(name) == Some("1"))
}

fn target(worker: &WorkerState, form: &str) -> Option<ReturnTo> {
    let query = Query::parse(form).ok()?;
    return_target(worker.settings(), query.first("return_to")?)
}

/// Whether a request that changes something comes from a page of this app: by `Origin`, else by `Sec-Fetch-Site`.
/// Browsers send at least one of them with every POST; a request with neither is rejected.
///
/// From a page with `Referrer-Policy: no-referrer`, as ours and many apps' are, a form's `Origin` is `null` (Fetch
/// standard, "append a request Origin header"). `Sec-Fetch-Site` decides then.
pub(crate) fn is_same_origin(public_url: &url::Url, headers: &HeaderMap) -> bool {
    let by_site = || headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    let mut origins = headers.get_all("origin");
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin == "null" => by_site(),
        (Some(origin), None) => {
            origin.to_str().is_ok_and(|origin| origin == public_url.origin().ascii_serialization())
        }
        (Some(_), Some(_)) => false,
        (None, _) => by_site(),
    }
}

/// Whether a request that changes something comes from a page of another origin.
pub(crate) fn is_cross_origin(public_url: &url::Url, headers: &HeaderMap) -> bool {
    let comes_from_browser = headers.contains_key("origin") || headers.contains_key("sec-fetch-site");
    comes_from_browser && !is_same_origin(public_url, headers)
}

fn confirm(worker: &WorkerState, request: &HttpRequest) -> HttpResponse {
    let settings = worker.settings();
    let logout = settings.paths.logout.as_deref().map(|logout| settings.paths.full(logout));
    let target = target(worker, request.query_string());
    let form = |kind, parameter: Option<&'static str>| {
        let return_to = target.iter().map(|target| ("return_to", target.as_str().to_owned()));
        let fields = return_to.chain(parameter.map(|name| (name, "1".to_owned()))).collect();
        Action::form(kind, logout.clone().unwrap_or_default(), fields)
    };
    let at_salesforce =
        settings.paths.slo.is_some().then(|| form(ActionKind::LogOutOfSalesforce, Some("salesforce")));
    let ways = [form(ActionKind::LogOut, None), form(ActionKind::LogOutEverywhere, Some("everywhere"))];
    let stay = Action::link(ActionKind::StayLoggedIn, settings.after_login.as_str());
    Reply::new(PageKind::ConfirmLogout)
        .actions(ways.into_iter().chain(at_salesforce).chain([stay]))
        .page(&RequestInfo::of(request))
}

fn cross_origin(worker: &WorkerState, request: &HttpRequest) -> HttpResponse {
    let home = Action::link(ActionKind::StartPage, worker.settings().after_login.as_str());
    Reply::new(PageKind::CrossOriginLogout).actions([home]).page_or_json(&RequestInfo::of(request))
}
