//! The login route: makes an attempt and sends the browser to Salesforce.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};

use super::{
    super::{
        answer,
        attempt::{Attempt, landing},
        error,
        worker::WorkerState,
    },
    Refusal, keep_off_auth_routes,
    query::Query,
};
use crate::{
    Result,
    config::Settings,
    oauth::{AuthorizeOptions, LoginHost, Prompt},
    return_to::ReturnTo,
};

/// Starts a login: seals an attempt into a cookie and answers 303 to the login host.
///
/// Query: `return_to` (a path of this app), `host` (a configured login host by name, or a My Domain host when allowed),
/// `prompt` (`login`, `consent`, `select_account`, space separated), `login_hint`. Nothing else is passed on.
pub async fn login(request: HttpRequest) -> HttpResponse {
    match start(&request).await {
        Ok(response) => response,
        Err(error) => error::answer(&error, &request),
    }
}

async fn start(request: &HttpRequest) -> Result<HttpResponse> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    if answer::is_prefetch(request.headers()) {
        // A browser would keep any 2xx for the click that follows, and the click would lead nowhere.
        let mut response = answer::builder(StatusCode::SERVICE_UNAVAILABLE);
        return Ok(response.insert_header((header::VARY, "Sec-Purpose")).finish());
    }
    let Ok(query) = Query::parse(request.query_string()) else {
        return Ok(bad_request(&worker, "This link is incomplete or was altered."));
    };
    // A target that is refused must not keep anyone from logging in: it is replaced.
    let return_to = query
        .first("return_to")
        .and_then(ReturnTo::parse)
        .and_then(|target| keep_off_auth_routes(settings, target))
        .unwrap_or_else(|| settings.after_login.clone());

    let Ok(Some(host)) = query.one("host", 255).map(|host| find_host(settings, host)) else {
        return Ok(bad_request(&worker, "This app does not offer that way to log in."));
    };
    let options = match (query.one("prompt", 64), query.one("login_hint", 256)) {
        (Ok(prompt), Ok(login_hint)) => prompt
            .map(Prompt::parse_list)
            .transpose()
            .ok()
            .map(|prompt| options(settings, prompt.unwrap_or_default(), login_hint)),
        _ => None,
    };
    let Some(options) = options else {
        return Ok(bad_request(&worker, "This link asks for a kind of login that does not exist."));
    };

    let now = worker.salesforce().now();
    let mut landings = 0;
    if let Some((count, made)) = landing::read(settings, request.headers(), now)
        // Where the last login holds, a user logs in once more: that is no loop.
        && worker.login(request).await?.is_none()
    {
        landings = count;
        // The browser brought back the cookie beside it, and not the login's: no request can use that login.
        worker.engine().log_out_later(made);
    }
    if landings >= landing::TOO_MANY {
        return Ok(loop_page(&worker, settings, &host, &return_to));
    }

    let authorization = worker.engine().oauth().authorize(&host, &settings.redirect_uri, &options);
    let attempt = Attempt {
        state: authorization.state,
        verifier: authorization.verifier,
        nonce: authorization.nonce,
        host: host.as_url().to_string(),
        return_to,
        born_at: now,
        landings,
    };
    let mut response = answer::see_other(authorization.url.as_str());
    for cookie in attempt.cookies(settings, request.headers())? {
        add_cookie(&mut response, &cookie);
    }
    Ok(response)
}

pub(super) fn add_cookie(response: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) {
    // Fails for a name or value that is no header value; ours are base64 and plain ASCII.
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "a cookie could not be written");
    }
}

fn options(settings: &Settings, prompt: Vec<Prompt>, login_hint: Option<&str>) -> AuthorizeOptions {
    let mut options = AuthorizeOptions::new(settings.scopes.clone()).prompt(prompt);
    if let Some(hint) = login_hint {
        options = options.login_hint(hint);
    }
    options
}

/// The login host that a request names. Only configured ones, and My Domain hosts when they are allowed.
fn find_host(settings: &Settings, name: Option<&str>) -> Option<LoginHost> {
    let Some(name) = name else { return Some(settings.default_host.clone()) };
    if let Some(host) = settings.hosts.get(name) {
        return Some(host.clone());
    }
    let my_domain = settings.allow_my_domain && name.ends_with(".my.salesforce.com");
    my_domain.then(|| LoginHost::my_domain(name).ok()).flatten()
}

fn bad_request(worker: &WorkerState, text: &str) -> HttpResponse {
    let refusal = Refusal {
        status: StatusCode::BAD_REQUEST,
        title: "This login link does not work",
        text: vec![text.to_owned()],
        code: None,
        try_again: worker.settings().paths.login.as_deref().map(|login| worker.settings().paths.full(login)),
    };
    refusal.page(worker)
}

fn loop_page(
    worker: &WorkerState,
    settings: &Settings,
    host: &LoginHost,
    return_to: &ReturnTo,
) -> HttpResponse {
    tracing::warn!(
        "a browser logged in several times in a row and kept no session: cookies blocked or too large?"
    );
    let refusal = Refusal {
        status: StatusCode::BAD_REQUEST,
        title: "You were logged in, but it did not last",
        text: vec![
            "Salesforce let you in several times in a row, and each time the login was lost immediately.".to_owned(),
            "Usually the browser does not keep this site's cookies: allow them, leave private mode, or try another \
             browser. If that does not help, your Salesforce user may not be allowed to use the API; ask \
             an administrator."
                .to_owned(),
        ],
        code: None,
        try_again: super::login_again(settings, host, return_to),
    };
    let mut response = refusal.page(worker);
    add_cookie(&mut response, &landing::removal(settings));
    response
}
