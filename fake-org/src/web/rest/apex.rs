//! `/services/apexrest/…`: the responses of declared classes.

use super::guard::{authenticate, counted};
use super::response::Response;
use super::xml;
use crate::schema_file::{Apex, ApexBody};
use crate::web::http_request::HttpRequest;
use crate::web::http_response::HttpResponse;

pub(super) async fn response(http: HttpRequest) -> HttpResponse {
    let as_xml = xml::is_wanted(http.uri.path(), &http.headers);
    if let Err(refusal) = authenticate(&http) {
        return Response::from(refusal).formatted(as_xml).into_reply();
    }
    let path = http.uri.path().strip_prefix("/services/apexrest").unwrap_or_default().trim_end_matches('/');
    let declared = http.org.apex(http.method.as_str(), path).cloned();
    counted(&http.org, as_xml, async {
        match declared {
            Some(apex) => declared_response(&apex),
            // Status, code and text are unverified.
            None => Response::error(404, "NOT_FOUND", "Could not find a match for URL").formatted(as_xml),
        }
    })
    .await
}

fn declared_response(apex: &Apex) -> Response {
    let mut response = match &apex.body {
        ApexBody::Json(body) => Response::json(apex.status, body.clone()),
        ApexBody::Text(text) => {
            Response::file(apex.status, "text/plain;charset=UTF-8", text.clone().into_bytes())
        }
    };
    for (name, value) in &apex.headers {
        response = response.with(name.clone(), value);
    }
    response
}
