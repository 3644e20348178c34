//! [`Connection::frontdoor_url`]: opens a page of Salesforce in the user's browser, without another login.
//!
//! Source: Salesforce Help, "Generate a Frontdoor URL to Bridge into UI Sessions" (UI Bridge API); what is sent and
//! returned is listed in the repository (`docs/protocol/singleaccess.md`).

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::{
    connection::Connection,
    error::{Error, InvalidResponse, Result},
    request::{
        decode,
        path::{InvalidPath, ResourcePath},
        send::ApiRequest,
    },
    secret::Secret,
};

const SINGLE_ACCESS: &str = "/services/oauth2/singleaccess";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// The scope that a browser session needs. `full` includes it.
const SCOPE: &str = "web";

/// A URL that logs a browser in to Salesforce as the user of the connection, and shows a page.
///
/// It is a credential: it works once, for about a minute, in any browser. Redirect the user's own browser to it, or pass it
/// to an embedded client of that browser (Lightning Out 2.0). With the feature `actix-web` it is a response that redirects.
///
/// `Debug` redacts it, and it has no `Display`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontdoorUrl(Secret);

impl FrontdoorUrl {
    /// Returns the URL itself. It must not get into a log, an error, or the browser of another user.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Why Salesforce opens no page with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontdoorDenied {
    /// The token lacks the scope `web` (`full` includes it). Client credentials never have it: they have no user.
    #[error(
        "the token lacks the scope `web`. Select \"Manage user data via Web browsers (web)\" in the app, add `web` to the \
         scopes that are requested (for actix-salesforce: SALESFORCE_SCOPES), and log in again"
    )]
    Scope,
    /// Salesforce rejects the token here and accepts it elsewhere.
    #[error(
        "Salesforce accepts the token for its API only. Check that the user lacks the permission \"API Only User\", and \
         the session policies of the app and of the org"
    )]
    Session,
}

impl Connection {
    /// Returns a URL that shows a page of Salesforce to the user, without another login. Costs one request.
    ///
    /// `path` is a path of the org, with a slash at its start: `/` and an id for a record, or `/lightning/page/home`. The
    /// token needs the scope `web` or `full`. JWT access tokens work as well.
    ///
    /// Get the URL when the browser asks for the page: it expires within a minute, and the second browser that opens it is
    /// logged out. Client credentials have no user, and no such URL.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use salesforce_connection::{Client, Connection, Secret, UserRef, http::AllowedHosts, token::FixedToken};
    /// # use salesforce_fake_org::FakeOrg;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let org = FakeOrg::start().await?;
    /// # let ada = org.user("ada@example.com");
    /// # let token = Secret::new(org.issue_tokens(&ada, "api web").access_token);
    /// # let instance: url::Url = org.instance_url().parse()?;
    /// # let client = Client::builder().allowed_hosts(AllowedHosts::new([instance.clone()])).build()?;
    /// # let user = UserRef::new(org.organization_id().parse()?, ada.id().parse()?);
    /// let sf = Connection::new(&client, Arc::new(FixedToken::new(user, instance, &token)?));
    /// let link = sf.frontdoor_url("/lightning/page/home").await?;
    /// assert!(link.expose().contains("/secur/frontdoor.jsp?"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::FrontdoorDenied`] if the scope is missing (before anything is sent where the scopes are known) or the user
    /// may use the API only; [`InvalidPath`] in [`Error::InvalidRequest`] for a path that could leave the org, before
    /// anything is sent; otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send).
    #[doc(alias = "singleaccess")]
    #[doc(alias = "UI bridge")]
    #[doc(alias = "open in Salesforce")]
    pub async fn frontdoor_url(&self, path: &str) -> Result<FrontdoorUrl> {
        let instance = self.instance_url()?;
        if !path.starts_with('/') {
            return Err(InvalidPath::Relative.into());
        }
        ResourcePath::parse(path, self.api_version(), &instance)?.on(&instance)?;
        let scopes = self.scopes()?;
        // A source that does not know the scopes has none.
        if !scopes.is_empty() && !scopes.contains(SCOPE) {
            return Err(Error::FrontdoorDenied(FrontdoorDenied::Scope));
        }
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("redirect_uri", path).finish();
        // A second URL does no harm: an unused one expires.
        let endpoint = ResourcePath::parse(SINGLE_ACCESS, self.api_version(), &instance)?;
        let mut request = ApiRequest::new(Method::POST, endpoint).idempotent();
        request.headers.insert(CONTENT_TYPE, FORM);
        request.body = form.into();
        let response = self.send(request).await.map_err(denied)?;
        read(self, decode::response(&response)?)
    }
}

#[derive(Deserialize)]
struct RawFrontdoor {
    frontdoor_uri: Secret,
}

fn read(connection: &Connection, raw: RawFrontdoor) -> Result<FrontdoorUrl> {
    let is_allowed = |url: &Url| connection.http().allowed_hosts().check(url).is_ok();
    let url = Url::parse(raw.frontdoor_uri.expose()).ok().filter(is_allowed);
    let url = url.ok_or(InvalidResponse::Unexpected("a frontdoor URL outside of Salesforce"))?;
    // As the parser writes it: ASCII, so that it is a value of `Location`.
    Ok(FrontdoorUrl(Secret::new(String::from(url))))
}

/// Explains a refusal: status 403 with a bare word.
///
/// `Bad_OAuth_Token` means an expired token, which is refreshed once, or a user of the API only.
fn denied(error: Error) -> Error {
    match &error {
        Error::ApiAccessDenied { status: 403, errors } if errors.is_empty() => {
            Error::FrontdoorDenied(FrontdoorDenied::Session)
        }
        Error::Api { status: 403, errors, response: Some(response), .. }
            if errors.is_empty() && response.bytes().trim_ascii().eq_ignore_ascii_case(b"Invalid_Scope") =>
        {
            Error::FrontdoorDenied(FrontdoorDenied::Scope)
        }
        _ => error,
    }
}
