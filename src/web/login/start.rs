//! The login route: starts a login and redirects the browser to Salesforce.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header, uri::Authority},
};
use url::Url;

use super::{
    add_cookie,
    failure::{FailedLogin, InvalidLink, LoginError, LoginFailure},
    hosts_link,
    loop_guard::{self, LoopGuard},
    orgs,
    pending_login::PendingLogin,
    query::Query,
    retry_link, return_target,
};
use crate::{
    config::{ReturnTo, Settings},
    grants::{OwnedName, random_secret},
    web::{response, session::BrowserLogin, worker::WorkerState},
};
use salesforce_connection::{
    Error,
    http::is_on_this_machine,
    oauth::{AuthorizeOptions, LoginHost, Prompt},
};

/// Starts a login: seals a pending login into a cookie and redirects by 303 to the login host.
///
/// Query: `return_to` (a path of this app), `host` (a configured login host by name, or a My Domain host when allowed),
/// `prompt` (`login`, `consent`, `select_account`, separated by spaces), `login_hint`. Other parameters are ignored.
///
/// With `add=1` it shows a page whose button [adds](super::orgs) the login to those of the browser, and changes nothing.
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
    if let Some(location) = at_public_url(settings, request, &query) {
        return Ok(response::see_other(&location));
    }
    // An invalid target is replaced, so that it does not prevent the login.
    let return_to = query
        .first("return_to")
        .and_then(|text| return_target(settings, text))
        .unwrap_or_else(|| settings.after_login.clone());
    let refuse = |link, host: &LoginHost| {
        FailedLogin::from(invalid(link)).retry_at(retry_link(settings, host, &return_to))
    };
    let host = match query.one("host", 255) {
        Ok(Some(name)) => settings.find_host(name),
        // After an expiry the user comes back to the host of the login that ended, else to the last one.
        Ok(None) => Some(worker.last_host(request).unwrap_or_else(|| settings.default_host.clone())),
        Err(_) => None,
    };
    let host = host.ok_or_else(|| {
        refuse(InvalidLink::Host, &settings.default_host).choose_at(hosts_link(settings, &return_to))
    })?;
    let options = options(settings, &query).ok_or_else(|| refuse(InvalidLink::Options, &host))?;
    if query.first("add").is_some()
        && let Some(page) = orgs::add_page(settings, request, &host, &return_to)
    {
        return Ok(page);
    }

    let now = worker.salesforce().now();
    let (mut completed_before, mut is_lost) = (0, false);
    if let Some(guard) = LoopGuard::read(settings, request.headers(), now) {
        completed_before = guard.completed;
        // While the last login is valid, the user logs in once more.
        is_lost = worker.current_user(request).await?.is_none();
        let is_other = |login: &BrowserLogin| login.contents.id != guard.login;
        if is_lost && worker.browser_logins(request).iter().all(is_other) {
            // The browser returned the guard's cookie without the login's: no request can use that login.
            worker.grants().log_out_later(guard.login);
        }
    }
    if loop_guard::is_loop(completed_before, is_lost) {
        let link = retry_link(settings, &host, &return_to);
        let failed = FailedLogin::from(LoginFailure::LoginLoop).retry_at(link);
        return Err(LoginError::from(failed).with_cookie(LoopGuard::removal(settings)));
    }
    let started_by = match options.has_prompt(Prompt::Login) {
        true => orgs::users(&worker, request).await?,
        false => Vec::new(),
    };
    let start = Start { completed_before, started_by, ..Start::new(host, return_to, options) };
    begin(&worker, request, start)
}

/// What a login starts with.
pub(super) struct Start {
    pub(super) host: LoginHost,
    pub(super) return_to: ReturnTo,
    pub(super) options: AuthorizeOptions,
    /// Number of logins that completed right before this one starts.
    pub(super) completed_before: u32,
    /// Whether it replaces one whose callback came too late.
    pub(super) replaces_late: bool,
    /// Hashes of the users who are logged in, if Salesforce is to show its login page.
    pub(super) started_by: Vec<String>,
    /// Whether the browser's other logins stay.
    pub(super) adds: bool,
    /// The owner of the app for whom it connects Salesforce. `None`: it logs the browser in.
    pub(super) connects: Option<OwnedName>,
    /// Whether Salesforce is to show no page, and the browser returns to its own page in any case.
    pub(super) is_silent: bool,
}

