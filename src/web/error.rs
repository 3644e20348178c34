//! How the middleware responds to an [`Error`]: with a page, a redirect to the login, or JSON.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde_json::json;

use super::{
    login::add_cookie,
    pages::{AccessRefusal, Action, ActionKind, LoginFailure, PageKind, Reply, json_message},
    request_info::RequestInfo,
    response::{self, HX_REDIRECT, ResponseFormat},
    session::{CookieContents, user_tag},
    worker::WorkerState,
};
use crate::{SalesforceUser, base::append_query::append_query, config::ReturnTo};
use salesforce_connection::{Error, OrgId, UserRef};

/// Returns the response to a request that failed: a page, a redirect to the login, or JSON. Logs the cause.
pub(crate) fn response(error: &Error, request: &HttpRequest) -> HttpResponse {
    RequestInfo::of(request).error_response(error, Some(request), request.match_pattern().as_deref())
}

/// Returns the 401 for a program without a login.
pub(crate) fn login_required_json(request: &HttpRequest) -> HttpResponse {
    let info = RequestInfo::of(request);
    info.without_ended_login(Some(request), |ended| info.login_required_json(ended))
}

/// Returns the JSON response to an error, for a request that changes nothing.
pub(crate) fn json(error: &Error) -> HttpResponse {
    Reply::new(PageKind::of_error(error, true)).because(Some(error)).json()
}

impl RequestInfo {
    /// Returns a page, a redirect to the login, or JSON. Logs the cause. `route` is the pattern of the route.
    pub(crate) fn error_response(
        &self,
        error: &Error,
        request: Option<&HttpRequest>,
        route: Option<&str>,
    ) -> HttpResponse {
        if let Error::NeedsReconnecting(broken) = error {
            return self.needs_reconnecting(error, broken.login_path.as_deref(), route);
        }
        if let Error::FreshLoginRequired { user, within, login_path, .. } = error {
            let host = self.login_host_of(*user, request);
            return self.fresh_login_required_of(*user, host, *within, login_path.as_deref());
        }
        if error.needs_login() {
            return self.without_ended_login(request, |ended| self.login_required(ended));
        }
        let kind = PageKind::of_error(error, self.is_safe);
        // The same request later fails with the same error, unless the server was to blame.
        let again = kind.status().is_server_error().then(|| self.return_to()).flatten();
        let again = again.map(|target| Action::link(ActionKind::TryAgain, target.as_str()));
        let log_in = if matches!(kind, PageKind::LoginFailed(_)) {
            self.login_link()
        } else {
            kind.leads_to_login().then(|| self.login_at_salesforce(ActionKind::LogIn)).flatten()
        };
        let add = matches!(kind, PageKind::OrgLoginRequired(_)).then(|| self.add_org()).flatten();
        let home = self
            .worker
            .as_ref()
            .map(|worker| Action::link(ActionKind::StartPage, worker.settings().after_login.as_str()));
        Reply::new(kind)
            .actions(again.into_iter().chain(log_in).chain(add).chain(home))
            .because(Some(error))
            .of_route(route)
            .page_or_json(self)
    }

    /// Returns the link to the page that adds an org to the browser's others.
    fn add_org(&self) -> Option<Action> {
        let settings = self.worker.as_ref()?.settings();
        settings.paths.orgs.as_ref()?;
        let target = if self.is_safe { self.return_to() } else { self.sending_page() };
        let page = settings.paths.hosts.as_deref().or(settings.paths.login.as_deref())?;
        let page = append_query(&settings.paths.full(page), [("add", "1")]);
        Some(self.out_of_frame(Action::link(ActionKind::AddOrg, with_return_to(&page, target.as_ref()))))
    }

    /// Returns a link to a login at which Salesforce shows its login page in any case.
    fn login_at_salesforce(&self, kind: ActionKind) -> Option<Action> {
        let paths = &self.worker.as_ref()?.settings().paths;
        let login = paths.full(paths.login.as_deref()?);
        let login = append_query(&login, [("prompt", "login")]);
        let target = if self.is_safe { self.return_to() } else { self.sending_page() };
        Some(self.out_of_frame(Action::link(kind, with_return_to(&login, target.as_ref()))))
    }

