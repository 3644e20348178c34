//! The one place where a reason becomes a response.

use std::error::Error as StdError;

use actix_web::{HttpResponse, http::header};

use super::{Action, LoginPage, PageKind};
use crate::web::{
    request_info::RequestInfo,
    response::{self, ResponseFormat},
};

/// What the middleware sends instead of the requested resource: status, `Retry-After`, a page or JSON, and a log line.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    kind: PageKind,
    actions: Vec<Action>,
    cause: Option<&'a (dyn StdError + 'static)>,
    route: Option<&'a str>,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(kind: PageKind) -> Self {
        Self { kind, actions: Vec::new(), cause: None, route: None }
    }

    /// What the user can do next.
    pub(crate) fn actions(self, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: actions.into_iter().collect(), ..self }
    }

    /// The cause, for the log.
    pub(crate) fn because(self, cause: Option<&'a (dyn StdError + 'static)>) -> Self {
        Self { cause, ..self }
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
        self.kind.log(self.cause, self.route);
        let (status, retry_after) = (self.kind.status(), self.kind.retry_after());
        let page = LoginPage::new(self.kind, self.actions, request.accept_language());
        let html = request.login_pages().render(&page);
        let mut builder = response::builder(status);
        match html.policy() {
            Ok(policy) => builder.insert_header((header::CONTENT_SECURITY_POLICY, policy)),
            Err(error) => {
                tracing::error!(%error, "content security policy of a login page rejected. Fix what `HtmlPage::allow` gets");
                builder.insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'"))
            }
        };
        if let Some(after) = retry_after {
            builder.insert_header(response::retry_after(after));
        }
        builder.content_type("text/html; charset=utf-8").body(html.into_html())
    }

    /// JSON, for each request.
    pub(crate) fn json(self) -> HttpResponse {
        self.kind.log(self.cause, self.route);
        response::error_json(&self.kind)
    }
}
