//! The callback route: the redirect URI, to which Salesforce sends the browser after the login.

use std::{iter, time::Duration};

use actix_web::{HttpRequest, HttpResponse};
use url::Url;

use super::{
    add_cookie, connect,
    failure::{FailedLogin, LoginError, LoginFailure},
    loop_guard::LoopGuard,
    orgs,
    pending_login::{CLOCK_TOLERANCE, PendingLogin},
    placement::Placement,
    query::Query,
    retry_link, same_site, silent,
    start::{Start, begin},
};
use crate::{
    config::Settings,
    grants::{Callback, CallbackPurpose, Completed, LogInError, RefusedOrg},
    web::{
        pages, response,
        session::{CookieContents, FreshLogin, last_host, logout_handle, user_tag},
        worker::WorkerState,
    },
};
use salesforce_connection::{
    Error, Secret,
    http::AllowedHosts,
    oauth::{AuthorizeOptions, InvalidTokenResponse, LoginHost, OAuthError},
};

/// Completes a login: checks the callback against the browser's pending login, exchanges the code, stores the grant,
/// renews the session, and redirects by 303 to the page that the user requested.
///
/// A callback that does not belong to a pending login of this browser, is malformed, or was used before never reaches
/// the token endpoint, and leaves an existing login unchanged.
pub async fn callback(request: HttpRequest) -> HttpResponse {
    complete(&request).await.unwrap_or_else(|error| error.into_response(&request))
}

/// The parameters of a callback. Salesforce adds others, which are ignored (RFC 6749 section 4.1.2).
struct Parameters<'a> {
    code: Option<&'a str>,
    error: Option<&'a str>,
    /// Known ones only.
    description: Option<&'static str>,
    iss: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn of(query: &'a Query) -> Result<Self, LoginFailure> {
        let one = |name, max| query.one(name, max).map_err(|_| LoginFailure::MalformedCallback);
        one("state", MAX_STATE_BYTES)?;
        let description = query.first("error_description").and_then(pages::known_description);
        Ok(Self { code: one("code", 4096)?, error: one("error", 256)?, description, iss: one("iss", 512)? })
    }
}

/// Largest `state` in bytes. That of a silent login has the address of a page in it.
const MAX_STATE_BYTES: usize = 1024;

async fn complete(request: &HttpRequest) -> Result<HttpResponse, LoginError> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    let query = Query::parse(request.query_string()).map_err(|_| LoginFailure::MalformedCallback)?;
    let state = query.one("state", MAX_STATE_BYTES).ok().flatten();
    let pending = state.and_then(|state| PendingLogin::find(settings, request.headers(), state));
    if let Some(pending) = pending.as_ref().filter(|pending| pending.is_silent)
        && silent::is_overtaken(&worker, request).await
    {
        tracing::debug!("a silent login was overtaken by a logout or another login: its code is not used");
        let mut response = response::see_other(pending.return_to.location());
        add_cookie(&mut response, &pending.removal(settings));
        return Ok(response);
    }
    let silent_page = match &pending {
        Some(pending) => pending.is_silent.then(|| pending.return_to.clone()),
        None => state.and_then(|state| silent::noted_page(settings, state)),
    };
    match (complete_pending(&worker, request, &query, pending).await, silent_page) {
        (Err(error), Some(page)) => Ok(silent::give_up(&worker, request, error, &page)),
        (outcome, _) => outcome,
    }
}

async fn complete_pending(
    worker: &WorkerState,
    request: &HttpRequest,
    query: &Query,
    pending: Option<PendingLogin>,
) -> Result<HttpResponse, LoginError> {
    let settings = worker.settings();
    let parameters = Parameters::of(query).map_err(|failure| match &pending {
        Some(pending) => pending.failed(settings, failure),
        None => failure.into(),
    })?;
    let Some(pending) = pending else { return unknown_state(worker, request, &parameters).await };
    if parameters.code.is_some()
        && let Some(page) = same_site::come_again(settings, request, query)
    {
        return Ok(page);
    }
    let outcome = match connect::check_owner(worker, request, query, &pending).await {
        Ok(Some(page)) => return Ok(page),
        Err(failed) => Err(pending.failed(settings, failed).into()),
        Ok(None) => match pending.time_left(settings, worker.salesforce().now()) {
            Some(time_left) => exchange(worker, request, &parameters, &pending, time_left).await,
            None => late(worker, request, &parameters, &pending).await,
        },
    };
    // The pending login is used, whatever the outcome.
    let removal = pending.removal(settings);
    match outcome {
        Ok(mut response) => {
            add_cookie(&mut response, &removal);
            Ok(response)
        }
        Err(error) => Err(error.with_cookie(removal)),
    }
}

