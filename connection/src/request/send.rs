//! Sends every API request: token, refresh, limits and retries.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, debug_span, field::Empty};
use url::Url;

use crate::{
    connection::Connection,
    error::{Error, InvalidRequest, InvalidResponse, Result},
    http::{error::HttpError, request::Request, response::Response, streaming_body::Upload},
    random,
    request::{
        api_host_state::ApiHostState,
        compress, decode,
        error_response::{self, ErrorClass},
        long_query::{self, LongQuery},
        misdirected::{self, Misdirected},
        path::ResourcePath,
        retry::{Failure, Idempotency},
        usage::ApiUsage,
    },
    token::{AccessToken, TokenError},
    version::{ApiVersion, VersionChoice},
};

/// Default timeout of one attempt, connecting included: long enough for a page of a slow query.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest response in bytes, after decompression, unless a request sets another limit. Bounds the memory of a request.
pub(crate) const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// Longest URL and headers of a request together, in bytes; above it Salesforce responds with 414 or 431. Source:
/// Salesforce Knowledge 000386264.
pub(crate) const MAX_HEAD_BYTES: usize = 16_384;
/// Bytes of the headers that the HTTP client adds: host, user agent, encodings, length. About 200 with a long host name.
const ADDED_HEADERS: usize = 256;

const CALL_OPTIONS: HeaderName = HeaderName::from_static("sforce-call-options");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An API request, independent of the token and the instance that it is sent with.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: ResourcePath,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) idempotency: Idempotency,
    pub(crate) max_bytes: usize,
    /// Replaces `body`.
    pub(crate) upload: Option<Upload>,
    /// Whether the caller reads the body of a successful response.
    pub(crate) unread: bool,
    /// Whether that body is a stream of events.
    pub(crate) is_event_stream: bool,
    /// The API host that the request is sent to. `None`: the instance.
    pub(crate) api_host: Option<Arc<Url>>,
    /// Whether a response with status 400 may list a result for each part of the request.
    pub(crate) returns_results: bool,
    /// The query that is the only part of this composite request.
    pub(crate) long_query: Option<Box<LongQuery>>,
}

