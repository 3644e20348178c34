//! The small endpoints around the web server flow.

use serde_json::{Map, Value, json};

use crate::auth::error::OauthError;
use crate::auth::pkce;
use crate::base::random;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};
use crate::web::pages;

/// `/services/oauth2/pkce/generator`: a verifier with its challenge. The members' names are unverified.
pub(super) async fn pkce_pair() -> HttpResponse {
    let verifier = random::plain(64);
    let body = json!({ "code_challenge": pkce::challenge(&verifier), "code_verifier": verifier });
    http_response::no_store(http_response::json(200, &body))
}

/// `/services/oauth2/echo`: the query as JSON, a callback for apps without one (HEADLESS).
pub(super) async fn echo(http: HttpRequest) -> HttpResponse {
    let query = http.uri.query().unwrap_or_default();
    let members: Map<String, Value> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), json!(value)))
        .collect();
    http_response::no_store(http_response::json(200, &members.into()))
}

/// `/.well-known/auth-configuration`: how users log in at a host. What else it holds is unverified.
pub(super) async fn auth_configuration(http: HttpRequest) -> HttpResponse {
    let body = json!({
        "OrgId": http.org.organization_id(),
        "MyDomainLoginPageUrl": http.origin(),
        "MobileSDK": { "UseiOSNativeBrowserForAuthentication": true, "UseAndroidNativeBrowserForAuthentication": true },
        "LoginPage": { "LoginPageUrl": http.origin(), "UsernamePasswordEnabled": true },
        "SamlProviders": [],
        "AuthProviders": [],
    });
    http_response::everywhere(http_response::json(200, &body))
}

/// `/services/oauth2/register`: dynamic client registration. It needs the initial access token of an app that may
/// register others (H: Generate an Initial Access Token), and no app here has one; what it would make, a connected app,
/// no org makes any more since Spring '26. 401 and `invalid_client` are what a live host was seen to return to unknown
/// clients; the text is unverified.
pub(super) async fn register() -> HttpResponse {
    http_response::oauth_error(&OauthError { status: 401, ..OauthError::bad_secret() })
}

/// `/services/oauth2/success`: for apps without a callback. Its text is unverified.
pub(super) async fn success() -> HttpResponse {
    pages::error_page::success()
}

/// `/services/Soap/…`: `login()` is off in a current org, and nothing else of SOAP is here. The text is the one that
/// OpenFn/adaptors issue 1715 shows.
pub(super) async fn soap(http: HttpRequest) -> HttpResponse {
    let login = String::from_utf8_lossy(&http.body).contains("login");
    let (code, text) = if login {
        (
            "INVALID_OPERATION",
            "SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API \
             login().",
        )
    } else {
        ("UNSUPPORTED_API_VERSION", "fake org: SOAP is not emulated")
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
         <faultcode>sf:{code}</faultcode><faultstring>{code}: {text}</faultstring><detail>\
         <sf:LoginFault xsi:type=\"sf:LoginFault\"><sf:exceptionCode>{code}</sf:exceptionCode>\
         <sf:exceptionMessage>{text}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body>\
         </soapenv:Envelope>"
    );
    http_response::of(500, "text/xml;charset=UTF-8", body)
}
