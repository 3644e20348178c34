//! The connect route: connects Salesforce to a user of the app itself. No login is made.
//!
//! Three things keep another user's Salesforce out of an owner's connection. A page of another origin cannot start it. The
//! pending login is sealed in the browser's cookie, with owner and name. And the app is asked again at the callback: the
//! owner who comes back has to be the one who started.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};

use super::{
    failure::{FailedLogin, InvalidLink, LoginError, LoginFailure},
    form,
    pending_login::PendingLogin,
    query::Query,
    return_target, same_site,
    start::{Start, begin, options},
};
use crate::{
    config::{ReturnTo, Settings},
    grants::OwnedName,
    store::{ConnectionName, Owner},
    web::{
        origin::{is_cross_site, is_same_origin},
        owner::{ConnectRequest, Decision},
        pages::{Action, ActionKind, PageKind, Reply},
        request_info::RequestInfo,
        response,
        worker::WorkerState,
    },
};
use salesforce_connection::oauth::LoginHost;

/// Starts to connect Salesforce to a user of the app itself, by POST from a page of this app; GET shows a page with the
/// button.
///
/// Form: `name` of the connection (default: `default`), `return_to`, `host`, `prompt`, `login_hint` as for the login.
/// The function of [`SalesforceBuilder::connect_owner`](crate::SalesforceBuilder::connect_owner) names the owner. After
/// Salesforce the browser comes to the callback route, which stores the grant for the owner and redirects by 303 to
/// `return_to`. Neither a login nor an existing login of the browser is touched.
pub async fn connect(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    respond(&request, payload).await.unwrap_or_else(|error| error.into_response(&request))
}

async fn respond(request: &HttpRequest, payload: web::Payload) -> Result<HttpResponse, LoginError> {
    let worker = WorkerState::of(request)?;
    if *request.method() != Method::POST {
        return confirm(&worker, request).await;
    }
    if !is_same_origin(&worker.settings().public_url, request.headers()) {
        return Err(LoginFailure::CrossOrigin.into());
    }
    let form = form::read_text(payload).await.ok_or(LoginFailure::InvalidLink(InvalidLink::Query))?;
    let form = Form::parse(&worker, &form)?;
    let owner = form.owner(&worker, request).await?;
    let invalid = |link| FailedLogin::from(LoginFailure::InvalidLink(link)).retry_by(form.button(&worker));
    let options = options(worker.settings(), &form.query).ok_or_else(|| invalid(InvalidLink::Options))?;
    let connects = Some(OwnedName { owner, name: form.name.clone() });
    let start = Start { connects, ..Start::new(form.host.clone(), form.return_to.clone(), options) };
    Ok(response::for_htmx(request, begin(&worker, request, start)?))
}

/// What a form or a link says.
struct Form {
    name: ConnectionName,
    host: LoginHost,
    return_to: ReturnTo,
    query: Query,
}

impl Form {
    fn parse(worker: &WorkerState, text: &str) -> Result<Self, LoginError> {
        let settings = worker.settings();
        let invalid = LoginFailure::InvalidLink;
        let query = Query::parse(text).map_err(|_| invalid(InvalidLink::Query))?;
        let name = match query.one("name", 128) {
            Ok(Some(name)) => ConnectionName::new(name).ok(),
            Ok(None) => Some(ConnectionName::default()),
            Err(_) => None,
        };
        let name = name.ok_or_else(|| invalid(InvalidLink::ConnectionName))?;
        let host = match query.one("host", 255) {
            Ok(Some(name)) => settings.find_host(name),
            Ok(None) => Some(settings.default_host.clone()),
            Err(_) => None,
        };
        let host = host.ok_or_else(|| invalid(InvalidLink::Host))?;
        let return_to = query.first("return_to").and_then(|text| return_target(settings, text));
        let return_to = return_to.unwrap_or_else(|| settings.after_login.clone());
        Ok(Self { name, host, return_to, query })
    }

    async fn owner(&self, worker: &WorkerState, request: &HttpRequest) -> Result<Owner, LoginError> {
        let decided = ask(worker, request, &self.name).await;
        Ok(decided.map_err(|failed| failed.retry_by(self.button(worker)))?)
    }

    fn button(&self, worker: &WorkerState) -> Option<Action> {
        button(worker.settings(), ActionKind::TryAgain, &self.name, &self.host, &self.return_to)
    }
}

/// Returns the form that connects under this name. `None` if the app has no connect route.
fn button(
    settings: &Settings,
    kind: ActionKind,
    name: &ConnectionName,
    host: &LoginHost,
    return_to: &ReturnTo,
) -> Option<Action> {
    let path = settings.paths.full(settings.paths.connect.as_deref()?);
    let mut fields = vec![("name", name.to_string()), ("return_to", return_to.as_str().to_owned())];
    if *host != settings.default_host {
        fields.push(("host", settings.host_name(host).to_owned()));
    }
    Some(Action::form(kind, path, fields))
}

/// Asks the app for which owner the request connects.
async fn ask(
    worker: &WorkerState,
    request: &HttpRequest,
    name: &ConnectionName,
) -> Result<Owner, FailedLogin> {
    let asked = ConnectRequest { http: request.clone(), name: name.clone() };
    match worker.salesforce().connect_function().decide(asked).await {
        Ok(Decision::Owner(owner)) => Ok(owner),
        Ok(Decision::NotLoggedIn) => Err(LoginFailure::NoOwner.into()),
        Ok(Decision::Refuse(reason)) => Err(LoginFailure::Refused { reason }.into()),
        Err(error) => Err(FailedLogin::from(LoginFailure::NotDecided).because(error)),
    }
}

/// A page with the button: the link for users whose connection needs reconnecting. A GET changes nothing.
async fn confirm(worker: &WorkerState, request: &HttpRequest) -> Result<HttpResponse, LoginError> {
    let form = Form::parse(worker, request.query_string())?;
    form.owner(worker, request).await?;
    let settings = worker.settings();
    let connect = button(settings, ActionKind::Connect, &form.name, &form.host, &form.return_to);
    let back = Action::link(ActionKind::StartPage, settings.after_login.as_str());
    Ok(Reply::new(PageKind::ConfirmConnect { name: form.name.to_string() })
        .actions(connect.into_iter().chain([back]))
        .page(&RequestInfo::of(request)))
}

/// Returns the button that connects again after a callback that failed.
pub(super) fn retry(settings: &Settings, pending: &PendingLogin) -> Option<Action> {
    let owned = pending.connects.as_ref()?;
    button(settings, ActionKind::TryAgain, &owned.name, &pending.host, &pending.return_to)
}

/// Checks that the user of the app who comes back is the one who started. Returns a page that comes again where the app's
/// cookie may have stayed behind: a redirect from Salesforce is cross-site, and a cookie with `SameSite=Strict` does not
/// come with it.
pub(super) async fn check_owner(
    worker: &WorkerState,
    request: &HttpRequest,
    query: &Query,
    pending: &PendingLogin,
) -> Result<Option<HttpResponse>, FailedLogin> {
    let Some(owned) = &pending.connects else { return Ok(None) };
    let failed = match ask(worker, request, &owned.name).await {
        Ok(owner) if owner == owned.owner => return Ok(None),
        Ok(_) => LoginFailure::OtherOwner.into(),
        Err(failed) => failed,
    };
    if is_cross_site(request.headers()) && !same_site::has_come_again(query) {
        return Ok(Some(same_site::again(query)));
    }
    Err(failed)
}