impl ApiRequest {
    pub(crate) fn new(method: Method, path: ResourcePath) -> Self {
        // RFC 9110 section 9.2.2.
        let is_idempotent = matches!(method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        let idempotency = if is_idempotent { Idempotency::Idempotent } else { Idempotency::NotIdempotent };
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
            is_event_stream: false,
            api_host: None,
            returns_results: false,
            long_query: None,
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

    /// Returns the same request in another version of the REST API.
    fn in_version(mut self, version: ApiVersion) -> Result<Self> {
        self.path = self.path.in_version(version);
        if let Some(query) = self.long_query.take() {
            let (query, body) = query.in_version(version)?;
            (self.long_query, self.body) = (Some(Box::new(query)), body);
        }
        Ok(self)
    }

    /// Prevents retries, independent of the connection's settings.
    pub(crate) fn no_retry(mut self) -> Self {
        self.idempotency = Idempotency::NoRetry;
        self
    }

    /// Marks a request whose method alone is not idempotent, for example an upsert.
    pub(crate) fn idempotent(mut self) -> Self {
        self.idempotency = Idempotency::Idempotent;
        self
    }
}

impl Connection {
    /// Sends a request until it succeeds or fails with an error that a retry does not change.
    ///
    /// After an expired token the source refreshes it, and the request is sent once more: Salesforce rejected it before it
    /// did anything. Other failures are retried as the connection's [`Retry`](crate::request::Retry) says.
    pub(crate) fn send(&self, request: ApiRequest) -> impl Future<Output = Result<Response>> {
        // Contains no values of the caller: no id, query or body.
        let span = debug_span!(
            "salesforce.call",
            user = %self.user(),
            method = %request.method,
            resource = %request.path.log_name(),
            host = request.api_host.as_deref().and_then(Url::host_str),
            status = Empty,
            retries = Empty
        );
        self.send_in_span(span.clone(), request).instrument(span)
    }

    async fn send_in_span(&self, span: Span, request: ApiRequest) -> Result<Response> {
        let api_host = request.api_host.as_deref().map(|host| self.org().api_host(host));
        // The limits of an org are those of its instance.
        if api_host.is_none() {
            self.check_quota()?;
        }
        let mut request = request;
        if self.version_choice() == VersionChoice::Newest && request.path.is_versioned() {
            request = request.in_version(self.newest_for_request().await?)?;
        }
        let request = compress::request(request).await;
        let began = Instant::now();
        let mut token = self.token_source().token()?;
        let mut is_refreshed = false;
        let mut may_have_taken_effect = false;
        let mut retries = 0;
        loop {
            let outcome = self.attempt(&request, &token, api_host.as_deref()).await?;
            if let Ok(response) = &outcome {
                span.record("status", response.status.as_u16());
            }
            span.record("retries", retries);
            // An API host is not moved with the org.
            let of_instance = outcome.as_ref().ok().filter(|_| api_host.is_none());
            let misdirected = of_instance.and_then(|response| misdirected::check(response, &request.path));
            match misdirected {
                Some(misdirected) if !is_refreshed => {
                    is_refreshed = true;
                    // Not a limit. A probe must not block the repeated request.
                    self.org().record_outcome(None);
                    if let Some(refreshed) = self.redirected(&request, &token, misdirected).await? {
                        token = refreshed;
                        continue;
                    }
                }
                // A refresh does not change the response: without this each request would cause one.
                Some(_) => self.token_source().rejected_again(&token).await,
                None => {}
            }
            let outcome = match outcome {
                Ok(response) if misdirected::is_login_page(&response, &request.path) => {
                    self.record_outcome(&request, None);
                    return Err(InvalidResponse::Unexpected("a login page instead of data").into());
                }
                // The page or the error of the query is in the only part of the response.
                Ok(response) if request.long_query.is_some() && response.status == StatusCode::OK => {
                    Ok(long_query::unwrap(response).inspect_err(|_| self.org().record_outcome(None))?)
                }
                outcome => outcome,
            };
            let (failure, error) = match outcome {
                Ok(response)
                    if response.status.is_success()
                        || response.status == StatusCode::NOT_MODIFIED
                        || (request.returns_results && has_results(&response)) =>
                {
                    self.record_outcome(&request, None);
                    return Ok(response);
                }
                Ok(response) => {
                    let mut rejection = error_response::of(&response, &request.path);
                    if request.api_host.is_some() {
                        rejection = rejection.of_api_host();
                    }
                    self.record_outcome(&request, Some(&mut rejection.error));
                    let has_rejected =
                        api_host.as_ref().is_some_and(|host| host.rejected.contains(self.user_id(), &token));
                    match rejection.class {
                        // Each request would refresh the org's token otherwise.
                        ErrorClass::TokenExpired if has_rejected => return Err(rejection.error),
                        ErrorClass::TokenExpired if !is_refreshed => {
                            is_refreshed = true;
                            match self.refreshed(&token).await? {
                                Some(refreshed) => token = refreshed,
                                None => return Err(rejection.error),
                            }
                            continue;
                        }
                        // An earlier attempt, whose response was lost, has deleted the record.
                        ErrorClass::NotFound if may_have_taken_effect && request.method == Method::DELETE => {
                            return Ok(Response { status: StatusCode::NO_CONTENT, ..response });
                        }
                        ErrorClass::TokenExpired if self.token_source().is_revoked().await => {
                            return Err(Error::LoginRequired);
                        }
                        ErrorClass::TokenExpired => {
                            match &api_host {
                                // The token may be good for the instance.
                                Some(host) => host.rejected.add(self.user_id(), &token),
                                None => self.token_source().rejected_again(&token).await,
                            }
                            return Err(rejection.error);
                        }
                        ErrorClass::NotFound => return Err(rejection.error),
                        ErrorClass::Other(failure) => (failure, rejection.error),
                    }
                }
                Err(error) => (failure_of(&error), Error::Http(error)),
            };
            let elapsed = began.elapsed();
            let wait = self.retry().wait(request.idempotency, failure, retries, elapsed, random::fraction());
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(user = %self.user(), method = %request.method, ?failure, ?wait, "request failed: retrying");
            may_have_taken_effect |= matches!(failure, Failure::ResponseLost | Failure::Busy { .. });
            retries += 1;
            tokio::time::sleep(wait).await;
            // Another request may have refreshed the token meanwhile, or the login may have ended.
            token = self.token_source().token()?;
        }
    }

    /// Fails if this connection has low priority and the org has used most of its daily requests.
    pub(crate) fn check_quota(&self) -> Result<()> {
        let percent = self.client().limits().low_priority_quota_percent;
        match self.org().usage.above(percent).filter(|_| self.is_low_priority()) {
            Some(usage) => Err(Error::QuotaReserved { usage }),
            None => Ok(()),
        }
    }

    /// Records the outcome of a request to the instance. That of an API host says nothing about the org's limits.
    fn record_outcome(&self, request: &ApiRequest, error: Option<&mut Error>) {
        if request.api_host.is_none() {
            self.org().record_outcome(error);
        }
    }

    /// Returns the token that replaces a rejected one; `None` if a refresh would not help.
    pub(crate) async fn refreshed(
        &self,
        token: &Arc<AccessToken>,
    ) -> Result<Option<Arc<AccessToken>>, TokenError> {
        let mut token = Arc::clone(token);
        let mut fresh = self.token_source().refresh(&token).await?;
        // Stored again without a new access token: the refresh is still to come.
        if !Arc::ptr_eq(&fresh, &token) && fresh.authorization() == token.authorization() {
            token = fresh;
            fresh = self.token_source().refresh(&token).await?;
        }
        Ok((!Arc::ptr_eq(&fresh, &token)).then_some(fresh))
    }

    /// Refreshes the token of a request that reached the wrong instance, or an invalid session.
    ///
    /// Returns the token to send the request again with; `None` if the response is to be reported.
    async fn redirected(
        &self,
        request: &ApiRequest,
        token: &Arc<AccessToken>,
        misdirected: Misdirected,
    ) -> Result<Option<Arc<AccessToken>>> {
        let may_repeat =
            misdirected == Misdirected::NotProcessed || self.retry().may_repeat(request.idempotency);
        match self.refreshed(token).await {
            Ok(Some(refreshed)) if !may_repeat => {
                // This request does not find out whether the refreshed token is better, and must not cause a refresh
                // each time it is sent.
                self.token_source().rejected_again(&refreshed).await;
                Ok(None)
            }
            Ok(refreshed) => Ok(refreshed),
            Err(TokenError::LoginRequired) if misdirected == Misdirected::NotProcessed => {
                Err(Error::LoginRequired)
            }
            // The response says more about the failed request than the failed refresh does.
            Err(error) => {
                tracing::debug!(user = %self.user(), %error, "refresh after a misdirected request failed");
                Ok(None)
            }
        }
    }

    /// Sends the request once, to the instance of the token.
    async fn attempt(
        &self,
        request: &ApiRequest,
        token: &AccessToken,
        api_host: Option<&ApiHostState>,
    ) -> Result<Result<Response, HttpError>> {
        let base = match request.api_host.as_deref() {
            None => token.instance_url(),
            // Each time: the token may be a new one. That of Data 360 is for its own host.
            Some(host) if host.origin() == token.instance_url().origin() => host,
            Some(host) => {
                token.check_audience(host).map_err(Error::ApiHostDenied)?;
                host
            }
        };
        let to_api_host = request.api_host.is_some();
        let url = request.path.on(base)?;
        let path_version = request.path.version();
        let mut headers = request.headers.clone();
        headers.insert(AUTHORIZATION, token.authorization().clone());
        if let Some(options) = self.call_options().filter(|_| !to_api_host) {
            headers.entry(CALL_OPTIONS).or_insert_with(|| options.clone());
        }
        let bytes = head_bytes(&url, &headers);
        if bytes > MAX_HEAD_BYTES {
            return Err(InvalidRequest::UrlTooLong { bytes, limit: MAX_HEAD_BYTES }.into());
        }
        let request = Request {
            method: request.method.clone(),
            url,
            headers,
            body: request.body.clone(),
            deadline: self.timeout(),
            max_bytes: request.max_bytes,
            upload: request.upload.clone(),
            unread: request.unread,
            is_event_stream: request.is_event_stream,
            to_api_host,
            returns_redirects: true,
        };
        let slot = match api_host {
            None => self.org().acquire(self.user_id()).await?,
            Some(host) => host.acquire(self.user_id()).await?,
        };
        let outcome = self.http().send(request).await;
        drop(slot);
        if let Ok(response) = &outcome
            && !to_api_host
        {
            let usage = response.headers.get("sforce-limit-info").and_then(|value| value.to_str().ok());
            if let Some(usage) = usage.and_then(ApiUsage::parse) {
                self.org().usage.set(usage);
            }
            if let Some(version) = path_version
                && self.org().deprecations.record(version, &response.headers)
            {
                // Salesforce's sentence is in `Connection::deprecations`: a log has no text of a response.
                tracing::warn!(
                    org = %self.organization_id(),
                    version = format_args!("{version}.0"),
                    "Salesforce reports that this API version is deprecated. Use a newer one"
                );
            }
        }
        Ok(outcome)
    }
}

/// Returns the length of a URL and of all headers, as they are sent.
fn head_bytes(url: &Url, headers: &HeaderMap) -> usize {
    let headers = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    url.as_str().len() + headers.sum::<usize>() + ADDED_HEADERS
}

/// Returns whether a response with status 400 lists results, of which some are failures.
///
/// Salesforce responds so to actions and approvals: sfdx-mass-action-scheduler issue 69.
fn has_results(response: &Response) -> bool {
    #[derive(Deserialize)]
    struct Result {
        #[serde(alias = "isSuccess")]
        success: Option<bool>,
    }
    response.status == StatusCode::BAD_REQUEST && {
        // A list, or a single one, as the guide shows for one input.
        let list = decode::elements(&response.body, 1).ok();
        let first = match list.as_deref() {
            Some(results) => results.first().map(|first| first.get().as_bytes()),
            None => Some(&*response.body).filter(|body| body.trim_ascii_start().starts_with(b"{")),
        };
        let first = first.and_then(|first| serde_json::from_slice::<Result>(first).ok());
        first.is_some_and(|first| first.success.is_some())
    }
}

pub(crate) fn failure_of(error: &HttpError) -> Failure {
    match error {
        HttpError::Connect(_) => Failure::NotSent,
        // A body that cannot be decompressed was damaged on its way.
        HttpError::Timeout
        | HttpError::TooSlow
        | HttpError::ConnectionLost(_)
        | HttpError::Undecodable(_) => Failure::ResponseLost,
        _ => Failure::Final,
    }
}
