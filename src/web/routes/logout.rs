//! The logout route: ends this browser's login.

use std::time::Duration;

use actix_session::SessionExt as _;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::HeaderMap},
    web,
};

use super::{
    super::{
        answer::{self, Wants},
        attempt::landing,
        error,
        pages::{Action, Page},
        worker::WorkerState,
    },
    keep_off_auth_routes,
    login::add_cookie,
    query::Query,
};
use crate::{Result, config::SessionMode, return_to::ReturnTo};

/// The largest form that is read.
const MAX_FORM_BYTES: usize = 16 * 1024;
/// How long a form may take to arrive.
const FORM_DEADLINE: Duration = Duration::from_secs(5);

/// Ends this browser's login by POST from a page of this app, then goes to `return_to` (form or query); GET asks first.
///
/// The login is over here before anything else happens; Salesforce is told afterwards, without anyone waiting. Other
/// logins of the same person stay. The person's session at Salesforce itself stays too.
pub async fn logout(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match answer(&request, payload).await {
        Ok(response) => response,
        Err(error) => error::answer(&error, &request),
    }
}

async fn answer(request: &HttpRequest, payload: web::Payload) -> Result<HttpResponse> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    if *request.method() != Method::POST {
        return Ok(confirm(&worker, target(&worker, request.query_string())));
    }
    if !is_same_origin(&settings.public_url, request.headers()) {
        tracing::warn!("a logout from another origin was refused");
        return Ok(foreign(&worker, request));
    }
    let id = worker.login_id(request);
    let session = request.get_session();
    match settings.session {
        // A session that another Salesforce further out brings is also for users of that one.
        SessionMode::Embedded if !worker.is_nested() => session.purge(),
        _ => session.renew(),
    }
    if let Some(id) = id {
        // When the store is down the engine goes on trying; the browser has forgotten the login already.
        if let Err(error) = worker.engine().log_out(&id).await {
            tracing::error!(%error, "a logout could not be stored yet");
        }
    }
    // Only now: a form that comes slowly, or not at all, must not keep the login alive.
    let form = match tokio::time::timeout(FORM_DEADLINE, payload.to_bytes_limited(MAX_FORM_BYTES)).await {
        Ok(Ok(Ok(body))) => String::from_utf8(body.to_vec()).unwrap_or_default(),
        _ => String::new(),
    };
    let target = target(&worker, &form)
        .or_else(|| target(&worker, request.query_string()))
        .unwrap_or_else(|| settings.after_logout.clone());
    let mut response = match Wants::of(request.headers()) {
        Wants::Navigation => answer::see_other(target.location()),
        Wants::Htmx => {
            answer::builder(StatusCode::OK).insert_header(("hx-redirect", target.location())).finish()
        }
        Wants::Json => answer::see_other(target.location()),
    };
    add_cookie(&mut response, &worker.login_removal());
    add_cookie(&mut response, &landing::removal(settings));
    Ok(response)
}

fn target(worker: &WorkerState, form: &str) -> Option<ReturnTo> {
    let query = Query::parse(form).ok()?;
    keep_off_auth_routes(worker.settings(), ReturnTo::parse(query.first("return_to")?)?)
}

/// Whether a request that changes something comes from a page of this app: by `Origin`, else by `Sec-Fetch-Site`.
/// Browsers send at least one of them with every POST; who sends neither is refused.
///
/// From a page with `Referrer-Policy: no-referrer`, as ours and many apps' are, a form's `Origin` is `null` (Fetch
/// standard, "append a request Origin header"). It says nothing then, and `Sec-Fetch-Site` decides.
fn is_same_origin(public_url: &url::Url, headers: &HeaderMap) -> bool {
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

/// Returns whether a browser sent this request from a page of another origin.
pub(crate) fn is_cross_origin(public_url: &url::Url, headers: &HeaderMap) -> bool {
    let tells = headers.contains_key("origin") || headers.contains_key("sec-fetch-site");
    tells && !is_same_origin(public_url, headers)
}

fn confirm(worker: &WorkerState, target: Option<ReturnTo>) -> HttpResponse {
    let settings = worker.settings();
    let action =
        settings.paths.logout.as_deref().map(|logout| settings.paths.full(logout)).unwrap_or_default();
    let fields = target.iter().map(|target| ("return_to", target.as_str().to_owned())).collect();
    answer::page(
        StatusCode::OK,
        &Page {
            title: "Log out?",
            text: vec![
                "You will be logged out of this app in this browser. Salesforce itself stays open."
                    .to_owned(),
            ],
            code: None,
            actions: vec![
                Action::Post { label: "Log out", action, fields },
                Action::Link { label: "Stay logged in", href: settings.after_login.as_str().to_owned() },
            ],
        },
    )
}

fn foreign(worker: &WorkerState, request: &HttpRequest) -> HttpResponse {
    const TEXT: &str = "This request did not come from a page of this app, so nothing was done.";
    match Wants::of(request.headers()) {
        Wants::Navigation => answer::page(
            StatusCode::FORBIDDEN,
            &Page {
                title: "You were not logged out",
                text: vec![TEXT.to_owned()],
                code: None,
                actions: vec![Action::Link {
                    label: "Go to the start page",
                    href: worker.settings().after_login.as_str().to_owned(),
                }],
            },
        ),
        _ => answer::error_json(StatusCode::FORBIDDEN, "foreign_origin", TEXT),
    }
}
