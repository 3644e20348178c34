//! For tests of apps: requests of logged-in users, without a browser and a login page (feature `test-util`).
//!
//! ```
//! use actix_salesforce::{Config, Salesforce, SalesforceUser, testing::log_in_as};
//! use actix_web::{App, Responder, get, test};
//! use salesforce_fake_org::FakeOrg;
//!
//! #[get("/hello")]
//! async fn hello(user: SalesforceUser) -> impl Responder {
//!     format!("Hello {}", user.display_name.unwrap_or_default())
//! }
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let org = FakeOrg::start().await?;
//! let salesforce = Salesforce::from_config(Config::from_variables(|name| org.variable(name))).await?;
//! let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user("ada@example.com"), "api")).await?;
//!
//! let app = test::init_service(App::new().wrap(salesforce.clone()).service(hello)).await;
//! let response = test::call_and_read_body(&app, ada.get("/hello").to_request()).await;
//! assert_eq!(response, "Hello Ada Lovelace");
//! # Ok(())
//! # }
//! ```
//!
//! Keep the feature out of deployments: name it under `[dev-dependencies]` only. As a safeguard [`log_in_as`] fails unless
//! the login host is on this machine.

use std::collections::BTreeMap;

use actix_web::{cookie::Cookie, http::header, test::TestRequest};
use serde::Serialize;

use super::session::{CookieContents, FreshLogin, LoginCookie, Slot, user_tag};
use crate::salesforce::Salesforce;
use salesforce_connection::{Connection, http::is_loopback, oauth::LoginHost};

/// Why a test user was not logged in.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LogInAsError {
    /// The login host is not on this machine, so this is no test.
    #[error("log_in_as is for tests: the login host must be on loopback, such as a fake org's")]
    NotATest,
    /// The settings do not have this login host.
    #[error("the settings have no login host of this name (SALESFORCE_LOGIN_HOSTS)")]
    UnknownHost,
    /// The tokens are invalid, or the org or the store refused them.
    #[error("the tokens were not accepted: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

crate::base::error_chain::debug_as_display!(LogInAsError);

/// Shifts the wall clock that this crate reads by this many seconds, in the whole process.
///
/// For tests of machines whose clocks differ or jump. Durations are measured by a monotonic clock and are not affected.
pub fn skew_clock(seconds: i64) {
    crate::base::clock::SKEW.store(seconds, std::sync::atomic::Ordering::Relaxed);
}

fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogInAsError {
    LogInAsError::Refused(error.into())
}

/// Logs a user in as the callback route would, with tokens that a test already has.
///
/// `tokens` is a response of the token endpoint as JSON, from `FakeOrg::issue_tokens` or `serde_json::json!({…})`. It
/// is verified as every token response, including a userinfo request if the scopes allow one.
///
/// # Errors
/// [`LogInAsError::NotATest`] unless the app's login host is on this machine; otherwise why the tokens were refused.
pub async fn log_in_as(salesforce: &Salesforce, tokens: &impl Serialize) -> Result<TestUser, LogInAsError> {
    log_in_at(salesforce, &salesforce.settings().default_host, tokens).await
}

/// Logs a user in as [`log_in_as`] does, at another login host than the default one.
///
/// `host` is what the parameter `host` of the login route takes, such as a name in `SALESFORCE_LOGIN_HOSTS`. For handlers
/// of several orgs, with [`TestUser::also_logged_in`].
///
/// # Errors
/// [`LogInAsError::UnknownHost`] if the settings do not have this host; otherwise as [`log_in_as`].
pub async fn log_in_as_at(
    salesforce: &Salesforce,
    host: &str,
    tokens: &impl Serialize,
) -> Result<TestUser, LogInAsError> {
    let host = salesforce.settings().find_host(host).ok_or(LogInAsError::UnknownHost)?;
    log_in_at(salesforce, &host, tokens).await
}

