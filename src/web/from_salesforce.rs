//! Marks requests that Salesforce sent, not a browser: they get JSON, never a page or a redirect to the login. Their
//! `Accept` names `text/html` (captured in public logs), so that it says nothing.

use actix_web::{HttpMessage as _, HttpRequest};

/// The mark.
#[derive(Debug)]
pub(crate) struct FromSalesforce;

impl FromSalesforce {
    pub(crate) fn mark(request: &HttpRequest) {
        request.extensions_mut().insert(Self);
    }

    pub(crate) fn is_marked(request: &HttpRequest) -> bool {
        request.extensions().contains::<Self>()
    }
}
