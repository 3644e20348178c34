//! `/services/oauth2/userinfo`.

use serde_json::json;

use super::caller::{UTC_OFFSET, caller, photos, urls};
use crate::base::clock;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

pub(super) async fn userinfo(http: HttpRequest) -> HttpResponse {
    let user = match caller(&http) {
        Ok((user, _)) => user,
        Err(refusal) => return *refusal,
    };
    let origins = http.org.origins();
    let instance = origins.current_instance();
    let photos = photos(instance);
    let body = json!({
        // A URL; its host is the one that was asked.
        "sub": user.identity_url(&http.origin()),
        "user_id": user.id,
        "organization_id": user.organization_id,
        "preferred_username": user.username,
        "nickname": user.username.split('@').next().unwrap_or_default(),
        "name": user.display_name(),
        "email": user.email,
        "email_verified": true,
        "given_name": user.first_name,
        "family_name": user.last_name,
        "zoneinfo": "America/Los_Angeles",
        "photos": photos.clone(),
        "profile": format!("{instance}/{}", user.id),
        "picture": photos["picture"],
        "address": { "country": "US" },
        "phone_number": null,
        "phone_number_verified": false,
        "urls": urls(instance, &user, None),
        "active": true,
        "user_type": user.kind(),
        "language": http.org.settings().language,
        "locale": http.org.settings().language,
        "utcOffset": UTC_OFFSET,
        "updated_at": clock::zulu(http.org.clock.now() - 400 * 86_400_000),
        "is_app_installed": true,
        "is_salesforce_integration_user": false,
        "is_lightning_login_user": false,
    });
    http_response::no_store(http_response::json(200, &body))
}