impl Start {
    /// A login that a user asks for, and that leaves none of the browser's others.
    pub(super) fn new(host: LoginHost, return_to: ReturnTo, options: AuthorizeOptions) -> Self {
        Self {
            host,
            return_to,
            options,
            completed_before: 0,
            replaces_late: false,
            started_by: Vec::new(),
            adds: false,
            connects: None,
            is_silent: false,
        }
    }
}

/// Seals a pending login and redirects to the login host.
pub(super) fn begin(
    worker: &WorkerState,
    request: &HttpRequest,
    start: Start,
) -> Result<HttpResponse, LoginError> {
    let settings = worker.settings();
    let Start {
        host,
        return_to,
        options,
        completed_before,
        replaces_late,
        started_by,
        adds,
        connects,
        is_silent,
    } = start;
    let authorization = worker.grants().oauth().authorize(&host, &settings.redirect_uri_of(&host), &options);
    let pending = PendingLogin {
        client_id: settings.client_id.clone(),
        state: authorization.state,
        verifier: authorization.verifier,
        nonce: authorization.nonce,
        login_seed: random_secret().map_err(Error::internal)?,
        host,
        return_to,
        started_at: worker.salesforce().now(),
        completed_before,
        replaces_late,
        asks_to_log_in: options.has_prompt(Prompt::Login),
        started_by,
        adds,
        connects,
        is_silent,
    };
    let mut response = response::see_other(authorization.url.as_str());
    for cookie in pending.cookies(settings, request.headers()).map_err(Error::from)? {
        add_cookie(&mut response, &cookie);
    }
    Ok(response)
}

/// Returns the address of this login at the public URL if the browser uses another name of the same app: another name of
/// this machine with the same port, or the same host with or without `www.`.
///
/// Salesforce redirects to the public URL, where the browser would not send the cookies of the other name. Any other
/// `Host` is left alone: behind a proxy it may be the name of this process. A login moves once.
pub(super) fn at_public_url(settings: &Settings, request: &HttpRequest, query: &Query) -> Option<String> {
    /// Marks a login that has moved.
    const MOVED: &str = "moved";

    let public = &settings.public_url;
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str))?;
    let asked = Url::parse(&format!("{}://{host}", public.scheme())).ok()?;
    let (asked_name, public_name) = (asked.host_str()?, public.host_str()?);
    if asked_name == public_name || asked.port_or_known_default() != public.port_or_known_default() {
        return None;
    }
    let are_www = asked_name.strip_prefix("www.") == Some(public_name)
        || public_name.strip_prefix("www.") == Some(asked_name);
    let are_on_this_machine = is_on_this_machine(&asked) && is_on_this_machine(public);
    if !are_www && !are_on_this_machine {
        return None;
    }
    if query.first(MOVED).is_some() {
        tracing::warn!(
            public_url = %public,
            "a login stays at another name of this app although it was moved to the public URL; it will not find its \
             cookies. Open the app at its public URL"
        );
        return None;
    }
    let login = settings.paths.full(settings.paths.login.as_deref()?);
    let mut moved = query.encode_again(&[]);
    if let Some(target) = query.first("return_to") {
        // The address of a page at the other name counts as well: its path, at the public URL.
        let there = ReturnTo::of_request(&asked, target);
        moved.append_pair("return_to", there.as_ref().map_or(target, ReturnTo::as_str));
    }
    for name in ["host", "prompt", "login_hint", "add"] {
        moved.extend_pairs(query.first(name).map(|value| (name, value)));
    }
    let query = moved.append_pair(MOVED, "1").finish();
    Some(format!("{}{login}?{query}", public.origin().ascii_serialization()))
}

/// Largest `login_hint` in bytes. A user name has 80 characters.
const MAX_HINT_BYTES: usize = 256;

/// Returns whether a text of the app can be a `login_hint`.
pub(super) fn is_login_hint(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_HINT_BYTES && !text.chars().any(char::is_control)
}

/// Returns the options of the authorization request, or `None` if a parameter is invalid.
pub(super) fn options(settings: &Settings, query: &Query) -> Option<AuthorizeOptions> {
    let prompt = query.one("prompt", 64).ok()?.map(Prompt::parse_list).transpose().ok()?;
    let options = AuthorizeOptions::new(settings.scopes.clone()).prompt(prompt.unwrap_or_default());
    Some(match query.one("login_hint", MAX_HINT_BYTES).ok()? {
        Some(hint) => options.login_hint(hint),
        None => options,
    })
}
