//! `GET /id/<organization>/<user>`.

use axum::extract::Path;
use serde_json::{Value, json};

use super::caller::{UTC_OFFSET, caller, photos, urls};
use crate::base::{clock, ids};
use crate::web::format::formatted;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

pub(super) async fn identity(
    Path((org_id, user_id)): Path<(String, String)>,
    http: HttpRequest,
) -> HttpResponse {
    let (me, session) = match caller(&http) {
        Ok(found) => found,
        Err(refusal) => return *refusal,
    };
    let (Some(org_id), Some(user_id)) = (ids::normalize(&org_id), ids::normalize(&user_id)) else {
        return http_response::word(404, "Bad_Id");
    };
    if org_id != me.organization_id {
        return http_response::word(403, "Wrong_Org");
    }
    // Another user's identity needs `api` or `full`, and only internal users have one to show.
    let other = user_id != me.id;
    let user = http.org.auth(|auth| auth.user(&user_id).cloned());
    let Some(user) = user.filter(|user| !other || (session.scopes.api() && !user.guest)) else {
        return http_response::word(404, if other { "No_Access" } else { "Bad_Id" });
    };
    let active = http.org.auth(|auth| auth.is_active(&user.id));
    let origins = http.org.origins();
    let instance = origins.current_instance();
    let version = match http.param("version") {
        Some("latest") => Some(format!("{}.0", http.org.settings().newest_version)),
        other => other.map(str::to_owned),
    };
    let version = version.as_deref();
    let now = http.org.clock.now();
    let body = json!({
        "id": user.identity_url(&http.origin()),
        "asserted_user": !other,
        "user_id": user.id,
        "organization_id": user.organization_id,
        "username": user.username,
        "nick_name": user.username.split('@').next().unwrap_or_default(),
        "display_name": user.display_name(),
        "email": user.email,
        "email_verified": true,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "timezone": "America/Los_Angeles",
        "photos": photos(instance),
        "addr_street": null, "addr_city": null, "addr_state": null, "addr_country": "US", "addr_zip": null,
        "mobile_phone": null,
        "mobile_phone_verified": false,
        "is_lightning_login_user": false,
        "status": { "created_date": null, "body": null },
        "urls": urls(instance, &user, version),
        "active": active,
        "user_type": user.kind(),
        "language": http.org.settings().language,
        "locale": http.org.settings().language,
        "utcOffset": UTC_OFFSET,
        "last_modified_date": clock::zulu(now - 400 * 86_400_000),
        "is_app_installed": true,
    });
    let mut members = body.as_object().cloned().unwrap_or_default();
    let settings = http.org.settings();
    if session.scopes.has("custom_permissions") {
        let granted = settings.custom_permissions.iter().chain(&user.rights.custom_permissions);
        let granted = granted.map(|name| (name.clone(), Value::Bool(true)));
        members.insert("custom_permissions".into(), Value::Object(granted.collect()));
    }
    if !settings.custom_attributes.is_empty() {
        members.insert("custom_attributes".into(), Value::Object(settings.custom_attributes.clone()));
    }
    if let Some(policy) = settings.mobile_policy {
        members.insert("mobile_policy".into(), json!(policy));
    }
    http_response::no_store(formatted(&http, "user", &members))
}
