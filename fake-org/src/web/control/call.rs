//! Requests that the org sends to an app, for a test in any language.

use serde_json::{Value, json};

use super::{object, wrong};
use crate::auth::call::CallToken;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

/// `{"username":…,"certificate":"orders_2026","audience":…}`: the token of a callout, and the certificate as PEM. The
/// members of [`CallToken`] change what it says.
pub(super) async fn sign(http: HttpRequest) -> HttpResponse {
    let mut body = object(&http).unwrap_or_default();
    let Some(Value::String(name)) = body.remove("username") else {
        return wrong("expected {\"username\":…}");
    };
    let token: CallToken = match serde_json::from_value(body.into()) {
        Ok(token) => token,
        Err(error) => return wrong(&error.to_string()),
    };
    let org = std::sync::Arc::clone(&http.org);
    // A key takes a moment to make, and that must not hold up other connections.
    let work = tokio::task::spawn_blocking(move || {
        let (user, now) = (org.user_or_new(&name), org.clock.now());
        let signed = token.sign(&org.call_certificates, &user, &org.instance_url(), now)?;
        Some((signed, org.call_certificates.get(&token.certificate)?))
    });
    match work.await {
        Ok(Some((token, certificate))) => {
            http_response::json(200, &json!({ "token": token, "certificate": certificate.pem }))
        }
        _ => http_response::empty(500),
    }
}
