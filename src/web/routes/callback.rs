//! The callback route: where Salesforce sends the browser back to.

use actix_session::SessionExt as _;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, http::StatusCode};

use super::{
    super::{
        answer,
        attempt::{self, Attempt, landing},
        context::{self, Worker},
        error,
        explain::{Explanation, explain},
        session,
    },
    Refusal,
    login::add_cookie,
    login_again,
    query::Query,
};
use crate::{error_chain::Chain, grant::LogInError};
use salesforce_connection::{
    Error, Result, Secret,
    oauth::{LoginHost, OAuthError},
};

/// Finishes a login: checks the answer against the browser's attempt, trades the code, stores the grant, renews the
/// session and answers 303 to where the person wanted to go.
///
/// A callback that is not this browser's, not complete, or was answered before never reaches the token endpoint and
/// leaves an existing login as it is.
pub async fn callback(request: HttpRequest) -> HttpResponse {
    match finish(&request).await {
        Ok(response) => response,
        Err(error) => error::answer(&error, &request),
    }
}

/// What the query of a callback may hold. Salesforce adds others (RFC 6749 section 4.1.2: ignored).
struct Answer<'a> {
    state: Option<&'a str>,
    code: Option<&'a str>,
    error: Option<&'a str>,
    iss: Option<&'a str>,
}

async fn finish(request: &HttpRequest) -> Result<HttpResponse> {
    let worker = Worker::of(request)?;
    let settings = worker.settings();
    let Ok(query) = Query::parse(request.query_string()) else { return Ok(malformed(&worker)) };
    let one = |name, max| query.one(name, max);
    let (Ok(state), Ok(code), Ok(error), Ok(iss)) =
        (one("state", 512), one("code", 4096), one("error", 256), one("iss", 512))
    else {
        return Ok(malformed(&worker));
    };
    let answer = Answer { state, code, error, iss };

    let found = answer.state.and_then(|state| Attempt::find(settings, request.headers(), state));
    let now = worker.salesforce().now();
    let Some(attempt) = found.filter(|attempt| !attempt.has_expired(now)) else {
        return not_ours(&worker, request, &answer).await;
    };
    let Ok(host) = attempt.host.parse::<LoginHost>() else { return Ok(malformed(&worker)) };
    // From here on the attempt and its code may be spent: only a new login helps.
    let failed = |error| not_kept(&worker, &error, login_again(settings, &host, &attempt.return_to));
    let fresh = match worker.engine().consume(&attempt.state, attempt::LIFETIME * 2).await {
        Ok(fresh) => fresh,
        Err(error) => return Ok(failed(error.into())),
    };
    let mut response = match fresh {
        true => exchange(&worker, request, &answer, &attempt, &host).await.unwrap_or_else(failed),
        false => not_ours(&worker, request, &answer).await?,
    };
    // Used up, whatever came of it.
    add_cookie(&mut response, &Attempt::removal(settings, attempt.state.expose()));
    Ok(response)
}

async fn exchange(
    worker: &Worker,
    request: &HttpRequest,
    answer: &Answer<'_>,
    attempt: &Attempt,
    host: &LoginHost,
) -> Result<HttpResponse> {
    let settings = worker.settings();
    let try_again = || login_again(settings, host, &attempt.return_to);

    // RFC 9207: an issuer, when named, is the one this attempt went to.
    if answer.iss.is_some_and(|iss| iss != host.issuer()) {
        tracing::warn!("a login was answered in the name of another host; refused");
        return Ok(malformed(worker));
    }
    if let Some(code) = answer.error {
        return Ok(refused(worker, explain(code), try_again()));
    }
    let Some(code) = answer.code else { return Ok(malformed(worker)) };

    let old = context::login_id(worker, request);
    let logged_in = worker
        .salesforce()
        .finish_login(host.clone(), Secret::new(code), attempt.verifier.clone(), attempt.nonce.clone())
        .await;
    let login = match logged_in {
        Ok(login) => login,
        Err(LogInError::OAuth(error)) => return Ok(token_refused(worker, &error, try_again())),
        Err(LogInError::Crowded) => return Ok(crowded(worker, try_again())),
        Err(LogInError::Identity(problem)) => {
            tracing::error!(error = %problem, "a login was refused: what Salesforce answered does not hold together");
            return Ok(untrusted(worker, try_again()));
        }
        Err(LogInError::Store(error)) => return Err(error.into()),
        Err(LogInError::Internal(error)) => return Err(Error::internal(error)),
    };

    let session = request.get_session();
    let taken = login.id().is_some_and(|id| session::set_login_id(&session, id, worker.member()).is_ok());
    if !taken {
        return Err(Error::internal("the session did not take the login id"));
    }
    login.keep();
    if let Some(old) = old {
        // The session's former login ends with its session id, whoever it was.
        worker.engine().log_out_later(old);
    }
    let mut response = answer::see_other(attempt.return_to.location());
    let landings = attempt.landings.saturating_add(1);
    add_cookie(&mut response, &landing::cookie(settings, landings, worker.salesforce().now())?);
    Ok(response)
}

