//! For tests of apps: people who are logged in, without a browser and without the pages in between (feature
//! `test-util`).
//!
//! ```
//! use actix_salesforce::{Config, Salesforce, SalesforceUser, test::act_as};
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
//! let ada = act_as(&salesforce, &org.issue_tokens(&org.user("ada@example.com"), "api")).await?;
//!
//! let app = test::init_service(App::new().wrap(salesforce.clone()).service(hello)).await;
//! let answer = test::call_and_read_body(&app, ada.get("/hello").to_request()).await;
//! assert_eq!(answer, "Hello Ada Lovelace");
//! # Ok(())
//! # }
//! ```
//!
//! Keep the feature out of what is deployed: name it under `[dev-dependencies]` only. Should it get there all the same,
//! [`act_as`] still logs nobody in: it refuses every login host that is not on this machine.

use std::cell::RefCell;

use actix_session::{Session, SessionExt as _};
use actix_web::{
    HttpResponse,
    cookie::Cookie,
    dev::{Service as _, ServiceRequest, Transform as _, fn_service},
    http::header,
    test::TestRequest,
};
use serde::Serialize;

use super::{Salesforce, session};
use crate::config::SessionMode;
use salesforce_connection::{Connection, Secret, http::is_loopback};

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActAsError {
    /// The login host is not on this machine, so this is no test.
    #[error("act_as is for tests: it wants a login host on loopback, such as a fake org's")]
    NotATest,
    /// The tokens do not hold together, or the org or the store did not take them.
    #[error("the tokens were not accepted: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// From now on the wall clock of this process is wrong by so many seconds, as far as this crate looks at it: for tests
/// of machines whose clocks differ or jump. Durations are measured by a clock that nothing moves.
pub fn skew_clock(seconds: i64) {
    crate::clock::SKEW.store(seconds, std::sync::atomic::Ordering::Relaxed);
}

fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ActAsError {
    ActAsError::Refused(error.into())
}

/// Logs somebody in as the callback route would, with tokens that a test already has.
///
/// `tokens` is what the token endpoint answers, as JSON: `FakeOrg::issue_tokens` gives it, and so does
/// `serde_json::json!({…})`. It is checked as every other answer is, and asks the org who the person is when it can.
///
/// # Errors
/// [`ActAsError::NotATest`] unless the app's login host is on this machine; else what is wrong with the tokens.
pub async fn act_as(salesforce: &Salesforce, tokens: &impl Serialize) -> Result<SignedIn, ActAsError> {
    let settings = salesforce.settings();
    let host = &settings.default_host;
    if !is_loopback(host.as_url()) {
        return Err(ActAsError::NotATest);
    }
    let answer = serde_json::to_vec(tokens).map_err(refused)?;
    let tokens = salesforce.oauth().accept(host, &answer).map_err(refused)?;
    let (organization, user) = (tokens.identity.user.organization_id, tokens.identity.user.user_id);
    let login = salesforce.admit(host.clone(), tokens).await.map_err(refused)?;
    let connection = salesforce.connection_for(organization, user).await.map_err(refused)?;
    let cookie = match settings.session {
        SessionMode::Embedded => Some(seal(salesforce, &login).await.map_err(refused)?),
        SessionMode::App => None,
    };
    let origin = settings.public_url.origin().ascii_serialization();
    Ok(SignedIn { login, cookie, connection, origin, member: session::member(settings) })
}

/// The session cookie of a login, made by the very middleware that will read it.
async fn seal(salesforce: &Salesforce, login: &Secret) -> Result<Cookie<'static>, String> {
    let cookie = session::SessionCookie::new(salesforce.settings());
    let login = RefCell::new(Some(login.clone()));
    let member = session::member(salesforce.settings());
    let service = fn_service(move |request: ServiceRequest| {
        let stored = match login.take() {
            Some(login) => {
                session::set_login_id(&request.get_session(), &login, &member).map_err(actix_web::Error::from)
            }
            None => Ok(()),
        };
        std::future::ready(stored.map(|()| request.into_response(HttpResponse::Ok().finish())))
    });
    let middleware = session::embedded(salesforce.settings(), &cookie);
    let service = middleware.new_transform(service).await.map_err(|()| "the session could not be made")?;
    let answer =
        service.call(TestRequest::default().to_srv_request()).await.map_err(|error| error.to_string())?;
    let sealed = answer.response().cookies().next().map(Cookie::into_owned);
    sealed.ok_or_else(|| "the session gave no cookie".to_owned())
}

/// Somebody who is logged in: makes requests in that person's name.
#[derive(Debug)]
pub struct SignedIn {
    login: Secret,
    cookie: Option<Cookie<'static>>,
    connection: Connection,
    origin: String,
    /// The session member that holds the login id.
    member: String,
}

impl SignedIn {
    /// A request of this person's browser, to refine: `ada.request().uri("/accounts").insert_header(…)`.
    pub fn request(&self) -> TestRequest {
        match &self.cookie {
            Some(cookie) => TestRequest::default().cookie(cookie.clone()),
            None => TestRequest::default(),
        }
    }

    /// A GET, as a link of the app makes it.
    pub fn get(&self, uri: &str) -> TestRequest {
        self.request().uri(uri)
    }

    /// A POST, as a form of the app makes it: with the app's `Origin`.
    pub fn post(&self, uri: &str) -> TestRequest {
        let request = self.request().method(actix_web::http::Method::POST).uri(uri);
        request.insert_header((header::ORIGIN, self.origin.as_str()))
    }

    /// The session cookie, for a client that speaks to a running server. `None` with
    /// [`SessionMode::App`], where the app's own session makes the cookie: see [`sign_in`](Self::sign_in).
    pub fn cookie(&self) -> Option<&Cookie<'static>> {
        self.cookie.as_ref()
    }

    /// Puts the login into a session of the app's own ([`SessionMode::App`]): call it in a
    /// route that only the test mounts, and use the cookie of that route's answer.
    ///
    /// # Errors
    /// The session did not take it.
    pub fn sign_in(&self, session: &Session) -> Result<(), actix_session::SessionInsertError> {
        session::set_login_id(session, &self.login, &self.member)
    }

    /// The connection that this person's requests get.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}
