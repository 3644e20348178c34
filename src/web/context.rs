//! What belongs to one worker, and what belongs to one request.

use std::{rc::Rc, sync::Arc};

use actix_session::SessionExt as _;
use actix_web::{HttpMessage as _, HttpRequest};
use tokio::sync::OnceCell;

use super::session;
use crate::{
    Connection, Error, Result, Salesforce, Secret,
    config::Settings,
    grants::{GrantHandle, GrantManager},
    http::HttpClient,
    store::StoreError,
};

/// One worker's share: the common handle, and an HTTP client of its own (one client for all workers would make each
/// wait for the others).
#[derive(Debug, Clone)]
pub(crate) struct Worker(Rc<Parts>);

#[derive(Debug)]
struct Parts {
    salesforce: Salesforce,
    http: HttpClient,
    /// The session member that holds the login id.
    member: String,
}

impl Worker {
    pub(crate) fn new(salesforce: Salesforce, http: HttpClient) -> Self {
        let member = session::member(salesforce.settings());
        Self(Rc::new(Parts { salesforce, http, member }))
    }

    /// The worker that handles this request; an error when the middleware is not there.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self> {
        request.app_data::<Self>().cloned().ok_or_else(|| {
            tracing::error!(
                target: "actix_salesforce",
                path = %request.path().escape_debug(),
                "a handler asks for Salesforce, but the middleware is not there: add `.wrap(salesforce.clone())` to the \
                 App or to a scope around this route. If `RequireLogin` asks: register it before Salesforce, \
                 `.wrap(RequireLogin::new()).wrap(salesforce)`; the last one registered is outermost"
            );
            Error::NotMounted
        })
    }

    pub(crate) fn salesforce(&self) -> &Salesforce {
        &self.0.salesforce
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.0.salesforce.settings()
    }

    pub(crate) fn member(&self) -> &str {
        &self.0.member
    }

    pub(crate) fn engine(&self) -> &Arc<GrantManager> {
        self.0.salesforce.engine()
    }

    pub(crate) fn connection(&self, grant: GrantHandle) -> Connection {
        let shared = self.0.salesforce.api_shared();
        Connection::new(grant, self.0.http.clone(), self.settings().api_version, shared)
    }
}

/// The opaque id of the login in this request's session.
pub(crate) fn login_id(worker: &Worker, request: &HttpRequest) -> Option<Secret> {
    session::login_id(&request.get_session(), worker.member())
}

/// Who sent this request, as one Salesforce knows them. An app may wrap several, one inside the other. The first
/// extractor asks the store, the others, which run beside it or after it, get the same answer, whatever it is.
#[derive(Clone)]
struct LookUp(Rc<LookedUp>);

struct LookedUp {
    to: Salesforce,
    id: Secret,
    found: OnceCell<Result<Option<GrantHandle>, Outage>>,
}

/// The store could not be asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
struct Outage(Arc<dyn std::error::Error + Send + Sync>);

impl LookUp {
    fn of(worker: &Worker, request: &HttpRequest, id: Secret) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(known) = extensions.get::<Self>()
            && known.0.to.is_same(worker.salesforce())
            && known.0.id == id
        {
            return known.clone();
        }
        let to = worker.salesforce().clone();
        let look_up = Self(Rc::new(LookedUp { to, id, found: OnceCell::new() }));
        extensions.insert(look_up.clone());
        look_up
    }
}

/// The grant of whoever sent this request; `None` when nobody is logged in. The store is asked once per request.
pub(crate) async fn login(worker: &Worker, request: &HttpRequest) -> Result<Option<GrantHandle>> {
    let Some(id) = login_id(worker, request) else { return Ok(None) };
    let LookUp(look_up) = LookUp::of(worker, request, id);
    let ask = async || match worker.engine().login(&look_up.id).await {
        Ok(found) => Ok(Ok(found)),
        Err(StoreError::Unavailable(source)) => Ok(Err(Outage(source.into()))),
        Err(error) => Err(error),
    };
    match look_up.found.get_or_try_init(ask).await? {
        Ok(found) => Ok(found.clone()),
        Err(outage) => Err(StoreError::Unavailable(outage.clone().into()).into()),
    }
}
