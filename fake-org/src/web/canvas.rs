//! Canvas: the page in Salesforce that an app is framed in, and the signed request it is given (CANVAS).

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::http_request::HttpRequest;
use super::http_response::{self, HttpResponse};
use super::pages;
use crate::auth::app::CredentialSet;
use crate::auth::scopes::Scopes;
use crate::auth::settings::{FirstCredentials, PermittedUsers};
use crate::base::ids;
use crate::state::Org;
use crate::user::User;

pub(super) fn routes() -> Router<Arc<Org>> {
    Router::new().route("/canvas", get(show))
}

/// `/canvas?username=…`: a page that posts the signed request into a frame, as Salesforce does. A user who must allow
/// the app first gets its page with a notice instead; the app sends that user through OAuth and reloads the
/// frame. An app whose access method is OAuth never gets more than the place to log in at.
async fn show(http: HttpRequest) -> HttpResponse {
    let name = http.param("username").unwrap_or_default();
    let Some(user) = http.org.auth(|auth| auth.user_by_name(name).cloned()) else {
        return http_response::word(404, "expected ?username=");
    };
    let settings = http.org.settings();
    // What is behind a `#` in the canvas URL is dropped.
    let canvas_url = settings.canvas_url.split('#').next().unwrap_or_default();
    if http.org.auth(|auth| auth.may_use_app(&settings, &user)).is_err() {
        // The text is unverified.
        return http_response::word(403, "You are not authorized to use this app.");
    }
    let asks_first = settings.permitted_users == PermittedUsers::SelfAuthorize;
    let asks_first = asks_first && !http.org.auth(|auth| auth.has_approved(&user.id));
    if settings.canvas_oauth || asks_first {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !settings.canvas_oauth {
            query.append_pair("_sfdc_canvas_auth", "user_approval_required");
        }
        query.append_pair("loginUrl", http.org.origins().current_instance());
        let joint = if canvas_url.contains('?') { '&' } else { '?' };
        return pages::canvas::show_approval(&format!("{canvas_url}{joint}{}", query.finish()));
    }
    pages::canvas::show(canvas_url, &signed_request(&http.org, &user))
}

/// `<signature>.<payload>`, both base64 with its standard alphabet; the signature is over the encoded payload.
pub(crate) fn signed_request(org: &Org, user: &User) -> String {
    let payload = STANDARD.encode(request(org, user).to_string());
    // Which secret Salesforce signs with during a rotation's overlap is unverified.
    let settings = org.settings();
    let set = match settings.first_credentials {
        FirstCredentials::Accepted => CredentialSet::First,
        _ => CredentialSet::Rotated,
    };
    format!("{}.{payload}", sign(&org.app.credentials(&settings, set).client_secret, &payload))
}

fn sign(secret: &str, payload: &str) -> String {
    // HMAC takes keys of every length, so this cannot fail.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(payload.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        },
    )
}

fn request(org: &Org, user: &User) -> Value {
    let now = org.clock.now();
    let settings = org.settings();
    let scopes = Scopes::all(&settings.scopes);
    let granted = org.auth(|auth| auth.grant(now, &settings, &user.id, scopes, true));
    let (token, refresh_token) = granted.map_or((None, None), |issued| {
        let issued = org.with_own_token(issued);
        (Some(issued.access_token), issued.refresh_token)
    });
    let instance = org.origins().current_instance().to_owned();
    json!({
        "algorithm": "HMACSHA256",
        // Always null: it does not help to detect a replay.
        "issuedAt": null,
        "userId": user.id,
        "client": {
            "instanceId": "_:Example_App:",
            "targetOrigin": instance,
            "instanceUrl": instance,
            "oauthToken": token,
            "refreshToken": refresh_token,
        },
        "context": context(org, user, &instance),
    })
}

fn context(org: &Org, user: &User, instance: &str) -> Value {
    let data = "/services/data/v67.0";
    let org15 = user.organization_id.get(..15).unwrap_or(&user.organization_id);
    json!({
        "user": {
            "userId": user.id, "userName": user.username, "firstName": user.first_name, "lastName": user.last_name,
            "fullName": user.display_name(), "email": user.email, "locale": "en_US", "language": "en_US",
            "timeZone": "America/Los_Angeles", "profileId": ids::make("00e", 1), "roleId": null,
            "userType": "STANDARD", "currencyISOCode": "USD",
            "profilePhotoUrl": format!("{instance}/profilephoto/005/F"),
            "profileThumbnailUrl": format!("{instance}/profilephoto/005/T"),
            "siteUrl": null, "siteUrlPrefix": null, "networkId": null, "isDefaultNetwork": true,
            "accessibilityModeEnabled": false,
        },
        "organization": {
            "organizationId": user.organization_id, "name": "Fake Org", "multicurrencyEnabled": false,
            "namespacePrefix": null, "currencyIsoCode": "USD",
        },
        "application": {
            "applicationId": ids::make("06P", 1), "name": org.app.name, "canvasUrl": org.settings().canvas_url,
            "developerName": "Example_App", "version": "1.0", "authType": if org.settings().canvas_oauth { "OAUTH" } else { "SIGNED_REQUEST" },
            "referenceId": ids::make("09H", 1), "options": [], "namespace": "", "isInstalledPersonalApp": false,
            "samlInitiationMethod": "None",
        },
        "environment": {
            "locationUrl": format!("{instance}/canvas"), "displayLocation": null, "subLocation": null,
            "uiTheme": "Theme3",
            "dimensions": {
                "width": "800px", "height": "900px", "maxWidth": "1000px", "maxHeight": "2000px",
                "clientWidth": "800px", "clientHeight": "80px",
            },
            "version": { "season": "SUMMER", "api": "67.0" }, "parameters": {}, "record": {},
        },
        // Relative: `client.instanceUrl` goes before them.
        "links": {
            "loginUrl": instance, "enterpriseUrl": format!("/services/Soap/c/67.0/{org15}"),
            "metadataUrl": format!("/services/Soap/m/67.0/{org15}"),
            "partnerUrl": format!("/services/Soap/u/67.0/{org15}"), "restUrl": format!("{data}/"),
            "sobjectUrl": format!("{data}/sobjects/"), "searchUrl": format!("{data}/search/"),
            "queryUrl": format!("{data}/query/"), "recentItemsUrl": format!("{data}/recent/"),
            "chatterFeedsUrl": format!("{data}/chatter/feeds"), "chatterGroupsUrl": format!("{data}/chatter/groups"),
            "chatterUsersUrl": format!("{data}/chatter/users"),
            "chatterFeedItemsUrl": format!("{data}/chatter/feed-items"), "userUrl": format!("/{}", user.id),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn the_signature_matches_the_known_vector() {
        let payload = "eyJhbGdvcml0aG0iOiJITUFDU0hBMjU2IiwiaXNzdWVkQXQiOm51bGwsInVzZXJJZCI6IjAwNXgwMDAwMDAxMlE5UEFBVSJ9";
        assert_eq!(sign("test-consumer-secret", payload), "j+pfsBx0kIUM9c+LUgNhLBRKu57DOnEWagNNZaZ1xYU=");
    }
}
