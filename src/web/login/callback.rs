//! The callback route: the redirect URI, to which Salesforce sends the browser after the login.

use actix_session::SessionExt as _;
use actix_web::{HttpRequest, HttpResponse};

use super::{
    add_cookie,
    failure::{FailedLogin, LoginError, LoginFailure},
    loop_guard::LoopGuard,
    pending_login::{self, PendingLogin},
    query::Query,
    retry_link,
};
use crate::{
    config::SessionMode,
    grants::LogInError,
    web::{pages, response, session::former_user, worker::WorkerState},
};
use salesforce_connection::{
    Error, Secret,
    oauth::{InvalidTokenResponse, LoginHost, OAuthError},
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
    state: Option<&'a str>,
    code: Option<&'a str>,
    error: Option<&'a str>,
    iss: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn of(query: &'a Query) -> Result<Self, LoginFailure> {
        let one = |name, max| query.one(name, max).map_err(|_| LoginFailure::MalformedCallback);
        Ok(Self {
            state: one("state", 512)?,
            code: one("code", 4096)?,
            error: one("error", 256)?,
            iss: one("iss", 512)?,
        })
    }
}

async fn complete(request: &HttpRequest) -> Result<HttpResponse, LoginError> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    let query = Query::parse(request.query_string()).map_err(|_| LoginFailure::MalformedCallback)?;
    let parameters = Parameters::of(&query)?;

    let found = parameters.state.and_then(|state| PendingLogin::find(settings, request.headers(), state));
    let now = worker.salesforce().now();
    let Some(pending) = found.filter(|pending| !pending.has_expired(now)) else {
        return unknown_state(&worker, request, &parameters).await;
    };
    let host: LoginHost = pending.host.parse().map_err(|_| LoginFailure::MalformedCallback)?;
    let is_first =
        worker.engine().consume(&pending.state, pending_login::LIFETIME * 2).await.map_err(|error| {
            // The state may be used now, so that only a new login helps.
            let link = retry_link(settings, &host, &pending.return_to);
            FailedLogin::not_stored(error).retry_at(link)
        })?;
    let outcome = if is_first {
        exchange(&worker, request, &parameters, &pending, &host).await
    } else {
        unknown_state(&worker, request, &parameters).await
    };
    // The pending login is used, whatever the outcome.
    let removal = PendingLogin::removal(settings, pending.state.expose());
    match outcome {
        Ok(mut response) => {
            add_cookie(&mut response, &removal);
            Ok(response)
        }
        Err(error) => Err(error.with_cookie(removal)),
    }
}

/// The callback names another issuer than the login host (RFC 9207).
#[derive(Debug, thiserror::Error)]
#[error("it names another issuer than the login host")]
struct OtherIssuer;

async fn exchange(
    worker: &WorkerState,
    request: &HttpRequest,
    parameters: &Parameters<'_>,
    pending: &PendingLogin,
    host: &LoginHost,
) -> Result<HttpResponse, LoginError> {
    let settings = worker.settings();
    let retry = |failed: FailedLogin| failed.retry_at(retry_link(settings, host, &pending.return_to));

    if parameters.iss.is_some_and(|iss| iss != host.issuer()) {
        return Err(FailedLogin::from(LoginFailure::MalformedCallback).because(OtherIssuer).into());
    }
    if let Some(code) = parameters.error {
        return Err(retry(denied(code).into()).into());
    }
    let Some(code) = parameters.code else { return Err(LoginFailure::MalformedCallback.into()) };

    let old = worker.login_id(request);
    let login = worker
        .salesforce()
        .finish_login(host.clone(), Secret::new(code), pending.verifier.clone(), pending.nonce.clone())
        .await
        .map_err(|error| retry(error.into()))?;

    let not_stored = |error| retry(FailedLogin::not_stored(error));
    let Some(id) = login.id().cloned() else {
        return Err(not_stored(Error::internal("the login has ended")).into());
    };
    let cookies = [
        worker.login_cookie(&id).map_err(|error| retry(FailedLogin::not_stored(error)))?,
        LoopGuard::after_login(pending.completed_before, &id)
            .cookie(settings, worker.salesforce().now())
            .map_err(|error| retry(FailedLogin::not_stored(error)))?,
    ];
    // The app's session gets a new id, so that an id from before the login is worth nothing after it (ASVS 7.2.4).
    request.get_session().renew();
    if settings.session == SessionMode::Embedded {
        let user = worker.engine().login(&id).await.ok().flatten().map(|grant| grant.key().user());
        if let Some(user) = user {
            former_user::separate(request, user);
        }
    }
    login.keep();
    if let Some(old) = old {
        // The browser's former login ends, even if it belongs to the same user.
        worker.engine().log_out_later(old);
    }
    let mut response = response::see_other(pending.return_to.location());
    for cookie in &cookies {
        add_cookie(&mut response, cookie);
    }
    Ok(response)
}

/// The browser has no open pending login with this state: it did not start here, is used, or has expired.
async fn unknown_state(
    worker: &WorkerState,
    request: &HttpRequest,
    parameters: &Parameters<'_>,
) -> Result<HttpResponse, LoginError> {
    // The back button after a login: the user is logged in already.
    let has_code = parameters.error.is_none() && parameters.code.is_some();
    if has_code && worker.login(request).await?.is_some() {
        return Ok(response::see_other(worker.settings().after_login.location()));
    }
    Err(LoginFailure::UnknownState.into())
}

fn denied(code: &str) -> LoginFailure {
    LoginFailure::Denied { code: pages::known_code(code) }
}

impl From<LogInError> for FailedLogin {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::OAuth(error) => error.into(),
            LogInError::TooManyLogins => LoginFailure::TooManyLogins.into(),
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
            return Self::from(denied(code)).because(error);
        }
        if matches!(error, OAuthError::InvalidResponse(InvalidTokenResponse::InstanceNotAllowed)) {
            return Self::from(LoginFailure::InstanceNotAllowed).because(error);
        }
        let (retry_after, transient) = (error.retry_after(), error.is_transient());
        Self::from(LoginFailure::TokenEndpoint { retry_after, transient }).because(error)
    }
}
