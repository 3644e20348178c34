//! [`OAuthClient::preview`]: what Salesforce says about an authorization request before any login.

use reqwest::header::{ACCEPT, DATE, HeaderValue, LOCATION};
use url::{Url, form_urlencoded};

use crate::{
    http::{request::Request, response::Response},
    oauth::{
        client::OAuthClient,
        error::{self, OAuthError},
    },
};

/// What Salesforce says about an authorization request to a browser without a session there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorizationPreview {
    /// Why Salesforce refuses the request. `None`: it would show its login page.
    pub refusal: Option<AuthorizationRefusal>,
    /// The response's `Date` (RFC 9110 section 6.6.1): Salesforce's clock, in whole seconds.
    pub date: Option<String>,
}

/// Why Salesforce refuses an authorization request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorizationRefusal {
    /// The error code, in lower snake case.
    pub code: String,
    /// Salesforce's description, if it is one of those that this crate knows.
    pub description: Option<&'static str>,
    /// Whether the browser is sent to the callback with it. Salesforce does so only if it accepts the redirect URI;
    /// otherwise it shows a page.
    pub at_callback: bool,
}

/// The codes that Salesforce shows on a page (Salesforce Help "OAuth 2.0 Authorization Errors"). The form of that page is
/// undocumented: `error=…&error_description=…` was seen, as a text and within HTML, and a page with the code alone.
const ON_A_PAGE: [&str; 8] = [
    "redirect_uri_mismatch",
    "redirect_uri_missing",
    "invalid_client_id",
    "oauth_approval_error_generic",
    "unsupported_response_type",
    "invalid_request",
    "invalid_client",
    "app_not_found",
];

impl OAuthClient {
    /// Sends an authorization request as a browser without a session would, and returns what Salesforce says before the
    /// login: whether it knows the app, the redirect URI and the scopes.
    ///
    /// `request` is the URL of an [`AuthorizationRequest`](crate::oauth::AuthorizationRequest). Nothing is logged in or
    /// approved, and no redirect is followed. That a scope is refused here, and not after the login, is unverified.
    ///
    /// # Errors
    /// [`OAuthError::Http`] if the host cannot be reached, or is not allowed; [`OAuthError::Status`] for any other response
    /// than a login page, a redirect or one of Salesforce's errors.
    pub async fn preview(&self, request: &Url) -> Result<AuthorizationPreview, OAuthError> {
        let mut sent = Request::get(request.clone());
        sent.headers.insert(ACCEPT, HeaderValue::from_static("text/html"));
        sent.returns_redirects = true;
        let response = self.http().send(sent).await?;
        let date = response.headers.get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let redirect = response.headers.get(LOCATION).filter(|_| response.status.is_redirection());
        let target = redirect.and_then(|target| request.join(target.to_str().ok()?).ok());
        let refusal = match target {
            Some(target) => at_target(request, &target),
            None => on_page(&response)?,
        };
        Ok(AuthorizationPreview { refusal, date })
    }
}

/// Returns the error in the target of a redirect: the callback, or a page of Salesforce.
fn at_target(request: &Url, target: &Url) -> Option<AuthorizationRefusal> {
    let code = parameter(target.query_pairs(), "error")?;
    let redirect_uri =
        parameter(request.query_pairs(), "redirect_uri").and_then(|text| Url::parse(&text).ok());
    let is_callback = |uri: Url| uri.origin() == target.origin() && uri.path() == target.path();
    let description = parameter(target.query_pairs(), "error_description").unwrap_or_default();
    Some(AuthorizationRefusal {
        code: error::normalize(&code),
        description: error::known_description(&description),
        at_callback: redirect_uri.is_some_and(is_callback),
    })
}

/// Returns the error that a page shows; `None` for a login page.
fn on_page(response: &Response) -> Result<Option<AuthorizationRefusal>, OAuthError> {
    let status = response.status.as_u16();
    if status >= 500 || status == 429 {
        return Err(OAuthError::from_response(response));
    }
    let refusal = refusal_in(&String::from_utf8_lossy(&response.body));
    match refusal {
        None if status >= 400 => Err(OAuthError::from_response(response)),
        refusal => Ok(refusal),
    }
}

fn refusal_in(page: &str) -> Option<AuthorizationRefusal> {
    let page = page.replace("&amp;", "&");
    let on_page = |code: String, description: &str| AuthorizationRefusal {
        code,
        description: error::known_description(description),
        at_callback: false,
    };
    let codes = page.match_indices("error=").map(|(start, name)| {
        let rest = &page[start + name.len()..];
        let text = rest.split(['<', '"', '\'', '\n']).next().unwrap_or_default();
        let pairs = format!("error={text}");
        let description = parameter(form_urlencoded::parse(pairs.as_bytes()), "error_description");
        (error::normalize(text.split('&').next().unwrap_or_default()), description.unwrap_or_default())
    });
    for (code, description) in codes {
        if ON_A_PAGE.contains(&code.as_str()) {
            return Some(on_page(code, description.trim()));
        }
    }
    // Alone on the page: only the codes that no login page has a reason to contain.
    let page = page.to_ascii_lowercase();
    let alone = ["redirect_uri_mismatch", "redirect_uri_missing", "oauth_approval_error_generic"];
    alone.into_iter().find(|code| page.contains(code)).map(|code| on_page(code.to_owned(), ""))
}

fn parameter<'a>(
    mut pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
    name: &str,
) -> Option<String> {
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_each_form_of_page() {
        for (page, code, description) in [
            (
                "error=redirect_uri_mismatch&error_description=redirect_uri%20must%20match%20configuration",
                "redirect_uri_mismatch",
                Some("redirect_uri must match configuration"),
            ),
            (
                "<p>error=invalid_client_id&amp;error_description=client identifier invalid</p>",
                "invalid_client_id",
                Some("client identifier invalid"),
            ),
            ("<html><body>redirect_uri_mismatch</body></html>", "redirect_uri_mismatch", None),
            (
                "<a href=\"/x?error=\">OAUTH_APPROVAL_ERROR_GENERIC : An</a>",
                "oauth_approval_error_generic",
                None,
            ),
        ] {
            let refusal = refusal_in(page).map(|refusal| (refusal.code, refusal.description));
            assert_eq!(refusal, Some((code.to_owned(), description)), "{page}");
        }
        for page in ["", "<form action=/login>", "<script>if (q.error=5) {}</script>", "error=<b>"] {
            assert_eq!(refusal_in(page), None, "{page}");
        }
    }

    #[test]
    fn an_error_at_the_callback_is_told_from_one_on_a_page_of_salesforce() {
        let request = Url::parse(
            "https://acme.my.salesforce.com/services/oauth2/authorize?redirect_uri=https%3A%2F%2Fapp.example%2Fcallback",
        );
        for (target, at_callback) in [
            ("https://app.example/callback?error=invalid_scope&state=x", true),
            ("https://acme.my.salesforce.com/setup/error.apexp?error=invalid_scope", false),
            ("https://app.example/other?error=invalid_scope", false),
        ] {
            let target = Url::parse(target).unwrap();
            let refusal = at_target(request.as_ref().unwrap(), &target).unwrap();
            assert_eq!(
                (refusal.code.as_str(), refusal.at_callback),
                ("invalid_scope", at_callback),
                "{target}"
            );
        }
        let login = Url::parse("https://acme.my.salesforce.com/?ec=302&startURL=%2Fsetup").unwrap();
        assert_eq!(at_target(request.as_ref().unwrap(), &login), None);
    }
}
