//! `/fake/policy`: every setting of the app and the org, shown and changed by name.

use serde_json::{Map, Value, json};

use super::super::http_request::HttpRequest;
use super::super::http_response::{self, HttpResponse};
use super::wrong;
use crate::auth::settings::Settings;

/// All of them.
pub(super) async fn show(http: HttpRequest) -> HttpResponse {
    shown(&http.org.settings())
}

/// Those that the body names; the others stay. Either all of them change or none.
pub(super) async fn change(http: HttpRequest) -> HttpResponse {
    let body: Map<String, Value> = match serde_json::from_slice(&http.body) {
        Ok(body) => body,
        Err(error) => return wrong(&format!("expected an object of settings: {error}")),
    };
    let changed = http.org.change_settings(|settings| {
        *settings = settings.with(body)?;
        Ok::<_, String>(settings.clone())
    });
    match changed {
        Ok(settings) => shown(&settings),
        Err(problem) => wrong(&problem),
    }
}

fn shown(settings: &Settings) -> HttpResponse {
    match serde_json::to_value(settings) {
        Ok(policy) => http_response::json(200, &policy),
        Err(error) => http_response::json(500, &json!({ "ok": false, "error": error.to_string() })),
    }
}