async fn log_in_at(
    salesforce: &Salesforce,
    host: &LoginHost,
    tokens: &impl Serialize,
) -> Result<TestUser, LogInAsError> {
    let settings = salesforce.settings();
    if !is_loopback(host.as_url()) {
        return Err(LogInAsError::NotATest);
    }
    let response = serde_json::to_vec(tokens).map_err(refused)?;
    let tokens = salesforce.oauth().accept(host, &response).map_err(refused)?;
    let user = tokens.identity.user;
    let (login, outcome) = salesforce.complete_login(host.clone(), tokens).await.map_err(refused)?;
    let connection = salesforce.user_connection(user).await.map_err(refused)?;
    let contents = CookieContents {
        id: login,
        host: host.as_url().to_string(),
        user: Some(user_tag(user)),
        fresh: None,
        facts: outcome.facts.as_deref().and_then(|facts| serde_json::from_str(facts).ok()),
        frame: None,
    };
    let cookie = LoginCookie::new(settings).make(settings, &Slot::Main, &contents).map_err(refused)?;
    let origin = settings.public_url.origin().ascii_serialization();
    let added = BTreeMap::new();
    Ok(TestUser { cookie, added, connection, origin, contents, salesforce: salesforce.clone() })
}

/// A logged-in user: makes requests with the login's cookie.
#[derive(Debug)]
pub struct TestUser {
    cookie: Cookie<'static>,
    /// The cookies of further logins, by the tags of their users.
    added: BTreeMap<String, Cookie<'static>>,
    connection: Connection,
    origin: String,
    contents: CookieContents,
    salesforce: Salesforce,
}

impl TestUser {
    /// Returns the same user as after a login that asked for Salesforce's login page, for routes below
    /// [`RequireLogin::fresh`](crate::RequireLogin::fresh).
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn freshly_logged_in(mut self) -> Result<Self, LogInAsError> {
        let settings = self.salesforce.settings();
        self.contents.fresh = Some(FreshLogin { completed_at: self.salesforce.now(), auth_time: None });
        self.cookie =
            LoginCookie::new(settings).make(settings, &Slot::Main, &self.contents).map_err(refused)?;
        Ok(self)
    }

    /// Returns the same user in a browser that is logged in at another org, too, or as another user of the same org, for
    /// handlers that take [`SalesforceOrgs`](crate::SalesforceOrgs). The login of this user stays the current one.
    ///
    /// The login of `other` is added as it is: after [`freshly_logged_in`](Self::freshly_logged_in) as a recent one.
    ///
    /// # Errors
    /// The system has no randomness.
    ///
    /// ```
    /// # use actix_salesforce::{Salesforce, testing::{LogInAsError, TestUser, log_in_as, log_in_as_at}};
    /// # use salesforce_fake_org::FakeOrg;
    /// async fn in_two_orgs(
    ///     salesforce: &Salesforce,
    ///     source: &FakeOrg,
    ///     target: &FakeOrg,
    /// ) -> Result<TestUser, LogInAsError> {
    ///     let ada = source.issue_tokens(&source.user("ada@example.com"), "api");
    ///     let ben = target.issue_tokens(&target.user("ben@example.com"), "api");
    ///     let ben = log_in_as_at(salesforce, "target", &ben).await?;
    ///     log_in_as(salesforce, &ada).await?.also_logged_in(&ben)
    /// }
    /// ```
    pub fn also_logged_in(mut self, other: &TestUser) -> Result<Self, LogInAsError> {
        let settings = self.salesforce.settings();
        let tag = other.contents.user.clone().unwrap_or_default();
        if self.contents.user.as_ref() != Some(&tag) {
            let slot = Slot::Added(tag.clone());
            let cookie =
                LoginCookie::new(settings).make(settings, &slot, &other.contents).map_err(refused)?;
            self.added.insert(tag, cookie);
        }
        Ok(self)
    }

    /// Returns a request of this user's browser, to refine: `ada.request().uri("/accounts").insert_header(…)`.
    pub fn request(&self) -> TestRequest {
        self.cookies().fold(TestRequest::default(), |request, cookie| request.cookie(cookie.clone()))
    }

    /// Returns a GET, as a link of the app sends it.
    pub fn get(&self, uri: &str) -> TestRequest {
        self.request().uri(uri)
    }

    /// Returns a POST, as a form of the app sends it: with the app's `Origin`.
    pub fn post(&self, uri: &str) -> TestRequest {
        let request = self.request().method(actix_web::http::Method::POST).uri(uri);
        request.insert_header((header::ORIGIN, self.origin.as_str()))
    }

    /// Returns the cookies of all logins of this user's browser, for a client that speaks to a running server.
    pub fn cookies(&self) -> impl Iterator<Item = &Cookie<'static>> {
        std::iter::once(&self.cookie).chain(self.added.values())
    }

    /// Returns the login's cookie, for a client that speaks to a running server.
    pub fn cookie(&self) -> &Cookie<'static> {
        &self.cookie
    }

    /// Returns the connection that handlers get for this user.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}
