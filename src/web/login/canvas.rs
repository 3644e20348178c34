//! The Canvas route: Salesforce's signed request logs in, in a frame of a page of Salesforce (Canvas Developer Guide
//! "Signed Request Authentication").

use actix_session::SessionExt as _;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header::HeaderMap},
    web,
};
use url::{Url, form_urlencoded};

use super::{
    failure::{FailedLogin, LoginError, LoginFailure},
    form,
    query::Query,
    return_target,
};
use crate::{
    config::{SessionMode, Settings},
    grants::CanvasError,
    web::{
        frame,
        pages::{Action, ActionKind, PageKind, Reply},
        request_info::RequestInfo,
        response,
        session::{CookieContents, canvas_cookie},
        worker::WorkerState,
    },
};
use salesforce_connection::{Error, oauth::InvalidSignedRequest};

/// Largest form in bytes. A signed request has 64 KiB at most; encoding makes it longer.
const MAX_FORM_BYTES: usize = 128 * 1024;

/// Logs the user of a frame in by Salesforce's `signed_request` (POST), then redirects to `return_to` of the query, or to
/// `after_login`.
///
/// Taken only in a frame (`Sec-Fetch-Dest: iframe`), once, and while its token is valid. The login has a
/// separate cookie, which comes in frames of that site only, and ordinary logins stay as they are.
///
/// GET is what Salesforce opens for a user who has to allow the app first: it shows a page with a link that opens the login
/// in a window.
pub async fn canvas(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    if *request.method() != Method::POST {
        return ask_for_approval(&request);
    }
    match accept(&request, payload).await {
        Ok(response) => response,
        Err(LoginError::Failed(failed)) => failed.into_framed(&request),
        Err(error) => error.into_response(&request),
    }
}

async fn accept(request: &HttpRequest, payload: web::Payload) -> Result<HttpResponse, LoginError> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    if !is_framed_by_salesforce(settings, request.headers()) {
        return Err(LoginFailure::NotFramed.into());
    }
    let unreadable = || FailedLogin::from(InvalidSignedRequest::Form);
    let form = form::read(payload, MAX_FORM_BYTES).await.ok_or_else(unreadable)?;
    let mut values = form_urlencoded::parse(&form).filter(|(name, _)| name == "signed_request");
    let (Some((_, text)), None) = (values.next(), values.next()) else {
        return Err(unreadable().into());
    };
    let signed = worker.salesforce().oauth().verify_signed_request(&text).map_err(FailedLogin::from)?;
    let ancestors = frame::ancestors(settings, &signed);
    let host = signed.instance_url.to_string();

    let login = worker.salesforce().finish_canvas_login(signed).await.map_err(FailedLogin::from)?;
    let ended = || FailedLogin::not_stored(Error::internal("the login has ended"));
    let id = login.id().cloned().ok_or_else(ended)?;
    let facts = login.outcome().facts.as_deref().and_then(|facts| serde_json::from_str(facts).ok());
    let contents =
        CookieContents { id: id.clone(), host, user: None, fresh: None, facts, frame: Some(ancestors) };
    let target = Query::parse(request.query_string()).ok();
    let target = target.and_then(|query| return_target(settings, query.first("return_to")?));
    let mut response = response::see_other(target.as_ref().unwrap_or(&settings.after_login).location());
    canvas_cookie::set(settings, &mut response, &contents).map_err(FailedLogin::not_stored)?;
    if settings.session == SessionMode::App {
        // The app may let its session come to frames: an id from before the login is worth nothing after it (ASVS 7.2.4).
        request.get_session().renew();
        let user_change = &worker.salesforce().functions().user_change;
        user_change.separate(request, login.outcome().user, SessionMode::App, false);
    }
    login.commit();
    if let Some(old) = canvas_cookie::read(settings, request.headers())
        && old.id != id
    {
        // The former login of this frame.
        worker.grants().log_out_later(old.id);
    }
    Ok(response)
}

/// Whether a request is for a frame, and no page of another site posts it. A page that hides its origin sends `null`, as a
/// page of Salesforce with `no-referrer` would: whether Salesforce's does is unverified.
fn is_framed_by_salesforce(settings: &Settings, headers: &HeaderMap) -> bool {
    let mut destinations = headers.get_all("sec-fetch-dest");
    let is_framed = destinations.next().is_some_and(|destination| destination == "iframe")
        && destinations.next().is_none();
    is_framed
        && headers.get_all("origin").all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            let is_salesforce = || Url::parse(origin).is_ok_and(|url| settings.is_salesforce_page(&url));
            origin == "null" || is_salesforce()
        })
}

/// Shows a page that opens the login in a window: Salesforce's page that asks for the approval refuses to be framed.
fn ask_for_approval(request: &HttpRequest) -> HttpResponse {
    let info = RequestInfo::of(request);
    let settings = info.worker.as_ref().map(WorkerState::settings);
    let login = settings.and_then(|settings| settings.login_link(&settings.default_host, None));
    let reply = Reply::new(PageKind::OpenInWindow)
        .actions(login.map(|login| Action::link(ActionKind::LogIn, login).in_window()));
    match settings {
        Some(settings) => reply.framed_by(settings.frame_ancestors()).page(&info),
        None => reply.page(&info),
    }
}

impl From<InvalidSignedRequest> for FailedLogin {
    fn from(error: InvalidSignedRequest) -> Self {
        let failure = match error {
            InvalidSignedRequest::Instance => LoginFailure::InstanceNotAllowed,
            _ => LoginFailure::InvalidSignedRequest,
        };
        Self::from(failure).because(error)
    }
}

impl From<CanvasError> for FailedLogin {
    fn from(error: CanvasError) -> Self {
        match error {
            CanvasError::Login(error) => error.into(),
            error => Self::from(LoginFailure::CanvasEnded).because(error),
        }
    }
}
