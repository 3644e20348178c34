//! What [`Salesforce`] does for handlers.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::{origin::is_cross_origin, worker::WorkerState};
use crate::salesforce::Salesforce;
use salesforce_connection::{Error, Result, UserRef};

/// The handle of the middleware around the route, for handlers that list logins, use the service user or check where a
/// request comes from. No `web::Data` is needed. Where several are wrapped, it is the innermost.
///
/// The route stays open: [`SalesforceConn`](crate::SalesforceConn) and [`RequireLogin`](crate::RequireLogin) protect
/// one.
///
/// # Errors
/// The middleware is missing: 500, and the log says what to add.
///
/// ```
/// use actix_salesforce::Salesforce;
/// use actix_web::{HttpRequest, HttpResponse, post};
///
/// #[post("/rename")]
/// async fn rename(salesforce: Salesforce, request: HttpRequest) -> HttpResponse {
///     if salesforce.is_cross_origin(&request) {
///         return HttpResponse::Forbidden().finish();
///     }
///     HttpResponse::Ok().finish()
/// }
/// ```
impl FromRequest for Salesforce {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(WorkerState::of(request).map(|worker| worker.salesforce().clone()))
    }
}

impl Salesforce {
    /// Ends all logins of a user, in each browser, as their logouts would: for a button "log out everywhere". The logout
    /// route does the same with `everywhere=1`.
    ///
    /// Grants end as [`revoke_on_logout`](crate::SalesforceBuilder::revoke_on_logout) says;
    /// [`revoke_grants`](Self::revoke_grants) ends them in any case.
    ///
    /// # Errors
    /// The store is down. Logins that it could still list are ended in the background.
    #[doc(alias = "sign_out_everywhere")]
    pub async fn log_out_everywhere(&self, user: UserRef) -> Result<()> {
        Ok(self.grants().log_out_everywhere(user).await?)
    }

    /// Returns whether a browser sent this request from a page of another origin: by `Origin`, else by
    /// `Sec-Fetch-Site`. Handlers that change something must refuse it (cross-site request forgery).
    ///
    /// Browsers send one of the two with every POST. A request with neither comes from a program, whose user means it.
    /// (The logout route is stricter: it refuses a request with neither.)
    #[doc(alias = "csrf")]
    #[doc(alias = "xsrf")]
    #[doc(alias = "same_origin")]
    pub fn is_cross_origin(&self, request: &HttpRequest) -> bool {
        is_cross_origin(&self.settings().public_url, request.headers())
    }
}
