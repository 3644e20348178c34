//! The logout route: ends this browser's logins, or all logins of their users.

use actix_session::SessionExt as _;
use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use tokio::sync::oneshot;

use super::{add_cookie, form, loop_guard::LoopGuard, query::Query, return_target, silent};
use crate::{
    config::{ReturnTo, SessionMode},
    grants::BrowserLogout,
    web::{
        error,
        origin::is_same_origin,
        pages::{Action, ActionKind, PageKind, Reply},
        request_info::RequestInfo,
        response,
        session::{RemoveMainSession, Slot, canvas_cookie, logout_handle},
        worker::WorkerState,
    },
};
use salesforce_connection::{Error, Result, Secret};
use url::Url;

/// Ends this browser's login, or all of them if it has several, by POST from a page of this app, then redirects to
/// `return_to`. GET shows a page that asks for a confirmation. A single one of several ends by the orgs route.
///
/// Further parameters, in the form or the query: `everywhere=1` ends all logins of the user, in other browsers too;
/// `salesforce=1` redirects to Salesforce's single logout page, which ends the user's session there, at the org of the
/// current login. Where the browser goes then is a setting of the org (Salesforce Help "OpenID Connect Single Logout"), so
/// that `return_to` does not count.
///
/// The login ends here first. Its tokens are revoked at Salesforce afterwards, as `SALESFORCE_REVOKE_ON_LOGOUT` says, and
/// the response does not wait for that. With `everywhere`, the response is an error if the store is down, or if a login of
/// this browser had ended before and its user is unknown (401): this browser is logged out, others may not be.
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
    let is_framed = worker.framed_login(request).is_some();
    let ids = ids_of(&worker, request, is_framed);
    let session = request.get_session();
    match settings.session {
        SessionMode::App => session.renew(),
        // It belongs to the logins of windows.
        SessionMode::Embedded if is_framed => {}
        // A session that another Salesforce further out brings also serves users of that one.
        SessionMode::Embedded if worker.is_nested() => session.renew(),
        SessionMode::Embedded => {
            session.purge();
            RemoveMainSession::mark(request);
        }
    }
    let asks = |form: &str, name| is_set(form, name) || is_set(request.query_string(), name);
    // The logins end meanwhile: a form that arrives slowly or never keeps none of them alive. A request that is dropped
    // before its form has come asked for what its query says.
    let (wish, everywhere) = oneshot::channel();
    let by_query = asks("", "everywhere");
    let logout = worker.grants().log_out_browser(ids, async move { everywhere.await.unwrap_or(by_query) });
    let form = form::read_text(payload).await.unwrap_or_default();
    let is_everywhere = asks(&form, "everywhere");
    // The logout has ended if it does not listen.
    let _ = wish.send(is_everywhere);
    let (ended, outcome) = match logout.await {
        Some(BrowserLogout { ended, outage: Some(error), .. }) if is_everywhere => (ended, Err(error.into())),
        // Other browsers may be logged in still, and of which user is unknown.
        Some(BrowserLogout { ended, is_complete: false, .. }) if is_everywhere => {
            (ended, Err(Error::LoginRequired))
        }
        Some(BrowserLogout { ended, .. }) => (ended, Ok(())),
        None => (Vec::new(), Err(Error::internal("the process ends during a logout"))),
    };
    let current = ended.into_iter().next().filter(|_| asks(&form, "salesforce"));
    let at_salesforce = current.and_then(|login| login.instance).map(single_logout_page);
    let target = target(&worker, &form)
        .or_else(|| target(&worker, request.query_string()))
        .unwrap_or_else(|| settings.after_logout.clone());
    let location = at_salesforce.as_ref().map_or(target.location(), Url::as_str);
    let mut response = match outcome {
        Ok(()) => response::for_htmx(request, response::see_other(location)),
        Err(error) => error::response(&error, request),
    };
    if is_framed {
        // The others are those of windows.
        canvas_cookie::remove(settings, &mut response);
        return Ok(response);
    }
    add_cookie(&mut response, &worker.login_removal(&Slot::Main));
    for cookie in worker.further_removals(request) {
        add_cookie(&mut response, &cookie);
    }
    add_cookie(&mut response, &LoopGuard::removal(settings));
    for removal in logout_handle::removals(settings, request.headers()) {
        add_cookie(&mut response, &removal);
    }
    if let Some(mark) = silent::after_logout(&worker) {
        add_cookie(&mut response, &mark);
    }
    for cookie in worker.leftovers(request) {
        add_cookie(&mut response, &cookie);
    }
    Ok(response)
}

/// Returns the ids of the logins that a logout ends, the current one first: the logout at Salesforce is at its org. In
/// a frame of Salesforce that is the login of the frame alone.
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
