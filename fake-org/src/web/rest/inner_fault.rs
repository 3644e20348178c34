//! Faults of the parts of composite requests and batches.

use super::response::Response;
use super::rest_request::RestRequest;
use crate::fault::error_body::error_body;
use crate::fault::registry::Target;
use crate::fault::{Fault, route};

/// Returns the response of the fault that strikes this part.
pub(super) fn strike(part: &RestRequest<'_>) -> Option<Response> {
    let path = format!("{}/{}", part.root(), part.path.join("/"));
    let route = route::class(&path);
    let target = Target { route: route.clone(), path: &path, grant_type: None, inner: true };
    match part.org.faults.strike(&target)?.fault {
        Fault::Status(status) => Some(Response::json(status, error_body(status, route.as_ref()))),
        Fault::ApiError { status, code, message } => Some(Response::error(status, &code, &message)),
        _ => None,
    }
}
