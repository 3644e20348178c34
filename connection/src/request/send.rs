//! The one place that sends: token, refresh, retry.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, debug_span, field::Empty};

use crate::{
    connection::Connection,
    error::{Error, Result},
    http::{error::HttpError, request::Request, response::Response, streaming_body::Upload},
    random,
    request::{
        compress,
        error_response::{self, ErrorClass},
        path::ResourcePath,
        retry::{Failure, Idempotency},
        usage::ApiUsage,
    },
    token::AccessToken,
};

/// How long one call may take unless the connection says otherwise.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is read unless the call says otherwise.
pub(crate) const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

const CALL_OPTIONS: HeaderName = HeaderName::from_static("sforce-call-options");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A call to the API, independent of the token and the instance it will be sent with.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: ResourcePath,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) idempotency: Idempotency,
    pub(crate) max_bytes: usize,
    /// Instead of `body`.
    pub(crate) upload: Option<Upload>,
    /// Whether the body of a success is left to the caller to read.
    pub(crate) unread: bool,
}

impl ApiRequest {
    pub(crate) fn new(method: Method, path: ResourcePath) -> Self {
        // RFC 9110, section 9.2.2.
        let idempotent = matches!(method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        let idempotency = if idempotent { Idempotency::Idempotent } else { Idempotency::Unsafe };
        let headers = HeaderMap::from_iter([(ACCEPT, JSON)]);
        Self {
            method,
            path,
            headers,
            body: Bytes::new(),
            idempotency,
            max_bytes: MAX_RESPONSE_BYTES,
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
    pub(crate) fn no_retry(mut self) -> Self {
        self.idempotency = Idempotency::NoRetry;
        self
    }

    pub(crate) fn idempotent(mut self) -> Self {
        self.idempotency = Idempotency::Idempotent;
        self
    }
}

impl Connection {
    /// Sends a call until it has an answer that says yes, or an error that sending again does not change.
    ///
    /// An expired token is refreshed at most once, and the call then sent once more: Salesforce had refused it before
    /// doing anything. Other failures are retried as the connection's [`Retry`](crate::request::retry::Retry) says.
    pub(crate) fn send(&self, call: ApiRequest) -> impl Future<Output = Result<Response>> {
        // Which resource, and nothing that a caller put in: no id, value, query or body.
        let span = debug_span!(
            "salesforce.call",
            user = %self.user(),
            method = %call.method,
            resource = %call.path.resource(),
            status = Empty,
            retries = Empty
        );
        self.send_within(span.clone(), call).instrument(span)
    }

    async fn send_within(&self, span: Span, call: ApiRequest) -> Result<Response> {
        if self.is_optional()
            && let Some(usage) = self.org().usage.above(self.client().limits().low_priority_quota_percent)
        {
            return Err(Error::QuotaReserved { usage });
        }
        let call = compress::call(call).await;
        let began = Instant::now();
        let mut token = self.token_source().token()?;
        let mut refreshed = false;
        let mut maybe_done = false;
        let mut retries = 0;
        loop {
            let outcome = self.exchange(&call, &token).await?;
            if let Ok(answer) = &outcome {
                span.record("status", answer.status.as_u16());
            }
            span.record("retries", retries);
            let (failure, error) = match outcome {
                Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED => {
                    self.org().record_outcome(None);
                    return Ok(answer);
                }
                Ok(answer) => {
                    let mut refusal =
                        error_response::read(answer.status.as_u16(), &answer.body, answer.retry_after());
                    self.org().record_outcome(Some(&mut refusal.error));
                    match refusal.kind {
                        ErrorClass::TokenExpired if !refreshed => {
                            refreshed = true;
                            token = self.token_source().refresh(&token).await?;
                            continue;
                        }
                        // An earlier try, whose answer was lost, had deleted it.
                        ErrorClass::NotFound if maybe_done && call.method == Method::DELETE => {
                            return Ok(Response { status: StatusCode::NO_CONTENT, ..answer });
                        }
                        ErrorClass::TokenExpired if self.token_source().is_revoked().await => {
                            return Err(Error::LoginRequired);
                        }
                        ErrorClass::TokenExpired | ErrorClass::NotFound => return Err(refusal.error),
                        ErrorClass::Retry(failure) => (failure, refusal.error),
                    }
                }
                Err(error) => (failure(&error), Error::Http(error)),
            };
            let wait =
                self.retry().wait(call.idempotency, failure, retries, began.elapsed(), random::fraction());
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(user = %self.user(), method = %call.method, ?failure, ?wait, "asking Salesforce again");
            maybe_done |= matches!(failure, Failure::AnswerLost | Failure::Busy { .. });
            retries += 1;
            tokio::time::sleep(wait).await;
            // Others may have refreshed it meanwhile, or ended the login.
            token = self.token_source().token()?;
        }
    }

    /// One try, on the grant's own instance and nowhere else.
    async fn exchange(&self, call: &ApiRequest, token: &AccessToken) -> Result<Result<Response, HttpError>> {
        let url = call.path.on(token.instance_url())?;
        let mut headers = call.headers.clone();
        headers.insert(AUTHORIZATION, token.authorization().clone());
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
        let permit = self.org().acquire().await?;
        let outcome = self.http().send(request).await;
        drop(permit);
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
        HttpError::Timeout | HttpError::TooSlow | HttpError::ConnectionLost(_) => Failure::AnswerLost,
        _ => Failure::Final,
    }
}
