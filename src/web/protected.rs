//! Marks requests whose answers no cache may keep.

use actix_web::{HttpMessage as _, HttpRequest};

/// Marks a request whose answer is for a logged-in person.
#[derive(Debug)]
pub(crate) struct Protected;

impl Protected {
    pub(crate) fn mark(request: &HttpRequest) {
        request.extensions_mut().insert(Self);
    }

    pub(crate) fn is_marked(request: &HttpRequest) -> bool {
        request.extensions().contains::<Self>()
    }
}