impl PendingLogin {
    /// A failure of this login, with the link that starts it again at the same host for the same page.
    fn failed(&self, settings: &Settings, failure: impl Into<FailedLogin>) -> FailedLogin {
        if self.connects.is_some() {
            return failure.into().retry_by(connect::retry(settings, self));
        }
        let link = retry_link(settings, &self.host, &self.return_to);
        let link = link.map(|link| if self.adds { orgs::adding(&link) } else { link });
        failure.into().retry_at(link)
    }
}

/// The callback names an issuer from which no login was requested (RFC 9207).
#[derive(Debug, thiserror::Error)]
#[error("it names another issuer than the login host")]
struct OtherIssuer;

/// The callback came to the path of another login host.
#[derive(Debug, thiserror::Error)]
#[error("it came to the callback path of another login host")]
struct OtherCallback;

/// Returns whether a request came to the redirect URI of this host. A code at another path may be that of another host
/// (mix-up, RFC 9700 section 4.4).
fn is_callback_of(settings: &Settings, request: &HttpRequest, host: &LoginHost) -> bool {
    let uri = settings.redirect_uri_of(host);
    // A proxy has stripped the path of the public URL.
    let path = uri.path().strip_prefix(&*settings.paths.public).unwrap_or(uri.path());
    path.trim_end_matches('/') == request.path().trim_end_matches('/')
}

/// Checks the issuer of a callback before a request is sent. Returns the one that has to be compared with the tokens:
/// a shared login host may name the org's My Domain (unverified).
fn check_issuer(settings: &Settings, host: &LoginHost, issuer: &str) -> Result<Option<String>, OtherIssuer> {
    if issuer == host.issuer() {
        return Ok(None);
    }
    let mut hosts = iter::once(&settings.default_host).chain(settings.hosts.values());
    let url = Url::parse(issuer).map_err(|_| OtherIssuer)?;
    let allowed = AllowedHosts::new(settings.allowed_origins.iter().cloned());
    // Another host that users may choose here (RFC 9700 section 4.4), or one that is no instance of Salesforce.
    if hosts.any(|other| other.issuer() == issuer) || allowed.check(&url).is_err() {
        return Err(OtherIssuer);
    }
    Ok(Some(issuer.to_owned()))
}