/// There is no open attempt with this state in this browser: never begun here, answered before, or too old.
async fn not_ours(worker: &Worker, request: &HttpRequest, answer: &Answer<'_>) -> Result<HttpResponse> {
    // The back button after a login: nothing to do, the person is in.
    if answer.error.is_none() && answer.code.is_some() && context::login(worker, request).await?.is_some() {
        return Ok(answer::see_other(worker.settings().after_login.location()));
    }
    tracing::warn!("a callback came without an open login of its browser; refused");
    let refusal = Refusal {
        status: StatusCode::BAD_REQUEST,
        title: "This login cannot be finished",
        text: vec![
            "It was not started in this browser, was finished before, or took longer than ten minutes.".to_owned(),
            "Start again. If you end up here again, your browser does not keep this site's cookies: allow them, or \
             try another browser."
                .to_owned(),
        ],
        code: None,
        try_again: worker.settings().paths.login.as_deref().map(|login| worker.settings().paths.full(login)),
    };
    Ok(refusal.page(worker))
}

fn malformed(worker: &Worker) -> HttpResponse {
    tracing::warn!("a malformed callback was refused");
    let refusal = Refusal {
        status: StatusCode::BAD_REQUEST,
        title: "Salesforce's answer could not be read",
        text: vec!["It is incomplete or was altered on the way. You were not logged in.".to_owned()],
        code: None,
        try_again: worker.settings().paths.login.as_deref().map(|login| worker.settings().paths.full(login)),
    };
    refusal.page(worker)
}

/// Salesforce said no, with a code.
fn refused(worker: &Worker, explanation: Explanation, try_again: Option<String>) -> HttpResponse {
    tracing::warn!(code = explanation.code.unwrap_or("unknown"), "Salesforce refused a login");
    let refusal = Refusal {
        status: explanation.status,
        title: explanation.title,
        text: vec![explanation.what.to_owned(), explanation.mend.to_owned()],
        code: explanation.code,
        try_again,
    };
    refusal.page(worker)
}

/// The token endpoint did not give tokens.
fn token_refused(worker: &Worker, error: &OAuthError, try_again: Option<String>) -> HttpResponse {
    if let Some(code) = error.error_code() {
        return refused(worker, explain(code), try_again);
    }
    tracing::error!(%error, "a login could not be finished: Salesforce did not answer as it should");
    let status = if error.is_transient() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY };
    let refusal = Refusal {
        status,
        title: "Salesforce did not answer",
        text: vec![
            "Salesforce let you in, but could not be reached to finish the login. Please try again in a moment."
                .to_owned(),
        ],
        code: None,
        try_again,
    };
    let mut response = refusal.page(worker);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = error.retry_after().map_or(2, |after| after.as_secs().max(1));
        response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, seconds.into());
    }
    response
}

/// This app could not take or store the login.
fn not_kept(worker: &Worker, error: &Error, try_again: Option<String>) -> HttpResponse {
    tracing::error!(error = %Chain(error), "a login could not be finished");
    let status = error.status_code();
    let more = match status {
        StatusCode::SERVICE_UNAVAILABLE => "Please try again in a moment.",
        _ => {
            "Try again. If the problem persists, please tell the people who run this app; its log says more."
        }
    };
    let refusal = Refusal {
        status,
        title: "Your login could not be finished",
        text: vec!["This app could not save your login.".to_owned(), more.to_owned()],
        code: None,
        try_again,
    };
    let mut response = refusal.page(worker);
    error::add_retry_after(error, &mut response);
    response
}

/// Too many logins at once.
fn crowded(worker: &Worker, try_again: Option<String>) -> HttpResponse {
    tracing::warn!("a login could not be finished: too many are being finished at this moment");
    let refusal = Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "Too many people are logging in",
        text: vec!["Your login could not be finished. Please try again in a moment.".to_owned()],
        code: None,
        try_again,
    };
    let mut response = refusal.page(worker);
    response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, 5.into());
    response
}

fn untrusted(worker: &Worker, try_again: Option<String>) -> HttpResponse {
    let refusal = Refusal {
        status: StatusCode::BAD_GATEWAY,
        title: "This login could not be confirmed",
        text: vec![
            "What Salesforce said about who you are is contradictory, so you were not logged in.".to_owned(),
            "Try again. If the problem persists, please tell the people who run this app; its log says more."
                .to_owned(),
        ],
        code: None,
        try_again,
    };
    refusal.page(worker)
}