    /// The connection of another user has ended: a page with a link, and no redirect. The login of this browser's user
    /// would lead back here.
    fn needs_reconnecting(&self, error: &Error, login: Option<&str>, route: Option<&str>) -> HttpResponse {
        let kind = PageKind::of_error(error, self.is_safe);
        let target = if self.is_safe { self.return_to() } else { self.sending_page() };
        let login = login.map(|login| with_return_to(login, target.as_ref()));
        let log_in = login.map(|href| self.out_of_frame(Action::link(ActionKind::LogIn, href)));
        Reply::new(kind).actions(log_in).because(Some(error)).of_route(route).page_or_json(self)
    }

    /// A link to the login, for a user whose login Salesforce has ended.
    fn login_link(&self) -> Option<Action> {
        let paths = &self.worker.as_ref()?.settings().paths;
        let login = paths.full(paths.login.as_deref()?);
        let target = if self.is_safe { self.return_to() } else { self.sending_page() };
        Some(self.out_of_frame(Action::link(ActionKind::LogIn, with_return_to(&login, target.as_ref()))))
    }

    /// Returns the link as it is in a window. In a frame it opens one.
    fn out_of_frame(&self, link: Action) -> Action {
        if self.is_in_window() { link } else { link.in_window() }
    }

    /// A page with one link, for a frame in a page of Salesforce. Salesforce's login refuses to be shown there, and the
    /// cookies of the login would not come back (`SameSite=Lax`).
    ///
    /// It says nothing about the user, so that it does not matter which of these sites shows it.
    fn open_in_window(&self, worker: &WorkerState) -> HttpResponse {
        let settings = worker.settings();
        let path = self.return_to().map(|target| target.without_query());
        let path = path.as_ref().unwrap_or(&settings.after_login);
        Reply::new(PageKind::OpenInWindow)
            .actions([Action::link(ActionKind::LogIn, path.as_str()).in_window()])
            // A frame of the app's own page, too.
            .framed_by(format!("'self' {}", settings.frame_ancestors()))
            .page(self)
    }

    /// Makes a response that says that a login is needed. Takes the cookie of a login that is over from the browser.
    ///
    /// Only here: a handler's response may come late, after the user has logged in again.
    fn without_ended_login(
        &self,
        request: Option<&HttpRequest>,
        respond: impl FnOnce(Option<&CookieContents>) -> HttpResponse,
    ) -> HttpResponse {
        let ended =
            self.worker.as_ref().zip(request).and_then(|(worker, request)| worker.ended_login(request));
        let mut response = respond(ended.as_ref());
        if ended.is_some()
            && matches!(response.status(), StatusCode::SEE_OTHER | StatusCode::UNAUTHORIZED)
            && let Some((worker, request)) = self.worker.as_ref().zip(request)
        {
            add_cookie(&mut response, &worker.current_login_removal(request));
            if !worker.names_current(request) {
                for leftover in worker.login_leftovers(request) {
                    add_cookie(&mut response, &leftover);
                }
            }
        }
        response
    }

    /// Returns the path of the login. It leads to the login host of the login that ended: its cookie is gone then.
    fn login_path(&self, ended: Option<&CookieContents>) -> Option<String> {
        let settings = self.worker.as_ref()?.settings();
        match ended.and_then(|ended| settings.offered_host(&ended.host)) {
            Some(host) => settings.login_link(&host, None),
            None => Some(settings.paths.full(settings.paths.login.as_deref()?)),
        }
    }

    fn login_required_json(&self, ended: Option<&CookieContents>) -> HttpResponse {
        let kind = PageKind::LoginRequired { sent_form: !self.is_safe };
        response::builder(kind.status()).json(
            json!({ "error": kind.code(), "message": json_message(&kind), "login_url": self.login_path(ended) }),
        )
    }