async fn exchange(
    worker: &WorkerState,
    request: &HttpRequest,
    parameters: &Parameters<'_>,
    pending: &PendingLogin,
    time_left: Duration,
) -> Result<HttpResponse, LoginError> {
    let settings = worker.settings();
    let failed = |failed: FailedLogin| pending.failed(settings, failed);

    let malformed = || FailedLogin::from(LoginFailure::MalformedCallback);
    if !is_callback_of(settings, request, &pending.host) {
        return Err(failed(malformed().because(OtherCallback)).into());
    }
    let issuer = parameters.iss.map_or(Ok(None), |issuer| check_issuer(settings, &pending.host, issuer));
    let issuer = issuer.map_err(|error| failed(malformed().because(error)))?;
    if let Some(code) = parameters.error {
        return Err(failed(denied(code, parameters.description).into()).into());
    }
    let Some(code) = parameters.code else { return Err(failed(malformed()).into()) };

    let callback = Callback {
        client_id: pending.client_id.clone(),
        host: pending.host.clone(),
        redirect_uri: settings.redirect_uri_of(&pending.host),
        code: Secret::new(code),
        state: pending.state.clone(),
        verifier: pending.verifier.clone(),
        nonce: pending.nonce.clone(),
        login_seed: pending.login_seed.clone(),
        issuer,
        time_left: time_left.saturating_add(CLOCK_TOLERANCE),
        purpose: pending.connects.clone().map_or(CallbackPurpose::Login, CallbackPurpose::Connect),
    };
    let completed = worker.salesforce().finish_login(callback).await;
    let login = match completed.map_err(|error| failed(error.into()))? {
        Completed::Login(login) => login,
        Completed::Connected => return Ok(response::see_other(pending.return_to.location())),
        Completed::Used => {
            return match unknown_state(worker, request, parameters).await {
                Err(LoginError::Failed(unknown)) => Err(failed(unknown).into()),
                other => other,
            };
        }
    };

    let not_stored = |error| failed(FailedLogin::not_stored(error));
    let Some(id) = login.id().cloned() else {
        return Err(not_stored(Error::internal("the login has ended")).into());
    };
    let outcome = login.outcome();
    // A further callback may come to another process than the first: what the ID token said is known there only.
    let is_known = outcome.is_complete || pending.nonce.is_none();
    let fresh = (is_known && pending.is_fresh_for(outcome.user))
        .then(|| FreshLogin { completed_at: worker.salesforce().now(), auth_time: outcome.auth_time });
    let facts = outcome.facts.as_deref().and_then(|facts| serde_json::from_str(facts).ok());
    let host = pending.host.as_url().to_string();
    let user = user_tag(outcome.user);
    let contents =
        CookieContents { id: id.clone(), host, user: Some(user.clone()), fresh, facts, frame: None };
    let current = worker.current_login(request);
    let logins = worker.browser_logins(request);
    // It matters only where there are several. An outage says nothing about the current one.
    let are_several = logins.len() > 1 || worker.names_current(request);
    let has_current = are_several && !matches!(worker.login(request).await, Ok(None));
    let placement = Placement::of(pending.adds, &user, logins, current, has_current);
    let cookie = worker.login_cookie(&placement.slot, &contents);
    let cookie = cookie.map_err(|error| failed(FailedLogin::not_stored(error)))?;
    if !placement.has_room(cookie.name().len() + cookie.value().len()) {
        // The login is undone, because no response delivers it.
        return Err(failed(LoginFailure::TooManyOrgs.into()).into());
    }
    let guard =
        LoopGuard::after_login(pending.completed_before, &id).cookie(settings, worker.salesforce().now());
    let mut cookies = vec![cookie, guard.map_err(|error| failed(FailedLogin::not_stored(error)))?];
    cookies.extend(last_host::cookie(settings, &pending.host));
    let stay = placement.staying.iter().map(|login| &login.contents.id);
    let handle = logout_handle::make(settings, stay.chain([&id]));
    cookies.extend(handle.map_err(|error| failed(FailedLogin::not_stored(error)))?);
    cookies.extend(logout_handle::leftover(settings, request.headers()));
    let others = placement.other_cookies(worker, request, &user);
    cookies.extend(others.map_err(|error| failed(FailedLogin::not_stored(error)))?);
    placement.separate_sessions(worker, request, outcome.user);
    login.commit();
    // The former logins that this one replaces end, even if they belong to the same user. Another callback of the same
    // login may have written its cookie already.
    for old in placement.replaced.into_iter().filter(|old| old.contents.id != id) {
        worker.grants().log_out_later(old.contents.id);
    }
    let mut response = response::see_other(pending.return_to.location());
    cookies.extend(silent::forgotten(settings, request.headers()));
    // A cookie of the former credentials may have the name of one that is written.
    let is_written = |name: &str| cookies.iter().any(|cookie| cookie.name() == name);
    let leftovers = worker.leftovers(request).into_iter().filter(|cookie| !is_written(cookie.name()));
    for cookie in cookies.iter().chain(&leftovers.collect::<Vec<_>>()) {
        add_cookie(&mut response, cookie);
    }
    Ok(response)
}

