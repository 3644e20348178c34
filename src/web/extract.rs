//! The extractors: a handler that takes one is protected.
//!
//! A missing login is an [`Error`] here. `error.rs` makes the response that is sent: a redirect, a page or 401.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::{
    FutureExt as _,
    future::{Either, LocalBoxFuture, Ready, ready},
};
use serde::Serialize;

use super::{no_store::NoStore, worker::WorkerState};
use crate::grants::GrantHandle;
use salesforce_connection::{Connection, Error, OrgId, Result, UserId, oauth::Scopes};

/// An authenticated connection to the org of the logged-in user. A handler that takes it is protected.
///
/// It dereferences to [`Connection`], which can be cloned out and handed to a background task.
///
/// # Errors
/// The request has no valid login: a page navigation is redirected to log in and comes back, every other request gets
/// 401. Salesforce or the store is down: 503 with `Retry-After`. The middleware is missing: 500, and the log says what
/// to add.
///
/// `Option<SalesforceConn>` would be `None` in each of these cases. Public pages take [`MaybeSalesforceConn`], which
/// reports an outage as an error.
///
/// ```
/// use actix_salesforce::SalesforceConn;
/// use actix_web::{get, Responder};
///
/// #[get("/whoami")]
/// async fn whoami(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
///     Ok(sf.identity().await?.username)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SalesforceConn(Connection);

impl SalesforceConn {
    /// Returns the connection itself.
    pub fn into_inner(self) -> Connection {
        self.0
    }
}

impl Deref for SalesforceConn {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl FromRequest for SalesforceConn {
    type Error = Error;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |worker, grant| Ok(Self(worker.connection(grant))))
    }
}

/// A connection if the user is logged in, for public pages.
///
/// # Errors
/// An outage is an error with 503, so that it does not look like a missing login. (`Option<SalesforceConn>`, which
/// actix makes of every extractor, is `None` in both cases: use this one instead.)
///
/// A page that must also work during an outage takes the `Result`:
///
/// ```
/// use actix_salesforce::{MaybeSalesforceConn, Result};
/// use actix_web::{get, Responder};
///
/// #[get("/")]
/// async fn home(sf: Result<MaybeSalesforceConn>) -> Result<impl Responder> {
///     Ok(match sf {
///         Ok(sf) if sf.is_some() => "Welcome back.",
///         Ok(_) => "Welcome. You can log in.",
///         Err(error) if error.is_transient() => "Welcome. Logins cannot be checked at the moment.",
///         Err(error) => return Err(error),
///     })
/// }
/// ```
#[derive(Debug, Clone)]
pub struct MaybeSalesforceConn(Option<Connection>);

impl MaybeSalesforceConn {
    /// Returns the connection; `None` if the user is not logged in.
    pub fn into_inner(self) -> Option<Connection> {
        self.0
    }
}

impl Deref for MaybeSalesforceConn {
    type Target = Option<Connection>;

    fn deref(&self) -> &Option<Connection> {
        &self.0
    }
}

impl FromRequest for MaybeSalesforceConn {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let worker = WorkerState::of(&request)?;
            let grant = worker.login(&request).await;
            // A page made during an outage is for this browser and this moment only, too.
            if !matches!(grant, Ok(None)) {
                NoStore::mark(&request);
            }
            Ok(Self(grant?.map(|grant| worker.connection(grant))))
        }
        .boxed_local()
    }
}

/// The logged-in user, without a request to Salesforce. A handler that takes it is protected as by [`SalesforceConn`].
///
/// The ids identify the user. User name and display name are as they were at the login, for display only.
///
/// ```
/// use actix_salesforce::SalesforceUser;
/// use actix_web::get;
///
/// #[get("/hello")]
/// async fn hello(user: SalesforceUser) -> String {
///     format!("Hello, {}", user.display_name.as_deref().unwrap_or("user"))
/// }
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SalesforceUser {
    /// The id of the user's org.
    pub organization_id: OrgId,
    /// The user's id.
    pub user_id: UserId,
    /// The user name, if Salesforce returned one.
    pub username: Option<String>,
    /// The name to display, if Salesforce returned one.
    pub display_name: Option<String>,
    /// The URL of the org's REST API host, without a path.
    pub instance_url: String,
    /// The scopes that Salesforce granted.
    pub scopes: Scopes,
}

impl SalesforceUser {
    pub(crate) fn of(grant: &GrantHandle) -> Result<Self> {
        let live = grant.current()?;
        Ok(Self {
            organization_id: live.key.user().organization_id,
            user_id: live.key.user().user_id,
            username: live.profile.username.clone(),
            display_name: live.profile.display_name.clone(),
            instance_url: live.access.instance_url().as_str().trim_end_matches('/').to_owned(),
            scopes: live.access.scopes().clone(),
        })
    }
}

impl FromRequest for SalesforceUser {
    type Error = Error;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |_, grant| Self::of(&grant))
    }
}

/// What an extractor returns: at once, if nothing has to be waited for.
type Extracted<T> = Either<Ready<Result<T>>, LocalBoxFuture<'static, Result<T>>>;

/// Makes an extractor's value of the worker and the grant of a request; an error unless the user is logged in.
fn extract<T: 'static>(
    request: &HttpRequest,
    make: fn(&WorkerState, GrantHandle) -> Result<T>,
) -> Extracted<T> {
    let worker = match WorkerState::of(request) {
        Ok(worker) => worker,
        Err(error) => return Either::Left(ready(Err(error))),
    };
    if let Some(found) = worker.login_now(request) {
        let grant = required_of(&worker, request, found);
        return Either::Left(ready(grant.and_then(|grant| make(&worker, grant))));
    }
    let request = request.clone();
    let waits = async move {
        let (worker, grant) = required(&request).await?;
        make(&worker, grant)
    };
    Either::Right(waits.boxed_local())
}

/// Returns the worker and the grant of a request; an error unless the user is logged in.
pub(crate) async fn required(request: &HttpRequest) -> Result<(WorkerState, GrantHandle)> {
    let worker = WorkerState::of(request)?;
    let found = worker.login(request).await;
    let grant = required_of(&worker, request, found)?;
    Ok((worker, grant))
}

/// Returns the grant that was looked up for a request; an error unless the user is logged in.
fn required_of(
    worker: &WorkerState,
    request: &HttpRequest,
    found: Result<Option<GrantHandle>>,
) -> Result<GrantHandle> {
    NoStore::mark(request);
    found?.ok_or_else(|| worker.why_logged_out(request))
}
