//! Marks requests whose responses must not be cached.

use actix_web::{HttpMessage as _, HttpRequest};

/// Marks a request whose response is for a logged-in user: it gets `Cache-Control: no-store`.
#[derive(Debug)]
pub(crate) struct NoStore;

impl NoStore {
    pub(crate) fn mark(request: &HttpRequest) {
        request.extensions_mut().insert(Self);
    }

    pub(crate) fn is_marked(request: &HttpRequest) -> bool {
        request.extensions().contains::<Self>()
    }
}
