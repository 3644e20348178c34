//! What belongs to one worker, and what belongs to one request.

use std::rc::Rc;

use actix_session::SessionExt as _;
use actix_web::{HttpMessage as _, HttpRequest};

use super::session;
use crate::{
    Connection, Error, Result, Salesforce, Secret,
    config::Settings,
    grant::{Engine, GrantHandle},
    http::HttpClient,
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
                 App or to a scope around this route"
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

    pub(crate) fn engine(&self) -> &std::sync::Arc<Engine> {
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

/// Who sent this request, as one Salesforce knows them. An app may wrap several, one inside the other.
struct Known {
    to: Salesforce,
    grant: GrantHandle,
}

/// The grant of whoever sent this request; `None` when nobody is logged in. The store is asked once per request.
pub(crate) async fn login(worker: &Worker, request: &HttpRequest) -> Result<Option<GrantHandle>> {
    // Taken out in a statement of its own: the extensions must not stay borrowed while something else runs.
    let known = request
        .extensions()
        .get::<Known>()
        .filter(|known| known.to.is_same(worker.salesforce()))
        .map(|known| known.grant.clone());
    if known.is_some() {
        return Ok(known);
    }
    let Some(id) = login_id(worker, request) else { return Ok(None) };
    let grant = worker.engine().login(&id).await?;
    if let Some(grant) = &grant {
        request.extensions_mut().insert(Known { to: worker.salesforce().clone(), grant: grant.clone() });
    }
    Ok(grant)
}
