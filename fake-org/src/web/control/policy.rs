//! `/fake/policy`: every setting of the app and the org, shown and changed by name.

use serde_json::{Map, Value, json};

use super::super::call::Call;
use super::super::reply::{self, Reply};
use super::wrong;
use crate::auth::settings::Settings;

/// All of them.
pub(super) async fn show(call: Call) -> Reply {
    shown(&call.org.settings())
}

/// Those that the body names; the others stay. Either all of them change or none.
pub(super) async fn change(call: Call) -> Reply {
    let body: Map<String, Value> = match serde_json::from_slice(&call.body) {
        Ok(body) => body,
        Err(error) => return wrong(&format!("expected an object of settings: {error}")),
    };
    let changed = call.org.change_settings(|settings| {
        *settings = settings.with(body)?;
        Ok::<_, String>(settings.clone())
    });
    match changed {
        Ok(settings) => shown(&settings),
        Err(problem) => wrong(&problem),
    }
}

fn shown(settings: &Settings) -> Reply {
    match serde_json::to_value(settings) {
        Ok(policy) => reply::json(200, &policy),
        Err(error) => reply::json(500, &json!({ "ok": false, "error": error.to_string() })),
    }
}
