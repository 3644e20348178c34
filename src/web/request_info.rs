//! What a response depends on, taken from its request.

use actix_web::{
    HttpRequest,
    http::{Method, Uri, header},
};

use super::{
    login::silent,
    pages::LoginPages,
    response::{RequestHeaders, ResponseFormat},
    worker::WorkerState,
};
use crate::config::ReturnTo;

/// What the response to a request depends on.
///
/// Captured before routing, because an error of an inner middleware no longer carries its request, and a request must
/// not be held while it is routed.
#[derive(Debug)]
pub(crate) struct RequestInfo {
    pub(super) worker: Option<WorkerState>,
    format: ResponseFormat,
    /// Whether the method changes nothing (RFC 9110 section 9.2.1).
    pub(super) is_safe: bool,
    /// The address of a page that the browser requested by GET, to which it can return.
    target: Option<Uri>,
    /// The page from which a form or htmx sent the request.
    page: Option<header::HeaderValue>,
    accept_language: Option<header::HeaderValue>,
    /// Whether a frame loads this, by GET. A link within a frame of another site comes from the app's own page.
    is_framed: bool,
    /// Whether a browser window loads this, or a client that does not say.
    is_in_window: bool,
}

impl RequestInfo {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self::new(request, request.app_data::<WorkerState>().cloned(), &RequestHeaders::of(request.headers()))
    }

    /// Captures what the response to a request of this worker depends on. The second value says whether it has cookies.
    pub(super) fn captured(request: &HttpRequest, worker: WorkerState) -> (Self, bool) {
        let headers = RequestHeaders::of(request.headers());
        (Self::new(request, Some(worker), &headers), headers.has_cookies)
    }

    fn new(request: &HttpRequest, worker: Option<WorkerState>, headers: &RequestHeaders<'_>) -> Self {
        let format = headers.format();
        let (method, destination) = (request.method(), headers.sec_fetch_dest);
        let is_get = *method == Method::GET || *method == Method::HEAD;
        Self {
            worker,
            target: (format == ResponseFormat::Navigation && is_get).then(|| request.uri().clone()),
            page: match format {
                ResponseFormat::Htmx => headers.hx_current_url.cloned(),
                ResponseFormat::Navigation if !is_get => headers.referer.cloned(),
                _ => None,
            },
            is_safe: method.is_safe(),
            format,
            is_framed: *method == Method::GET
                && destination.is_some_and(|destination| destination == "iframe" || destination == "frame"),
            is_in_window: destination.is_none_or(|destination| destination == "document"),
            accept_language: headers.accept_language.cloned(),
        }
    }

    /// Returns the same for a program, which gets JSON whatever it accepts.
    #[cfg(feature = "inbound")]
    pub(super) fn of_program(self) -> Self {
        Self { format: ResponseFormat::Json, target: None, page: None, ..self }
    }

    /// What the client can use.
    pub(crate) fn format(&self) -> ResponseFormat {
        self.format
    }

    /// Whether a browser requested a page by GET, so that it can return to it.
    pub(super) fn is_page(&self) -> bool {
        self.target.is_some()
    }

    /// Whether a browser window loads this, or a client that does not say.
    pub(super) fn is_in_window(&self) -> bool {
        self.is_in_window
    }

    /// Whether a frame loads this, by GET.
    pub(super) fn is_framed(&self) -> bool {
        self.is_framed
    }

    /// The requested page, as a return target: as browsers see it.
    pub(super) fn return_to(&self) -> Option<ReturnTo> {
        let target = ReturnTo::parse(self.target.as_ref()?.path_and_query()?.as_str())?;
        let public = self.worker.as_ref().map_or("", |worker| &worker.settings().paths.public);
        Some(silent::without_mark(&target.below(public)?))
    }

    /// The page that sent the request, as a return target. `None` unless it belongs to this app.
    pub(super) fn sending_page(&self) -> Option<ReturnTo> {
        let page = self.page.as_ref()?.to_str().ok().filter(|page| !page.starts_with('/'))?;
        ReturnTo::of_request(&self.worker.as_ref()?.settings().public_url, page)
    }

    pub(super) fn accept_language(&self) -> Option<&str> {
        self.accept_language.as_ref()?.to_str().ok()
    }

    /// The app's function for pages.
    pub(super) fn login_pages(&self) -> LoginPages {
        self.worker.as_ref().map(|worker| worker.salesforce().functions().pages.clone()).unwrap_or_default()
    }
}
