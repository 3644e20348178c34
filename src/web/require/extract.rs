//! Rules as types: a handler that takes one is protected by it.

use std::{any::TypeId, marker::PhantomData, ops::Deref, rc::Rc};

use actix_web::{Error, FromRequest, HttpRequest, dev::Payload};
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::{RequireLogin, decide};
use crate::{SalesforceUser, web::worker::WorkerState};

/// A rule that handlers name by its type.
pub trait AccessRule: 'static {
    /// Returns the rule. Called once per worker.
    fn rule() -> RequireLogin;
}

/// The user of a request that passes the rule `R`: for handlers that have a rule without a scope around them.
///
/// ```
/// use actix_salesforce::{AccessRule, Allowed, RequireLogin};
/// use actix_web::{Responder, post};
///
/// struct ManageInvoices;
///
/// impl AccessRule for ManageInvoices {
///     fn rule() -> RequireLogin {
///         RequireLogin::new().org("00D5g00000ABCDE").permission("Manage_Invoices")
///     }
/// }
///
/// #[post("/invoices")]
/// async fn create(user: Allowed<ManageInvoices>) -> impl Responder {
///     format!("created by {}", user.user_id)
/// }
/// ```
///
/// The start does not see such a rule: call [`Salesforce::check_rule`](crate::Salesforce::check_rule) with it in `main`.
/// Otherwise the first request that needs it fails with 500, and the log says what is missing.
///
/// # Errors
/// The response of [`RequireLogin`] to a request that does not pass.
pub struct Allowed<R> {
    user: SalesforceUser,
    rule: PhantomData<fn() -> R>,
}

impl<R> Allowed<R> {
    /// Returns the user.
    pub fn into_user(self) -> SalesforceUser {
        self.user
    }
}

impl<R> std::fmt::Debug for Allowed<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Allowed").field(&self.user).finish()
    }
}

impl<R> Deref for Allowed<R> {
    type Target = SalesforceUser;

    fn deref(&self) -> &SalesforceUser {
        &self.user
    }
}

impl<R: AccessRule> FromRequest for Allowed<R> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let rule = rule_of::<R>(&request)?;
            match decide::enforce(&rule, &request).await {
                Ok(user) => Ok(Self { user, rule: PhantomData }),
                Err(denied) => Err(denied.into_error(&request)),
            }
        }
        .boxed_local()
    }
}

/// Whether the user passes the rule `R`, for a page that shows only what the user can use. It protects nothing.
///
/// `false` without a login; see [`RequireLogin::allows`].
///
/// # Errors
/// What the rule needs could not be read, for example in an outage.
///
/// ```
/// use actix_salesforce::{AccessRule, MayUse, RequireLogin};
/// use actix_web::{Responder, get};
///
/// struct Admin;
///
/// impl AccessRule for Admin {
///     fn rule() -> RequireLogin {
///         RequireLogin::new().any_org().permission("Admin")
///     }
/// }
///
/// #[get("/menu")]
/// async fn menu(admin: MayUse<Admin>) -> impl Responder {
///     if admin.allowed() { "Home, Admin" } else { "Home" }
/// }
/// ```
pub struct MayUse<R> {
    allowed: bool,
    rule: PhantomData<fn() -> R>,
}

impl<R> MayUse<R> {
    /// Returns whether the user passes the rule.
    pub fn allowed(&self) -> bool {
        self.allowed
    }
}

impl<R> std::fmt::Debug for MayUse<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MayUse").field(&self.allowed).finish()
    }
}

impl<R: AccessRule> FromRequest for MayUse<R> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let rule = rule_of::<R>(&request)?;
            Ok(Self { allowed: decide::allows(&rule, &request).await?, rule: PhantomData })
        }
        .boxed_local()
    }
}

/// Returns the rule of a type, which is made and checked at its first use in each worker.
fn rule_of<R: AccessRule>(request: &HttpRequest) -> Result<Rc<RequireLogin>, Error> {
    let worker = WorkerState::of(request)?;
    if let Some(rule) = worker.rule(TypeId::of::<R>()) {
        return Ok(rule);
    }
    let rule = Rc::new(R::rule());
    worker.salesforce().check_rule(&rule).map_err(salesforce_connection::Error::internal)?;
    worker.store_rule(TypeId::of::<R>(), &rule);
    Ok(rule)
}