    /// Redirects a page request to the login, from which it returns. A form gets a page with a link instead, because a
    /// redirect would lose what the user entered. All other requests get 401 and JSON.
    fn login_required(&self, ended: Option<&CookieContents>) -> HttpResponse {
        let Some(worker) = &self.worker else { return json(&Error::MiddlewareMissing) };
        let login = self.login_path(ended);
        let kind = PageKind::LoginRequired { sent_form: !self.is_safe };
        if let Some(frame) = ended.and_then(|ended| ended.frame.as_ref())
            && self.format() == ResponseFormat::Navigation
        {
            // Salesforce's login cannot be shown there.
            let kind = PageKind::LoginFailed(LoginFailure::CanvasEnded);
            return Reply::new(kind).framed_by(frame.clone()).page(self);
        }
        match (self.format(), login) {
            (ResponseFormat::Navigation, Some(_)) if self.is_framed() => self.open_in_window(worker),
            (ResponseFormat::Navigation, Some(login)) if self.is_page() => {
                response::see_other(&with_return_to(&login, self.return_to().as_ref()))
            }
            (ResponseFormat::Navigation, login) => {
                let href = login.map(|login| with_return_to(&login, self.sending_page().as_ref()));
                let log_in = href.map(|href| self.out_of_frame(Action::link(ActionKind::LogIn, href)));
                Reply::new(kind).actions(log_in).page(self)
            }
            (ResponseFormat::Htmx, Some(login)) => {
                let login = with_return_to(&login, self.sending_page().as_ref());
                let mut response = Reply::new(kind).json();
                if let Ok(location) = HeaderValue::from_str(&login) {
                    response.headers_mut().insert(HX_REDIRECT, location);
                }
                response
            }
            _ => self.login_required_json(ended),
        }
    }
}

impl RequestInfo {
    /// Responds to a user whom a rule refuses: the reason, who is logged in, and ways out. It leads to no login by itself.
    pub(super) fn not_allowed(
        &self,
        refusal: AccessRefusal,
        user: &SalesforceUser,
        route: Option<&str>,
    ) -> HttpResponse {
        let settings = self.worker.as_ref().map(WorkerState::settings);
        let log_out = settings.and_then(|settings| {
            let logout = settings.paths.full(settings.paths.logout.as_deref()?);
            Some(Action::form(ActionKind::LogOut, logout, Vec::new()))
        });
        let other = self.login_at_salesforce(ActionKind::OtherUser);
        let home =
            settings.map(|settings| Action::link(ActionKind::StartPage, settings.after_login.as_str()));
        let kind = PageKind::NotAllowed { refusal, user: user.user_ref(), username: user.username.clone() };
        Reply::new(kind)
            .actions(log_out.into_iter().chain(other).chain(home))
            .of_route(route)
            .page_or_json(self)
    }

    /// Responds to a user who has to log in again (RFC 9470): redirects a navigation by GET, from which it returns. All
    /// other requests get 401, a form with a page that links back to its own page.
    pub(super) fn fresh_login_required(&self, within: Duration) -> HttpResponse {
        let can_redirect = self.is_page();
        let login = self.login_at_salesforce(ActionKind::LogIn);
        match (&login, &self.worker) {
            (Some(_), Some(worker)) if can_redirect && self.is_framed() => {
                return self.open_in_window(worker);
            }
            (Some(login), _) if can_redirect => return response::see_other(login.href()),
            _ => {}
        }
        self.challenge(None, login, within)
    }

    /// Responds where another user of the browser than the current one has to log in again. Never by a redirect: the user
    /// has to read at which organization.
    fn fresh_login_required_of(
        &self,
        user: UserRef,
        host: Option<String>,
        within: Duration,
        login: Option<&str>,
    ) -> HttpResponse {
        let target = if self.is_safe { self.return_to() } else { self.sending_page() };
        let login = login.map(|login| with_return_to(login, target.as_ref()));
        let login = login.map(|href| self.out_of_frame(Action::link(ActionKind::LogIn, href)));
        let missing = MissingLogin { organization: user.organization_id, host };
        self.challenge(Some(missing), login, within)
    }

    /// Returns the login host, without the scheme, of a user who is logged in in the browser.
    fn login_host_of(&self, user: UserRef, request: Option<&HttpRequest>) -> Option<String> {
        let logins = self.worker.as_ref()?.browser_logins(request?);
        let tag = user_tag(user);
        let login = logins.into_iter().find(|login| login.contents.user.as_ref() == Some(&tag))?;
        Some(login.contents.host_name().to_owned())
    }

    /// Returns the 401 that asks for a more recent login.
    fn challenge(&self, of: Option<MissingLogin>, login: Option<Action>, within: Duration) -> HttpResponse {
        let href = login.as_ref().map(|login| login.href().to_owned());
        let (organization, login_host) = of.map(|of| (of.organization, of.host)).unzip();
        let kind = PageKind::FreshLoginRequired {
            sent_form: !self.is_safe,
            organization,
            login_host: login_host.flatten(),
            has_login_link: login.is_some(),
        };
        let reply = Reply::new(kind).actions(login);
        let mut response = match self.format() {
            ResponseFormat::Navigation => reply.page(self),
            ResponseFormat::Htmx | ResponseFormat::Json => reply.json(),
        };
        let max_age = within.as_secs();
        let challenge = format!(
            "Bearer error=\"insufficient_user_authentication\", error_description=\"A more recent login is required\", \
             max_age=\"{max_age}\""
        );
        let headers = response.headers_mut();
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let (ResponseFormat::Htmx, Some(Ok(href))) =
            (self.format(), href.as_deref().map(HeaderValue::from_str))
        {
            headers.insert(HX_REDIRECT, href);
        }
        response
    }
}

