//! Makes a page or JSON for a reason. Redirects, and the JSON that names a login's address, are made in `error.rs`.

use std::error::Error as StdError;

use actix_web::{HttpResponse, http::header};
use tracing::error_span;

use super::{Action, LoginPage, PageKind};
use crate::{
    base::random,
    web::{
        request_info::RequestInfo,
        response::{self, ResponseFormat},
    },
};

/// What the middleware sends instead of the requested resource: status, `Retry-After`, a page or JSON, and a log line.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    kind: PageKind,
    actions: Vec<Action>,
    cause: Option<&'a (dyn StdError + 'static)>,
    route: Option<&'a str>,
    framed_by: Option<String>,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(kind: PageKind) -> Self {
        Self { kind, actions: Vec::new(), cause: None, route: None, framed_by: None }
    }

    /// What the user can do next.
    pub(crate) fn actions(self, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: actions.into_iter().collect(), ..self }
    }

    /// The cause, for the log.
    pub(crate) fn because(self, cause: Option<&'a (dyn StdError + 'static)>) -> Self {
        Self { cause, ..self }
    }

    /// The sites that may show the page in a frame: sources of a content security policy. Without them none may.
    pub(crate) fn framed_by(self, sources: String) -> Self {
        Self { framed_by: Some(sources), ..self }
    }

    /// The pattern of the route that failed, for the log.
    pub(crate) fn of_route(self, route: Option<&'a str>) -> Self {
        Self { route, ..self }
    }

    /// A page for a browser window, JSON for a program or a script.
    pub(crate) fn page_or_json(self, request: &RequestInfo) -> HttpResponse {
        match request.format() {
            ResponseFormat::Navigation => self.page(request),
            ResponseFormat::Htmx | ResponseFormat::Json => self.json(),
        }
    }

    /// A page, for each request.
    pub(crate) fn page(self, request: &RequestInfo) -> HttpResponse {
        let reference = self.log();
        let (status, retry_after) = (self.kind.status(), self.kind.retry_after());
        let page =
            LoginPage::new(self.kind, self.actions, request.accept_language()).with_reference(reference);
        let html = request.login_pages().render(&page);
        let mut builder = response::builder(status);
        let policy = match &self.framed_by {
            Some(sources) => html.policy_framed_by(sources),
            None => html.policy(),
        };
        match policy {
            Ok(policy) => builder.insert_header((header::CONTENT_SECURITY_POLICY, policy)),
            Err(error) => {
                tracing::error!(
                    %error,
                    "content security policy of a page invalid. Check what `HtmlPage::allow` is given"
                );
                builder.insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'"))
            }
        };
        if let Some(after) = retry_after {
            builder.insert_header(response::retry_after(after));
        }
        let mut response = builder.content_type("text/html; charset=utf-8").body(html.into_html());
        if self.framed_by.is_some() {
            // It knows no list of sites; the policy decides.
            response.headers_mut().remove(header::X_FRAME_OPTIONS);
        }
        response
    }

    /// JSON, for each request.
    pub(crate) fn json(self) -> HttpResponse {
        let reference = self.log();
        // Scripts compare responses: a permission that is missing gives the same one each time.
        let is_failure = !self.kind.is_permission();
        response::error_json(&self.kind, &self.actions, reference.as_deref().filter(|_| is_failure))
    }

    /// Writes the log line, within a span that has the reference of the page. Returns the reference.
    fn log(&self) -> Option<String> {
        let reference = self.kind.has_reference().then(new_reference);
        let _entered =
            reference.as_ref().map(|reference| error_span!("salesforce.page", reference).entered());
        self.kind.log(self.cause, self.route);
        reference
    }
}

