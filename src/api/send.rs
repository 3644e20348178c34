//! The one place that sends: token, refresh, retry.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, debug_span, field::Empty};

use super::{
    ApiUsage, Connection, compress,
    path::ResourcePath,
    refusal::{self, Kind},
    retry::{Failure, Replay},
};
use crate::{
    Error, Result,
    grants::GrantTokens,
    http::{Answer, HttpError, Request, Upload},
};

/// How long one call may take unless the connection says otherwise.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// The largest answer that is read unless the call says otherwise.
pub(crate) const MAX_ANSWER: usize = 32 * 1024 * 1024;

const CALL_OPTIONS: HeaderName = HeaderName::from_static("sforce-call-options");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A call to the API, independent of the token and the instance it will be sent with.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: ResourcePath,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) replay: Replay,
    pub(crate) max_bytes: usize,
    /// Instead of `body`.
    pub(crate) upload: Option<Upload>,
    /// Whether the body of a success is left to the caller to read.
    pub(crate) unread: bool,
}

impl Call {
    pub(crate) fn new(method: Method, path: ResourcePath) -> Self {
        // RFC 9110, section 9.2.2.
        let idempotent = matches!(method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        let replay = if idempotent { Replay::Harmless } else { Replay::Harmful };
        let headers = HeaderMap::from_iter([(ACCEPT, JSON)]);
        Self {
            method,
            path,
            headers,
            body: Bytes::new(),
            replay,
            max_bytes: MAX_ANSWER,
            upload: None,
            unread: false,
        }
    }

    pub(crate) fn get(path: ResourcePath) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn json(mut self, body: Bytes) -> Self {
        self.headers.insert(CONTENT_TYPE, JSON);
        self.body = body;
        self
    }

    /// Whatever the connection says.
    pub(crate) fn never_again(mut self) -> Self {
        self.replay = Replay::Never;
        self
    }

    pub(crate) fn harmless(mut self) -> Self {
        self.replay = Replay::Harmless;
        self
    }
}

impl Connection {
    /// Sends a call until it has an answer that says yes, or an error that sending again does not change.
    ///
    /// An expired token is refreshed at most once, and the call then sent once more: Salesforce had refused it before
    /// doing anything. Other failures are retried as the connection's [`Retry`](super::Retry) says.
    pub(crate) fn send(&self, call: Call) -> impl Future<Output = Result<Answer>> {
        // Which resource, and nothing that a caller put in: no id, value, query or body.
        let span = debug_span!(
            "salesforce.call",
            grant = %self.grant().key(),
            method = %call.method,
            resource = %call.path.resource(),
            status = Empty,
            retries = Empty
        );
        self.send_within(span.clone(), call).instrument(span)
    }

    async fn send_within(&self, span: Span, call: Call) -> Result<Answer> {
        if self.is_optional()
            && let Some(usage) = self.org().usage.above(self.shared().manners.optional_until_percent)
        {
            return Err(Error::Shed { usage });
        }
        let call = compress::call(call).await;
        let began = Instant::now();
        let mut grant = self.grant().current()?;
        let mut refreshed = false;
        let mut maybe_done = false;
        let mut retries = 0;
        loop {
            let outcome = self.exchange(&call, &grant).await?;
            if let Ok(answer) = &outcome {
                span.record("status", answer.status.as_u16());
            }
            span.record("retries", retries);
            let (failure, error) = match outcome {
                Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED => {
                    self.org().note(None);
                    return Ok(answer);
                }
                Ok(answer) => {
                    let mut refusal =
                        refusal::read(answer.status.as_u16(), &answer.body, answer.retry_after());
                    self.org().note(Some(&mut refusal.error));
                    match refusal.kind {
                        Kind::TokenExpired if !refreshed => {
                            refreshed = true;
                            grant = self.grant().refresh(grant.version).await?;
                            continue;
                        }
                        // An earlier try, whose answer was lost, had deleted it.
                        Kind::NotFound if maybe_done && call.method == Method::DELETE => {
                            return Ok(Answer { status: StatusCode::NO_CONTENT, ..answer });
                        }
                        Kind::TokenExpired if self.grant().is_over().await => {
                            return Err(Error::LoginRequired);
                        }
                        Kind::TokenExpired | Kind::NotFound => return Err(refusal.error),
                        Kind::Retry(failure) => (failure, refusal.error),
                    }
                }
                Err(error) => (failure(&error), Error::Http(error)),
            };
            let wait = self.retry().wait(call.replay, failure, retries, began.elapsed(), random_fraction());
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(grant = %grant.key, method = %call.method, ?failure, ?wait, "asking Salesforce again");
            maybe_done |= matches!(failure, Failure::AnswerLost | Failure::Busy { .. });
            retries += 1;
            tokio::time::sleep(wait).await;
            // Others may have refreshed it meanwhile, or ended the login.
            grant = self.grant().current()?;
        }
    }

    /// One try, on the grant's own instance and nowhere else.
    async fn exchange(&self, call: &Call, grant: &GrantTokens) -> Result<Result<Answer, HttpError>> {
        let url = call.path.on(&grant.instance_url)?;
        let mut headers = call.headers.clone();
        headers.insert(AUTHORIZATION, grant.bearer.clone());
        if let Some(options) = self.call_options() {
            headers.entry(CALL_OPTIONS).or_insert_with(|| options.clone());
        }
        let request = Request {
            method: call.method.clone(),
            url,
            headers,
            body: call.body.clone(),
            deadline: self.deadline(),
            max_bytes: call.max_bytes,
            upload: call.upload.clone(),
            unread: call.unread,
        };
        let turn = self.org().turn().await?;
        let outcome = self.http().send(request).await;
        drop(turn);
        if let Ok(answer) = &outcome {
            let usage = answer.headers.get("sforce-limit-info").and_then(|value| value.to_str().ok());
            if let Some(usage) = usage.and_then(ApiUsage::parse) {
                self.org().usage.set(usage);
            }
        }
        Ok(outcome)
    }
}

fn failure(error: &HttpError) -> Failure {
    match error {
        HttpError::Connect(_) => Failure::NeverSent,
        HttpError::Timeout | HttpError::TooSlow | HttpError::LostAnswer(_) => Failure::AnswerLost,
        _ => Failure::Final,
    }
}

/// From 0 to 1. Without randomness every wait is of the same, middle length.
pub(super) fn random_fraction() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