/// The login of another user of the browser than the current one that is not recent enough.
struct MissingLogin {
    organization: OrgId,
    host: Option<String>,
}

fn with_return_to(login: &str, target: Option<&ReturnTo>) -> String {
    match target {
        None => login.to_owned(),
        Some(target) => append_query(login, [("return_to", target.as_str())]),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;

    use super::*;
    use crate::store::StoreError;
    use salesforce_connection::{error::InvalidRequest, http::HttpError, oauth::OAuthError};
    use salesforce_connection::{error::InvalidResponse, test_errors};

    /// With the middleware an error has the same status and code as without it, except for writes whose outcome is
    /// unknown.
    #[test]
    fn the_middleware_changes_neither_status_nor_code() {
        let others = [
            HttpError::Timeout.into(),
            Error::PreconditionFailed,
            Error::RowNotFound,
            Error::MiddlewareMissing,
            Error::NoServiceUser,
            Error::internal("x"),
            InvalidRequest::Csv.into(),
            InvalidResponse::NextPage.into(),
            OAuthError::NeedsMyDomain.into(),
            StoreError::Unavailable("down".into()).into(),
        ];
        for error in test_errors::all().into_iter().chain(others) {
            let kind = PageKind::of_error(&error, true);
            assert_eq!((kind.status(), kind.code()), (error.status_code(), error.code()), "{error:?}");
            let plain = error.error_response();
            let full = json(&error);
            let of = |response: &HttpResponse| response.headers().get("retry-after").cloned();
            assert_eq!(of(&full), of(&plain), "{error:?}");
        }
        for (error, code) in
            [(HttpError::Timeout.into(), "unconfirmed"), (test_errors::api(404), "not_found")]
        {
            assert_eq!(PageKind::of_error(&error, false).code(), code);
        }
    }

    /// The client learns the state of the job. What Salesforce said about the data is in the log only.
    #[cfg(feature = "bulk")]
    #[actix_web::test]
    async fn a_failed_job_and_a_running_job_get_different_responses() {
        use actix_web::{body::to_bytes, test::TestRequest};
        use salesforce_connection::{SalesforceId, bulk::JobState};

        let id: SalesforceId = "750D00000004SkGIAU".parse().unwrap();
        let failed = || {
            test_errors::job_failed(
                id,
                JobState::Failed,
                Some("InvalidBatch : Field name not found : canary"),
            )
        };
        let stopped = || test_errors::job_failed(id, JobState::Aborted, None);
        for (error, status, code, level) in [
            (failed(), 422, "job_failed", "DEBUG"),
            (stopped(), 422, "job_failed", "DEBUG"),
            (test_errors::job_timed_out(id), 504, "job_unfinished", " WARN"),
        ] {
            assert!(
                !error.is_transient() && error.retry_after().is_none(),
                "the same request again makes another job"
            );
            let request = TestRequest::default().to_http_request();
            let (sent, log) = crate::base::test_log::logged(|| response(&error, &request));
            assert_eq!(sent.status().as_u16(), status, "{error:?}");
            assert!(sent.headers().get("retry-after").is_none(), "{error:?}");
            let body: serde_json::Value =
                serde_json::from_slice(&to_bytes(sent.into_body()).await.unwrap()).unwrap();
            assert_eq!(body["error"], code);
            assert!(!body.to_string().contains("canary") && !body.to_string().contains("750D"), "{body}");
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(log.contains(level) && log.contains(id.as_str()) && !log.contains("canary"), "{log}");

            let page = TestRequest::default().insert_header(("accept", "text/html")).to_http_request();
            let sent = response(&error, &page);
            assert_eq!(sent.status().as_u16(), status, "{error:?}");
            let page = to_bytes(sent.into_body()).await.unwrap();
            let page = String::from_utf8(page.to_vec()).unwrap();
            assert!(page.contains("That did not work") && !page.contains("canary"), "{page}");
        }
    }
}
