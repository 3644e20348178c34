//! Binds forms to a login: a page that was made for one user must not send its form as another.

use std::fmt;

use actix_web::{Error, FromRequest, HttpRequest, dev::Payload, error::InternalError};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::{
    extract,
    pages::{Action, ActionKind, PageKind, Reply},
    request_info::RequestInfo,
};
use salesforce_connection::{Result, Secret};

/// The query parameter that carries the value.
const PARAMETER: &str = "login";
/// The header that carries the value.
const HEADER: &str = "x-salesforce-login";

/// A value that is bound to the browser's login, for the forms of a page. A handler that takes it is protected as by
/// [`SalesforceConn`](crate::SalesforceConn).
///
/// A browser has one login for all of its tabs. If another user logs in, a tab that still shows a page of the former user
/// would send its form in the name of the new one. Let the form's address carry this value, as `?login=VALUE` (scripts:
/// the header `X-Salesforce-Login`), and let the handler of the form take [`SameLogin`].
///
/// The value is a hash of the login's id: it names the login and gives no access to it. It does not replace the check of
/// a request's origin.
///
/// ```
/// use actix_salesforce::{FormLogin, SalesforceConn, SameLogin};
/// use actix_web::{Responder, get, post};
///
/// #[get("/note")]
/// async fn form(login: FormLogin) -> impl Responder {
///     format!("<form method=post action=\"/note?login={login}\"><button>Save</button></form>")
/// }
///
/// #[post("/note")]
/// async fn save(_: SameLogin, sf: SalesforceConn) -> impl Responder {
///     "saved"
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormLogin(String);

impl FormLogin {
    /// Returns the value: 22 letters, digits, `-` and `_`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(id: &Secret) -> Self {
        let digest = Sha256::new().chain_update("actix-salesforce form login").chain_update(id.expose());
        Self(URL_SAFE_NO_PAD.encode(&digest.finalize()[..16]))
    }

    async fn of_request(request: &HttpRequest) -> Result<Self> {
        let (worker, _) = extract::required(request).await?;
        let id = worker.login_id(request).ok_or(salesforce_connection::Error::LoginRequired)?;
        Ok(Self::of(&id))
    }
}

impl fmt::Display for FormLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromRequest for FormLogin {
    type Error = salesforce_connection::Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move { Self::of_request(&request).await }.boxed_local()
    }
}

/// The proof that a form comes from a page of this very login, see [`FormLogin`]. A handler that takes it is protected.
///
/// # Errors
/// The value is missing, or that of another login: 409 `other_login`, with a page that says so. Without a login as
/// [`SalesforceConn`](crate::SalesforceConn).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SameLogin;

impl FromRequest for SameLogin {
    type Error = Error;
    type Future = LocalBoxFuture<'static, std::result::Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let own = FormLogin::of_request(&request).await?;
            // (`Secret` compares in constant time.)
            if sent(&request).is_some_and(|sent| Secret::new(sent) == Secret::new(own.0)) {
                return Ok(Self);
            }
            let info = RequestInfo::of(&request);
            let home = info.worker.as_ref().map(|worker| worker.settings().after_login.as_str().to_owned());
            let response = Reply::new(PageKind::OtherLogin)
                .actions(home.map(|home| Action::link(ActionKind::StartPage, home)))
                .page_or_json(&info);
            Err(InternalError::from_response("the form belongs to another login", response).into())
        }
        .boxed_local()
    }
}

/// Returns the value that the request carries; `None` if there is none, or several.
fn sent(request: &HttpRequest) -> Option<String> {
    let mut values = form_urlencoded::parse(request.query_string().as_bytes())
        .filter(|(name, _)| name == PARAMETER)
        .map(|(_, value)| value.into_owned())
        .chain(request.headers().get_all(HEADER).filter_map(|value| value.to_str().ok().map(str::to_owned)));
    let value = values.next()?;
    values.next().is_none().then_some(value)
}