/// Ten hexadecimal digits: 40 random bits, so that the pages of one log have different ones.
fn new_reference() -> String {
    // Without randomness there is nothing worse than a reference that several pages share.
    let bytes = random::bytes::<5>().unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        body::to_bytes,
        dev::ServiceResponse,
        http::StatusCode,
        test::{TestRequest, call_service, init_service},
        web,
    };

    use super::super::{
        AccessRefusal, Action, ActionKind, HostChoices, HtmlPage, LoginFailure, OrgChoices, PageContent,
        PageKind, RequestFailure,
    };
    use crate::{Salesforce, SalesforceBuilder as Builder};
    use salesforce_connection::Error;

    const LOGIN: &str = "/auth/salesforce/login?host=nowhere";
    const CALLBACK: &str = "/auth/salesforce/callback?state=unknown&error=x";
    const LOGOUT: &str = "/auth/salesforce/logout";

    fn header<'a>(response: &'a ServiceResponse, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The response of an app with these settings, and its body.
    async fn open(
        settings: impl FnOnce(Builder) -> Builder,
        request: TestRequest,
    ) -> (ServiceResponse, String) {
        let builder = Salesforce::builder().client_id("id");
        let salesforce = settings(builder.login_url("https://login.salesforce.com")).build().await.unwrap();
        let fail = || async { Err::<&str, _>(Error::NoServiceUser) };
        let app = init_service(App::new().wrap(salesforce).route("/fail", web::get().to(fail))).await;
        let response = call_service(&app, request.to_request()).await;
        let (request, response) = response.into_parts();
        let (response, body) = response.into_parts();
        let body = to_bytes(body).await.map_err(|_| "no body").unwrap();
        (
            ServiceResponse::new(request, response.map_into_boxed_body()),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    fn browser(uri: &str) -> TestRequest {
        TestRequest::get()
            .uri(uri)
            .insert_header(("accept", "text/html"))
            .insert_header(("accept-language", "de-AT"))
    }

    #[actix_web::test]
    async fn each_page_goes_through_the_function_of_the_app_and_keeps_its_status() {
        for (uri, kind, status) in [
            (LOGIN, "invalid_link", 400),
            (CALLBACK, "unknown_state", 400),
            (LOGOUT, "confirm_logout", 200),
            ("/fail", "not_set_up", 500),
        ] {
            let (response, body) = open(
                |builder| {
                    builder.login_pages(move |page| {
                        assert_eq!(page.kind().code(), kind);
                        let mut texts = page.texts();
                        texts.language =
                            page.preferred_language(&["en", "de"]).unwrap_or("en").to_owned().into();
                        texts.title = "Titel <1>".into();
                        texts.labels.start_page = "Zur Startseite".into();
                        texts
                    })
                },
                browser(uri),
            )
            .await;
            assert_eq!(response.status().as_u16(), status, "{uri}");
            assert!(
                body.contains("<html lang=\"de\">") && body.contains("<h1>Titel &lt;1&gt;</h1>"),
                "{body}"
            );
            assert_eq!(body.contains(">Zur Startseite</a>"), uri != LOGOUT, "{body}");
            assert_eq!(header(&response, "cache-control"), "no-store");
        }
    }

    #[actix_web::test]
    async fn a_page_of_the_apps_design_gets_its_own_policy() {
        let page = |_: &_| HtmlPage::new().style("p{color:red}").markup("<p>eigene").allow("img-src 'self'");
        let (response, body) = open(|builder| builder.login_pages(page), browser(CALLBACK)).await;
        assert_eq!(body, "<style>p{color:red}</style><p>eigene");
        let policy = header(&response, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'none'; img-src 'self'"), "{policy}");
        assert_eq!(
            (header(&response, "x-frame-options"), response.status()),
            ("DENY", StatusCode::BAD_REQUEST)
        );

        let broken = |_: &_| HtmlPage::from_template("<p>").allow("img-src\r\nx: y");
        let (response, _) = open(|builder| builder.login_pages(broken), browser(CALLBACK)).await;
        assert_eq!(header(&response, "content-security-policy"), "default-src 'none'");
        assert_eq!(header(&response, "x"), "");
    }

    #[actix_web::test]
    async fn programs_get_json_whatever_the_app_does_with_pages() {
        let page = |_: &_| HtmlPage::from_template("<p>");
        let (response, body) =
            open(|builder| builder.login_pages(page), TestRequest::get().uri("/fail")).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let start = r#"{"error":"not_set_up","message":"This app is not set up correctly.","reference":""#;
        assert!(body.starts_with(start), "{body}");
    }

    #[actix_web::test]
    async fn a_page_that_the_app_does_not_change_is_in_english() {
        let page = |_: &_| PageContent::Default;
        let (_, own) = open(|builder| builder.login_pages(page), browser(CALLBACK)).await;
        let (_, default) = open(|builder| builder, browser(CALLBACK)).await;
        // All but the reference.
        let without = |page: &str| page.split("<dd><code>").next().unwrap_or_default().to_owned();
        assert_eq!(without(&own), without(&default));
        assert!(own.starts_with("<!doctype html><html lang=\"en\">"), "{own}");
    }

    /// An app can translate each page, and a page without a text would be a dead end.
    #[test]
    fn each_kind_of_page_has_texts() {
        use crate::web::login::failure::InvalidLink;
        let retry_after = None;
        let failures = [
            RequestFailure::ApiLimitReached,
            RequestFailure::QuotaReserved,
            RequestFailure::ConcurrencyLimit,
            RequestFailure::RecordLocked,
            RequestFailure::SalesforceUnavailable,
            RequestFailure::Unavailable,
            RequestFailure::Unconfirmed,
            RequestFailure::NotFound,
            RequestFailure::Forbidden,
            RequestFailure::WebScopeMissing,
            RequestFailure::ApiOnlyUser,
            RequestFailure::NeedsReconnecting,
            RequestFailure::ApiAccessDenied,
            RequestFailure::PasswordExpired,
            RequestFailure::MfaRequired,
            RequestFailure::TermsNotAccepted,
            RequestFailure::ProgramMistake,
            RequestFailure::Refused,
            RequestFailure::Invalid,
            RequestFailure::MultipleChoices,
            RequestFailure::PreconditionFailed,
            RequestFailure::JobFailed,
            RequestFailure::JobTimedOut,
            RequestFailure::BadGateway,
            RequestFailure::NotSetUp,
            RequestFailure::Internal,
        ];
        let logins = [
            LoginFailure::InvalidLink(InvalidLink::Query),
            LoginFailure::InvalidLink(InvalidLink::Host),
            LoginFailure::InvalidLink(InvalidLink::Options),
            LoginFailure::InvalidLink(InvalidLink::ConnectionName),
            LoginFailure::CrossOrigin,
            LoginFailure::NoOwner,
            LoginFailure::OtherOwner,
            LoginFailure::MalformedCallback,
            LoginFailure::UnknownState,
            LoginFailure::Denied { code: None, description: None },
            LoginFailure::Denied { code: Some("access_denied"), description: None },
            LoginFailure::TokenEndpoint { retry_after, transient: true },
            LoginFailure::TokenEndpoint { retry_after, transient: false },
            LoginFailure::CredentialsRejected,
            LoginFailure::InstanceNotAllowed,
            LoginFailure::IdentityMismatch,
            LoginFailure::WrongClock,
            LoginFailure::OrgNotAllowed,
            LoginFailure::SandboxNotAllowed,
            LoginFailure::Refused { reason: "Your contract has ended.".into() },
            LoginFailure::NotDecided,
            LoginFailure::TooManyLogins,
            LoginFailure::NotStored { retry_after },
            LoginFailure::TooManyOrgs,
            LoginFailure::LoginLoop,
            LoginFailure::NotFramed,
            LoginFailure::InvalidSignedRequest,
            LoginFailure::CanvasEnded,
        ];
        let fresh =
            |sent_form, organization: Option<salesforce_connection::OrgId>| PageKind::FreshLoginRequired {
                sent_form,
                organization,
                login_host: organization.map(|_| "acme.my.salesforce.com".into()),
                has_login_link: sent_form,
            };
        let kinds = logins
            .map(PageKind::LoginFailed)
            .into_iter()
            .chain(failures.map(|failure| PageKind::RequestFailed {
                failure,
                retry_after,
                salesforce_message: None,
                salesforce_code: None,
            }))
            .chain([
                PageKind::LoginRequired { sent_form: true },
                PageKind::LoginRequired { sent_form: false },
                PageKind::ConfirmLogout,
                PageKind::ConfirmConnect { name: "prod".into() },
                PageKind::CrossOriginLogout,
                PageKind::CrossOriginRequest,
                fresh(true, None),
                fresh(false, None),
                fresh(true, Some("00D000000000001EAA".parse().unwrap())),
                PageKind::OtherLogin,
                PageKind::OpenInWindow,
                PageKind::AddOrg,
                PageKind::CrossOriginOrgs,
                PageKind::OrgLoginRequired("00D000000000001EAA".parse().unwrap()),
                PageKind::ChooseOrg(OrgChoices { orgs: Vec::new(), add: None }),
                PageKind::ChooseHost(HostChoices {
                    hosts: Vec::new(),
                    my_domain: true,
                    last_my_domain: None,
                    form: Action::get_form(ActionKind::LogIn, String::new(), Vec::new()),
                }),
            ]);
        let refusals = [
            AccessRefusal::Scope("api".into()),
            AccessRefusal::Organization,
            AccessRefusal::UserType,
            AccessRefusal::Permission("Export".into()),
            AccessRefusal::PermissionSet("Billing".into()),
            AccessRefusal::Profile,
            AccessRefusal::Rule(None),
            AccessRefusal::Rule(Some("Only on Mondays.".into())),
            AccessRefusal::Unreadable("the scope api".into()),
            AccessRefusal::NotConfirmed,
            AccessRefusal::NoFacts,
        ];
        let user = salesforce_connection::UserRef::new(
            "00D000000000001EAA".parse().unwrap(),
            "005000000000001AAA".parse().unwrap(),
        );
        let not_allowed = |refusal| PageKind::NotAllowed { refusal, user, username: Some("ada".into()) };
        for kind in kinds.chain(refusals.map(not_allowed)) {
            let texts = super::super::texts::texts(&kind);
            let all = [&texts.title].into_iter().chain(&texts.paragraphs);
            assert!(!texts.paragraphs.is_empty() && all.into_iter().all(|text| !text.is_empty()), "{kind:?}");
            let message = super::super::json_message(&kind);
            // JSON has the organization as a member.
            let is_longer = matches!(
                kind,
                PageKind::LoginRequired { .. } | PageKind::FreshLoginRequired { organization: Some(_), .. }
            );
            assert_eq!(texts.paragraphs[0] == message, !is_longer, "{kind:?}");
            assert!(
                kind.status().is_client_error()
                    || kind.status().is_server_error()
                    || [
                        "add_org",
                        "choose_host",
                        "choose_org",
                        "confirm_connect",
                        "confirm_logout",
                        "open_in_window",
                    ]
                    .contains(&kind.code())
            );
        }
    }
}
