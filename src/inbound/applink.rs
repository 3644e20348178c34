//! [`AppLinkContext`]: the context that Heroku AppLink's side-car puts before a request.

use std::{fmt, net::SocketAddr, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde::Deserialize;
use url::Url;

use super::{CallError, only_header};
use crate::web::{FromSalesforce, WorkerState};
use salesforce_connection::{
    Connection, Error, OrgId, Secret, UserId, UserRef, oauth::LoginHost, token::FixedToken,
};

const HEADER: &str = "x-client-context";
/// Longest value of the header. One has about a kilobyte.
const MAX_BYTES: usize = 16 * 1024;

/// The context of Heroku AppLink: the user in Salesforce whose request its side-car passes on, with the user's access
/// token. A handler that takes it needs no login and no cookie.
///
/// The header is signed by nothing. It counts only where the settings name the org
/// ([`SalesforceBuilder::applink`](crate::SalesforceBuilder::applink)) and the request comes from a loopback address, where
/// the side-car (service mesh) is: an app that others reach directly must not switch it on. The token is sent to allowed
/// hosts only, and Salesforce says whose it is before the handler runs.
///
/// # Errors
/// [`CallError::Refused`] (401), one response for each reason; 503 if Salesforce is down.
#[doc(alias = "heroku")]
#[derive(Clone)]
pub struct AppLinkContext {
    worker: WorkerState,
    user: UserRef,
    request_id: Option<String>,
    source: Arc<FixedToken>,
}

impl fmt::Debug for AppLinkContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppLinkContext").field("user", &self.user).finish_non_exhaustive()
    }
}

impl AppLinkContext {
    /// Returns the user whose token it is, as Salesforce said.
    pub fn user(&self) -> UserRef {
        self.user
    }

    /// Returns the id that AppLink gave the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the connection with the token of the request. It works for this request: how long the token lives is
    /// unknown, it is not stored, and nothing refreshes it.
    pub fn connection(&self) -> Connection {
        self.worker.connection_from(Arc::clone(&self.source) as _)
    }
}

/// The members of the context that are read (npm package `@heroku/applink` 1.1.0).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    request_id: Option<String>,
    access_token: Secret,
    org_id: OrgId,
    org_domain_url: Url,
    user_context: UserContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserContext {
    user_id: UserId,
}

impl FromRequest for AppLinkContext {
    type Error = CallError;
    type Future = LocalBoxFuture<'static, Result<Self, CallError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            FromSalesforce::mark(&request);
            let worker = WorkerState::of(&request)?;
            let context = accept(&worker, &request).map_err(refused)?;
            let claimed = UserRef::new(context.org_id, context.user_context.user_id);
            // The host is checked before anything is sent to it.
            let oauth = worker.salesforce().oauth();
            let info = oauth.userinfo(&context.org_domain_url, &context.access_token).await;
            let info = info.map_err(|error| match Error::from(error) {
                error if error.is_transient() => CallError::from(error),
                _ => refused("Salesforce does not accept its token, or its host is not allowed"),
            })?;
            if UserRef::new(info.organization_id, info.user_id) != claimed {
                return Err(refused("its token is another user's"));
            }
            let source = FixedToken::new(claimed, context.org_domain_url, &context.access_token);
            let source = source.map_err(|_| refused("its token is no token"))?;
            Ok(Self { worker, user: claimed, request_id: context.request_id, source: Arc::new(source) })
        }
        .boxed_local()
    }
}

fn refused(reason: &'static str) -> CallError {
    tracing::warn!("a request of AppLink was refused: {reason}");
    CallError::Refused
}

fn accept(worker: &WorkerState, request: &HttpRequest) -> Result<Context, &'static str> {
    let orgs = &worker.settings().inbound.applink;
    if orgs.is_empty() {
        return Err("it is not switched on");
    }
    if !request.peer_addr().as_ref().is_some_and(is_side_car) {
        return Err("it does not come from a loopback address, where the side-car is");
    }
    let value = only_header(request.headers(), HEADER).ok_or("it has no context, or several")?;
    if value.len() > MAX_BYTES {
        return Err("its context is longer than 16 KiB");
    }
    let json = STANDARD.decode(value.as_bytes()).map_err(|_| "its context is not base64")?;
    let context: Context = serde_json::from_slice(&json).map_err(|_| "its context is incomplete")?;
    if !orgs.contains(&context.org_id) {
        return Err("its org is not in the settings");
    }
    // Requests go below this URL. A path could lead all of them to code of the sender's.
    let url = &context.org_domain_url;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    // A shared login host vouches for no org.
    if !is_bare || url.as_str().parse().is_ok_and(|host: LoginHost| host.is_shared()) {
        return Err("its URL is not the address of an org");
    }
    Ok(context)
}

fn is_side_car(peer: &SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}