/// The callback came too late, for example after a user has enrolled a second factor. It starts one new login, with the
/// same target and host; the user is logged in at Salesforce by now. A second late one is a page.
async fn late(
    worker: &WorkerState,
    request: &HttpRequest,
    parameters: &Parameters<'_>,
    pending: &PendingLogin,
) -> Result<HttpResponse, LoginError> {
    let settings = worker.settings();
    let is_final = pending.replaces_late || pending.is_silent;
    if parameters.error.is_some() || parameters.code.is_none() || is_final {
        return match unknown_state(worker, request, parameters).await {
            Err(LoginError::Failed(unknown)) => Err(pending.failed(settings, unknown).into()),
            other => other,
        };
    }
    if !pending.adds && pending.connects.is_none() && worker.current_user(request).await?.is_some() {
        return Ok(response::see_other(pending.return_to.location()));
    }
    tracing::info!("login callback came too late: the login starts once more");
    let options = AuthorizeOptions::new(settings.scopes.clone());
    let start = Start {
        completed_before: pending.completed_before,
        replaces_late: true,
        adds: pending.adds,
        connects: pending.connects.clone(),
        ..Start::new(pending.host.clone(), pending.return_to.clone(), options)
    };
    begin(worker, request, start)
}

/// The browser has no open pending login with this state: it did not start here, is used, or has expired. Nothing
/// changes.
async fn unknown_state(
    worker: &WorkerState,
    request: &HttpRequest,
    parameters: &Parameters<'_>,
) -> Result<HttpResponse, LoginError> {
    // Salesforce returns some errors without the state. Any site can link here, so only a known code is explained.
    if let Some(known) = parameters.error.and_then(pages::known_code) {
        return Err(LoginFailure::Denied { code: Some(known), description: parameters.description }.into());
    }
    // The back button after a login: the user is logged in already.
    let has_code = parameters.error.is_none() && parameters.code.is_some();
    if has_code && worker.current_user(request).await?.is_some() {
        return Ok(response::see_other(worker.settings().after_login.location()));
    }
    let public_url = worker.settings().public_url.to_string();
    Err(FailedLogin::from(LoginFailure::UnknownState).because(NoPendingLogin { public_url }).into())
}

/// No cookie of a pending login came with the callback.
#[derive(Debug, thiserror::Error)]
#[error(
    "the browser sent no such pending login. If this happens to each login, users open the app at another address than \
     its public URL {public_url}, or their browsers reject cookies"
)]
struct NoPendingLogin {
    public_url: String,
}

fn denied(code: &str, description: Option<&'static str>) -> LoginFailure {
    LoginFailure::Denied { code: pages::known_code(code), description }
}

impl From<LogInError> for FailedLogin {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::OAuth(error) => error.into(),
            LogInError::TooManyLogins => LoginFailure::TooManyLogins.into(),
            LogInError::Identity(problem) if problem.is_wrong_clock() => {
                Self::from(LoginFailure::WrongClock).because(problem)
            }
            error @ LogInError::NotFinished => {
                let failure = LoginFailure::TokenEndpoint { retry_after: None, transient: true };
                Self::from(failure).because(error)
            }
            LogInError::OrgNotAllowed(refused) => Self::from(match refused {
                RefusedOrg::Sandbox | RefusedOrg::PerhapsSandbox => LoginFailure::SandboxNotAllowed,
                _ => LoginFailure::OrgNotAllowed,
            })
            .because(refused),
            LogInError::Refused(reason) => LoginFailure::Refused { reason }.into(),
            error @ LogInError::NotDecided(_) => Self::from(LoginFailure::NotDecided).because(error),
            error @ LogInError::Issuer => Self::from(LoginFailure::MalformedCallback).because(error),
            LogInError::Identity(problem) => Self::from(LoginFailure::IdentityMismatch).because(problem),
            error @ (LogInError::Store(_) | LogInError::Internal(_)) => Self::not_stored(error),
        }
    }
}

impl From<OAuthError> for FailedLogin {
    fn from(error: OAuthError) -> Self {
        if error.is_credentials_rejected() {
            return Self::from(LoginFailure::CredentialsRejected).because(error);
        }
        if let Some(code) = error.error_code() {
            let description = error.description().and_then(pages::known_description);
            return Self::from(denied(code, description)).because(error);
        }
        if matches!(error, OAuthError::InvalidResponse(InvalidTokenResponse::InstanceNotAllowed)) {
            return Self::from(LoginFailure::InstanceNotAllowed).because(error);
        }
        let (retry_after, transient) = (error.retry_after(), error.is_transient());
        Self::from(LoginFailure::TokenEndpoint { retry_after, transient }).because(error)
    }
}
