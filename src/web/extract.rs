//! The extractors: asking for one protects the route.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde::Serialize;

use super::{
    context::{self, Worker},
    protected::Protected,
};
use crate::{Connection, Error, OrgId, Result, UserId, grants::GrantHandle, oauth::Scopes};

/// An authenticated connection to the organization of whoever sent the request. Asking for it protects the route.
///
/// It dereferences to [`Connection`], which can be cloned out and handed to a background task.
///
/// # Errors
/// Nobody is logged in: a page navigation is sent to log in and comes back, everything else gets 401. Salesforce or the
/// store is down: 503 with `Retry-After`. The middleware is missing: 500, and the log says what to add.
///
/// `Option<SalesforceConn>` would be `None` for each of these: for pages that are for everybody take
/// [`MaybeSalesforceConn`], which tells an outage from nobody.
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
    /// The connection itself.
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
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let (worker, grant) = required(&request).await?;
            Ok(Self(worker.connection(grant)))
        }
        .boxed_local()
    }
}

/// A connection if someone is logged in, for pages that are for everybody.
///
/// # Errors
/// An outage is an error here too, with 503: it must not look like "nobody is logged in". (`Option<SalesforceConn>`,
/// which actix makes of every extractor, is `None` in both cases: use this one instead.)
///
/// A page that is to be there during an outage too asks for the `Result`, and says what it does not know:
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
///         Err(error) if error.is_transient() => "Welcome. Who is logged in cannot be told just now.",
///         Err(error) => return Err(error),
///     })
/// }
/// ```
#[derive(Debug, Clone)]
pub struct MaybeSalesforceConn(Option<Connection>);

impl MaybeSalesforceConn {
    /// The connection, `None` when nobody is logged in.
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
            let worker = Worker::of(&request)?;
            let grant = context::login(&worker, &request).await;
            // What a page says of an outage is for this browser and this moment too.
            if !matches!(grant, Ok(None)) {
                Protected::mark(&request);
            }
            Ok(Self(grant?.map(|grant| worker.connection(grant))))
        }
        .boxed_local()
    }
}

/// Who is logged in, without a call to Salesforce. Asking for it protects the route like [`SalesforceConn`].
///
/// The ids name the person; user name and display name are for people to read, as they were at the login.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SalesforceUser {
    /// The organization.
    pub organization_id: OrgId,
    /// The user in it.
    pub user_id: UserId,
    /// The user name, when Salesforce told it.
    pub username: Option<String>,
    /// The name to show, when Salesforce told it.
    pub display_name: Option<String>,
    /// Where the organization's data is.
    pub instance_url: String,
    /// What Salesforce granted.
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
            instance_url: live.instance_url.as_str().trim_end_matches('/').to_owned(),
            scopes: live.scopes.clone(),
        })
    }
}

impl FromRequest for SalesforceUser {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move { Self::of(&required(&request).await?.1) }.boxed_local()
    }
}

/// The worker and the grant of a request that must come from someone who is logged in.
pub(crate) async fn required(request: &HttpRequest) -> Result<(Worker, GrantHandle)> {
    let worker = Worker::of(request)?;
    Protected::mark(request);
    let grant = context::login(&worker, request).await?.ok_or(Error::LoginRequired)?;
    Ok((worker, grant))
}
