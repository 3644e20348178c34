//! [`LoginFacts`]: what the app added to a login.

use std::ops::Deref;

use actix_web::{Error, FromRequest, HttpRequest, dev::Payload};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde::de::DeserializeOwned;

use super::{extract, pages::AccessRefusal, require::Denied};
use crate::SalesforceUser;

/// What the app's function of [`on_login`](crate::SalesforceBuilder::on_login) added to the login of a request. A handler
/// that takes it is protected as by [`SalesforceConn`](crate::SalesforceConn).
///
/// The facts are as they were at the login: what changes meanwhile is for the app to look up.
///
/// ```
/// use actix_salesforce::LoginFacts;
/// use actix_web::{Responder, get};
///
/// #[derive(serde::Deserialize)]
/// struct Tenant { plan: String }
///
/// #[get("/plan")]
/// async fn plan(tenant: LoginFacts<Tenant>) -> impl Responder {
///     tenant.plan.clone()
/// }
/// ```
///
/// # Errors
/// The login has no facts of this type, for example because it is older than the function: 403, with a page that offers a
/// new login. Without a login as [`SalesforceConn`](crate::SalesforceConn).
#[derive(Debug, Clone)]
pub struct LoginFacts<T>(pub T);

impl<T> LoginFacts<T> {
    /// Returns the facts.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for LoginFacts<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for LoginFacts<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let (worker, grant) = extract::required(&request).await?;
            let login = worker.opened_login(&request);
            let facts = login.as_ref().and_then(|login| login.contents.facts.as_ref());
            if let Some(facts) = facts.and_then(|facts| T::deserialize(facts).ok()) {
                return Ok(Self(facts));
            }
            let denied =
                Denied::Refused { refusal: AccessRefusal::NoFacts, user: SalesforceUser::of(&grant)? };
            Err(denied.into_error(&request))
        }
        .boxed_local()
    }
}
