//! `/services/apexrest/…`: the responses of declared classes.

use super::guard::{authenticate, counted};
use super::response::Response;
use super::xml;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::HttpResponse;

pub(super) async fn response(http: HttpRequest) -> HttpResponse {
    let as_xml = xml::is_wanted(http.uri.path(), &http.headers);
    if let Err(refusal) = authenticate(&http) {
        return Response::from(refusal).formatted(as_xml).into_reply();
    }
    let path = http.uri.path().strip_prefix("/services/apexrest").unwrap_or_default().trim_end_matches('/');
    let declared = http.org.apex(http.method.as_str(), path);
    counted(&http.org, as_xml, async {
        match declared {
            Some((status, body)) => Response::json(status, body),
            // Status, code and text are unverified.
            None => Response::error(404, "NOT_FOUND", "Could not find a match for URL").formatted(as_xml),
        }
    })
    .await
}
