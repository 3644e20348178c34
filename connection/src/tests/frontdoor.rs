//! URLs that open a page of Salesforce.

use std::sync::Arc;

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    frontdoor::FrontdoorDenied,
    request::path::InvalidPath,
    test_log::logged,
    token::FixedToken,
};

const PATH: &str = "/services/oauth2/singleaccess";

/// Returns a connection whose scopes are not known, so that Salesforce decides.
fn connect_without_scopes(server: &Server) -> Connection {
    let client = Client::builder().allowed_hosts(AllowedHosts::new([server.origin.clone()])).build().unwrap();
    let user = UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap());
    let token = FixedToken::new(user, server.origin.clone(), &Secret::new("canary-token")).unwrap();
    Connection::new(&client, Arc::new(token))
}

/// A source whose scopes are known.
#[derive(Debug)]
struct Scoped(Arc<AccessToken>);

impl TokenSource for Scoped {
    fn user(&self) -> UserRef {
        UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap())
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        Ok(Arc::clone(&self.0))
    }

    fn refresh<'a>(&'a self, _: &'a AccessToken) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        Box::pin(async { self.token() })
    }
}

fn connect_with_scopes(server: &Server, scopes: &str) -> Connection {
    let client = Client::builder().allowed_hosts(AllowedHosts::new([server.origin.clone()])).build().unwrap();
    let scopes = scopes.parse().unwrap();
    let token = AccessToken::new(&Secret::new("canary-token"), server.origin.clone(), scopes).unwrap();
    Connection::new(&client, Arc::new(Scoped(Arc::new(token))))
}

fn link(origin: &str) -> Reply {
    json!({ "frontdoor_uri": format!("{origin}/secur/frontdoor.jsp?otp=canary-otp") }).into()
}

#[tokio::test]
async fn a_frontdoor_url_is_fetched_for_a_path_and_stays_secret() {
    let server = Server::start(|request| link(&format!("http://{}", request.header("host").unwrap()))).await;
    let sf = connect_without_scopes(&server);
    let (url, log) = logged(sf.frontdoor_url("/lightning/r/Account/001D000000IqhSLIAZ/view?a=b%20c")).await;
    let url = url.unwrap();
    assert_eq!(url.expose(), format!("{}secur/frontdoor.jsp?otp=canary-otp", server.origin));
    assert!(!format!("{url:?}").contains("canary"), "{url:?}");
    assert!(!log.contains("canary"), "{log}");
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", PATH));
    assert_eq!(
        request.body,
        "redirect_uri=%2Flightning%2Fr%2FAccount%2F001D000000IqhSLIAZ%2Fview%3Fa%3Db%2520c"
    );
}

#[tokio::test]
async fn a_path_that_could_leave_the_org_gets_no_frontdoor_url() {
    let server = Server::start(|_| link("http://127.0.0.1")).await;
    let sf = connect_without_scopes(&server);
    for path in [
        "",
        "lightning",
        "//evil.example",
        "/\\evil.example",
        "/a/../../b",
        "/%2e%2e/b",
        "/a//b",
        "/a\r\nb",
        "/a b",
        "/\t/evil.example",
        "https://evil.example/",
        "/#x",
    ] {
        let error = sf.frontdoor_url(path).await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Path(_))), "{path:?}: {error}");
    }
    assert_eq!(InvalidPath::Relative.to_string(), "invalid path: it must begin with a slash");
    assert!(server.requests().is_empty(), "{:?}", server.lines());
}

#[tokio::test]
async fn a_frontdoor_url_of_another_host_is_rejected() {
    for origin in ["https://evil.example", "http://acme.my.salesforce.com", "javascript:x", ""] {
        let server = Server::start(move |_| link(origin)).await;
        let error = connect_without_scopes(&server).frontdoor_url("/").await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(InvalidResponse::Unexpected(_))), "{origin}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let server = Server::start(|_| link("https://acme.my.site.com/portal")).await;
    assert!(connect_without_scopes(&server).frontdoor_url("/").await.is_ok());
}

#[tokio::test]
async fn a_missing_scope_is_explained_before_and_after_sending() {
    let server = Server::start(|_| Reply::Body(403, "Invalid_Scope\n".to_owned())).await;
    let error = connect_without_scopes(&server).frontdoor_url("/").await.unwrap_err();
    assert!(matches!(error, Error::FrontdoorDenied(FrontdoorDenied::Scope)), "{error}");
    assert!(error.to_string().contains("`web`"), "{error}");
    assert_eq!(server.count("POST"), 1);
    let error = connect_with_scopes(&server, "api refresh_token").frontdoor_url("/").await.unwrap_err();
    assert!(matches!(error, Error::FrontdoorDenied(FrontdoorDenied::Scope)), "{error}");
    assert_eq!(server.count("POST"), 1, "nothing more is sent");
}

/// Salesforce says `Bad_OAuth_Token` also of a fresh token, if the user may use the API only.
#[tokio::test]
async fn a_user_of_the_api_only_gets_no_frontdoor_and_an_explanation() {
    let server = Server::start(|_| Reply::Body(403, "Bad_OAuth_Token".to_owned())).await;
    let error = connect_with_scopes(&server, "api web").frontdoor_url("/").await.unwrap_err();
    assert!(matches!(error, Error::FrontdoorDenied(FrontdoorDenied::Session)), "{error:?}");
    assert!(error.to_string().contains("API Only User"), "{error}");
    assert!(!error.needs_login());
    assert_eq!(server.lines(), [format!("POST {PATH}")]);
}
