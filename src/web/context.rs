//! What belongs to one worker, and what belongs to one request.

use std::rc::Rc;

use actix_session::SessionExt as _;
use actix_web::{HttpMessage as _, HttpRequest};
use tokio::sync::OnceCell;

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

/// Who sent this request, as one Salesforce knows them. An app may wrap several, one inside the other. The first extractor
/// asks the store, the others, which run beside it, wait.
#[derive(Clone)]
struct LookUp {
    to: Salesforce,
    grant: Rc<OnceCell<GrantHandle>>,
}

impl LookUp {
    fn of(worker: &Worker, request: &HttpRequest) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(known) = extensions.get::<Self>().filter(|known| known.to.is_same(worker.salesforce())) {
            return known.clone();
        }
        let look_up = Self { to: worker.salesforce().clone(), grant: Rc::default() };
        extensions.insert(look_up.clone());
        look_up
    }
}

/// The grant of whoever sent this request; `None` when nobody is logged in. The store is asked once per request.
pub(crate) async fn login(worker: &Worker, request: &HttpRequest) -> Result<Option<GrantHandle>> {
    let Some(id) = login_id(worker, request) else { return Ok(None) };
    let ask = async {
        match worker.engine().login(&id).await {
            Ok(grant) => grant.ok_or(None),
            Err(error) => Err(Some(Error::from(error))),
        }
    };
    match LookUp::of(worker, request).grant.get_or_try_init(|| ask).await {
        Ok(grant) => Ok(Some(grant.clone())),
        Err(None) => Ok(None),
        Err(Some(error)) => Err(error),
    }
}
