//! The OpenID Connect configuration and the key set.

use serde_json::json;

use super::admission::at_shared_host;
use crate::request::Host;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

/// As captured from the live login host: no `code_challenge_methods_supported` and no `grant_types_supported`,
/// although PKCE is required.
pub(super) async fn configuration(http: HttpRequest) -> HttpResponse {
    let origin = http.origin();
    let mut body = json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/services/oauth2/authorize"),
        "token_endpoint": format!("{origin}/services/oauth2/token"),
        "revocation_endpoint": format!("{origin}/services/oauth2/revoke"),
        "userinfo_endpoint": format!("{origin}/services/oauth2/userinfo"),
        "jwks_uri": format!("{origin}/id/keys"),
        "registration_endpoint": format!("{origin}/services/oauth2/register"),
        "introspection_endpoint": format!("{origin}/services/oauth2/introspect"),
        "scopes_supported": [
            "cdp_ingest_api", "custom_permissions", "cdp_segment_api", "content", "cdp_api", "chatbot_api",
            "cdp_identityresolution_api", "interaction_api", "wave_api", "web", "cdp_calculated_insight_api",
            "einstein_gpt_api", "offline_access", "id", "api", "data_cloud_user_claims", "eclair_api", "email",
            "pardot_api", "lightning", "visualforce", "cdp_query_api", "sfap_api", "address", "openid", "profile",
            "scrt_api", "cdp_profile_api", "refresh_token", "phone", "user_registration_api",
            "pwdless_login_api", "chatter_api", "mcp_api", "full", "forgot_password"
        ],
        "response_types_supported": ["code", "token", "token id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "display_values_supported": ["page", "popup", "touch"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "claims_supported": [
            "active", "address", "email", "email_verified", "family_name", "given_name", "is_app_installed",
            "language", "locale", "name", "nickname", "organization_id", "phone_number", "phone_number_verified",
            "photos", "picture", "preferred_username", "profile", "sub", "updated_at", "urls", "user_id",
            "user_type", "zoneinfo"
        ],
    });
    if !at_shared_host(&http) {
        body["end_session_endpoint"] = json!(format!("{origin}/services/auth/idp/oidc/logout"));
        body["frontchannel_logout_supported"] = json!(true);
        body["frontchannel_logout_session_supported"] = json!(true);
    }
    http_response::everywhere(http_response::json(200, &body))
}

pub(super) async fn keys(http: HttpRequest) -> HttpResponse {
    let signer = http.org.signer();
    let organization = (http.host != Host::Login).then(|| http.org.organization_id());
    match tokio::task::spawn_blocking(move || signer.jwks(organization.as_deref())).await {
        Ok(Some(keys)) => http_response::everywhere(http_response::json(200, &keys)),
        _ => http_response::empty(500),
    }
}
